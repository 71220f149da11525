// Exchanges, and what they lead to.

import { GitFork, Plus, Trash2 } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import type { Binding, Exchange, Overview, Vhost } from "../api/shapes";
import { useApi, useChange } from "../api/use";
import { Button, IconButton } from "../parts/buttons";
import { Dialog, useConfirm } from "../parts/dialogs";
import { Check, Entries, Field, Filter, Input, Select } from "../parts/fields";
import { toArguments, type Entry } from "../words/entries";
import { Answer, Card, Empty, Facts, Page, Tabs, useInAddress, useTab } from "../parts/frame";
import { Badge, PerSecond } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { DEFAULT_EXCHANGE, exchangeName, link, path } from "../words/names";
import { Bind, useUnbind } from "./exchanges/bind";
import { Drawing } from "./exchanges/drawing";

const tabs = [
  { id: "list", title: "List" },
  { id: "drawing", title: "Drawing" },
];

export default function Exchanges() {
  const [search] = useSearchParams();
  const name = search.get("name");
  return name === null ? <All /> : <One key={name} vhost={search.get("vhost") ?? "/"} name={name} />;
}

const columns: Column<Exchange>[] = [
  {
    id: "name",
    title: "Exchange",
    width: "minmax(190px, 2fr)",
    wide: true,
    by: (one) => one.name,
    cell: (one) => (
      <Link className="name" to={link("/exchanges", { vhost: one.vhost, name: one.name || DEFAULT_EXCHANGE })}>
        {exchangeName(one.name)}
      </Link>
    ),
  },
  { id: "vhost", title: "Virtual host", width: "minmax(90px, 1fr)", by: (one) => one.vhost, cell: (one) => <span className="muted cut">{one.vhost}</span> },
  { id: "type", title: "Type", width: "160px", by: (one) => one.type, cell: (one) => <Badge tone="violet">{one.type}</Badge> },
  {
    id: "features",
    title: "Features",
    width: "minmax(140px, 1fr)",
    cell: (one) => (
      <span className="marks">
        {!one.durable && <Badge>transient</Badge>}
        {one.auto_delete && <Badge>auto-delete</Badge>}
        {one.internal && <Badge tip="Clients cannot publish to it.">internal</Badge>}
        {Object.entries(one.arguments).map(([key, value]) => (
          <Badge key={key} tip={`${key}: ${JSON.stringify(value)}`}>
            {key.replace(/^x-/, "")}
          </Badge>
        ))}
      </span>
    ),
  },
  { id: "in", title: "In", width: "84px", end: true, by: (one) => one.message_stats?.publish_in_details?.rate ?? 0, cell: (one) => <PerSecond value={one.message_stats?.publish_in_details?.rate} /> },
  { id: "out", title: "Out", width: "84px", end: true, by: (one) => one.message_stats?.publish_out_details?.rate ?? 0, cell: (one) => <PerSecond value={one.message_stats?.publish_out_details?.rate} /> },
];

function All() {
  const exchanges = useApi<Exchange[]>("/api/exchanges");
  const vhosts = useApi<Vhost[]>("/api/vhosts?columns=name", { every: 0 });
  const names = (vhosts.data ?? []).map((one) => one.name);
  const [open, choose] = useTab(tabs);
  const [filter, setFilter] = useState("");
  const [inAddress, setVhost] = useInAddress("vhost");
  const vhost = inAddress ?? "";
  const [declaring, setDeclaring] = useState(false);
  const wanted = useDeferredValue(filter.toLowerCase());
  const rows = useMemo(
    () => (exchanges.data ?? []).filter((one) => exchangeName(one.name).toLowerCase().includes(wanted) && (vhost === "" || one.vhost === vhost)),
    [exchanges.data, wanted, vhost],
  );
  return (
    <Page
      title="Exchanges"
      marks={exchanges.data && <Badge>{exchanges.data.length}</Badge>}
      actions={
        <Button kind="primary" icon={Plus} onClick={() => setDeclaring(true)}>
          New exchange
        </Button>
      }
    >
      <Answer of={exchanges} what="exchanges">
        {(all) => (
          <>
            <Tabs tabs={tabs} open={open} choose={choose} />
            <div className="tools">
              {open === "list" && <Filter value={filter} change={setFilter} hint="Filter by name" />}
              {names.length > 1 && (
                <Select
                  bare
                  label="Virtual host"
                  value={open === "list" ? vhost : vhost || (names[0] ?? "/")}
                  change={setVhost}
                  of={[...(open === "list" ? [["", "All virtual hosts"] as [string, string]] : []), ...names.map((one): [string, string] => [one, one])]}
                />
              )}
            </div>
            {open === "list" ? (
              <Card bare>
                <Table rows={rows} columns={columns} rowKey={(one) => `${one.vhost}\u0000${one.name}`} sort={{ id: "name", down: false }} empty={<Empty icon={GitFork} title="No exchange fits" />} />
              </Card>
            ) : (
              <Drawing vhost={vhost || (names[0] ?? "/")} exchanges={all.filter((one) => one.vhost === (vhost || (names[0] ?? "/")))} />
            )}
          </>
        )}
      </Answer>
      {declaring && <Declare close={() => setDeclaring(false)} vhosts={names} />}
    </Page>
  );
}

function One({ vhost, name }: { vhost: string; name: string }) {
  const exchange = useApi<Exchange>(path("exchanges", vhost, name));
  const bindings = useApi<Binding[]>(path("exchanges", vhost, name, "bindings", "source"));
  const confirm = useConfirm();
  const navigate = useNavigate();
  const { change } = useChange();
  const unbind = useUnbind();
  const [binding, setBinding] = useState(false);
  const isOwn = name !== DEFAULT_EXCHANGE && !name.startsWith("amq.");
  const remove = async () => {
    const lost = `The exchange and its ${bindings.data?.length ?? 0} bindings will be gone. What programs publish to it is refused from then on.`;
    if (!(await confirm({ title: `Delete ${name}?`, lost, action: "Delete the exchange" }))) return;
    if (await change({ method: "DELETE", path: path("exchanges", vhost, name), done: `${name} is deleted.` })) void navigate("/exchanges");
  };
  const leads = useMemo<Column<Binding>[]>(
    () => [
      {
        id: "to",
        title: "Leads to",
        width: "minmax(150px, 1fr)",
        wide: true,
        by: (one) => one.destination,
        cell: (one) => (
          <Link className="name" to={one.destination_type === "queue" ? link("/queue", { vhost, name: one.destination }) : link("/exchanges", { vhost, name: one.destination })}>
            {one.destination}
          </Link>
        ),
      },
      { id: "kind", title: "", width: "92px", cell: (one) => <Badge tone={one.destination_type === "queue" ? "accent" : "violet"}>{one.destination_type}</Badge> },
      { id: "key", title: "Routing key", width: "minmax(120px, 1fr)", by: (one) => one.routing_key, cell: (one) => <span className="mono cut">{one.routing_key}</span> },
      {
        id: "arguments",
        title: "Arguments",
        width: "minmax(100px, 1fr)",
        cell: (one) => <span className="mono cut">{Object.keys(one.arguments).length === 0 ? <span className="zero">–</span> : JSON.stringify(one.arguments)}</span>,
      },
      { id: "unbind", title: "", width: "48px", end: true, cell: (one) => (one.source === "" ? null : <IconButton icon={Trash2} name="Unbind" onClick={() => void unbind(one)} />) },
    ],
    [unbind, vhost],
  );
  return (
    <Page
      title={exchangeName(name)}
      crumb={
        <>
          <Link to="/exchanges">Exchanges</Link> in {vhost}
        </>
      }
      marks={exchange.data && <Badge tone="violet">{exchange.data.type}</Badge>}
      actions={
        <>
          <Button onClick={() => void navigate(link("/publish", { vhost, exchange: name }))}>Publish</Button>
          {isOwn && (
            <Button kind="danger" icon={Trash2} onClick={() => void remove()}>
              Delete
            </Button>
          )}
        </>
      }
    >
      <Answer of={exchange} what="this exchange">
        {(one) => (
          <div className="stack">
            <Card title="Declared as">
              <Facts
                of={[
                  ["Type", one.type],
                  ["Durable", one.durable ? "yes: it outlives a restart" : "no"],
                  ["Auto-delete", one.auto_delete ? "yes: it goes with its last binding" : "no"],
                  ["Internal", one.internal ? "yes: clients cannot publish to it" : "no"],
                  ...Object.entries(one.arguments).map(([key, value]): [string, React.ReactNode] => [key, <span key={key} className="mono">{JSON.stringify(value)}</span>]),
                ]}
              />
            </Card>
            <Answer of={bindings} what="its bindings">
              {(all) => (
                <Card
                  bare
                  title="Bindings"
                  actions={
                    name !== DEFAULT_EXCHANGE && (
                      <Button small icon={Plus} onClick={() => setBinding(true)}>
                        Bind
                      </Button>
                    )
                  }
                >
                  <Table
                    rows={all}
                    columns={leads}
                    height="420px"
                    rowKey={(row) => `${row.destination_type} ${row.destination} ${row.properties_key ?? row.routing_key}`}
                    empty={
                      <Empty icon={GitFork} title="It leads nowhere">
                        <p>What is published to it reaches no queue: bind one.</p>
                      </Empty>
                    }
                  />
                </Card>
              )}
            </Answer>
            {name !== DEFAULT_EXCHANGE && <Drawing vhost={vhost} exchanges={[one]} only={name} />}
          </div>
        )}
      </Answer>
      {binding && <Bind close={() => setBinding(false)} vhost={vhost} source={name} />}
    </Page>
  );
}

function Declare({ close, vhosts }: { close: () => void; vhosts: string[] }) {
  const { change } = useChange();
  const { data } = useApi<Overview>("/api/overview", { every: 0 });
  const [name, setName] = useState("");
  const [vhost, setVhost] = useState(vhosts[0] ?? "/");
  const [type, setType] = useState("direct");
  const [durable, setDurable] = useState(true);
  const [autoDelete, setAutoDelete] = useState(false);
  const [internal, setInternal] = useState(false);
  const [entries, setEntries] = useState<Entry[]>([]);
  const table = toArguments(entries);
  const wrong = typeof table === "string" ? table : undefined;
  const types = data?.exchange_types ?? [];
  const act = () =>
    change({ method: "PUT", path: path("exchanges", vhost, name), body: { type, durable, auto_delete: autoDelete, internal, arguments: table }, done: `${name} is declared.` });
  return (
    <Dialog title="New exchange" close={close} action="Declare" act={act} disabled={name === "" || wrong !== undefined}>
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
      <Field label="Type" hint={types.find((one) => one.name === type)?.description}>
        <Select value={type} change={setType} of={types.length > 0 ? types.map((one) => one.name) : ["direct", "fanout", "topic", "headers"]} />
      </Field>
      <Check value={durable} change={setDurable}>
        Durable: it outlives a restart of the server
      </Check>
      <Check value={autoDelete} change={setAutoDelete}>
        Auto-delete: it goes with its last binding
      </Check>
      <Check value={internal} change={setInternal}>
        Internal: only other exchanges lead to it
      </Check>
      {wrong && <p className="tone-bad">{wrong}</p>}
      <Entries value={entries} change={setEntries} known={["alternate-exchange", "x-delayed-type"]} add="Add argument" />
    </Dialog>
  );
}
