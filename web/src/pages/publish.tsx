// Publishing and receiving by hand.

import { Inbox, Send } from "lucide-react";
import { useState, type FormEvent } from "react";
import { useSearchParams } from "react-router";
import { useQueryClient } from "@tanstack/react-query";
import { request } from "../api/request";
import type { Arguments, Vhost } from "../api/shapes";
import { useApi } from "../api/use";
import { valueText } from "../messages/payload";
import { Button } from "../parts/buttons";
import { useConfirm } from "../parts/dialogs";
import { Entries, Field, Input, Select, TextArea } from "../parts/fields";
import { toArguments, type Entry } from "../words/entries";
import { Card, Code, Empty, Facts, Notice, Page, Tabs, useTab } from "../parts/frame";
import { Badge } from "../parts/show";
import { many } from "../words/numbers";
import { DEFAULT_EXCHANGE, exchangeName, path } from "../words/names";

const tabs = [
  { id: "publish", title: "Publish" },
  { id: "get", title: "Receive" },
];

export default function Publish() {
  const [open, choose] = useTab(tabs);
  return (
    <Page title="Publish & receive">
      <Tabs tabs={tabs} open={open} choose={choose} />
      {open === "publish" ? <Out /> : <In />}
    </Page>
  );
}

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

function useVhosts(): string[] {
  const { data } = useApi<Vhost[]>("/api/vhosts?columns=name", { every: 0 });
  return (data ?? []).map((one) => one.name);
}

const PROPERTIES = ["content_type", "content_encoding", "priority", "correlation_id", "reply_to", "expiration", "message_id", "timestamp", "type", "user_id", "app_id"];

function Out() {
  const [search] = useSearchParams();
  const vhosts = useVhosts();
  const [vhost, setVhost] = useState(search.get("vhost") ?? "/");
  const [exchange, setExchange] = useState(search.get("exchange") ?? "");
  const [key, setKey] = useState(search.get("queue") ?? "");
  const [payload, setPayload] = useState("");
  const [encoding, setEncoding] = useState("string");
  const [properties, setProperties] = useState<Entry[]>([]);
  const [headers, setHeaders] = useState<Entry[]>([]);
  const [said, setSaid] = useState<{ tone: "good" | "warn" | "bad"; what: string; why: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const client = useQueryClient();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const given = toArguments(properties);
    const table = toArguments(headers);
    if (typeof given === "string" || typeof table === "string") {
      setSaid({ tone: "bad", what: "That is not right yet.", why: String(typeof given === "string" ? given : table) });
      return;
    }
    setBusy(true);
    const body = {
      properties: { delivery_mode: 2, ...given, ...(Object.keys(table).length > 0 ? { headers: table } : {}) },
      routing_key: key,
      payload,
      payload_encoding: encoding,
    };
    try {
      const { routed } = await request<{ routed: boolean }>("POST", path("exchanges", vhost, exchange || DEFAULT_EXCHANGE, "publish"), body);
      setSaid(
        routed
          ? { tone: "good", what: "It has landed.", why: "The message is on durable storage in every queue that it was routed to." }
          : { tone: "warn", what: "No queue took it.", why: `Nothing leads from ${exchangeName(exchange)} with the key “${key}” to a queue.` },
      );
    } catch (error) {
      setSaid({ tone: "bad", what: "It was not published.", why: message(error) });
    }
    setBusy(false);
    void client.invalidateQueries();
  };
  return (
    <Card>
      <form className="form narrow" onSubmit={(event) => void submit(event)}>
        <div className="pair">
          {vhosts.length > 1 && (
            <Field label="Virtual host">
              <Select value={vhost} change={setVhost} of={vhosts} />
            </Field>
          )}
          <Field label="Exchange" hint="Without one: the default exchange, which leads to the queue that the routing key names.">
            <Input value={exchange} change={setExchange} placeholder="(default exchange)" />
          </Field>
          <Field label="Routing key">
            <Input value={key} change={setKey} />
          </Field>
        </div>
        <Field label="Body">
          <TextArea value={payload} change={setPayload} rows={7} />
        </Field>
        <div>
          <Select
            bare
            label="Encoding"
            value={encoding}
            change={setEncoding}
            of={[
              ["string", "The body is text"],
              ["base64", "The body is base64"],
            ]}
          />
        </div>
        <Entries value={headers} change={setHeaders} known={["x-delay"]} add="Add header" />
        <Entries value={properties} change={setProperties} known={PROPERTIES} add="Add property" />
        {said && (
          <Notice tone={said.tone} what={said.what}>
            {said.why}
          </Notice>
        )}
        <div>
          <Button kind="primary" type="submit" icon={Send} disabled={busy}>
            Publish
          </Button>
        </div>
      </form>
    </Card>
  );
}

interface Got {
  payload: string;
  payload_bytes: number;
  payload_encoding: string;
  redelivered: boolean;
  exchange: string;
  routing_key: string;
  message_count: number;
  properties: Arguments;
}

const modes: [string, string][] = [
  ["ack_requeue_true", "Only look: all of it stays as it is"],
  ["ack_requeue_false", "Acknowledge: what is seen is gone"],
  ["reject_requeue_false", "Reject: to the dead letters, or gone where there are none"],
];

function In() {
  const [search] = useSearchParams();
  const vhosts = useVhosts();
  const [vhost, setVhost] = useState(search.get("vhost") ?? "/");
  const [queue, setQueue] = useState(search.get("queue") ?? "");
  const [count, setCount] = useState("1");
  const [ackmode, setAckmode] = useState("ack_requeue_true");
  const [got, setGot] = useState<Got[] | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const client = useQueryClient();
  const confirm = useConfirm();
  const takes = ackmode.endsWith("false");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const what = `${many(Number(count), "message")} at the most will leave ${queue}`;
    const lost = ackmode.startsWith("ack") ? `${what} for good: they count as acknowledged.` : `${what}: to its dead letters, or for good where it has none.`;
    if (takes && !(await confirm({ title: `Take messages out of ${queue}?`, lost, action: "Take them out" }))) return;
    try {
      setGot(await request<Got[]>("POST", path("queues", vhost, queue, "get"), { count: Number(count), ackmode, encoding: "auto", truncate: 50_000 }));
      setFailed(null);
    } catch (error) {
      setFailed(message(error));
    }
    void client.invalidateQueries();
  };
  return (
    <div className="stack">
      <Card>
        <form className="form narrow" onSubmit={(event) => void submit(event)}>
          <p className="muted">The next messages that are ready, as basic.get would have them. What else is in a queue, its own page shows.</p>
          <div className="pair">
            {vhosts.length > 1 && (
              <Field label="Virtual host">
                <Select value={vhost} change={setVhost} of={vhosts} />
              </Field>
            )}
            <Field label="Queue">
              <Input value={queue} change={setQueue} required />
            </Field>
            <Field label="How many">
              <Input value={count} change={setCount} type="number" min={1} max={1000} required />
            </Field>
          </div>
          <Field label="And then">
            <Select value={ackmode} change={setAckmode} of={modes} />
          </Field>
          <div>
            <Button kind={takes ? "danger" : "primary"} type="submit" icon={Inbox}>
              Receive
            </Button>
          </div>
        </form>
      </Card>
      {failed && (
        <Notice tone="bad" what="Nothing was received.">
          {failed}
        </Notice>
      )}
      {got?.length === 0 && <Empty icon={Inbox} title="The queue is empty" />}
      {got?.map((one, place) => (
        <Card
          key={place}
          title={`Message ${place + 1} of ${got.length}`}
          note={`through ${exchangeName(one.exchange)} with the key “${one.routing_key}”; ${many(one.message_count, "message")} behind it`}
          actions={one.redelivered && <Badge tone="warn">redelivered</Badge>}
        >
          <div className="stack">
            {Object.keys(one.properties).length > 0 && <Facts of={Object.entries(one.properties).map(([key, value]) => [key, <span key={key} className="mono">{valueText(value)}</span>])} />}
            <Code tall>{one.payload}</Code>
          </div>
        </Card>
      ))}
    </div>
  );
}
