// Single values on a page: counts, times, states, hints.

import * as Radix from "@radix-ui/react-tooltip";
import { useSyncExternalStore, type ReactNode } from "react";
import { bytes, compact, count, rate } from "../words/numbers";
import { exact, relative } from "../words/times";

/** More words about something, when it is pointed at. */
export function Tip({ text, children }: { text: ReactNode; children: ReactNode }) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content className="tip" sideOffset={5} collisionPadding={8}>
          {text}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

let now = Date.now();
const listeners = new Set<() => void>();
window.setInterval(() => {
  now = Date.now();
  for (const tell of listeners) tell();
}, 1000);

/** The time, moving by the second. */
export function useNow(): number {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => now,
  );
}

/** When: from now, and exactly where it is pointed at. */
export function Time({ at }: { at: number }) {
  return (
    <Tip text={exact(at)}>
      <time dateTime={new Date(at).toISOString()}>{relative(at, useNow())}</time>
    </Tip>
  );
}

/** A number; nothing much where it is 0. */
export function Count({ value, tone }: { value: number | undefined; tone?: "bad" | "warn" | undefined }) {
  if (value === undefined) return <span className="zero">–</span>;
  if (value === 0) return <span className="zero">0</span>;
  const text = compact(value);
  const shown = <span className={tone ? `tone-${tone}` : undefined}>{text}</span>;
  return text === count(value) ? shown : <Tip text={count(value)}>{shown}</Tip>;
}

/** Messages, or whatever else, in a second. */
export function PerSecond({ value }: { value: number | undefined }) {
  if (value === undefined) return <span className="zero">–</span>;
  return <span className={value === 0 ? "zero" : undefined}>{rate(value)}/s</span>;
}

export function Bytes({ value }: { value: number | undefined }) {
  return value === undefined ? <span className="zero">–</span> : <Tip text={`${count(value)} bytes`}><span>{bytes(value)}</span></Tip>;
}

export type Tone = "good" | "warn" | "bad" | "accent" | "violet" | "plain";

export function Badge({ tone = "plain", children, tip }: { tone?: Tone; children: ReactNode; tip?: ReactNode }) {
  const badge = <span className={`badge ${tone}`}>{children}</span>;
  return tip ? <Tip text={tip}>{badge}</Tip> : badge;
}

const places = ["ready", "unacked", "delayed", "parked", "leaving", "acked", "accent", "good", "warn", "bad", "faint"] as const;
export type Place = (typeof places)[number];

/** The colour of a state, the same on every page. */
export function Dot({ of }: { of: Place }) {
  return <i className="dot" style={{ background: `var(--${of})` }} />;
}
