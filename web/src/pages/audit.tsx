// Whether every message is accounted for: what came in is what ended, somehow, and what is here.

import { Scale } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import { Link } from "react-router";
import type { Account, Audit as AuditShape } from "../api/shapes";
import { useApi } from "../api/use";
import { Filter } from "../parts/fields";
import { Answer, Card, Empty, Notice, Page, Tile, Tiles } from "../parts/frame";
import { Count, type Place } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { compact, count, many } from "../words/numbers";
import { link } from "../words/names";

const number = (id: keyof Account, title: string): Column<Account> => ({
  id,
  title,
  end: true,
  width: "92px",
  by: (one) => Number(one[id]),
  cell: (one) => <Count value={Number(one[id])} />,
});

const columns: Column<Account>[] = [
  {
    id: "name",
    title: "Queue",
    width: "minmax(170px, 2fr)",
    wide: true,
    by: (one) => one.name,
    cell: (one) => (
      <Link className="name" to={link("/queue", { vhost: one.vhost, name: one.name })}>
        {one.name}
      </Link>
    ),
  },
  { id: "vhost", title: "Virtual host", spare: true, width: "minmax(100px, 0.7fr)", by: (one) => one.vhost, cell: (one) => <span className="muted cut">{one.vhost}</span> },
  number("in", "In"),
  number("acknowledged", "Acked"),
  number("expired", "Expired"),
  { ...number("dead_lettered", "Dead-lettered"), width: "112px" },
  number("dropped", "Dropped"),
  number("redriven", "Redriven"),
  number("moved", "Moved"),
  number("here", "Here"),
  { ...number("surplus", "Difference"), cell: (one) => (one.surplus === 0 ? <span className="zero">0</span> : <b className="tone-bad">{count(one.surplus)}</b>) },
];

const ends: [keyof Account, string, Place][] = [
  ["acknowledged", "Acknowledged", "acked"],
  ["expired", "Expired", "unacked"],
  ["dead_lettered", "Dead-lettered", "parked"],
  ["dropped", "Dropped", "faint"],
  ["redriven", "Redriven", "delayed"],
  ["moved", "Moved", "leaving"],
  ["here", "Here", "ready"],
];

export default function Audit() {
  const audit = useApi<AuditShape>("/api/landfall/audit", { every: 10_000 });
  const [filter, setFilter] = useState("");
  const wanted = useDeferredValue(filter.toLowerCase());
  const rows = useMemo(() => (audit.data?.queues ?? []).filter((one) => one.name.toLowerCase().includes(wanted)), [audit.data, wanted]);
  return (
    <Page title="Audit" about="What a queue accepted is what was acknowledged, expired, dead-lettered, dropped, redriven, moved, or is still here. The two sides are counted in different ways.">
      <Answer of={audit} what="its accounts">
        {({ balanced, total, queues }) => (
          <div className="stack">
            {balanced ? (
              <Notice tone="good" what="Every message is accounted for">
                In {many(queues.length, "queue")} nothing is missing and nothing is too much.
              </Notice>
            ) : (
              <Notice tone="bad" what={`${many(queues.filter((one) => one.surplus !== 0).length, "queue does", "queues do")} not add up`}>
                That is a defect of the server. Its log has the numbers; nothing was repaired in silence.
              </Notice>
            )}
            <Tiles>
              <Tile label="In" value={compact(total.in ?? 0)} hint="accepted by queues" />
              {ends.map(([key, label, of]) => (
                <Tile key={key} label={label} of={of} value={compact(Number(total[key] ?? 0))} />
              ))}
            </Tiles>
            <div className="tools flush">
              <Filter value={filter} change={setFilter} hint="Filter by name" />
            </div>
            <Card bare>
              <Table rows={rows} columns={columns} rowKey={(one) => `${one.vhost}\u0000${one.name}`} sort={{ id: "in", down: true }} empty={<Empty icon={Scale} title="No queue has an account yet" />} />
            </Card>
          </div>
        )}
      </Answer>
    </Page>
  );
}
