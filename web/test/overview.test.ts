// What the overview says needs attention; what a document of definitions holds; how bindings are drawn.

import { describe, expect, test } from "vitest";
import type { QueueSummary, Summary, Worst } from "../src/api/shapes";
import { attention, type Known } from "../src/pages/overview/attention";
import { noEntry, toArguments, toEntries } from "../src/words/entries";
import { look } from "../src/words/definitions";
import { around, curve, cut, drawn } from "../src/words/graph";

const none: Worst = { queues: 0, messages: 0, worst: [] };
const quiet: Summary = {
  at: 9,
  queues: 0,
  consumers: 0,
  messages: { messages: 0, ready: 0, unacked: 0, delayed: 0, parked: 0, leaving: 0 },
  unread: none,
  parked: none,
  dead: none,
  paused: none,
  backlogs: none,
  oldest: none,
  unbalanced: none,
  connections_blocked: 0,
  stuck: { consumers: 0, some: [] },
};
const well: Known = { alarms: [], cluster: [], summary: quiet };
const but = (more: Partial<Summary>): Known => ({ ...well, summary: { ...quiet, ...more } });
const queue = (name: string, messages_ready = 0): QueueSummary => ({
  name,
  vhost: "/",
  messages_ready,
  consumers: 0,
  messages: messages_ready,
  messages_unacknowledged: 0,
  messages_delayed: 0,
  messages_parked: 0,
  messages_leaving: 0,
  oldest: null,
  surplus: 0,
});
const worst = (messages: number, ...of: QueueSummary[]): Worst => ({ queues: of.length, messages, worst: of });

describe("attention", () => {
  test("is not asked for where all is well, nor before that is known", () => {
    expect(attention(well)).toEqual([]);
    expect(attention({ ...well, summary: undefined })).toEqual([]);
    expect(attention(but({ backlogs: worst(5, queue("a", 5)) }))).toEqual([]);
  });

  test("comes first to alarms, then to accounts, then to what is parked, dead and unread", () => {
    const all = attention({
      ...but({
        unbalanced: worst(1, queue("a")),
        parked: worst(3, queue("a"), queue("b")),
        dead: worst(1, queue("graveyard", 1)),
        unread: { queues: 40, messages: 1300, worst: [queue("work", 1200), queue("idle", 3)] },
      }),
      alarms: [{ what: "memory is short", since: 5, do: "Let consumers work." }],
    });
    expect(all.map(({ what, tone }) => [tone, what])).toEqual([
      ["bad", "Memory is short"],
      ["bad", "The accounts of a do not add up"],
      ["bad", "3 messages are parked in a and b"],
      ["warn", "1 dead letter in graveyard"],
      ["warn", "work has 1,200 ready and no consumer, and 39 other queues too"],
    ]);
  });

  test("is asked for a consumer that gets nothing", () => {
    const consumer = { consumer_tag: "c", queue: { name: "work", vhost: "/" }, landfall_waiting_for: "Its prefetch count is reached." };
    const [only] = attention(but({ stuck: { consumers: 1, some: [consumer] } }));
    expect([only?.what, only?.why]).toEqual(["Consumer c of work gets nothing", "Its prefetch count is reached."]);
    const [first] = attention(but({ stuck: { consumers: 30, some: [consumer] } }));
    expect(first?.what).toBe("Consumer c of work and 29 more get nothing");
  });

  test("is asked for queues that are paused", () => {
    const all = (...paused: string[]) => attention(but({ paused: worst(0, ...paused.map((name) => queue(name))) })).map(({ what, to }) => [what, to]);
    expect(all("work")).toEqual([["work is paused", "/queue?vhost=%2F&name=work"]]);
    expect(all("work", "play")).toEqual([["work and play are paused", "/queues"]]);
  });

  test("is asked for publishers that wait", () => {
    expect(attention(but({ connections_blocked: 1 }))[0]?.what).toBe("1 publisher waits");
  });
});

describe("a document of definitions", () => {
  test("is counted before it is imported", () => {
    expect(look('{"rabbitmq_version":"3.10.8","queues":[{},{}],"users":[],"topic_permissions":[{}]}')).toEqual({
      parts: [
        ["topic permissions", 1],
        ["queues", 2],
      ],
      from: "RabbitMQ 3.10.8",
    });
  });

  test("is refused where it is none", () => {
    expect(look("[]")).toBe("A document of definitions is an object.");
    expect(look("{")).toMatch(/^That is no JSON/);
  });
});

describe("bindings", () => {
  const bind = (source: string, destination: string, routing_key = "k", destination_type: "queue" | "exchange" = "queue") => ({
    source,
    destination,
    destination_type,
    routing_key,
    vhost: "/",
    arguments: {},
  });
  const bindings = [bind("", "orders"), bind("shop", "orders", "a"), bind("shop", "orders", "b"), bind("shop", "all", "", "exchange"), bind("all", "log", "")];

  test("are drawn from the left to the right, those between the same two as one", () => {
    const graph = drawn([{ name: "shop", type: "topic" } as never], bindings, 100);
    expect(graph.boxes.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual(["exchange all", "exchange shop", "queue log", "queue orders"]);
    const x = (name: string) => graph.boxes.find((box) => box.name === name)?.x ?? 0;
    expect(x("shop") < x("all") && x("all") < x("log")).toBe(true);
    expect(graph.arrows.find(({ title }) => title === "a\nb")?.label).toBe("2 keys");
    expect(drawn([], bindings, 2).left).toBe(2);
  });

  test("around an exchange are those that its messages may pass", () => {
    expect(around(bindings, "all").map(({ source, destination }) => `${source} ${destination}`)).toEqual(["shop all", "all log"]);
    expect(around(bindings, "shop")).toHaveLength(4);
  });

  test("are curves through their points", () => {
    expect(curve([{ x: 0, y: 0 }, { x: 5, y: 5 }, { x: 10, y: 0 }])).toBe("M0,0 Q5,5 10,0");
    expect(curve([{ x: 0, y: 0 }, { x: 10, y: 0 }])).toBe("M0,0 L10,0");
    expect([cut("short", 8), cut("much too long", 8)]).toEqual(["short", "much to…"]);
  });
});

describe("entries of a field table", () => {
  test("become what their types say, and what is wrong is told", () => {
    const entries = [{ key: "a", kind: "text" as const, value: "1" }, { key: "b", kind: "number" as const, value: "2.5" }, { key: "c", kind: "boolean" as const, value: "true" }, { key: "d", kind: "json" as const, value: "[1]" }, noEntry];
    const table = toArguments(entries);
    expect(table).toEqual({ a: "1", b: 2.5, c: true, d: [1] });
    expect(toEntries(table as Record<string, unknown>)).toEqual(entries.slice(0, 4));
    expect(toArguments([{ key: "b", kind: "number", value: "x" }])).toBe("b: 'x' is no number");
    expect(toArguments([{ key: "b", kind: "number", value: " " }])).toBe("b: ' ' is no number");
    expect(toArguments([{ key: "d", kind: "json", value: "{" }])).toBe("d: that is no JSON");
  });
});
