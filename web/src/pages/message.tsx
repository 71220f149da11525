// What became of a message: who sent it, who had it, how each attempt ended, where it is now.

import { Ban, CirclePlay, Route, RotateCcw } from "lucide-react";
import { useState, type FormEvent } from "react";
import { Link, useSearchParams } from "react-router";
import type { Journey, Message as MessageShape, Messages } from "../api/shapes";
import { useApi } from "../api/use";
import { useMessageCommand } from "../messages/commands";
import { MessageFacts, Payload } from "../messages/payload";
import { Button } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Field, Input, Select } from "../parts/fields";
import { Answer, Card, Empty, Page } from "../parts/frame";
import { Badge, Dot, Time } from "../parts/show";
import { since, tell } from "../words/journey";
import { link, path } from "../words/names";
import { exact, span } from "../words/times";

type Way = "id" | "message_id" | "publisher" | "queue";

export default function Message() {
  const [search] = useSearchParams();
  const id = search.get("id");
  if (id) return <One key={id} id={id} />;
  const query = new URLSearchParams();
  for (const key of ["message_id", "publisher", "publishing_id", "vhost", "queue"]) {
    const value = search.get(key);
    if (value) query.set(key, value);
  }
  return (
    <Page title="Message" about="What became of it: every attempt, with its consumer, how long it took and how it ended.">
      <div className="stack">
        <Find key={query.toString()} />
        {query.size > 0 && <Found query={query.toString()} />}
      </div>
    </Page>
  );
}

function Find() {
  const [search, setSearch] = useSearchParams();
  const first: Way = search.has("message_id") ? "message_id" : search.has("publisher") ? "publisher" : search.has("queue") ? "queue" : "id";
  const [way, setWay] = useState<Way>(first);
  const [words, setWords] = useState<Record<string, string>>(() => ({ vhost: "/", ...Object.fromEntries(search) }));
  const asks: Record<Way, [string, string][]> = {
    id: [["id", "Number"]],
    message_id: [["message_id", "Message id"]],
    publisher: [
      ["publisher", "Publisher"],
      ["publishing_id", "Publishing id"],
    ],
    queue: [
      ["vhost", "Virtual host"],
      ["queue", "Queue"],
    ],
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSearch(Object.fromEntries([...asks[way].map(([key]): [string, string] => [key, words[key] ?? ""]), ...(way === "queue" ? [["limit", "20"] as [string, string]] : [])]));
  };
  return (
    <Card>
      <form className="finder" onSubmit={submit}>
        <Field label="Find by">
          <Select
            value={way}
            change={(to) => setWay(to as Way)}
            of={[
              ["id", "number"],
              ["message_id", "message id"],
              ["publisher", "publisher and publishing id"],
              ["queue", "the last of a queue"],
            ]}
          />
        </Field>
        {asks[way].map(([key, label]) => (
          <Field key={key} label={label}>
            <Input value={words[key] ?? ""} change={(value) => setWords({ ...words, [key]: value })} required />
          </Field>
        ))}
        <Button kind="primary" type="submit">
          Find
        </Button>
      </form>
    </Card>
  );
}

function Found({ query }: { query: string }) {
  const journeys = useApi<Journey[]>(`/api/landfall/messages?${query}`);
  return (
    <Answer of={journeys} what="these messages">
      {(all) =>
        all.length === 0 ? (
          <Empty icon={Route} title="No such message is known">
            <p>Journeys are kept for some days; a message whose journey is not kept any more is not found here.</p>
          </Empty>
        ) : (
          <Card bare title="Found">
            <ul>
              {all.map((journey) => {
                const told = tell(journey.steps);
                const last = told.at(-1);
                return (
                  <li key={journey.message} className="found">
                    <Link to={link("/message", { id: journey.message })}>{journey.message}</Link>
                    <span className="muted cut">{told[0]?.what}</span>
                    {last && <Badge tone={last.tone}>{last.what}</Badge>}
                    {last && <Time at={last.at} />}
                  </li>
                );
              })}
            </ul>
          </Card>
        )
      }
    </Answer>
  );
}

function One({ id }: { id: string }) {
  const journeys = useApi<Journey[]>(path("landfall", "messages", id));
  return (
    <Page
      title={`Message ${id}`}
      crumb={<Link to="/message">Find another</Link>}
      about={journeys.data?.[0] && <Where journey={journeys.data[0]} />}
    >
      <Answer of={journeys} what={`message ${id}`}>
        {([first, ...others]) => {
          if (!first) return null;
          return (
            <div className="journey">
              <Line journey={first} title="Journey" />
              {(others.length > 0 || (first.now ?? []).length > 0) && (
                <div className="stack">
                  {(first.now ?? []).map((now) => (
                    <Here key={`${now.vhost} ${now.queue}`} message={now} />
                  ))}
                  {others.map((journey) => (
                    <Line
                      key={journey.message}
                      journey={journey}
                      title={
                        <>
                          Message <Link to={link("/message", { id: journey.message })}>{journey.message}</Link>
                        </>
                      }
                    />
                  ))}
                </div>
              )}
            </div>
          );
        }}
      </Answer>
    </Page>
  );
}

function Where({ journey }: { journey: Journey }) {
  const now = journey.now ?? [];
  if (now.length > 0) return <>It is {now.map((one) => `${one.state} in ${one.queue ?? ""}`).join(", and ")}.</>;
  const last = tell(journey.steps).at(-1);
  return <>{journey.now === null ? "" : `It is gone: ${last?.what.toLowerCase() ?? "nobody knows how"}.`}</>;
}

/** The message where it is now, and what can be done with it. */
function Here({ message }: { message: MessageShape }) {
  const { vhost = "/", queue = "", state, position } = message;
  const confirm = useConfirm();
  const run = useMessageCommand();
  const place = { vhost, name: queue };
  const chosen = { positions: [position], state };
  // The journey tells no body: the list of the queue does.
  const after = state === "delayed" ? `${message.due ?? 0}.${position - 1}` : String(position - 1);
  const list = useApi<Messages>(`${path("landfall", "queues", vhost, queue, "messages")}?state=${state}&after=${after}&limit=1&body=1048576`, { every: 0 });
  const full = list.data?.messages.find((one) => one.position === position);
  const cancel = async () => {
    const lost = `Message ${position} will be gone from ${queue} for good. It counts as dropped.`;
    if (await confirm({ title: "Cancel this message?", lost, action: "Cancel it" })) await run("cancel", place, chosen);
  };
  return (
    <Card
      title={
        <span className="marks">
          <Dot of={state} /> {state} in{" "}
          <Link to={link("/queue", { vhost, name: queue, tab: "messages", state })}>{queue}</Link>
        </span>
      }
      note={
        message.due !== undefined && (
          <>
            due <Time at={message.due} />
          </>
        )
      }
      actions={
        <>
          {(state === "parked" || state === "ready") && (
            <Button small icon={RotateCcw} onClick={() => void run("redrive", place, chosen)}>
              {state === "parked" ? "Redrive" : "Send back where it died"}
            </Button>
          )}
          {state === "delayed" && (
            <Button small icon={CirclePlay} onClick={() => void run("fire", place, chosen)}>
              Deliver now
            </Button>
          )}
          {state !== "unacked" && state !== "leaving" && (
            <Button small icon={Ban} onClick={() => void cancel()}>
              Cancel
            </Button>
          )}
        </>
      }
    >
      <div className="stack">
        <MessageFacts message={message} />
        {full && <Payload message={full} />}
      </div>
    </Card>
  );
}

/** The steps as a line of time. */
function Line({ journey, title }: { journey: Journey; title: React.ReactNode }) {
  const told = tell(journey.steps);
  const first = told[0]?.at ?? 0;
  const last = told.at(-1)?.at ?? 0;
  return (
    <Card title={title} note={told.length > 1 && last > first ? `${span(last - first)} from the first step to the last` : undefined}>
      <ol className="line-of-time">
        {told.map((step, place) => (
          <li key={`${place} ${step.at}`} className={step.tone}>
            <span className="when">
              <b>{place === 0 ? exact(step.at) : since(told, place)}</b>
            </span>
            <div>
              <div className="what">
                {step.what}
                {step.took !== undefined && <Badge tip="from the delivery of the attempt to its end">took {span(step.took)}</Badge>}
                {step.queue && <span className="faint">{step.queue}</span>}
              </div>
              {step.message !== undefined && (
                <div>
                  <Link to={link("/message", { id: step.message })}>message {step.message}</Link>
                </div>
              )}
              {step.due !== undefined && (
                <div className="muted">
                  due <Time at={step.due} /> ({exact(step.due)})
                </div>
              )}
              {step.more.map((more) => (
                <div key={more} className="muted">
                  {more}
                </div>
              ))}
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}
