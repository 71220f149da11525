// The queues with dead letters or parked messages.

import type { Binding, Overview } from "./shapes";
import { deadLetterQueues, type Dying } from "../words/dying";
import { useApi } from "./use";

/** Of more queues than that their whole list is asked for less often. */
const MANY = 1000;

/** How often what is about all queues is asked for. */
export function useSeldom(): number {
  const { data } = useApi<Overview>("/api/overview");
  return (data?.object_totals.queues ?? 0) > MANY ? 60_000 : 15_000;
}

/** The queues with dead letters or parked messages in them, and those that are paused. */
export function useDying() {
  const every = useSeldom();
  const columns = "columns=name,vhost,rules,messages_ready,messages_parked,landfall_paused";
  const queues = useApi<Dying[]>(`/api/landfall/queues?${columns}`, { every });
  const bindings = useApi<Binding[]>("/api/bindings?columns=source,vhost,destination,destination_type", { every });
  const dead = queues.data && bindings.data ? deadLetterQueues(queues.data, bindings.data) : [];
  return {
    queues,
    dead: dead.filter((queue) => queue.messages_ready > 0),
    parked: (queues.data ?? []).filter((queue) => queue.messages_parked > 0),
    paused: (queues.data ?? []).filter((queue) => queue.landfall_paused),
  };
}
