// Who is connected.

import { Cable, Trash2 } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import { Link } from "react-router";
import type { Connection } from "../api/shapes";
import { useApi, useChange } from "../api/use";
import { IconButton } from "../parts/buttons";
import { Dialog } from "../parts/dialogs";
import { Field, Filter, Input } from "../parts/fields";
import { Answer, Card, Code, Empty, Page } from "../parts/frame";
import { Badge, Bytes, Count, Time } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { many } from "../words/numbers";
import { link, path } from "../words/names";

/** What a connection is called by its program, or the program by its library. */
export function programOf(connection: Connection): string {
  const told = connection.client_properties ?? {};
  const name = told["connection_name"];
  if (typeof name === "string" && name !== "") return name;
  const { product, version } = told;
  return [product, version].filter((word) => typeof word === "string").join(" ");
}

const tones: Record<string, "good" | "warn" | "plain"> = { running: "good", blocked: "warn", blocking: "warn", flow: "warn" };

export default function Connections() {
  const connections = useApi<Connection[]>("/api/connections");
  const [filter, setFilter] = useState("");
  const [closing, setClosing] = useState<Connection | null>(null);
  const wanted = useDeferredValue(filter.toLowerCase());
  const rows = useMemo(
    () => (connections.data ?? []).filter((one) => [one.name, one.user, one.vhost, programOf(one)].join(" ").toLowerCase().includes(wanted)),
    [connections.data, wanted],
  );
  const columns = useMemo<Column<Connection>[]>(
    () => [
      {
        id: "name",
        title: "Connection",
        width: "minmax(220px, 2fr)",
        wide: true,
        by: (one) => one.name,
        cell: (one) => (
          <Link className="name" to={link("/channels", { connection: one.name })}>
            {one.name}
          </Link>
        ),
      },
      { id: "program", title: "Program", width: "minmax(120px, 1.2fr)", by: programOf, cell: (one) => <span className="muted cut">{programOf(one) || "–"}</span> },
      { id: "user", title: "User", width: "90px", by: (one) => one.user, cell: (one) => <span className="cut">{one.user}</span> },
      { id: "vhost", title: "Virtual host", spare: true, width: "106px", by: (one) => one.vhost, cell: (one) => <span className="muted cut">{one.vhost}</span> },
      { id: "state", title: "State", width: "86px", by: (one) => one.state, cell: (one) => <Badge tone={tones[one.state] ?? "plain"}>{one.state}</Badge> },
      { id: "tls", title: "TLS", width: "60px", by: (one) => (one.ssl ? 1 : 0), cell: (one) => (one.ssl ? <Badge tone="good">TLS</Badge> : <span className="zero">no</span>) },
      { id: "channels", title: "Channels", width: "80px", end: true, by: (one) => one.channels, cell: (one) => <Count value={one.channels} /> },
      { id: "in", title: "From client", width: "96px", end: true, by: (one) => one.recv_oct_details?.rate ?? one.recv_oct ?? 0, cell: (one) => <Came rate={one.recv_oct_details?.rate} total={one.recv_oct} /> },
      { id: "out", title: "To client", width: "96px", end: true, by: (one) => one.send_oct_details?.rate ?? one.send_oct ?? 0, cell: (one) => <Came rate={one.send_oct_details?.rate} total={one.send_oct} /> },
      { id: "since", title: "Since", width: "90px", end: true, by: (one) => one.connected_at ?? 0, cell: (one) => (one.connected_at ? <Time at={one.connected_at} /> : <span className="zero">–</span>) },
      { id: "close", title: "", width: "48px", end: true, cell: (one) => <IconButton icon={Trash2} name="Close" onClick={() => setClosing(one)} /> },
    ],
    [],
  );
  return (
    <Page title="Connections" marks={connections.data && <Badge>{connections.data.length}</Badge>}>
      <Answer of={connections} what="connections">
        {(all) => (
          <>
            <div className="tools">
              <Filter value={filter} change={setFilter} hint="Filter by name, user, program" />
            </div>
            <Card bare>
              <Table
                rows={rows}
                columns={columns}
                rowKey={(one) => one.name}
                sort={{ id: "name", down: false }}
                empty={
                  all.length > 0 ? (
                    <Empty icon={Cable} title="No connection fits" />
                  ) : (
                    <Empty icon={Cable} title="Nobody is connected">
                      <p>With Python and pika a program connects so:</p>
                      <Code>{`import pika
connection = pika.BlockingConnection(pika.URLParameters("amqp://guest:guest@localhost"))`}</Code>
                    </Empty>
                  )
                }
              />
            </Card>
          </>
        )}
      </Answer>
      {closing && <Close connection={closing} close={() => setClosing(null)} />}
    </Page>
  );
}

/** How much comes in a second; of a server that does not count that, how much has come altogether. */
function Came({ rate, total }: { rate: number | undefined; total: number | undefined }) {
  if (rate === undefined) return <Bytes value={total} />;
  if (rate === 0) return <span className="zero">0</span>;
  return (
    <>
      <Bytes value={Math.round(rate)} />
      /s
    </>
  );
}

function Close({ connection, close }: { connection: Connection; close: () => void }) {
  const { change } = useChange();
  const [reason, setReason] = useState("");
  const act = () =>
    change({
      method: "DELETE",
      path: path("connections", connection.name),
      headers: reason === "" ? {} : { "X-Reason": reason },
      done: "The connection is closed.",
    });
  return (
    <Dialog title="Close this connection?" close={close} action="Close it" danger act={act}>
      <p>
        {connection.name} of {connection.user} with {many(connection.channels, "channel")}. What its consumers have not acknowledged comes back to the queues; what it
        has published without a confirm may be lost to its program. Most programs connect again.
      </p>
      <Field label="Reason" hint="The program is told.">
        <Input value={reason} change={setReason} placeholder="Closed via management" />
      </Field>
    </Dialog>
  );
}

