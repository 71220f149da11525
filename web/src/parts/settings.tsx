// How this browser wants the pages: kept in it, nowhere else.

import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

export interface Settings {
  theme: "system" | "light" | "dark";
  density: "compact" | "roomy";
  /** Milliseconds between two askings of the server; 0 for none. */
  refresh: number;
}

const KEY = "landfall.settings";
const usual: Settings = { theme: "system", density: "compact", refresh: 5000 };

interface Held extends Settings {
  /** The theme that is shown. */
  shown: "light" | "dark";
  set: (change: Partial<Settings>) => void;
}

const SettingsContext = createContext<Held>({ ...usual, shown: "light" as const, set: () => undefined });
export const useSettings = (): Held => useContext(SettingsContext);

function kept(): Settings {
  try {
    return { ...usual, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Settings>) };
  } catch {
    return usual;
  }
}

const darkness = window.matchMedia("(prefers-color-scheme: dark)");

export function SettingsProvider({ children }: { children: ReactNode }) {
  const [settings, setSettings] = useState(kept);
  const [systemIsDark, setSystemIsDark] = useState(darkness.matches);
  useEffect(() => {
    const changed = () => setSystemIsDark(darkness.matches);
    darkness.addEventListener("change", changed);
    return () => darkness.removeEventListener("change", changed);
  }, []);
  const system = systemIsDark ? "dark" : "light";
  const shown = settings.theme === "system" ? system : settings.theme;
  useEffect(() => {
    document.documentElement.dataset["theme"] = shown;
    document.documentElement.dataset["density"] = settings.density;
    try {
      localStorage.setItem(KEY, JSON.stringify(settings));
    } catch {
      // A browser that keeps nothing has the usual settings each time.
    }
  }, [settings, shown]);
  const held = useMemo(
    (): Held => ({ ...settings, shown, set: (change: Partial<Settings>) => setSettings((all) => ({ ...all, ...change })) }),
    [settings, shown],
  );
  return <SettingsContext value={held}>{children}</SettingsContext>;
}
