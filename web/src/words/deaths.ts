// Why messages died, and groups of those that died alike.

import type { Message } from "../api/shapes";

export interface Death {
  reason: string;
  /** The queue in which it died last. */
  queue: string;
}

interface Entry {
  reason?: unknown;
  queue?: unknown;
}

/** A message's last death: of one that is parked, why it is; of a dead letter, what its headers tell. */
export function lastDeath(message: Message): Death | undefined {
  if (message.why !== undefined) return { reason: message.why, queue: message.queue ?? "" };
  const deaths = message.properties.headers?.["x-death"];
  const last: Entry | undefined = Array.isArray(deaths) ? (deaths[0] as Entry | undefined) : undefined;
  return last && typeof last.reason === "string" ? { reason: last.reason, queue: typeof last.queue === "string" ? last.queue : "" } : undefined;
}

export interface Group {
  key: string;
  death: Death | undefined;
  messages: Message[];
  oldest: number;
  newest: number;
}

/** Those that died alike together, the largest group first. */
export function grouped(messages: Message[]): Group[] {
  const groups = new Map<string, Group>();
  for (const message of messages) {
    const death = lastDeath(message);
    const key = death ? `${death.reason}\u0000${death.queue}` : "";
    const at = message.parked ?? message.accepted;
    const group = groups.get(key) ?? { key, death, messages: [], oldest: at, newest: at };
    group.messages.push(message);
    group.oldest = Math.min(group.oldest, at);
    group.newest = Math.max(group.newest, at);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.messages.length - a.messages.length);
}

const reasons: Record<string, string> = {
  rejected: "Rejected by a consumer",
  expired: "Its time to live was over",
  maxlen: "The queue was full",
  delivery_limit: "Out of attempts",
};

/** A reason in words. */
export function reasonText(reason: string): string {
  return reasons[reason] ?? reason.replaceAll("_", " ");
}
