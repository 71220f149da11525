// Consumers in a table, each with what it waits for.

import { useMemo } from "react";
import { Link } from "react-router";
import type { Consumer } from "../../api/shapes";
import { Badge } from "../../parts/show";
import { Table, type Column } from "../../parts/table";
import { link } from "../../words/names";

interface ConsumersProps {
  consumers: Consumer[];
  withQueue?: boolean;
  height?: string;
  empty?: React.ReactNode;
}

export function ConsumerTable({ consumers, withQueue = true, height, empty }: ConsumersProps) {
  const columns = useMemo<Column<Consumer>[]>(
    () => [
      { id: "tag", title: "Consumer", width: "minmax(150px, 1.4fr)", wide: true, by: (one) => one.consumer_tag, cell: (one) => <span className="name">{one.consumer_tag}</span> },
      ...(withQueue
        ? [
            {
              id: "queue",
              title: "Queue",
              width: "minmax(120px, 1.2fr)",
              by: (one: Consumer) => one.queue.name,
              cell: (one: Consumer) => (
                <Link className="cut" to={link("/queue", { vhost: one.queue.vhost, name: one.queue.name })}>
                  {one.queue.name}
                </Link>
              ),
            },
          ]
        : []),
      {
        id: "channel",
        title: "Channel",
        width: "minmax(150px, 1.4fr)",
        by: (one) => one.channel_details?.name ?? "",
        cell: (one) => <span className="muted cut">{one.channel_details?.name ?? "–"}</span>,
      },
      { id: "user", title: "User", width: "90px", by: (one) => one.channel_details?.user ?? "", cell: (one) => one.channel_details?.user ?? <span className="zero">–</span> },
      {
        id: "prefetch",
        title: "Prefetch",
        width: "80px",
        end: true,
        by: (one) => one.prefetch_count ?? 0,
        cell: (one) => (one.prefetch_count ? one.prefetch_count : <span className="faint">any</span>),
      },
      {
        id: "way",
        title: "Way",
        width: "130px",
        cell: (one) => (
          <span className="marks">
            {one.ack_required === false ? <Badge tone="warn" tip="Messages count as done when they are sent.">no ack</Badge> : <Badge>acks</Badge>}
            {one.exclusive && <Badge>exclusive</Badge>}
          </span>
        ),
      },
      {
        id: "waiting",
        title: "Gets nothing because",
        width: "minmax(190px, 2fr)",
        wide: true,
        by: (one) => one.landfall_waiting_for ?? "",
        cell: (one) => (one.landfall_waiting_for ? <span className="tone-warn">{one.landfall_waiting_for}</span> : <span className="zero">{one.landfall_waiting_for === undefined ? "–" : "it gets what there is"}</span>),
      },
    ],
    [withQueue],
  );
  return (
    <Table
      rows={consumers}
      columns={columns}
      rowKey={(one) => `${one.channel_details?.name ?? ""} ${one.consumer_tag}`}
      empty={empty}
      {...(height ? { height } : {})}
    />
  );
}
