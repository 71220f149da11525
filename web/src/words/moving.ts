// Where messages are moved to, and what somebody makes of one, as requests say it.

import type { Chosen, Message, Properties, Target } from "../api/shapes";

/** What somebody filled in; a text where something is missing. */
export interface Place {
  way: "queue" | "exchange";
  name: string;
  key: string;
}

export function target({ way, name, key }: Place): Target | string {
  if (way === "queue") return name === "" ? "Which queue?" : { queue: name };
  return key === "" ? { exchange: name } : { exchange: name, routing_key: key };
}

/** In a sentence. */
export function targetText(to: Target): string {
  if ("queue" in to) return `to the queue ${to.queue}`;
  const exchange = to.exchange === "" ? "the default exchange" : `the exchange ${to.exchange}`;
  return `through ${exchange} ${to.routing_key === undefined ? "with their own keys" : `with the key “${to.routing_key}”`}`;
}

/** What is otherwise than the message is; a text where that cannot be. Nothing where nothing is. */
export function edits(message: Message, payload: string, properties: string): Pick<Chosen, "payload" | "payload_encoding" | "properties"> | string {
  const encoding = message.payload_encoding ?? "string";
  const edited: Pick<Chosen, "payload" | "payload_encoding" | "properties"> = {};
  if (payload !== (message.payload ?? "")) Object.assign(edited, { payload, payload_encoding: encoding });
  let given: unknown;
  try {
    given = JSON.parse(properties);
  } catch (error) {
    return `The properties are not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) return "The properties must be an object.";
  if (JSON.stringify(given) !== JSON.stringify(message.properties)) edited.properties = given as Properties;
  return edited;
}
