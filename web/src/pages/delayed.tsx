// What waits for its time: a month at a glance, and what is due when; to be delivered now, or cancelled.

import { CalendarClock, ChevronLeft, ChevronRight } from "lucide-react";
import { useQueries } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import { request } from "../api/request";
import type { Message, Messages, Paged, Queue } from "../api/shapes";
import { useApi } from "../api/use";
import { glimpse } from "../messages/list";
import { Button, IconButton } from "../parts/buttons";
import { Select } from "../parts/fields";
import { Answer, Card, Code, Empty, Notice, Page } from "../parts/frame";
import { Badge, Time, Tip } from "../parts/show";
import { agenda, month } from "../words/calendar";
import { count, many } from "../words/numbers";
import { link, path } from "../words/names";
import { clock, day } from "../words/times";
import { Chosen } from "./queue/messages";

/** So many messages of each queue are shown, the next due first, of so many queues. */
const LOOK = 500;
const QUEUES = 20;

const list = `/api/queues?sort=messages_delayed&sort_reverse=true&page=1&page_size=${QUEUES}&columns=name,vhost,messages_delayed`;

interface Waiting extends Message {
  queue: string;
  vhost: string;
}

export default function Delayed() {
  const queues = useApi<Paged<Queue>>(list);
  return (
    <Page title="Delayed" about="Messages that wait for their time: by their sender’s delay, by their queue’s, or for their next attempt.">
      <Answer of={queues} what="queues">
        {({ items }) => {
          const waiting = items.filter((queue) => queue.messages_delayed > 0);
          return waiting.length === 0 ? <Nothing /> : <Agenda queues={waiting} />;
        }}
      </Answer>
    </Page>
  );
}

function Nothing() {
  return (
    <Empty icon={CalendarClock} title="Nothing waits for its time">
      <p>An exchange of the type x-delayed-message puts off what carries the header x-delay. With Python and pika:</p>
      <Code>{`channel.exchange_declare("later", "x-delayed-message", durable=True,
                         arguments={"x-delayed-type": "direct"})
channel.queue_bind("greetings", "later", "greetings")
channel.basic_publish("later", "greetings", b"in an hour",
                      pika.BasicProperties(headers={"x-delay": 3600000}))`}</Code>
    </Empty>
  );
}

function useWaiting(queues: Queue[]): { messages: Waiting[]; more: number; failed: string | undefined } {
  const asked = useQueries({
    queries: queues.map((queue) => {
      const of = `${path("landfall", "queues", queue.vhost, queue.name, "messages")}?state=delayed&limit=${LOOK}&body=200`;
      return { queryKey: [of], queryFn: () => request<Messages>("GET", of), refetchInterval: 10_000 };
    }),
  });
  const messages = asked.flatMap((answer, at) => (answer.data?.messages ?? []).map((message) => ({ ...message, queue: queues[at]?.name ?? "", vhost: queues[at]?.vhost ?? "" })));
  messages.sort((a, b) => (a.due ?? 0) - (b.due ?? 0));
  const all = queues.reduce((sum, queue) => sum + queue.messages_delayed, 0);
  return { messages, more: asked.some((answer) => answer.isPending) ? 0 : Math.max(0, all - messages.length), failed: asked.find((answer) => answer.error)?.error?.message };
}

function Agenda({ queues }: { queues: Queue[] }) {
  const [only, setOnly] = useState("");
  const [wanted, setWanted] = useState<string | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const shown = only === "" ? queues : queues.filter((queue) => `${queue.vhost} ${queue.name}` === only);
  const { messages, more, failed } = useWaiting(shown);
  const days = useMemo(() => agenda(messages), [messages]);
  const listed = wanted === null ? days : days.filter((one) => one.day === wanted);
  const picked = messages.filter((message) => chosen.has(message.position));
  const [first] = picked;
  const toggle = (message: Waiting) => {
    const after = new Set(chosen);
    // A command is for one queue: choosing in another one begins anew.
    if (first && (first.queue !== message.queue || first.vhost !== message.vhost)) after.clear();
    if (!after.delete(message.position)) after.add(message.position);
    setChosen(after);
  };
  return (
    <>
      <div className="tools">
        <Select
          bare
          label="Queue"
          value={only}
          change={setOnly}
          of={[["", `All queues (${count(queues.reduce((sum, queue) => sum + queue.messages_delayed, 0))})`], ...queues.map((queue): [string, string] => [`${queue.vhost} ${queue.name}`, `${queue.name} (${count(queue.messages_delayed)})`])]}
        />
        {wanted !== null && (
          <Button kind="quiet" onClick={() => setWanted(null)}>
            Show all days
          </Button>
        )}
      </div>
      {failed && <Notice tone="bad" what="No answer about some messages.">{failed}</Notice>}
      <div className="calendar-page">
        <Month counts={new Map(days.map((one) => [one.day, one.items.length]))} wanted={wanted} choose={setWanted} />
        <div className="stack">
          {listed.map((one) => (
            <Card key={one.day} bare title={one.day === day(Date.now()) ? `Today, ${one.day}` : one.day} note={many(one.items.length, "message")}>
              <ul className="agenda">
                {one.items.slice(0, 200).map((message) => (
                  <li key={`${message.queue} ${message.position}`} data-chosen={chosen.has(message.position) ? "" : undefined}>
                    <input type="checkbox" aria-label={`Choose ${message.position}`} checked={chosen.has(message.position)} onChange={() => toggle(message)} />
                    <b>{clock(message.due ?? 0)}</b>
                    <span className="faint">
                      <Time at={message.due ?? 0} />
                    </span>
                    <Link to={link("/message", { id: message.position })}>{message.position}</Link>
                    <Badge>{message.queue}</Badge>
                    {message.failed + message.lost > 0 && (
                      <Badge tone="warn" tip="It has failed and waits for its next attempt.">
                        retry {message.failed + message.lost}
                      </Badge>
                    )}
                    <span className="mono muted cut">{glimpse(message)}</span>
                  </li>
                ))}
              </ul>
              {one.items.length > 200 && <Notice line what={`and ${count(one.items.length - 200)} more on this day`} />}
            </Card>
          ))}
          {more > 0 && <Notice what={`${count(more)} more are due later. Their queues show them.`} />}
        </div>
      </div>
      {first && <Chosen queue={{ vhost: first.vhost, name: first.queue }} state="delayed" positions={picked.map((message) => message.position)} clear={() => setChosen(new Set())} />}
    </>
  );
}

interface MonthProps {
  counts: Map<string, number>;
  wanted: string | null;
  choose: (day: string | null) => void;
}

/** A month, each day with how much is due. */
function Month({ counts, wanted, choose }: MonthProps) {
  const [first] = [...counts.keys()];
  const [shown, setShown] = useState(() => (first ?? day(Date.now())).slice(0, 7));
  const [year = 1970, of = 1] = shown.split("-").map(Number);
  const move = (by: number) => setShown(day(new Date(year, of - 1 + by, 1).getTime()).slice(0, 7));
  const most = Math.max(1, ...counts.values());
  return (
    <Card
      title={new Date(year, of - 1, 1).toLocaleDateString("en", { month: "long", year: "numeric" })}
      actions={
        <>
          <IconButton icon={ChevronLeft} name="The month before" onClick={() => move(-1)} />
          <IconButton icon={ChevronRight} name="The next month" onClick={() => move(1)} />
        </>
      }
    >
      <div className="month">
        {["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].map((name) => (
          <span key={name} className="faint">
            {name}
          </span>
        ))}
        {month(year, of).map((date) => {
          const due = counts.get(date) ?? 0;
          const strength = due === 0 ? 0 : 16 + Math.round((54 * due) / most);
          const cell = (
            <button
              key={date}
              type="button"
              className={`${date.startsWith(shown) ? "" : "other"}${date === day(Date.now()) ? " today" : ""}`}
              aria-pressed={wanted === date}
              disabled={due === 0}
              style={{ background: due === 0 ? undefined : `color-mix(in srgb, var(--delayed) ${strength}%, transparent)` }}
              onClick={() => choose(wanted === date ? null : date)}
            >
              {Number(date.slice(8))}
            </button>
          );
          return due === 0 ? (
            cell
          ) : (
            <Tip key={date} text={`${many(due, "message")} due on ${date}`}>
              {cell}
            </Tip>
          );
        })}
      </div>
    </Card>
  );
}
