// A message's journey told: each step with what it was, to whom, how long it took and what came of it.

import type { Client, Step } from "../api/shapes";
import { exchangeName } from "./names";
import { span } from "./times";

export interface Told {
  at: number;
  tone: "good" | "warn" | "bad" | "plain";
  what: string;
  more: string[];
  queue: string | undefined;
  /** Another message that this one has to do with. */
  message: number | undefined;
  /** When it is due again. */
  due: number | undefined;
  /** How long the attempt that ended here took. */
  took: number | undefined;
}

const outcomes: Record<string, string> = {
  returned: "was given back",
  refused: "was refused",
  timed_out: "ran out of time",
  lost: "was lost with its connection",
  acknowledged_late: "was acknowledged late",
};

const endings: Record<string, string> = {
  acknowledged: "Acknowledged",
  expired: "Expired",
  dead_lettered: "Dead-lettered",
  dropped: "Dropped",
  redriven: "Redriven: a copy went back to where it died",
  moved: "Moved: a copy went to another place",
};

const by = (client: Client | undefined): string =>
  client ? `${client.user} from ${client.address} (connection ${client.connection}, channel ${client.channel})` : "the server itself";

/** Steps in words, in the order in which they happened. */
export function tell(steps: Step[]): Told[] {
  const began = new Map<string, number>();
  return steps.map((step) => {
    const attempt = `${step.queue ?? ""} ${step.attempt ?? ""}`;
    if (step.event === "delivered") {
      // A map keeps a key where it came first: attempts begin anew after a redrive.
      began.delete(attempt);
      began.set(attempt, step.at);
    }
    // Whoever acknowledges ends the attempt that was the last.
    const last = step.event === "ended" && step.ending === "acknowledged" ? [...began].filter(([key]) => key.startsWith(`${step.queue ?? ""} `)).at(-1)?.[1] : undefined;
    const start = step.event === "attempt_ended" ? began.get(attempt) : last;
    return {
      at: step.at,
      queue: step.queue,
      message: step.message,
      due: step.due,
      took: start === undefined ? undefined : step.at - start,
      ...words(step),
    };
  });
}

function words(step: Step): Pick<Told, "tone" | "what" | "more"> {
  const plain = (what: string, ...more: string[]) => ({ tone: "plain" as const, what, more });
  switch (step.event) {
    case "published":
      return plain(
        `Published to the ${step.exchange === "" ? "default exchange" : `exchange ${exchangeName(step.exchange ?? "")}`} with the key “${step.routing_key ?? ""}”`,
        `by ${by(step.by)}`,
        `landed in ${(step.queues ?? []).join(", ")}`,
        ...(step.publisher === undefined ? [] : [`number ${step.publishing_id ?? ""} of the publisher ${step.publisher}`]),
      );
    case "message_id":
      return plain(`Its message id is ${step.message_id ?? ""}`);
    case "copy_of":
      if (step.for === "move") return plain("A moved copy of another message");
      return plain(step.for === "redrive" ? "A redriven copy of another message" : `A dead letter: the copy of another message (${reason(step)})`);
    case "copied":
      if (step.for === "move") return plain("A copy went where an operator sent it");
      return { tone: "warn", what: step.for === "redrive" ? "A copy was sent back" : `A copy went to the dead letters (${reason(step)})`, more: [] };
    case "delivered":
      return plain(`Attempt ${step.attempt ?? 1} delivered to ${step.consumer_tag ? "a consumer" : "basic.get"}`, ...(step.consumer_tag ? [`“${step.consumer_tag}”`] : []), by(step.to));
    case "attempt_ended": {
      const late = step.outcome === "acknowledged_late";
      return { tone: late ? "good" : "warn", what: `Attempt ${step.attempt ?? 1} ${outcomes[step.outcome ?? ""] ?? step.outcome ?? ""}`, more: [] };
    }
    case "delayed":
      return plain("Put off");
    case "due":
      return plain("Due: ready to be delivered");
    case "parked":
      return { tone: "bad", what: `Parked (${reason(step)})`, more: ["handed to nobody until it is redriven or cancelled"] };
    case "redriven":
      return plain("Redriven: ready again, as if it had never been delivered");
    case "ended":
      return { tone: step.ending === "acknowledged" ? "good" : step.ending === "redriven" || step.ending === "moved" ? "plain" : "bad", what: endings[step.ending ?? ""] ?? step.ending ?? "", more: [] };
    case "server_started":
      return plain("The server started: whoever had it has it no more");
    case "left_out":
      return plain("A gap: what happened here could not be written down in time");
    default:
      return plain(step.event.replaceAll("_", " "));
  }
}

const reason = (step: Step): string => (step.reason ?? "").replaceAll("_", " ");

/** "+ 3 ms" after the step before. */
export function since(told: Told[], place: number): string {
  const before = told[place - 1];
  const now = told[place];
  return before && now ? `+ ${span(Math.max(0, now.at - before.at))}` : "";
}
