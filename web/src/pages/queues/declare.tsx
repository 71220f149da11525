// A new queue.

import { useState } from "react";
import { useNavigate } from "react-router";
import { useChange } from "../../api/use";
import { Dialog } from "../../parts/dialogs";
import { Check, Entries, Field, Input, Select } from "../../parts/fields";
import { toArguments, type Entry } from "../../words/entries";
import { link, path } from "../../words/names";

/** Arguments that a queue may have (docs/compatibility.md). */
export const QUEUE_ARGUMENTS = [
  "x-message-ttl",
  "x-expires",
  "x-max-length",
  "x-max-length-bytes",
  "x-overflow",
  "x-dead-letter-exchange",
  "x-dead-letter-routing-key",
  "x-delivery-limit",
  "x-max-priority",
  "x-single-active-consumer",
  "x-queue-type",
  "x-consumer-timeout",
  "x-delayed-retry-type",
  "x-delayed-retry-min",
  "x-delayed-retry-max",
  "x-delayed-retry-multiplier",
  "x-delayed-retry-jitter",
  "x-delivery-delay",
];

export function DeclareQueue({ close, vhosts }: { close: () => void; vhosts: string[] }) {
  const { change } = useChange();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [vhost, setVhost] = useState(vhosts[0] ?? "/");
  const [durable, setDurable] = useState(true);
  const [autoDelete, setAutoDelete] = useState(false);
  const [retry, setRetry] = useState(true);
  const [entries, setEntries] = useState<Entry[]>([]);
  const table = toArguments(entries);
  const wrong = typeof table === "string" ? table : undefined;
  const act = async () => {
    const more = retry ? { "x-consumer-timeout": 30_000, "x-delayed-retry-type": "all", "x-delayed-retry-min": 1000, "x-delayed-retry-max": 300_000, "x-delivery-limit": 20 } : {};
    const body = { durable, auto_delete: autoDelete, arguments: { ...more, ...(typeof table === "string" ? {} : table) } };
    const done = await change({ method: "PUT", path: path("queues", vhost, name), body, done: `${name} is declared.` });
    if (done) void navigate(link("/queue", { vhost, name }));
    return done;
  };
  return (
    <Dialog title="New queue" close={close} action="Declare" act={act} disabled={name === "" || wrong !== undefined}>
      <div className="pair">
        <Field label="Name">
          <Input value={name} change={setName} required />
        </Field>
        {vhosts.length > 1 && (
          <Field label="Virtual host">
            <Select value={vhost} change={setVhost} of={vhosts} />
          </Field>
        )}
      </div>
      <Check value={durable} change={setDurable}>
        Durable: it outlives a restart of the server
      </Check>
      <Check value={autoDelete} change={setAutoDelete}>
        Auto-delete: it goes with its last consumer
      </Check>
      <Check value={retry} change={setRetry}>
        Retry with growing waits: 30 s for an attempt, then 1, 2, 4 … s, parked after 20 in vain
      </Check>
      <Field label="Arguments" hint={wrong}>
        <span />
      </Field>
      <Entries value={entries} change={setEntries} known={QUEUE_ARGUMENTS} add="Add argument" />
    </Dialog>
  );
}
