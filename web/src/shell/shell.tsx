// The frame around every page: navigation, bar, search, keys.

import { CircleHelp, LogOut, Menu as MenuIcon, Moon, Search, Sun, SunMoon, UserRound } from "lucide-react";
import { Suspense, useEffect, useState } from "react";
import { Link, NavLink, Route, Routes, useLocation } from "react-router";
import { useLive } from "../api/live";
import { useLogin, useSession } from "../api/session";
import { useApi } from "../api/use";
import type { Overview } from "../api/shapes";
import { Button, IconButton, Menu } from "../parts/buttons";
import { Empty } from "../parts/frame";
import mark from "../mark.svg";
import { useSettings } from "../parts/settings";
import { Tip } from "../parts/show";
import { compact } from "../words/numbers";
import { Failure } from "./failure";
import { Keys, useKeys } from "./keys";
import { Palette } from "./palette";
import { GROUPS, PLACES, Queue } from "./places";

export function Shell() {
  const [drawer, setDrawer] = useState(false);
  const [palette, setPalette] = useState(false);
  const [keys, setKeys] = useState(false);
  const { pathname } = useLocation();
  useEffect(() => {
    setDrawer(false);
    window.scrollTo(0, 0);
  }, [pathname]);
  useKeys({ search: () => setPalette(true), help: () => setKeys(true) });
  return (
    <div className="shell">
      <Nav open={drawer} />
      <div className="scrim" data-open={drawer ? "" : undefined} onClick={() => setDrawer(false)} />
      <div className="main">
        <Bar openDrawer={() => setDrawer(true)} openPalette={() => setPalette(true)} openKeys={() => setKeys(true)} />
        <main>
          <Failure page={pathname}>
          <Suspense fallback={<div className="page" />}>
            <Routes>
              {PLACES.map(({ path, page: PageOf }) => (
                <Route key={path} path={path} element={<PageOf />} />
              ))}
              <Route path="/queue" element={<Queue />} />
              <Route path="*" element={<Lost />} />
            </Routes>
          </Suspense>
          </Failure>
        </main>
      </div>
      {palette && <Palette close={() => setPalette(false)} />}
      {keys && <Keys close={() => setKeys(false)} />}
    </div>
  );
}

function Lost() {
  return (
    <div className="page">
      <Empty icon={CircleHelp} title="There is no such page">
        <p>
          The <Link to="/">overview</Link> is where everything starts.
        </p>
      </Empty>
    </div>
  );
}

function Nav({ open }: { open: boolean }) {
  const { data } = useApi<Overview>("/api/overview");
  const { last } = useLive();
  const counts: Record<string, number | undefined> = { "/dead": last?.totals.parked };
  return (
    <nav className="nav" data-open={open ? "" : undefined} aria-label="Pages">
      <Link className="brand" to="/">
        <img src={mark} alt="" />
        <span>
          Landfall
          <small>{data ? `${data.cluster_name} · ${data.landfall_version}` : "…"}</small>
        </span>
      </Link>
      {GROUPS.map(({ title, places }) => (
        <div key={title}>
          {title && <h3>{title}</h3>}
          {places.map(({ path, title: name, icon: Icon }) => (
            <NavLink key={path} to={path} end={path === "/"} className={({ isActive }) => `item${isActive ? " active" : ""}`}>
              <Icon />
              {name}
              {(counts[path] ?? 0) > 0 && <span className="count">{compact(counts[path] ?? 0)}</span>}
            </NavLink>
          ))}
        </div>
      ))}
    </nav>
  );
}

interface BarProps {
  openDrawer: () => void;
  openPalette: () => void;
  openKeys: () => void;
}

function Bar({ openDrawer, openPalette, openKeys }: BarProps) {
  const { name, tags } = useSession();
  const { logout } = useLogin();
  const { theme, set } = useSettings();
  const Theme = { system: SunMoon, light: Sun, dark: Moon }[theme];
  return (
    <header className="bar">
      <span className="menu-button">
        <IconButton icon={MenuIcon} name="Pages" onClick={openDrawer} />
      </span>
      <button type="button" className="search-button" onClick={openPalette} aria-label="Search">
        <Search />
        <span>Search …</span>
        <kbd>/</kbd>
      </button>
      <span className="grow" />
      <Pulse />
      <IconButton icon={CircleHelp} name="Keys (?)" onClick={openKeys} />
      <Menu
        trigger={
          <button type="button" className="button quiet icon" aria-label="Theme">
            <Theme />
          </button>
        }
        label="Theme"
        entries={[
          { title: "As the system", icon: SunMoon, act: () => set({ theme: "system" }) },
          { title: "Light", icon: Sun, act: () => set({ theme: "light" }) },
          { title: "Dark", icon: Moon, act: () => set({ theme: "dark" }) },
        ]}
      />
      <Menu
        trigger={
          <Button kind="quiet" icon={UserRound}>
            {name}
          </Button>
        }
        label={tags.join(", ") || "no tags"}
        entries={[{ title: "Log out", icon: LogOut, act: () => void logout() }]}
      />
    </header>
  );
}

/** Whether figures come, and whether there is an alarm: on every page. */
function Pulse() {
  const { state, last } = useLive();
  const alarms = last?.alarms ?? [];
  const [first] = alarms;
  if (first) {
    return (
      <Tip text={alarms.map((alarm) => alarm.what).join(" · ")}>
        <Link className="pulse" data-state="alarm" to="/">
          {alarms.length === 1 ? "1 alarm" : `${alarms.length} alarms`}
        </Link>
      </Tip>
    );
  }
  const words = {
    live: ["Live", "Figures come once a second."],
    connecting: ["…", "Connecting to the server's figures."],
    lost: ["Reconnecting", "The server's figures stopped coming."],
    absent: ["Not live", "This server sends no live figures."],
  }[state];
  return (
    <Tip text={words[1]}>
      <span className="pulse" data-state={state}>
        {words[0]}
      </span>
    </Tip>
  );
}
