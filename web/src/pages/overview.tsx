// The overview: is anything lost, stuck, late or dying?

import { useMemo } from "react";
import { Link } from "react-router";
import { useDying, useSeldom } from "../api/dead";
import { useLive } from "../api/live";
import { useSession } from "../api/session";
import type { Audit, Cluster, Connection, Consumer, Node, Overview as About, Paged, Queue, Sample } from "../api/shapes";
import { useApi } from "../api/use";
import { Chart, type Line } from "../parts/chart";
import { Card, Notice, Page, Share, Tile, Tiles } from "../parts/frame";
import { Bytes, Count, Dot, Time } from "../parts/show";
import { bytes, compact, rate } from "../words/numbers";
import { link, path } from "../words/names";
import { span } from "../words/times";
import { attention, type Attention } from "./overview/attention";

const largest = (column: string) =>
  `/api/queues?sort=${column}&sort_reverse=true&page=1&page_size=50&columns=name,vhost,consumers,messages_ready,messages_unacknowledged,messages_delayed,messages_parked,message_stats.ack_details.rate`;

export default function Overview() {
  const { last, samples, state } = useLive();
  const about = useApi<About>("/api/overview");
  return (
    <Page title="Overview" about={about.data && `${about.data.node}, Landfall ${about.data.landfall_version}`}>
      <div className="stack">
        <Totals last={last} about={about.data} />
        <Attend />
        {state === "absent" && samples.length === 0 ? (
          <Notice what="No live figures">The server has no stream of rates and latencies for you. All else works.</Notice>
        ) : (
          <Charts samples={samples} />
        )}
        <div className="columns">
          <Backlogs />
          <Machine last={last} />
        </div>
      </div>
    </Page>
  );
}

function Totals({ last, about }: { last: Sample | undefined; about: About | undefined }) {
  const now = last?.rates;
  const stats = about?.message_stats;
  const totals = about?.queue_totals;
  const tile = (value: number | undefined, say: (value: number) => string) => (value === undefined ? "–" : say(value));
  const parked = last?.totals.parked;
  return (
    <Tiles>
      <Tile label="Published" unit="/s" value={tile(now?.publish ?? stats?.publish_details?.rate, rate)} />
      <Tile label="Confirmed" unit="/s" value={tile(now?.confirm ?? stats?.confirm_details?.rate, rate)} />
      <Tile label="Delivered" unit="/s" value={tile(now?.deliver ?? stats?.deliver_get_details?.rate, rate)} />
      <Tile label="Acknowledged" unit="/s" value={tile(now?.ack ?? stats?.ack_details?.rate, rate)} />
      <Tile label="Ready" of="ready" to="/queues?sort=messages_ready" value={tile(last?.totals.ready ?? totals?.messages_ready, compact)} />
      <Tile label="Unacked" of="unacked" to="/queues?sort=messages_unacknowledged" value={tile(last?.totals.unacked ?? totals?.messages_unacknowledged, compact)} />
      <Tile label="Delayed" of="delayed" to="/delayed" value={tile(last?.totals.delayed, compact)} />
      <Tile label="Parked" of="parked" to="/dead" tone={parked ? "bad" : undefined} value={tile(parked, compact)} />
    </Tiles>
  );
}

/** What needs attention, from everything that can be asked. */
function Attend() {
  const { may } = useSession();
  const { last } = useLive();
  const { dead, parked, paused, queues } = useDying();
  const audit = useApi<Audit>("/api/landfall/audit", { every: useSeldom() });
  const cluster = useApi<Cluster>("/api/landfall/cluster", { enabled: may("monitoring") });
  const backlogs = useApi<Paged<Queue>>(largest("messages_ready"));
  const connections = useApi<Connection[]>("/api/connections?columns=name,state", { every: 15_000 });
  const consumers = useApi<Consumer[]>("/api/consumers", { every: 15_000 });
  const all = attention({
    alarms: last?.alarms ?? [],
    cluster: cluster.data?.attention ?? [],
    audit: audit.data,
    parked,
    dead,
    paused,
    backlogs: backlogs.data?.items ?? [],
    connections: connections.data ?? [],
    consumers: consumers.data ?? [],
  });
  if (all.length === 0) {
    if (queues.isPending || audit.isPending) return <Notice what="Looking …" />;
    return (
      <Notice tone="good" what="Nothing needs attention">
        Every message is accounted for; nothing is parked, dead or stuck.
      </Notice>
    );
  }
  return (
    <Card bare title="Needs attention">
      {all.map((one) => (
        <Attended key={one.what} one={one} />
      ))}
    </Card>
  );
}

function Attended({ one }: { one: Attention }) {
  return (
    <Notice
      line
      tone={one.tone}
      what={one.to ? <Link to={one.to}>{one.what}</Link> : one.what}
      aside={
        one.since !== undefined && (
          <span className="faint">
            <Time at={one.since} />
          </span>
        )
      }
    >
      {one.why}
    </Notice>
  );
}

/** The charts of the last quarter of an hour. */
function Charts({ samples }: { samples: Sample[] }) {
  const at = useMemo(() => samples.map((sample) => sample.at / 1000), [samples]);
  const charts = useMemo(() => {
    const line = (title: string, color: Line["color"], of: (sample: Sample) => number | null | undefined, more: Partial<Line> = {}): Line => ({
      title,
      color,
      values: samples.map(of),
      ...more,
    });
    return {
      rates: [
        line("published", "accent", ({ rates }) => rates.publish, { fill: true }),
        line("confirmed", "good", ({ rates }) => rates.confirm),
        line("delivered", "delayed", ({ rates }) => rates.deliver),
        line("acknowledged", "acked", ({ rates }) => rates.ack, { dashed: true }),
        line("redelivered", "parked", ({ rates }) => rates.redeliver),
      ],
      latency: [
        line("confirm p99", "unacked", ({ latency }) => latency.confirm_p99_ms),
        line("confirm p50", "accent", ({ latency }) => latency.confirm_p50_ms),
        line("sync p99", "parked", ({ latency }) => latency.sync_p99_ms, { dashed: true }),
        line("sync p50", "delayed", ({ latency }) => latency.sync_p50_ms, { dashed: true }),
      ],
      backlog: [
        line("ready", "ready", ({ totals }) => totals.ready, { fill: true }),
        line("unacked", "unacked", ({ totals }) => totals.unacked),
        line("delayed", "delayed", ({ totals }) => totals.delayed),
        line("parked", "parked", ({ totals }) => totals.parked),
      ],
      memory: [line("memory", "accent", ({ memory }) => memory, { fill: true })],
    };
  }, [samples]);
  return (
    <div className="columns">
      <Card title="Messages a second">
        <Chart at={at} lines={charts.rates} say={rate} />
      </Card>
      <Card title="Latency" note="what a publisher waits for its confirm, and the disk for a sync">
        <Chart at={at} lines={charts.latency} say={span} />
      </Card>
      <Card title="Messages here">
        <Chart at={at} lines={charts.backlog} say={compact} steps="whole" />
      </Card>
      <Card title="Memory">
        <Chart at={at} lines={charts.memory} say={bytes} steps="binary" />
      </Card>
    </div>
  );
}

function Backlogs() {
  const { data } = useApi<Paged<Queue>>(largest("messages_ready"));
  const queues = (data?.items ?? []).filter((queue) => queue.messages_ready + queue.messages_unacknowledged > 0).slice(0, 6);
  return (
    <Card title="Largest backlogs" note="and how old their oldest message is">
      {queues.length === 0 && <p className="faint">Nothing waits in any queue.</p>}
      <ul className="backlogs">
        {queues.map((queue) => (
          <Backlog key={`${queue.vhost} ${queue.name}`} queue={queue} />
        ))}
      </ul>
    </Card>
  );
}

function Backlog({ queue }: { queue: Queue }) {
  const { data } = useApi<Queue>(path("landfall", "queues", queue.vhost, queue.name), { every: 15_000 });
  return (
    <li>
      <div className="row">
        <Link className="name cut" to={link("/queue", { vhost: queue.vhost, name: queue.name })}>
          {queue.name}
        </Link>
        <span className="faint">{data?.oldest ? <Time at={data.oldest.accepted} /> : ""}</span>
        <Count value={queue.messages_ready} />
      </div>
      <Share
        of={[
          { place: "ready", value: queue.messages_ready, title: "ready" },
          { place: "unacked", value: queue.messages_unacknowledged, title: "unacked" },
          { place: "delayed", value: queue.messages_delayed, title: "delayed" },
          { place: "parked", value: queue.messages_parked, title: "parked" },
        ]}
      />
    </li>
  );
}

function Machine({ last }: { last: Sample | undefined }) {
  const { may } = useSession();
  const { data: nodes } = useApi<Node[]>("/api/nodes", { enabled: may("monitoring") });
  const { data: about } = useApi<About>("/api/overview");
  const totals = about?.object_totals;
  const here: [string, string, number | undefined][] = [
    ["Connections", "/connections", last?.connections ?? totals?.connections],
    ["Channels", "/channels", last?.channels ?? totals?.channels],
    ["Consumers", "/consumers", last?.consumers ?? totals?.consumers],
    ["Queues", "/queues", last?.queues ?? totals?.queues],
    ["Exchanges", "/exchanges", totals?.exchanges],
  ];
  return (
    <Card title="Server">
      <div className="numbers">
        {here.map(([title, to, value]) => (
          <Link key={title} to={to}>
            <b>{value === undefined ? "–" : compact(value)}</b> {title}
          </Link>
        ))}
      </div>
      {(nodes ?? []).map((node) => (
        <div key={node.name} className="node">
          <Dot of={node.mem_alarm || node.disk_free_alarm ? "parked" : "acked"} />
          <b>{node.name}</b>
          <span className="muted">
            {node.uptime !== undefined && `up ${span(node.uptime)} · `}
            {node.mem_used !== undefined && (
              <>
                <Bytes value={node.mem_used} /> of <Bytes value={node.mem_limit} />
              </>
            )}
            {node.fd_used !== undefined && ` · ${compact(node.fd_used)} files`}
            {(node.disk_free ?? last?.disk_free) !== undefined && ` · ${bytes(node.disk_free ?? last?.disk_free ?? 0)} of disk free`}
          </span>
        </div>
      ))}
    </Card>
  );
}
