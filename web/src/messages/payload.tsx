// What a message says: shown as text only, whatever is in it.

import { useState } from "react";
import type { Message } from "../api/shapes";
import { Code, Facts, Segments } from "../parts/frame";
import { Time } from "../parts/show";
import { hexDump, octets, pretty } from "../words/bodies";
import { bytes, many } from "../words/numbers";
import { exchangeName } from "../words/names";

type Way = "pretty" | "raw" | "hex";

export function Payload({ message }: { message: Message }) {
  const { payload = "", payload_encoding: encoding, payload_truncated: cut, payload_bytes: size } = message;
  const asJson = encoding === "base64" ? undefined : pretty(payload);
  const ways: { id: Way; title: string }[] = [
    ...(asJson === undefined ? [] : [{ id: "pretty" as const, title: "JSON" }]),
    ...(encoding === "base64" ? [] : [{ id: "raw" as const, title: "Text" }]),
    { id: "hex", title: "Bytes" },
  ];
  const [wanted, setWanted] = useState<Way | null>(null);
  const way = ways.find((one) => one.id === wanted)?.id ?? ways[0]?.id ?? "hex";
  if (size === 0) return <p className="faint">The body is empty.</p>;
  const text = way === "pretty" ? (asJson ?? "") : way === "raw" ? payload : hexDump(octets(payload, encoding));
  return (
    <div className="stack tight">
      <div className="tools">
        <Segments of={ways} open={way} choose={setWanted} />
        <span className="faint">
          {bytes(size)}
          {cut && ", the beginning of it"}
        </span>
      </div>
      <Code tall>{text}</Code>
    </div>
  );
}

/** A value of a field table, as one line. */
export function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Everything that is known of a message without its journey. */
export function MessageFacts({ message }: { message: Message }) {
  const { headers, ...properties } = message.properties;
  const attempts = message.failed + message.lost;
  const facts: [string, React.ReactNode][] = [
    ["Published", <Time key="t" at={message.accepted} />],
    ["Through", `${exchangeName(message.exchange)} with the key “${message.routing_key}”`],
    ["In vain", attempts === 0 ? "never" : `${many(attempts, "attempt")}: ${message.failed} failed, ${message.lost} lost with the connection`],
    ...Object.entries(properties).map(([key, value]): [string, React.ReactNode] => [key, valueText(value)]),
  ];
  const { holder } = message;
  if (holder) {
    const due = holder.due === null ? "" : ", given up ";
    facts.unshift([
      "With",
      <span key="h">
        {holder.consumer_tag ? `consumer “${holder.consumer_tag}”` : "basic.get"} of {holder.user} (connection {holder.connection}, channel {holder.channel})
        {due}
        {holder.due !== null && <Time at={holder.due} />}
      </span>,
    ]);
  }
  if (message.why !== undefined) facts.unshift(["Because", message.why.replaceAll("_", " ")]);
  return (
    <div className="columns">
      <Facts of={facts} />
      {headers && Object.keys(headers).length > 0 && (
        <div>
          <h3>Headers</h3>
          <Facts of={Object.entries(headers).map(([key, value]) => [key, <span key={key} className="mono">{valueText(value)}</span>])} />
        </div>
      )}
    </div>
  );
}
