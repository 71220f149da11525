// Binding and unbinding.

import { useCallback, useState } from "react";
import type { Binding } from "../../api/shapes";
import { useChange } from "../../api/use";
import { Dialog, useConfirm } from "../../parts/dialogs";
import { Entries, Field, Input, Select } from "../../parts/fields";
import { toArguments, type Entry } from "../../words/entries";
import { DEFAULT_EXCHANGE, exchangeName, path } from "../../words/names";

interface BindProps {
  close: () => void;
  vhost: string;
  source?: string;
  destination?: string;
  kind?: "queue" | "exchange";
}

const letter = (kind: string) => (kind === "queue" ? "q" : "e");

export function Bind({ close, vhost, source: from = "", destination: to = "", kind: toKind = "queue" }: BindProps) {
  const { change } = useChange();
  const [source, setSource] = useState(from);
  const [destination, setDestination] = useState(to);
  const [kind, setKind] = useState<string>(toKind);
  const [key, setKey] = useState("");
  const [entries, setEntries] = useState<Entry[]>([]);
  const table = toArguments(entries);
  const wrong = typeof table === "string" ? table : undefined;
  const act = () =>
    change({
      method: "POST",
      path: path("bindings", vhost, "e", source, letter(kind), destination),
      body: { routing_key: key, arguments: table },
      done: `${source} leads to ${destination}.`,
    });
  return (
    <Dialog title="Bind" close={close} action="Bind" act={act} disabled={source === "" || destination === "" || wrong !== undefined}>
      <Field label="From the exchange">
        <Input value={source} change={setSource} />
      </Field>
      <div className="pair">
        <Field label="To the">
          <Select value={kind} change={setKind} of={["queue", "exchange"]} />
        </Field>
        <Field label="called">
          <Input value={destination} change={setDestination} />
        </Field>
      </div>
      <Field label="Routing key" hint={wrong ?? "for topics: * is one word, # any number of them"}>
        <Input value={key} change={setKey} />
      </Field>
      <Entries value={entries} change={setEntries} add="Add argument" known={["x-match"]} />
    </Dialog>
  );
}

/** Takes a binding away, when the answer to the question is yes. */
export function useUnbind() {
  const confirm = useConfirm();
  const { change } = useChange();
  return useCallback(
    async (binding: Binding) => {
      const lost = `Messages that come to ${exchangeName(binding.source)} with “${binding.routing_key}” will not go to ${binding.destination} any more. Those that are there stay.`;
      if (!(await confirm({ title: "Unbind?", lost, action: "Unbind" }))) return;
      const source = binding.source || DEFAULT_EXCHANGE;
      const to = path("bindings", binding.vhost, "e", source, letter(binding.destination_type), binding.destination, binding.properties_key ?? "~");
      await change({ method: "DELETE", path: to, done: "Unbound." });
    },
    // Both come from contexts that live as long as the pages.
    [confirm, change],
  );
}
