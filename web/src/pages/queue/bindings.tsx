// What leads to a queue.

import { GitFork, Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import type { Binding, Queue } from "../../api/shapes";
import { useApi } from "../../api/use";
import { Button, IconButton } from "../../parts/buttons";
import { Answer, Card, Empty } from "../../parts/frame";
import { Table, type Column } from "../../parts/table";
import { exchangeName, link, path } from "../../words/names";
import { Bind, useUnbind } from "../exchanges/bind";

export function QueueBindings({ queue }: { queue: Queue }) {
  const bindings = useApi<Binding[]>(path("queues", queue.vhost, queue.name, "bindings"));
  const unbind = useUnbind();
  const [binding, setBinding] = useState(false);
  const columns = useMemo<Column<Binding>[]>(
    () => [
      {
        id: "source",
        title: "Exchange",
        width: "minmax(150px, 1fr)",
        wide: true,
        by: (one) => one.source,
        cell: (one) => (
          <Link className="name" to={link("/exchanges", { vhost: one.vhost, name: one.source || "amq.default" })}>
            {exchangeName(one.source)}
          </Link>
        ),
      },
      { id: "key", title: "Routing key", width: "minmax(150px, 1fr)", by: (one) => one.routing_key, cell: (one) => <span className="mono cut">{one.routing_key}</span> },
      {
        id: "arguments",
        title: "Arguments",
        width: "minmax(120px, 1fr)",
        cell: (one) => <span className="mono cut">{Object.keys(one.arguments).length === 0 ? <span className="zero">–</span> : JSON.stringify(one.arguments)}</span>,
      },
      {
        id: "unbind",
        title: "",
        width: "48px",
        end: true,
        cell: (one) => (one.source === "" ? null : <IconButton icon={Trash2} name="Unbind" onClick={() => void unbind(one)} />),
      },
    ],
    [unbind],
  );
  return (
    <Answer of={bindings} what="bindings">
      {(all) => (
        <Card
          bare
          title="What leads here"
          actions={
            <Button small icon={Plus} onClick={() => setBinding(true)}>
              Bind
            </Button>
          }
        >
          <Table rows={all} columns={columns} rowKey={(one) => `${one.source} ${one.properties_key ?? one.routing_key}`} empty={<Empty icon={GitFork} title="Nothing leads here" />} />
          {binding && <Bind close={() => setBinding(false)} vhost={queue.vhost} destination={queue.name} kind="queue" />}
        </Card>
      )}
    </Answer>
  );
}
