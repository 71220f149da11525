// The server's figures, second by second: a stream of events, with what was before from the history.

import { useQueryClient } from "@tanstack/react-query";
import { EventSource } from "eventsource";
import { createContext, useContext, useEffect, useState, type ReactNode } from "react";
import { AS_PAGE, request } from "./request";
import { SESSION, useSession } from "./session";
import type { Sample } from "./shapes";
import { KEPT, merged } from "../words/samples";

/** After a refusal the stream is asked for again after so many milliseconds. */
const AGAIN = 5000;

export interface Live {
  /** `absent` where the server has no such stream. */
  state: "connecting" | "live" | "lost" | "absent";
  samples: Sample[];
  last: Sample | undefined;
}

const nothing: Live = { state: "connecting", samples: [], last: undefined };
const LiveContext = createContext<Live>(nothing);

export const useLive = (): Live => useContext(LiveContext);

export function LiveProvider({ children }: { children: ReactNode }) {
  const [live, setLive] = useState<Live>(nothing);
  const client = useQueryClient();
  const maySee = useSession().may("monitoring");
  useEffect(() => {
    if (!maySee) {
      setLive({ ...nothing, state: "absent" });
      return undefined;
    }
    let stream: EventSource | undefined;
    let timer = 0;
    const add = (more: Sample[], state: Live["state"]) =>
      setLive((before) => {
        const samples = merged(before.samples, more);
        return { state, samples, last: samples.at(-1) };
      });
    const open = () => {
      // The browser's own EventSource cannot say who asks: where the session is over it would ask for a password itself.
      const source = new EventSource("/api/landfall/live", {
        fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...AS_PAGE }, credentials: "same-origin" }),
      });
      stream = source;
      source.onmessage = (event) => add([JSON.parse(String(event.data)) as Sample], "live");
      source.onerror = ({ code }) => {
        const isAbsent = code === 404 || code === 405;
        setLive((before) => ({ ...before, state: isAbsent ? "absent" : "lost" }));
        if (code === 401) void client.invalidateQueries({ queryKey: SESSION });
        // A connection that breaks is made anew by itself; after an answer that is no stream nothing is.
        if (source.readyState === EventSource.CLOSED && !isAbsent) timer = window.setTimeout(open, AGAIN);
      };
    };
    open();
    request<{ samples: Sample[] }>("GET", `/api/landfall/history?minutes=${KEPT / 60}`)
      .then(({ samples }) => add(samples, "live"))
      .catch(() => undefined);
    return () => {
      window.clearTimeout(timer);
      stream?.close();
    };
  }, [client, maySee]);
  return <LiveContext value={live}>{children}</LiveContext>;
}
