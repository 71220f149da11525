// What operators do with messages: redrive, fire, cancel, move. Where much is to be done the server does it in parts.

import { useQueryClient } from "@tanstack/react-query";
import { request, type Method } from "../api/request";
import type { Chosen, Done } from "../api/shapes";
import { useToast } from "../parts/toasts";
import { told, type Command } from "../words/commands";
import { path } from "../words/names";

const ways: Record<Command, { method: Method; last: string }> = {
  redrive: { method: "POST", last: "redrive" },
  fire: { method: "POST", last: "fire" },
  cancel: { method: "DELETE", last: "messages" },
  move: { method: "POST", last: "move" },
};

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
