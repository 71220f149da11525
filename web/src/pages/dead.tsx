// What died or is out of attempts, across all queues: grouped by why, looked into, and sent on its way again.

import { HeartPulse, RotateCcw } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { useDying } from "../api/dead";
import type { Messages, State } from "../api/shapes";
import { useApi } from "../api/use";
import { useMessageCommand } from "../messages/commands";
import { MessageTable } from "../messages/list";
import { Button } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Answer, Card, Empty, Notice, Page } from "../parts/frame";
import { Badge, Dot, Time } from "../parts/show";
import type { Dying } from "../words/dying";
import { grouped, reasonText, type Group } from "../words/deaths";
import { count, many } from "../words/numbers";
import { link, path } from "../words/names";
import { Chosen } from "./queue/messages";

/** So many messages of a queue are looked at for the groups. */
const LOOK = 1000;

export default function Dead() {
  const { queues, dead, parked } = useDying();
  return (
    <Page title="Dead & parked" about="Parked messages are out of attempts and wait in their queue; dead letters went to another queue. Neither goes anywhere without you.">
      <Answer of={queues} what="queues">
        {() => (
          <div className="stack">
            {dead.length + parked.length === 0 && (
              <Empty icon={HeartPulse} title="Nothing is dead or parked">
                <p>
                  A message that comes back more often than its queue’s x-delivery-limit is parked, or goes to the queue’s dead-letter exchange. It will be here then, with the reason.
                </p>
              </Empty>
            )}
            {parked.map((queue) => (
              <Died key={`parked ${queue.vhost} ${queue.name}`} queue={queue} state="parked" total={queue.messages_parked} />
            ))}
            {dead.map((queue) => (
              <Died key={`dead ${queue.vhost} ${queue.name}`} queue={queue} state="ready" total={queue.messages_ready} />
            ))}
          </div>
        )}
      </Answer>
    </Page>
  );
}

function Died({ queue, state, total }: { queue: Dying; state: State; total: number }) {
  const list = `${path("landfall", "queues", queue.vhost, queue.name, "messages")}?state=${state}&limit=${LOOK}&body=1024`;
  const messages = useApi<Messages>(list, { every: 15_000 });
  const all = messages.data?.messages ?? [];
  const groups = grouped(all.map((message) => ({ ...message, queue: queue.name })));
  return (
    <Card
      bare
      title={
        <span className="marks">
          <Dot of={state === "parked" ? "parked" : "leaving"} />
          <Link to={link("/queue", { vhost: queue.vhost, name: queue.name, tab: "messages", state })}>{queue.name}</Link>
        </span>
      }
      note={`${state === "parked" ? many(total, "parked message") : many(total, "dead letter")} in ${queue.vhost}`}
    >
      {messages.error && (
        <Notice line tone="bad" what="No answer about these messages.">
          {messages.error.message}
        </Notice>
      )}
      {groups.map((group) => (
        <Alike key={group.key} group={group} queue={queue} state={state} whole={all.length >= total} />
      ))}
      {messages.data && all.length < total && <Notice line what={`The first ${count(all.length)} of ${count(total)} were looked at.`} />}
    </Card>
  );
}

function Alike({ group, queue, state, whole }: { group: Group; queue: Dying; state: State; whole: boolean }) {
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const confirm = useConfirm();
  const run = useMessageCommand();
  const { death, messages } = group;
  const redrive = async () => {
    const how = state === "parked" ? "will be delivered again, their attempts forgotten" : "will go back to where they died";
    const lost = `${whole ? many(messages.length, "message") : "All messages"} of ${queue.name} with this reason ${how}.`;
    if (!(await confirm({ title: "Redrive them?", lost, action: "Redrive", harmless: true }))) return;
    const filter = { reason: death?.reason, ...(state === "ready" && death?.queue ? { queue: death.queue } : {}) };
    await run("redrive", queue, { filter, state });
  };
  return (
    <div className="alike">
      <div className="row">
        <button type="button" className="opener" aria-expanded={open} onClick={() => setOpen(!open)}>
          {death ? reasonText(death.reason) : "Without a death in its headers"}
        </button>
        {state === "ready" && death?.queue && (
          <span className="muted">
            in <Link to={link("/queue", { vhost: queue.vhost, name: death.queue })}>{death.queue}</Link>
          </span>
        )}
        <Badge tone={state === "parked" ? "bad" : "warn"}>
          {count(messages.length)}
          {whole ? "" : "+"}
        </Badge>
        <span className="faint when">
          <Time at={group.oldest} /> – <Time at={group.newest} />
        </span>
        {death && (
          <Button small icon={RotateCcw} onClick={() => void redrive()}>
            Redrive all
          </Button>
        )}
      </div>
      {open && (
        <>
          <MessageTable messages={messages} chosen={chosen} choose={setChosen} empty={null} height="480px" {...(state === "parked" ? { time: PARKED } : {})} />
          {chosen.size > 0 && <Chosen queue={queue} state={state} positions={[...chosen].map(Number)} clear={() => setChosen(new Set())} />}
        </>
      )}
    </div>
  );
}

const PARKED = { title: "Parked", of: (message: { parked?: number }) => message.parked };
