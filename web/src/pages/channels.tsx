// The channels of connections: what each publishes, consumes, holds.

import { ArrowLeftRight, X } from "lucide-react";
import { useDeferredValue, useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import type { Channel } from "../api/shapes";
import { useApi } from "../api/use";
import { Button } from "../parts/buttons";
import { Filter } from "../parts/fields";
import { Answer, Card, Empty, Page } from "../parts/frame";
import { Badge, Count, PerSecond } from "../parts/show";
import { Table, type Column } from "../parts/table";
import { path } from "../words/names";

const columns: Column<Channel>[] = [
  { id: "name", title: "Channel", width: "minmax(210px, 2fr)", wide: true, by: (one) => one.name, cell: (one) => <span className="name">{one.name}</span> },
  { id: "user", title: "User", width: "80px", by: (one) => one.user, cell: (one) => <span className="cut">{one.user}</span> },
  { id: "vhost", title: "Virtual host", spare: true, width: "106px", by: (one) => one.vhost, cell: (one) => <span className="muted cut">{one.vhost}</span> },
  {
    id: "mode",
    title: "Mode",
    width: "94px",
    cell: (one) =>
      one.transactional ? (
        <Badge>transactions</Badge>
      ) : one.confirm ? (
        <Badge tone="good" tip="Its publishes are confirmed when they have landed.">
          confirms
        </Badge>
      ) : (
        <span className="zero">–</span>
      ),
  },
  { id: "consumers", title: "Consumers", width: "84px", end: true, by: (one) => one.consumer_count ?? 0, cell: (one) => <Count value={one.consumer_count} /> },
  { id: "prefetch", title: "Prefetch", width: "80px", end: true, by: (one) => one.prefetch_count ?? 0, cell: (one) => (one.prefetch_count ? one.prefetch_count : <span className="faint">any</span>) },
  { id: "unacked", title: "Unacked", width: "80px", end: true, by: (one) => one.messages_unacknowledged ?? 0, cell: (one) => <Count value={one.messages_unacknowledged} /> },
  { id: "unconfirmed", title: "Unconfirmed", width: "96px", end: true, by: (one) => one.messages_unconfirmed ?? 0, cell: (one) => <Count value={one.messages_unconfirmed} /> },
  { id: "publish", title: "Published", width: "82px", end: true, by: (one) => one.message_stats?.publish_details?.rate ?? 0, cell: (one) => <PerSecond value={one.message_stats?.publish_details?.rate} /> },
  { id: "deliver", title: "Delivered", width: "82px", end: true, by: (one) => one.message_stats?.deliver_get_details?.rate ?? 0, cell: (one) => <PerSecond value={one.message_stats?.deliver_get_details?.rate} /> },
  { id: "ack", title: "Acked", width: "78px", end: true, by: (one) => one.message_stats?.ack_details?.rate ?? 0, cell: (one) => <PerSecond value={one.message_stats?.ack_details?.rate} /> },
];

export default function Channels() {
  const [search, setSearch] = useSearchParams();
  const connection = search.get("connection");
  const channels = useApi<Channel[]>(connection === null ? "/api/channels" : path("connections", connection, "channels"));
  const [filter, setFilter] = useState("");
  const wanted = useDeferredValue(filter.toLowerCase());
  const rows = useMemo(() => (channels.data ?? []).filter((one) => `${one.name} ${one.user} ${one.vhost}`.toLowerCase().includes(wanted)), [channels.data, wanted]);
  return (
    <Page title="Channels" marks={channels.data && <Badge>{channels.data.length}</Badge>} about={connection !== null && `of the connection ${connection}`}>
      <Answer of={channels} what="channels">
        {() => (
          <>
            <div className="tools">
              <Filter value={filter} change={setFilter} hint="Filter by name, user" />
              {connection !== null && (
                <Button kind="quiet" icon={X} onClick={() => setSearch({})}>
                  Of all connections
                </Button>
              )}
            </div>
            <Card bare>
              <Table
                rows={rows}
                columns={columns}
                rowKey={(one) => one.name}
                sort={{ id: "name", down: false }}
                empty={
                  <Empty icon={ArrowLeftRight} title="There is no channel">
                    <p>A program opens channels on its connection, and publishes and consumes on them.</p>
                  </Empty>
                }
              />
            </Card>
          </>
        )}
      </Answer>
    </Page>
  );
}
