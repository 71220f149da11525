// The server's figures, second by second: a stream of events, with what was before from the history.

import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { request } from "./request";
import type { Sample } from "./shapes";

/** So many seconds are kept in sight. */
export const KEPT = 900;

export interface Live {
  /** `absent` where the server has no such stream. */
  state: "connecting" | "live" | "lost" | "absent";
  samples: Sample[];
  last: Sample | undefined;
}

const nothing: Live = { state: "connecting", samples: [], last: undefined };
const LiveContext = createContext<Live>(nothing);

export const useLive = (): Live => useContext(LiveContext);

/** Samples in order of time, each once, the newest `KEPT` of them. */
export function merged(before: Sample[], more: Sample[]): Sample[] {
  const byTime = new Map([...before, ...more].map((sample) => [sample.at, sample]));
  return [...byTime.values()].sort((a, b) => a.at - b.at).slice(-KEPT);
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const [live, setLive] = useState<Live>(nothing);
  useEffect(() => {
    const add = (more: Sample[], state: Live["state"]) =>
      setLive((before) => {
        const samples = merged(before.samples, more);
        return { state, samples, last: samples.at(-1) };
      });
    const source = new EventSource("/api/landfall/live");
    source.onmessage = (event: MessageEvent<string>) => add([JSON.parse(event.data) as Sample], "live");
    source.onerror = () => {
      // A browser tries again by itself, except where it was answered and that was no stream.
      const closed = source.readyState === EventSource.CLOSED;
      setLive((before) => ({ ...before, state: closed ? "absent" : "lost" }));
    };
    request<Sample[]>("GET", `/api/landfall/history?minutes=${KEPT / 60}`)
      .then((history) => add(history, "live"))
      .catch(() => undefined);
    return () => source.close();
  }, []);
  return <LiveContext value={live}>{children}</LiveContext>;
}
