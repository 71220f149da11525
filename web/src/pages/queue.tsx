// One queue: what is in it, what comes and goes, who takes it, and the rules in force.

import { Ban, CirclePlay, Eraser, MoreHorizontal, Pause, Play, RotateCcw, Send, Trash2 } from "lucide-react";
import { Link, useNavigate, useSearchParams } from "react-router";
import type { Queue as QueueShape } from "../api/shapes";
import { useApi, useChange } from "../api/use";
import { useMessageCommand } from "../messages/commands";
import { Button, Menu } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Answer, Page, Tabs, Tile, Tiles, useTab } from "../parts/frame";
import { Count, PerSecond, Time } from "../parts/show";
import { compact, many } from "../words/numbers";
import { link, path } from "../words/names";
import { Features } from "./queues";
import { QueueBindings } from "./queue/bindings";
import { QueueConsumers } from "./queue/consumers";
import { QueueMessages } from "./queue/messages";
import { QueueRates } from "./queue/rates";
import { QueueRules } from "./queue/rules";

const tabs = [
  { id: "now", title: "Now" },
  { id: "messages", title: "Messages" },
  { id: "rules", title: "Rules & retry" },
  { id: "bindings", title: "Bindings" },
];

export default function Queue() {
  const [search] = useSearchParams();
  const vhost = search.get("vhost") ?? "/";
  const name = search.get("name") ?? "";
  const [open, choose] = useTab(tabs);
  // RabbitMQ's shape has the rates, our own the states, rules and the oldest message.
  const ours = useApi<QueueShape>(path("landfall", "queues", vhost, name));
  const theirs = useApi<QueueShape>(path("queues", vhost, name));
  const queue = ours.data && { ...theirs.data, ...ours.data };
  return (
    <Page
      title={name}
      crumb={
        <>
          <Link to="/queues">Queues</Link> in {vhost}
        </>
      }
      marks={queue && <Features queue={queue} />}
      actions={queue && <Actions queue={queue} />}
    >
      <Answer of={ours} what="this queue">
        {() => {
          if (!queue) return null;
          return (
            <>
              <div className="stack">
                <States queue={queue} />
              </div>
              <div className="gap" />
              <Tabs tabs={tabs.map((tab) => (tab.id === "messages" ? { ...tab, mark: compact(queue.messages) } : tab))} open={open} choose={choose} />
              {open === "now" && (
                <div className="stack">
                  <QueueRates queue={queue} asked={ours.dataUpdatedAt} />
                  <QueueConsumers queue={queue} />
                </div>
              )}
              {open === "messages" && <QueueMessages queue={queue} />}
              {open === "rules" && <QueueRules queue={queue} />}
              {open === "bindings" && <QueueBindings queue={queue} />}
            </>
          );
        }}
      </Answer>
    </Page>
  );
}

function States({ queue }: { queue: QueueShape }) {
  const to = (state: string) => link("/queue", { vhost: queue.vhost, name: queue.name, tab: "messages", state });
  const stats = queue.message_stats;
  return (
    <Tiles>
      <Tile label="Ready" of="ready" to={to("ready")} value={<Count value={queue.messages_ready} />} hint="waiting to be delivered" />
      <Tile label="Unacked" of="unacked" to={to("unacked")} value={<Count value={queue.messages_unacknowledged} />} hint="with a consumer" />
      <Tile label="Delayed" of="delayed" to={to("delayed")} value={<Count value={queue.messages_delayed} />} hint="waiting for their time" />
      <Tile label="Parked" of="parked" to={to("parked")} value={<Count value={queue.messages_parked} tone="bad" />} hint="out of attempts" />
      {queue.messages_leaving > 0 && <Tile label="Leaving" of="leaving" to={to("leaving")} value={<Count value={queue.messages_leaving} />} hint="to the dead letters" />}
      <Tile label="Oldest ready" value={queue.oldest ? <Time at={queue.oldest.accepted} /> : <span className="zero">–</span>} hint="since it was published" />
      <Tile
        label="Consumers"
        value={<Count value={queue.consumers} />}
        tone={queue.consumers === 0 && queue.messages_ready > 0 ? "warn" : undefined}
        hint={queue.consumers === 0 && queue.messages_ready > 0 ? "nobody takes these" : "receive from here"}
      />
      {stats && <Tile label="In / acked" value={<PerSecond value={stats.publish_details?.rate ?? 0} />} hint={<>acknowledged <PerSecond value={stats.ack_details?.rate ?? 0} /></>} />}
    </Tiles>
  );
}

function Actions({ queue }: { queue: QueueShape }) {
  const confirm = useConfirm();
  const navigate = useNavigate();
  const { change } = useChange();
  const command = useMessageCommand();
  const { vhost, name } = queue;
  const purge = async () => {
    const lost = `${many(queue.messages_ready, "ready message")} and ${many(queue.messages_delayed, "delayed one")} will be gone for good. What is unacked or parked stays.`;
    if (await confirm({ title: `Purge ${name}?`, lost, action: "Purge" })) {
      await change({ method: "DELETE", path: path("queues", vhost, name, "contents"), done: `${name} is purged.` });
    }
  };
  const remove = async () => {
    const lost = `The queue, its bindings, and ${many(queue.messages, "message")} in it (${queue.messages_parked} of them parked) will be gone for good.`;
    const typed = queue.messages > 0 ? { typed: name } : {};
    if (!(await confirm({ title: `Delete ${name}?`, lost, action: "Delete the queue", ...typed }))) return;
    if (await change({ method: "DELETE", path: path("queues", vhost, name), done: `${name} is deleted.` })) void navigate("/queues");
  };
  const redrive = async () => {
    const lost = `${many(queue.messages_parked, "message")} will be delivered again, as if they never had been: their attempts are forgotten.`;
    if (await confirm({ title: "Redrive all parked messages?", lost, action: "Redrive", harmless: true })) await command("redrive", queue, { all: true, state: "parked" });
  };
  const fire = async () => {
    const lost = `${many(queue.messages_delayed, "message")} will be ready now, whatever time they wait for.`;
    if (await confirm({ title: "Deliver all delayed messages now?", lost, action: "Make ready", harmless: true })) await command("fire", queue, { all: true });
  };
  const cancelParked = async () => {
    const lost = `${many(queue.messages_parked, "parked message")} will be gone for good.`;
    if (await confirm({ title: "Cancel all parked messages?", lost, action: "Cancel them" })) await command("cancel", queue, { all: true, state: "parked" });
  };
  const pause = async () => {
    const lost = `${many(queue.consumers, "consumer")} will get nothing from ${name} until it is resumed. It takes messages as ever; what is unacked may still be acknowledged.`;
    if (await confirm({ title: `Pause ${name}?`, lost, action: "Pause", harmless: true })) {
      await change({ method: "PUT", path: path("landfall", "queues", vhost, name, "pause"), done: `${name} is paused.` });
    }
  };
  const resume = () => change({ method: "DELETE", path: path("landfall", "queues", vhost, name, "pause"), done: `${name} hands messages out again.` });
  return (
    <>
      {queue.landfall_paused && (
        <Button icon={Play} kind="primary" onClick={() => void resume()}>
          Resume
        </Button>
      )}
      {queue.messages_parked > 0 && (
        <Button icon={RotateCcw} onClick={() => void redrive()}>
          Redrive parked
        </Button>
      )}
      <Button icon={Send} onClick={() => void navigate(link("/publish", { vhost, queue: name }))}>
        Publish
      </Button>
      <Menu
        trigger={
          <button type="button" className="button icon" aria-label="More">
            <MoreHorizontal />
          </button>
        }
        entries={[
          { title: "Receive by hand", icon: CirclePlay, act: () => void navigate(link("/publish", { vhost, queue: name, tab: "get" })) },
          { title: "Deliver delayed now", icon: CirclePlay, act: () => void fire(), disabled: queue.messages_delayed === 0 },
          ...(queue.landfall_paused ? [] : [{ title: "Pause", icon: Pause, act: () => void pause() }]),
          null,
          { title: "Cancel parked", icon: Ban, act: () => void cancelParked(), destructive: true, disabled: queue.messages_parked === 0 },
          { title: "Purge", icon: Eraser, act: () => void purge(), destructive: true },
          { title: "Delete", icon: Trash2, act: () => void remove(), destructive: true },
        ]}
      />
    </>
  );
}

