// The nodes: who is there, who owns what, and how what they stand on is doing.

import { LogOut, MoreHorizontal, RotateCw, Scale } from "lucide-react";
import type { Cluster as ClusterShape, Node } from "../api/shapes";
import { useSession } from "../api/session";
import { useApi, useChange } from "../api/use";
import { Button, Menu } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Answer, Card, Code, Facts, Notice, Page, Tile, Tiles } from "../parts/frame";
import { Badge, Bytes, Count, Time, type Tone } from "../parts/show";
import { path } from "../words/names";
import { span } from "../words/times";

export default function Cluster() {
  const { may } = useSession();
  const cluster = useApi<ClusterShape>("/api/landfall/cluster", { enabled: may("monitoring") });
  const { change } = useChange();
  if (!may("monitoring")) {
    return (
      <Page title="Cluster">
        <Notice what="Only with the tag monitoring or administrator is this seen." />
      </Page>
    );
  }
  const isAlone = cluster.error?.missing === true;
  const rebalance = () => void change({ method: "POST", path: path("landfall", "cluster", "rebalance"), done: "The shards will be spread evenly." });
  return (
    <Page
      title="Cluster"
      actions={
        cluster.data &&
        may("administrator") && (
          <Button icon={Scale} onClick={rebalance}>
            Rebalance
          </Button>
        )
      }
    >
      <div className="stack">
        {isAlone ? <Alone /> : <Answer of={cluster} what="its cluster">{(status) => <Together status={status} />}</Answer>}
        <Nodes />
      </div>
    </Page>
  );
}

function Alone() {
  return (
    <Notice what="This server is alone: what lands is kept on its own disk.">
      Several nodes share a ZooKeeper and a PostgreSQL, and take over from each other. A whole cluster to try, on your own machine:
      <Code>landfall try</Code>
    </Notice>
  );
}

function Nodes() {
  const nodes = useApi<Node[]>("/api/nodes");
  return (
    <Answer of={nodes} what="nodes">
      {(all) => (
        <>
          {all.map((node) => (
            <Card
              key={node.name}
              title={node.name}
              note={node.uptime !== undefined && `up ${span(node.uptime)}`}
              actions={
                <>
                  {node.mem_alarm && <Badge tone="bad">memory is short</Badge>}
                  {node.disk_free_alarm && <Badge tone="bad">disk is short</Badge>}
                  {node.being_drained && <Badge tone="warn">being drained</Badge>}
                  <Badge tone={node.running ? "good" : "bad"}>{node.running ? "running" : "down"}</Badge>
                </>
              }
            >
              <Facts
                of={[
                  ["Version", node.applications?.map((one) => `${one.name} ${one.version}`).join(", ") ?? "–"],
                  ...(node.mem_used === undefined
                    ? []
                    : [
                        [
                          "Memory",
                          <span key="m">
                            <Bytes value={node.mem_used} /> of <Bytes value={node.mem_limit} />
                          </span>,
                        ] as [string, React.ReactNode],
                      ]),
                  ...(node.disk_free === undefined
                    ? []
                    : [
                        [
                          "Disk",
                          <span key="d">
                            <Bytes value={node.disk_free} /> free; publishers are blocked below <Bytes value={node.disk_free_limit} />
                          </span>,
                        ] as [string, React.ReactNode],
                      ]),
                  ...(node.fd_used === undefined
                    ? []
                    : [
                        [
                          "Files and sockets",
                          <span key="f">
                            <Count value={node.fd_used} /> of <Count value={node.fd_total} />
                          </span>,
                        ] as [string, React.ReactNode],
                      ]),
                  ...(node.os_pid === undefined ? [] : [["Process", node.os_pid] as [string, React.ReactNode]]),
                  ...(node.processors === undefined ? [] : [["Processors", String(node.processors)] as [string, React.ReactNode]]),
                ]}
              />
            </Card>
          ))}
        </>
      )}
    </Answer>
  );
}

const tones: Record<string, Tone> = { active: "good", served: "good", connected: "good", streaming: "good", draining: "warn", moving: "warn", unknown: "warn" };
const State = ({ of }: { of: string }) => <Badge tone={tones[of] ?? "bad"}>{of}</Badge>;

function Together({ status }: { status: ClusterShape }) {
  const { may } = useSession();
  const { zookeeper, databases } = status;
  const several = databases.length > 1;
  const counts = new Map<string, number>();
  for (const shard of status.shards) counts.set(shard.state, (counts.get(shard.state) ?? 0) + 1);
  return (
    <>
      {status.attention.length > 0 && (
        <Card bare title="Needs attention">
          {status.attention.map((what) => (
            <Notice key={what} line tone="warn" what={what} />
          ))}
        </Card>
      )}
      <Tiles>
        <Tile label="Serving" value={status.serving ? "yes" : "no"} tone={status.serving ? "good" : "bad"} hint={`asked of ${status.node}`} />
        <Tile label="Members" value={status.members.length} hint={`${status.controller ?? "nobody"} decides`} />
        <Tile label="Shards" value={status.shards.length} hint={[...counts].map(([state, number]) => `${number} ${state}`).join(", ")} />
        <Tile label="ZooKeeper" value={zookeeper.state} tone={zookeeper.state === "connected" ? undefined : "bad"} hint={zookeeper.lease_ms === null ? "no lease" : `lease for ${span(zookeeper.lease_ms)}`} />
        {databases.map((one, place) => (
          <Tile
            key={place}
            label={several ? `Database ${place}` : "Database"}
            value={one.state}
            tone={one.state === "connected" ? undefined : "bad"}
            hint={one.primary ?? one.reason ?? one.hosts.join(", ")}
          />
        ))}
      </Tiles>
      <Card bare title="Members">
        <ul>
          {status.members.map((member) => (
            <li key={member.node} className="member">
              <b>{member.node}</b>
              <State of={member.state} />
              {member.node === status.controller && <Badge tone="violet">decides</Badge>}
              <span className="muted">
                amqp {member.amqp} · http {member.admin || "not reachable"} · {member.program}
              </span>
              <span className="faint">
                since <Time at={member.since} />
              </span>
              {may("administrator") && <Drain node={member.node} draining={member.state === "draining"} />}
            </li>
          ))}
        </ul>
      </Card>
      <div className="columns">
        <Card title="Shards" note="who is to own each, and who has it">
          <Facts
            of={status.shards.map((shard) => [
              `Shard ${shard.shard}`,
              <span key={shard.shard} className="marks">
                <State of={shard.state} /> {shard.owner ?? "nobody"} · epoch {shard.epoch}
                {several && <span className="muted">database {shard.database}</span>}
                {shard.taken_by !== null && shard.taken_by !== shard.owner && <span className="muted">taken by {shard.taken_by}</span>}
              </span>,
            ])}
          />
        </Card>
        {databases.map((database, place) => (
          <Card key={place} title={several ? `Database ${place}` : "Database"} note={database.version && `PostgreSQL ${database.version}`}>
            <Facts
              of={[
                ["Hosts", database.hosts.join(", ")],
                ["Takes writes", database.primary ?? "–"],
                ...(database.standbys ?? []).map((one): [string, React.ReactNode] => [
                  one.name,
                  <span key={one.name} className="marks">
                    <State of={one.state} /> {one.sync}
                    {one.lag_ms !== null && <span className="muted">{span(one.lag_ms)} behind</span>}
                  </span>,
                ]),
              ]}
            />
          </Card>
        ))}
        <Card title="ZooKeeper">
          <Facts
            of={[
              ["Hosts", zookeeper.hosts.join(", ")],
              ...status.requests.map((one): [string, React.ReactNode] => ["Asked for", `${one.request} ${one.node ?? ""}`]),
            ]}
          />
        </Card>
      </div>
    </>
  );
}

function Drain({ node, draining }: { node: string; draining: boolean }) {
  const confirm = useConfirm();
  const { change } = useChange();
  const to = path("landfall", "cluster", "drain", node);
  const drain = async () => {
    const lost = `${node} gives its shards to the other nodes and gets none, until it is told otherwise. Clients see a pause, nothing is lost.`;
    if (await confirm({ title: `Drain ${node}?`, lost, action: "Drain", harmless: true })) await change({ method: "POST", path: to, done: `${node} will be drained.` });
  };
  return (
    <Menu
      trigger={
        <button type="button" className="button quiet icon" aria-label={`More about ${node}`}>
          <MoreHorizontal />
        </button>
      }
      entries={[
        draining
          ? { title: "Give it shards again", icon: RotateCw, act: () => void change({ method: "DELETE", path: to, done: `${node} may have shards again.` }) }
          : { title: "Drain", icon: LogOut, act: () => void drain() },
      ]}
    />
  );
}

