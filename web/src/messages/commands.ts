// What operators do with messages: redrive, fire, cancel. Where much is to be done the server does it in parts.

import { useQueryClient } from "@tanstack/react-query";
import { request, type Method } from "../api/request";
import type { Chosen, Done } from "../api/shapes";
import { useToast } from "../parts/toasts";
import { many } from "../words/numbers";
import { path } from "../words/names";

export type Command = "redrive" | "fire" | "cancel";

const ways: Record<Command, { method: Method; last: string; done: string }> = {
  redrive: { method: "POST", last: "redrive", done: "redriven" },
  fire: { method: "POST", last: "fire", done: "made ready" },
  cancel: { method: "DELETE", last: "messages", done: "cancelled" },
};

/** How it went, in a sentence. */
export function told(command: Command, parts: Pick<Done, "done" | "stayed" | "stayed_because">[]): string {
  const done = parts.reduce((sum, part) => sum + part.done, 0);
  const stayed = parts.reduce((sum, part) => sum + part.stayed, 0);
  const why = parts.flatMap((part) => part.stayed_because)[0]?.why;
  const first = `${many(done, "message")} ${ways[command].done}`;
  return stayed === 0 ? `${first}.` : `${first}; ${count(stayed)} stayed${why ? `: ${why}` : ""}.`;
}

const count = (value: number) => value.toLocaleString("en");

/** Does it, part after part. */
export function useMessageCommand() {
  const client = useQueryClient();
  const toast = useToast();
  return async (command: Command, queue: { vhost: string; name: string }, chosen: Chosen): Promise<boolean> => {
    const { method, last } = ways[command];
    const to = path("landfall", "queues", queue.vhost, queue.name, last);
    const parts: Done[] = [];
    try {
      let after: string | null = null;
      do {
        const body: Chosen = after === null ? chosen : { ...chosen, after };
        const part: Done = await request<Done>(method, to, body);
        parts.push(part);
        after = part.next;
      } while (after !== null);
      toast(told(command, parts), "good");
      return true;
    } catch (error) {
      const before = parts.length > 0 ? ` ${told(command, parts)}` : "";
      toast(`${error instanceof Error ? error.message : String(error)}${before}`, "bad");
      return false;
    } finally {
      void client.invalidateQueries();
    }
  };
}
