// Where messages are moved to, and what somebody makes of one.

import { describe, expect, test } from "vitest";
import type { Message } from "../src/api/shapes";
import { told } from "../src/words/commands";
import { edits, target, targetText } from "../src/words/moving";

describe("where messages go", () => {
  test("to a queue, which must have a name", () => {
    expect(target({ way: "queue", name: "later", key: "ignored" })).toEqual({ queue: "later" });
    expect(target({ way: "queue", name: "", key: "" })).toBe("Which queue?");
  });
  test("through an exchange, with a key or their own", () => {
    expect(target({ way: "exchange", name: "", key: "k" })).toEqual({ exchange: "", routing_key: "k" });
    expect(target({ way: "exchange", name: "e", key: "" })).toEqual({ exchange: "e" });
  });
  test("in a sentence", () => {
    expect(targetText({ queue: "later" })).toBe("to the queue later");
    expect(targetText({ exchange: "", routing_key: "k" })).toBe("through the default exchange with the key “k”");
    expect(targetText({ exchange: "e" })).toBe("through the exchange e with their own keys");
  });
  test("and how it went", () => {
    const parts = [{ done: 2, stayed: 1, stayed_because: [{ position: 7, why: "no queue takes it" }] }];
    expect(told("move", parts)).toBe("2 messages moved; 1 stayed: no queue takes it.");
  });
});

describe("an edited message", () => {
  const message = { payload: "a", payload_encoding: "string", properties: { type: "t", headers: { x: 1 } } } as unknown as Message;
  const same = JSON.stringify(message.properties, null, 2);
  test("says only what is otherwise", () => {
    expect(edits(message, "a", same)).toEqual({});
    expect(edits(message, "b", same)).toEqual({ payload: "b", payload_encoding: "string" });
    expect(edits(message, "a", '{"type":"u"}')).toEqual({ properties: { type: "u" } });
  });
  test("has properties that are an object", () => {
    expect(edits(message, "a", "[]")).toBe("The properties must be an object.");
    expect(edits(message, "a", "{")).toMatch(/^The properties are not JSON/);
  });
});
