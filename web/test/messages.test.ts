// What pages say of messages: their journeys, their deaths, their bodies, and what is done with them.

import { describe, expect, test } from "vitest";
import type { Message, Step } from "../src/api/shapes";
import { deadLetterQueues } from "../src/words/dying";
import { merged } from "../src/words/samples";
import { told } from "../src/words/commands";
import { hexDump, pretty } from "../src/words/bodies";
import { grouped, lastDeath, reasonText } from "../src/words/deaths";
import { since, tell } from "../src/words/journey";
import { attempts, retryOf, retrySentence } from "../src/words/retry";

const message = (more: Partial<Message>): Message => ({
  position: 1,
  state: "ready",
  priority: 0,
  failed: 0,
  lost: 0,
  redelivered: false,
  accepted: 1000,
  exchange: "",
  routing_key: "k",
  properties: {},
  payload_bytes: 0,
  ...more,
});

describe("a journey", () => {
  const client = { user: "ada", connection: 2, address: "127.0.0.1:5", channel: 1 };
  const steps: Step[] = [
    { at: 1000, event: "published", exchange: "", routing_key: "orders", queues: ["orders"], by: client },
    { at: 1003, event: "delivered", queue: "orders", attempt: 1, to: client, consumer_tag: "worker" },
    { at: 2003, event: "attempt_ended", queue: "orders", attempt: 1, outcome: "timed_out", due: 4003 },
    { at: 4004, event: "due", queue: "orders" },
    { at: 4005, event: "delivered", queue: "orders", attempt: 2, to: client, consumer_tag: null },
    { at: 4009, event: "ended", queue: "orders", ending: "acknowledged" },
  ];
  const all = tell(steps);

  test("tells each step with how long it took and when it is due", () => {
    expect(all.map(({ what, took, due }) => [what, took, due])).toEqual([
      ["Published to the default exchange with the key “orders”", undefined, undefined],
      ["Attempt 1 delivered to a consumer", undefined, undefined],
      ["Attempt 1 ran out of time", 1000, 4003],
      ["Due: ready to be delivered", undefined, undefined],
      ["Attempt 2 delivered to basic.get", undefined, undefined],
      ["Acknowledged", 4, undefined],
    ]);
    expect([all[2]?.tone, all[5]?.tone, since(all, 0), since(all, 1)]).toEqual(["warn", "good", "", "+ 3 ms"]);
  });

  test("tells how long the last attempt took, also where attempts began anew", () => {
    const delivered = (at: number, attempt: number): Step => ({ at, event: "delivered", queue: "orders", attempt });
    const again: Step[] = [delivered(10, 1), delivered(20, 2), { at: 30, event: "redriven", queue: "orders" }, delivered(40, 1), { at: 45, event: "ended", queue: "orders", ending: "acknowledged" }];
    expect(tell(again).at(-1)?.took).toBe(5);
  });

  test("tells what it does not know in the server's own word", () => {
    expect(tell([{ at: 1, event: "something_new" }])[0]?.what).toBe("something new");
  });
});

describe("deaths", () => {
  const dead = (reason: string, queue: string, accepted: number) => message({ accepted, properties: { headers: { "x-death": [{ reason, queue }] } } });

  test("are read from the headers, or are why a message is parked", () => {
    expect(lastDeath(dead("rejected", "orders", 1))).toEqual({ reason: "rejected", queue: "orders" });
    expect(lastDeath(message({ why: "delivery_limit", queue: "parking" }))).toEqual({ reason: "delivery_limit", queue: "parking" });
    expect(lastDeath(message({ properties: { headers: { "x-death": "nonsense" } } }))).toBeUndefined();
    expect([reasonText("maxlen"), reasonText("of_another_kind")]).toEqual(["The queue was full", "of another kind"]);
  });

  test("that are alike stand together, the most first", () => {
    const groups = grouped([dead("expired", "a", 5), dead("rejected", "a", 9), dead("rejected", "a", 3), message({})]);
    expect(groups.map(({ death, messages, oldest, newest }) => [death?.reason, messages.length, oldest, newest])).toEqual([
      ["rejected", 2, 3, 9],
      ["expired", 1, 5, 5],
      [undefined, 1, 1000, 1000],
    ]);
  });

  test("go where the dead-letter exchanges of others lead, through other exchanges too", () => {
    const queue = (name: string, rules = {}) => ({ name, vhost: "/", rules, messages_ready: 1, messages_parked: 0 });
    const binding = (source: string, destination: string, destination_type: "queue" | "exchange" = "queue") => ({
      source,
      destination,
      destination_type,
      vhost: "/",
      routing_key: "",
      arguments: {},
    });
    const queues = [
      queue("work", { "x-dead-letter-exchange": "dlx" }),
      queue("other", { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "graveyard" }),
      queue("dead"),
      queue("far"),
      queue("graveyard"),
      queue("innocent"),
    ];
    const bindings = [binding("dlx", "dead"), binding("dlx", "more", "exchange"), binding("more", "far"), binding("more", "dlx", "exchange"), binding("", "innocent")];
    expect(deadLetterQueues(queues, bindings).map(({ name }) => name)).toEqual(["dead", "far", "graveyard"]);
  });
});

describe("retries", () => {
  test("wait longer and longer, up to the longest, and end where the limit is", () => {
    const retry = retryOf({ "x-delayed-retry-min": 1000, "x-delayed-retry-max": 4000, "x-delivery-limit": 4, "x-consumer-timeout": 30_000 });
    expect(attempts(retry, 100).map(({ wait, after }) => [wait, after])).toEqual([
      [0, 0],
      [1000, 1000],
      [2000, 3000],
      [4000, 7000],
      [4000, 11_000],
    ]);
    expect(attempts(retry, 2)).toHaveLength(2);
    expect(retrySentence(retry)).toBe("An attempt is given up after 30 s. After 5 attempts over 11 s where it fails at once it is parked in this queue.");
  });

  test("without rules come back at once, any number of times", () => {
    const retry = retryOf({});
    expect([retry.waits, retry.limit, attempts(retry, 3).map(({ wait }) => wait)]).toEqual([false, null, [0, 0, 0]]);
    expect(retrySentence(retry)).toBe("An attempt is given up after 30 min. A message that fails comes back at once. It is tried any number of times.");
  });

  test("are read from policies too, and end in the dead letters where there is an exchange", () => {
    const retry = retryOf({ "delayed-retry-type": "failed", "delivery-limit": 2, "dead-letter-exchange": "dlx" });
    expect([retry.kind, retry.limit, retry.then]).toEqual(["failed", 2, "dead-lettered to dlx"]);
  });
});

describe("bodies", () => {
  test("are shown as JSON only where they are", () => {
    expect(pretty('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
    expect([pretty("{oops"), pretty("12"), pretty("<b>")]).toEqual([undefined, undefined, undefined]);
  });

  test("are shown byte by byte", () => {
    expect(hexDump(new TextEncoder().encode("Landfall lands it\n"))).toBe(
      "000000  4c 61 6e 64 66 61 6c 6c 20 6c 61 6e 64 73 20 69  Landfall lands i\n000010  74 0a                                            t.",
    );
  });
});

test("what was done is told with what stayed and why", () => {
  const part = (done: number, stayed: number, why?: string) => ({ done, stayed, stayed_because: why === undefined ? [] : [{ position: 1, why }] });
  expect(told("redrive", [part(1000, 0), part(1, 2, "it did not die")])).toBe("1,001 messages redriven; 2 stayed: it did not die.");
  expect(told("fire", [part(1, 0)])).toBe("1 message made ready.");
});

test("samples are kept in order, each once", () => {
  const sample = (at: number) => ({ at }) as Parameters<typeof merged>[0][number];
  expect(merged([sample(2), sample(3)], [sample(1), sample(3), sample(4)]).map(({ at }) => at)).toEqual([1, 2, 3, 4]);
});
