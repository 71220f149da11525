// Which queues hold dead letters: those that the dead-letter exchanges of others lead to.

import type { Binding, Queue } from "../api/shapes";
import { rule } from "./retry";

/** What is needed of a queue to know where its dead letters go. */
export type Dying = Pick<Queue, "name" | "vhost" | "rules" | "messages_ready" | "messages_parked" | "landfall_paused">;

/** A queue as a key: names of virtual hosts and queues may hold anything but this. */
export const keyOf = (vhost: string, name: string): string => `${vhost}\u0000${name}`;

/** The queues that dead letters of others come to. */
export function deadLetterQueues(queues: Dying[], bindings: Binding[]): Dying[] {
  const leadsFrom = new Map<string, Binding[]>();
  for (const binding of bindings) {
    const from = keyOf(binding.vhost, binding.source);
    leadsFrom.set(from, [...(leadsFrom.get(from) ?? []), binding]);
  }
  const reached = new Set<string>();
  const follow = (vhost: string, exchange: string, key: string | null, passed: Set<string>) => {
    if (passed.has(exchange)) return;
    passed.add(exchange);
    if (exchange === "") {
      if (key !== null) reached.add(keyOf(vhost, key));
      return;
    }
    for (const binding of leadsFrom.get(keyOf(vhost, exchange)) ?? []) {
      if (binding.destination_type === "queue") reached.add(keyOf(vhost, binding.destination));
      else follow(vhost, binding.destination, key, passed);
    }
  };
  for (const queue of queues) {
    const rules = queue.rules ?? {};
    const exchange = rule(rules, "dead-letter-exchange");
    const key = rule(rules, "dead-letter-routing-key");
    if (typeof exchange === "string") follow(queue.vhost, exchange, typeof key === "string" ? key : null, new Set());
  }
  return queues.filter((queue) => reached.has(keyOf(queue.vhost, queue.name)));
}
