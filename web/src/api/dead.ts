// The queues with dead letters or parked messages.

import type { Binding } from "./shapes";
import { deadLetterQueues, type Dying } from "../words/dying";
import { useApi } from "./use";

/** The queues with dead letters or parked messages in them, asked now and then: the list may be long. */
export function useDying() {
  const columns = "columns=name,vhost,rules,messages_ready,messages_parked";
  const queues = useApi<Dying[]>(`/api/landfall/queues?${columns}`, { every: 20_000 });
  const bindings = useApi<Binding[]>("/api/bindings?columns=source,vhost,destination,destination_type", { every: 20_000 });
  const dead = queues.data && bindings.data ? deadLetterQueues(queues.data, bindings.data) : [];
  return {
    queues,
    dead: dead.filter((queue) => queue.messages_ready > 0),
    parked: (queues.data ?? []).filter((queue) => queue.messages_parked > 0),
  };
}
