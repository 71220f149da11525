// All queues: found, sorted and paged by the server, a screenful drawn at a time.

import { Layers, Plus, RotateCcw, Trash2, X } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { useMessageCommand } from "../messages/commands";
import type { Queue, Vhost } from "../api/shapes";
import { useChange, useApi } from "../api/use";
import { Button, IconButton } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Filter, Select } from "../parts/fields";
import { Card, Code, Empty, Notice, Page } from "../parts/frame";
import { Badge, Count, PerSecond } from "../parts/show";
import { Drawn, type Column } from "../parts/table";
import { count, many } from "../words/numbers";
import { link, path } from "../words/names";
import { DeclareQueue } from "./queues/declare";
import { useRows } from "./queues/rows";

const numeric = (id: string, title: string, of: (queue: Queue) => number, tone?: "bad" | "warn"): Column<Queue> => ({
  id,
  title,
  end: true,
  width: "84px",
  by: of,
  cell: (queue) => <Count value={of(queue)} tone={of(queue) > 0 ? tone : undefined} />,
});

const columns: Column<Queue>[] = [
  {
    id: "name",
    title: "Name",
    width: "minmax(190px, 3fr)",
    wide: true,
    by: (queue) => queue.name,
    cell: (queue) => (
      <Link className="name" to={link("/queue", { vhost: queue.vhost, name: queue.name })}>
        {queue.name}
      </Link>
    ),
  },
  { id: "vhost", title: "Virtual host", spare: true, width: "minmax(100px, 0.8fr)", by: (queue) => queue.vhost, cell: (queue) => <span className="muted cut">{queue.vhost}</span> },
  { id: "features", title: "Features", spare: true, width: "minmax(110px, 1fr)", cell: (queue) => <Features queue={queue} /> },
  numeric("messages_ready", "Ready", (queue) => queue.messages_ready),
  numeric("messages_unacknowledged", "Unacked", (queue) => queue.messages_unacknowledged),
  numeric("messages_delayed", "Delayed", (queue) => queue.messages_delayed),
  numeric("messages_parked", "Parked", (queue) => queue.messages_parked, "bad"),
  {
    ...numeric("consumers", "Consumers", (queue) => queue.consumers),
    cell: (queue) => (queue.consumers === 0 && queue.messages_ready > 0 ? <Badge tone="warn" tip="Messages wait and nobody takes them.">none</Badge> : <Count value={queue.consumers} />),
  },
  {
    ...numeric("message_stats.publish_details.rate", "In", (queue) => queue.message_stats?.publish_details?.rate ?? 0),
    cell: (queue) => <PerSecond value={queue.message_stats?.publish_details?.rate} />,
  },
  {
    ...numeric("message_stats.ack_details.rate", "Acked", (queue) => queue.message_stats?.ack_details?.rate ?? 0),
    cell: (queue) => <PerSecond value={queue.message_stats?.ack_details?.rate} />,
  },
];

/** What is unusual about a queue, in a few letters. */
export function Features({ queue }: { queue: Queue }) {
  const keys = new Set(Object.keys(queue.arguments));
  const marks: [boolean, string, string][] = [
    [!queue.durable, "transient", "It does not outlive a restart of the server."],
    [queue.exclusive, "exclusive", "It belongs to one connection and goes with it."],
    [queue.auto_delete, "auto-delete", "It goes when its last consumer does."],
    [keys.has("x-dead-letter-exchange"), "DLX", "What dies here goes to a dead-letter exchange."],
    [keys.has("x-delayed-retry-min") || keys.has("x-delayed-retry-type"), "retry", "What fails waits before it comes back."],
    [keys.has("x-message-ttl"), "TTL", "Messages expire."],
    [keys.has("x-max-length") || keys.has("x-max-length-bytes"), "limit", "It holds so much and no more."],
    [keys.has("x-max-priority"), "priority", "Messages of higher priority go first."],
  ];
  const { policy } = queue;
  return (
    <span className="marks">
      {queue.landfall_paused && (
        <Badge tone="warn" tip="It takes messages and hands none out, until it is resumed.">
          paused
        </Badge>
      )}
      {marks
        .filter(([is]) => is)
        .map(([, word, why]) => (
          <Badge key={word} tip={why}>
            {word}
          </Badge>
        ))}
      {policy && (
        <Badge tone="accent" tip={`The policy ${policy} applies.`}>
          {policy}
        </Badge>
      )}
    </span>
  );
}

export default function Queues() {
  const [search, setSearch] = useSearchParams();
  const filter = search.get("name") ?? "";
  const vhost = search.get("vhost") ?? "";
  const sort = { id: search.get("sort") ?? "name", down: (search.get("down") ?? (search.has("sort") ? "true" : "false")) === "true" };
  const put = (change: Record<string, string>) =>
    setSearch(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [key, value] of Object.entries(change)) {
          if (value === "") after.delete(key);
          else after.set(key, value);
        }
        return after;
      },
      { replace: true },
    );
  const rows = useRows<Queue>(vhost === "" ? "/api/queues" : path("queues", vhost), sort, useDeferredValue(filter));
  const vhosts = useApi<Vhost[]>("/api/vhosts?columns=name", { every: 0 });
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [declaring, setDeclaring] = useState(false);
  const loaded = rows.loaded;
  const picked = useMemo(() => loaded.filter((queue) => chosen.has(keyOf(queue))), [loaded, chosen]);
  return (
    <Page
      title="Queues"
      marks={rows.total !== undefined && <Badge>{count(rows.total)}</Badge>}
      actions={
        <Button kind="primary" icon={Plus} onClick={() => setDeclaring(true)}>
          New queue
        </Button>
      }
    >
      <div className="tools">
        <Filter value={filter} change={(name) => put({ name })} hint="Filter by name" />
        {(vhosts.data?.length ?? 0) > 1 && (
          <Select
            bare
            label="Virtual host"
            value={vhost}
            change={(name) => put({ vhost: name })}
            of={[["", "All virtual hosts"], ...(vhosts.data ?? []).map((one): [string, string] => [one.name, one.name])]}
          />
        )}
        <span className="grow" />
        {filter !== "" && rows.found !== undefined && <span className="faint">{many(rows.found, "queue")} found</span>}
      </div>
      {rows.error && <Notice tone="bad" what="No answer about queues.">{rows.error.message}</Notice>}
      <Card bare>
        <Drawn
          columns={columns}
          rowKey={keyOf}
          total={rows.found ?? 0}
          at={rows.at}
          seen={rows.seen}
          sort={sort}
          setSort={({ id, down }) => put({ sort: id, down: String(down) })}
          chosen={{ keys: chosen, set: setChosen, all: loaded }}
          empty={rows.found === undefined ? <div className="empty faint">…</div> : <NoQueues filter={filter} />}
        />
      </Card>
      {picked.length > 0 && <Bulk queues={picked} clear={() => setChosen(new Set())} />}
      {declaring && <DeclareQueue close={() => setDeclaring(false)} vhosts={(vhosts.data ?? []).map((one) => one.name)} />}
    </Page>
  );
}

const keyOf = (queue: Queue) => `${queue.vhost}\u0000${queue.name}`;

function NoQueues({ filter }: { filter: string }) {
  if (filter !== "") {
    return (
      <Empty icon={Layers} title="No queue has that in its name" />
    );
  }
  return (
    <Empty icon={Layers} title="There are no queues yet">
      <p>Declare one here, or let a program do it. With Python and pika:</p>
      <Code>{`import pika

connection = pika.BlockingConnection(pika.ConnectionParameters("localhost"))
channel = connection.channel()
channel.confirm_delivery()   # returns when the message has landed
channel.queue_declare("greetings", durable=True)
channel.basic_publish("", "greetings", b"hello")`}</Code>
    </Empty>
  );
}

/** What can be done with several queues at once. */
function Bulk({ queues, clear }: { queues: Queue[]; clear: () => void }) {
  const confirm = useConfirm();
  const { change } = useChange();
  const command = useMessageCommand();
  const messages = queues.reduce((sum, queue) => sum + queue.messages, 0);
  const parked = queues.filter((queue) => queue.messages_parked > 0);
  const names = (
    <ul className="names">
      {queues.slice(0, 12).map((queue) => (
        <li key={keyOf(queue)}>
          {queue.name} <span className="faint">{many(queue.messages, "message")}</span>
        </li>
      ))}
      {queues.length > 12 && <li className="faint">and {queues.length - 12} more</li>}
    </ul>
  );
  const purge = async () => {
    const ready = queues.reduce((sum, queue) => sum + queue.messages_ready + queue.messages_delayed, 0);
    const lost = (
      <>
        <p>{many(ready, "ready or delayed message")} will be gone for good, from:</p>
        {names}
      </>
    );
    if (!(await confirm({ title: `Purge ${many(queues.length, "queue")}?`, lost, action: "Purge" }))) return;
    for (const queue of queues) {
      await change({ method: "DELETE", path: path("queues", queue.vhost, queue.name, "contents"), done: `${queue.name} is purged.` });
    }
    clear();
  };
  const remove = async () => {
    const lost = (
      <>
        <p>
          These queues, their bindings and {many(messages, "message")} in them will be gone for good:
        </p>
        {names}
      </>
    );
    const typed = messages > 0 ? String(queues.length) : undefined;
    if (!(await confirm({ title: `Delete ${many(queues.length, "queue")}?`, lost, action: "Delete", ...(typed ? { typed } : {}) }))) return;
    for (const queue of queues) {
      await change({ method: "DELETE", path: path("queues", queue.vhost, queue.name), done: `${queue.name} is deleted.` });
    }
    clear();
  };
  const redrive = async () => {
    for (const queue of parked) await command("redrive", queue, { all: true, state: "parked" });
    clear();
  };
  return (
    <div className="bulk">
      <b>{many(queues.length, "queue")}</b>
      <span className="muted">{many(messages, "message")}</span>
      {parked.length > 0 && (
        <Button icon={RotateCcw} onClick={() => void redrive()}>
          Redrive parked
        </Button>
      )}
      <Button icon={X} onClick={() => void purge()}>
        Purge
      </Button>
      <Button kind="danger" icon={Trash2} onClick={() => void remove()}>
        Delete
      </Button>
      <IconButton icon={X} name="Choose none" onClick={clear} />
    </div>
  );
}
