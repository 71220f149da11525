// What operators do with messages, and how it went.

import type { Done } from "../api/shapes";
import { count, many } from "./numbers";

export type Command = "redrive" | "fire" | "cancel" | "move";

const words: Record<Command, string> = { redrive: "redriven", fire: "made ready", cancel: "cancelled", move: "moved" };

/** How it went, in a sentence. */
export function told(command: Command, parts: Pick<Done, "done" | "stayed" | "stayed_because">[]): string {
  const done = parts.reduce((sum, part) => sum + part.done, 0);
  const stayed = parts.reduce((sum, part) => sum + part.stayed, 0);
  const why = parts.flatMap((part) => part.stayed_because)[0]?.why;
  const first = `${many(done, "message")} ${words[command]}`;
  return stayed === 0 ? `${first}.` : `${first}; ${count(stayed)} stayed${why ? `: ${why}` : ""}.`;
}
