// The messages of a queue in each state: to look changes nothing. Chosen ones, or all that a filter fits, can be acted on.

import { Ban, CirclePlay, CornerUpRight, Inbox, Pencil, RotateCcw, SlidersHorizontal, X } from "lucide-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { Refused, request } from "../../api/request";
import type { Message, Messages, Queue, State } from "../../api/shapes";
import { useMessageCommand } from "../../messages/commands";
import { MessageTable } from "../../messages/list";
import { EditDialog, MoveDialog } from "../../messages/moving";
import { Button, IconButton } from "../../parts/buttons";
import { Dialog, useConfirm } from "../../parts/dialogs";
import { Field, Filter, Input } from "../../parts/fields";
import { Card, Empty, Notice, Segments } from "../../parts/frame";
import { useSettings } from "../../parts/settings";
import { Dot } from "../../parts/show";
import type { Command } from "../../words/commands";
import { compact, count, many } from "../../words/numbers";
import { path } from "../../words/names";
import { searchHint, searchQuery } from "../../words/search";

const LOOK = 100;
/** So many bytes of each body come with the list. */
const BODY = 4096;

const timesOf: Partial<Record<State, { title: string; of: (message: Message) => number | undefined }>> = {
  delayed: { title: "Due", of: (message) => message.due },
  parked: { title: "Parked", of: (message) => message.parked },
  unacked: { title: "Given up", of: (message) => message.holder?.due ?? undefined },
};

export function QueueMessages({ queue }: { queue: Queue }) {
  const { refresh } = useSettings();
  const [search, setSearch] = useSearchParams();
  const states: [State, string, number][] = [
    ["ready", "Ready", queue.messages_ready],
    ["unacked", "Unacked", queue.messages_unacknowledged],
    ["delayed", "Delayed", queue.messages_delayed],
    ["parked", "Parked", queue.messages_parked],
    ["leaving", "Leaving", queue.messages_leaving],
  ];
  const wanted = search.get("state");
  const fullest = states.find(([, , count]) => count > 0)?.[0] ?? "ready";
  const state = states.find(([id]) => id === wanted)?.[0] ?? fullest;
  const say = (key: string, value: string) =>
    setSearch(
      (before) => {
        const after = new URLSearchParams(before);
        if (value === "") after.delete(key);
        else after.set(key, value);
        return after;
      },
      { replace: true },
    );
  const find = search.get("find") ?? "";
  const [typed, setTyped] = useState(find);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [filtering, setFiltering] = useState(false);
  const list = path("landfall", "queues", queue.vhost, queue.name, "messages");
  const pages = useInfiniteQuery<Messages, Refused>({
    queryKey: [list, state, find],
    queryFn: ({ pageParam }) => request("GET", `${list}?state=${state}&limit=${LOOK}&body=${BODY}${searchQuery(find)}${pageParam ? `&after=${String(pageParam)}` : ""}`),
    initialPageParam: null,
    getNextPageParam: (last) => last.next,
    // A search reads much: it is done when it is asked for.
    refetchInterval: refresh === 0 || find !== "" ? false : refresh * 2,
  });
  const messages = pages.data?.pages.flatMap((page) => page.messages) ?? [];
  const lookedAt = pages.data?.pages.reduce((sum, page) => sum + page.looked_at, 0) ?? 0;
  const told = timesOf[state];
  return (
    <>
      <div className="tools">
        <Segments
          open={state}
          choose={(id) => {
            say("state", id);
            setChosen(new Set());
          }}
          of={states.map(([id, title, count]) => ({
            id,
            title: (
              <>
                <Dot of={id} /> {title} <span className="faint">{compact(count)}</span>
              </>
            ),
          }))}
        />
        <span className="grow" />
        <form
          onSubmit={(event) => {
            event.preventDefault();
            say("find", typed.trim());
            setChosen(new Set());
          }}
        >
          <Filter value={typed} change={setTyped} hint={searchHint} />
        </form>
        {find !== "" && (
          <IconButton
            icon={X}
            name="Show all messages"
            onClick={() => {
              setTyped("");
              say("find", "");
              setChosen(new Set());
            }}
          />
        )}
        {(state === "ready" || state === "delayed" || state === "parked") && (
          <Button icon={SlidersHorizontal} onClick={() => setFiltering(true)}>
            Act on a filter
          </Button>
        )}
      </div>
      {pages.error && (
        <Notice tone="bad" what="No answer about messages.">
          {pages.error.message}
        </Notice>
      )}
      <Card bare>
        <MessageTable
          messages={messages}
          chosen={chosen}
          choose={setChosen}
          {...(told ? { time: told } : {})}
          empty={pages.isPending ? <div className="empty faint">…</div> : find === "" ? <Nothing state={state} /> : <NothingFits all={!pages.hasNextPage} lookedAt={lookedAt} />}
        />
        {pages.hasNextPage && (
          <div className="body tools">
            <Button onClick={() => void pages.fetchNextPage()} disabled={pages.isFetchingNextPage}>
              {find === "" ? `Show ${LOOK} more` : "Search on"}
            </Button>
            {find !== "" && <span className="faint">{many(lookedAt, "message")} looked at so far</span>}
          </div>
        )}
      </Card>
      {chosen.size > 0 && <Chosen queue={queue} state={state} positions={[...chosen].map(Number)} clear={() => setChosen(new Set())} />}
      {filtering && <Filtered queue={queue} state={state} close={() => setFiltering(false)} />}
    </>
  );
}

function Nothing({ state }: { state: State }) {
  const why: Record<State, string> = {
    ready: "Whatever comes here and is not taken at once is shown.",
    unacked: "Nobody has a message that is not acknowledged.",
    delayed: "Nothing waits for its time or for its next attempt.",
    parked: "Nothing is out of attempts. That is good.",
    leaving: "Nothing is on its way to the dead letters.",
  };
  return (
    <Empty icon={Inbox} title={`Nothing is ${state}`}>
      <p>{why[state]}</p>
    </Empty>
  );
}

function NothingFits({ all, lookedAt }: { all: boolean; lookedAt: number }) {
  return (
    <Empty icon={Inbox} title={all ? "Nothing like that is here" : "Nothing like that so far"}>
      <p>{count(lookedAt)} were looked at. Words in quotes are text of the body as it is.</p>
    </Empty>
  );
}

/** What can be done with messages of a state, and how it is called. */
function commandsOf(state: State): { command: Command; title: string; icon: typeof Ban; harmless: boolean; says: string }[] {
  const cancel = { command: "cancel" as const, title: "Cancel", icon: Ban, harmless: false, says: "will be gone for good. They count as dropped." };
  if (state === "parked") return [{ command: "redrive", title: "Redrive", icon: RotateCcw, harmless: true, says: "will be delivered again, their attempts forgotten." }, cancel];
  if (state === "delayed") return [{ command: "fire", title: "Deliver now", icon: CirclePlay, harmless: true, says: "will be ready now." }, cancel];
  if (state === "ready")
    return [
      { command: "redrive", title: "Send back", icon: RotateCcw, harmless: true, says: "will go back to the queues in which they died; what did not die stays." },
      cancel,
    ];
  return [];
}

export function Chosen({ queue, state, positions, clear }: { queue: { vhost: string; name: string }; state: State; positions: number[]; clear: () => void }) {
  const confirm = useConfirm();
  const run = useMessageCommand();
  const commands = commandsOf(state);
  const [open, setOpen] = useState<"move" | "edit" | null>(null);
  const close = () => setOpen(null);
  const [only] = positions.length === 1 ? positions : [];
  return (
    <div className="bulk">
      <b>{many(positions.length, "message")}</b>
      {commands.length === 0 && <span className="muted">are with their consumers: nothing can be done with them here.</span>}
      {commands.map(({ command, title, icon, harmless, says }) => (
        <Button
          key={command}
          icon={icon}
          kind={harmless ? "plain" : "danger"}
          onClick={() =>
            void (async () => {
              const lost = `${many(positions.length, "message")} of ${queue.name} ${says}`;
              if (!harmless && !(await confirm({ title: `${title} ${many(positions.length, "message")}?`, lost, action: title }))) return;
              if (await run(command, queue, { positions, state })) clear();
            })()
          }
        >
          {title}
        </Button>
      ))}
      {commands.length > 0 && (
        <Button icon={CornerUpRight} onClick={() => setOpen("move")}>
          Move
        </Button>
      )}
      {commands.length > 0 && only !== undefined && (
        <Button icon={Pencil} onClick={() => setOpen("edit")}>
          Edit
        </Button>
      )}
      <IconButton icon={X} name="Choose none" onClick={clear} />
      {open === "move" && <MoveDialog queue={queue} state={state} close={close} done={clear} chosen={{ positions }} count={positions.length} />}
      {open === "edit" && only !== undefined && <EditDialog queue={queue} state={state} close={close} done={clear} position={only} />}
    </div>
  );
}

/** All messages that fit some words, however many there are. */
function Filtered({ queue, state, close }: { queue: Queue; state: State; close: () => void }) {
  const confirm = useConfirm();
  const run = useMessageCommand();
  const commands = commandsOf(state);
  const [which, setWhich] = useState(0);
  const [words, setWords] = useState<Record<string, string>>({});
  const [header, setHeader] = useState({ key: "", value: "" });
  const [times, setTimes] = useState<Record<string, string>>({});
  const [moving, setMoving] = useState(false);
  const fields: [string, string, string][] = [
    ["reason", "Reason", "rejected, expired, maxlen, delivery_limit"],
    ["queue", "Queue of the last death", ""],
    ["exchange", "Exchange", ""],
    ["routing_key", "Routing key", ""],
    ["message_id", "Message id", ""],
    ["correlation_id", "Correlation id", ""],
    ["text", "Text in the body", ""],
  ];
  const chosen = commands[which] ?? commands[0];
  if (!chosen) return null;
  const filter: Record<string, unknown> = Object.fromEntries(Object.entries(words).filter(([, value]) => value !== ""));
  if (header.key !== "") filter["headers"] = { [header.key]: header.value };
  for (const [key, value] of Object.entries(times)) if (value !== "") filter[key] = new Date(value).getTime();
  const all = Object.keys(filter).length === 0;
  if (moving) return <MoveDialog queue={queue} state={state} close={close} chosen={all ? { all: true } : { filter }} count={null} />;
  const act = async () => {
    const lost = `${all ? "All" : "Those"} ${state} messages of ${queue.name}${all ? "" : ` that fit ${JSON.stringify(filter)}`} ${chosen.says}`;
    if (!chosen.harmless && !(await confirm({ title: `${chosen.title}?`, lost, action: chosen.title }))) return false;
    return run(chosen.command, queue, all ? { all: true, state } : { filter, state });
  };
  return (
    <Dialog title={`Act on ${state} messages`} close={close} action={all ? `${chosen.title} all` : `${chosen.title} what fits`} act={act} danger={!chosen.harmless}>
      <Segments of={commands.map(({ title }, place) => ({ id: String(place), title }))} open={String(which)} choose={(id) => setWhich(Number(id))} />
      <div>
        <Button small icon={CornerUpRight} onClick={() => setMoving(true)}>
          Move what fits instead
        </Button>
      </div>
      <p className="muted">A message fits if all of these words do; without any, all messages are meant.</p>
      <div className="pair">
        {fields.map(([key, label, hint]) => (
          <Field key={key} label={label}>
            <Input value={words[key] ?? ""} change={(value) => setWords({ ...words, [key]: value })} placeholder={hint} />
          </Field>
        ))}
        <Field label="Header">
          <Input value={header.key} change={(key) => setHeader({ ...header, key })} placeholder="name" />
        </Field>
        <Field label="is">
          <Input value={header.value} change={(value) => setHeader({ ...header, value })} placeholder="value" />
        </Field>
        <Field label="Published from">
          <Input value={times["accepted_from"] ?? ""} change={(value) => setTimes({ ...times, accepted_from: value })} type="datetime-local" />
        </Field>
        <Field label="and before">
          <Input value={times["accepted_before"] ?? ""} change={(value) => setTimes({ ...times, accepted_before: value })} type="datetime-local" />
        </Field>
      </div>
    </Dialog>
  );
}
