// Dialogs to send messages elsewhere, and to make one otherwise on the way.

import { useState } from "react";
import { request, Refused } from "../api/request";
import type { Chosen, Message, Messages, Queue, State } from "../api/shapes";
import { useApi } from "../api/use";
import { Dialog } from "../parts/dialogs";
import { Field, Input, TextArea } from "../parts/fields";
import { Notice, Segments } from "../parts/frame";
import { useQuery } from "@tanstack/react-query";
import { edits, target, targetText, type Place } from "../words/moving";
import { many } from "../words/numbers";
import { path } from "../words/names";
import { useMessageCommand } from "./commands";

interface Of {
  queue: { vhost: string; name: string };
  state: State;
  close: () => void;
  done?: () => void;
}

/** Where to: a queue of the same virtual host, or an exchange. */
function WhereTo({ vhost, place, change }: { vhost: string; place: Place; change: (place: Place) => void }) {
  const queues = useApi<Pick<Queue, "name">[]>(`${path("queues", vhost)}?columns=name`, { every: 0 });
  const exchanges = useApi<{ name: string }[]>(`${path("exchanges", vhost)}?columns=name`, { every: 0 });
  const known = (place.way === "queue" ? queues.data : exchanges.data) ?? [];
  return (
    <>
      <Segments
        open={place.way}
        choose={(way) => change({ ...place, way, name: "" })}
        of={[
          { id: "queue", title: "To a queue" },
          { id: "exchange", title: "Through an exchange" },
        ]}
      />
      <div className="pair">
        <Field label={place.way === "queue" ? "Queue" : "Exchange"} {...(place.way === "exchange" ? { hint: "empty for the default exchange" } : {})}>
          <Input value={place.name} change={(name) => change({ ...place, name })} list="places" />
        </Field>
        {place.way === "exchange" && (
          <Field label="Routing key" hint="empty for each message’s own">
            <Input value={place.key} change={(key) => change({ ...place, key })} />
          </Field>
        )}
      </div>
      <datalist id="places">
        {known.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

/** Chosen messages, or all that a filter fits. */
export function MoveDialog({ queue, state, close, done, chosen, count }: Of & { chosen: Chosen; count: number | null }) {
  const run = useMessageCommand();
  const [place, setPlace] = useState<Place>({ way: "queue", name: "", key: "" });
  const to = target(place);
  const which = count === null ? `what fits of the ${state} messages` : many(count, "message");
  const act = async () => {
    if (typeof to === "string" || !(await run("move", queue, { ...chosen, state, to }))) return false;
    done?.();
    return true;
  };
  return (
    <Dialog title={`Move ${which}`} close={close} action="Move" act={act} disabled={typeof to === "string"}>
      <WhereTo vhost={queue.vhost} place={place} change={setPlace} />
      <p className="muted">
        {typeof to === "string" ? to : `They go ${targetText(to)}.`} Copies land there before the originals leave {queue.name}; they begin anew, without attempts and without an expiration. What no queue takes stays.
      </p>
    </Dialog>
  );
}

/** The largest body that can be edited here: a request has no room for more. */
const EDITED_MAX = 512 * 1024;

/** One message, with its whole body. */
export function EditDialog({ queue, state, close, done, position }: Of & { position: number }) {
  const asked = `${path("landfall", "queues", queue.vhost, queue.name, "messages")}?state=${state}&limit=1000&body=${EDITED_MAX}`;
  const found = useQuery<Message | null, Refused>({
    queryKey: ["edit", asked, position],
    // What is shown of a message in a list may be the beginning of it only. Delayed ones are in the order of their times.
    queryFn: async () => {
      let after = state === "delayed" ? "" : String(position - 1);
      for (;;) {
        const { messages, next } = await request<Messages>("GET", `${asked}${after === "" ? "" : `&after=${after}`}`);
        const one = messages.find((message) => message.position === position);
        if (one || next === null || state !== "delayed") return one ?? null;
        after = next;
      }
    },
    staleTime: Infinity,
    retry: false,
  });
  const message = found.data;
  if (found.isPending) return null;
  const why = found.error?.message ?? (message ? (message.payload_truncated ? "Its body is too large to be edited here." : null) : "It does not wait there any more.");
  if (!message || why !== null)
    return (
      <Dialog title={`Edit message ${position}`} close={close} action="Close" act={() => true}>
        <Notice tone="warn" what="That cannot be edited.">
          {why}
        </Notice>
      </Dialog>
    );
  return <Editing queue={queue} state={state} close={close} {...(done ? { done } : {})} message={message} />;
}

function Editing({ queue, state, close, done, message }: Of & { message: Message }) {
  const run = useMessageCommand();
  const [payload, setPayload] = useState(message.payload ?? "");
  const [properties, setProperties] = useState(JSON.stringify(message.properties, null, 2));
  const [place, setPlace] = useState<Place>({ way: "queue", name: queue.name, key: "" });
  const to = target(place);
  const edited = edits(message, payload, properties);
  const wrong = typeof to === "string" ? to : typeof edited === "string" ? edited : null;
  const act = async () => {
    if (typeof to === "string" || typeof edited === "string") return false;
    if (!(await run("move", queue, { positions: [message.position], state, to, ...edited }))) return false;
    done?.();
    return true;
  };
  return (
    <Dialog title={`Edit message ${message.position}`} close={close} action="Send it" act={act} disabled={wrong !== null} wide>
      <Field label={message.payload_encoding === "base64" ? "Body, in base64" : "Body"}>
        <TextArea value={payload} change={setPayload} rows={10} />
      </Field>
      <Field label="Properties and headers">
        <TextArea value={properties} change={setProperties} rows={8} />
      </Field>
      <WhereTo vhost={queue.vhost} place={place} change={setPlace} />
      <p className="muted">{wrong ?? "A new message with this body and these properties lands there; then the one that is here goes. It cannot be had back as it was."}</p>
    </Dialog>
  );
}
