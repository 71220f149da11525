// What is typed to find messages of a queue.

import { describe, expect, test } from "vitest";
import { searchQuery, searchWords } from "../src/words/search";

describe("what is typed to find messages", () => {
  const cases: [string, [string, string][]][] = [
    ["", []],
    ["4711", [["text", "4711"]]],
    ["not  found", [["text", "not found"]]],
    ['"not  found" here', [["text", "not  found here"]]],
    ["id:a-1", [["message_id", "a-1"]]],
    ["id:a:1 key:orders.new", [["message_id", "a:1"], ["routing_key", "orders.new"]]],
    ["tenant=blue shard=7", [["header", "tenant:blue"], ["header", "shard:7"]]],
    ['tenant="dark blue" gone', [["header", "tenant:dark blue"], ["text", "gone"]]],
    ['"tenant=blue"', [["text", "tenant=blue"]]],
    ["note:this", [["text", "note:this"]]],
    ["reason:rejected died:work exchange: correlation:c", [["reason", "rejected"], ["queue", "work"], ["exchange", ""], ["correlation_id", "c"]]],
  ];
  test.each(cases)("%s", (typed, words) => {
    expect(searchWords(typed)).toEqual(words);
  });
  test("is a query behind other words", () => {
    expect(searchQuery("id:a&b 42 €")).toBe("&message_id=a%26b&text=42%20%E2%82%AC");
  });
});
