import { expect, test } from "vitest";
import { curl, filled, grouped, kindOf, matching, operations, type Document } from "../src/words/openapi";

const document: Document = {
  info: { version: "1" },
  components: {
    schemas: {
      QueueDeclaration: { type: "object", properties: { durable: { type: "boolean", description: "stays" }, arguments: { type: "object" } }, required: ["durable"] },
      Done: { type: "object", properties: { next: { oneOf: [{ type: "string" }, { type: "null" }] } } },
    },
    responses: { "refused-404": { description: "it is not there" } },
  },
  paths: {
    "/api/queues/{vhost}/{name}": {
      put: {
        tags: ["queues"],
        summary: "declares it",
        description: "Who may: management.",
        operationId: "put_queue",
        parameters: [
          { name: "vhost", in: "path", schema: { type: "string" } },
          { name: "name", in: "path", schema: { type: "string" } },
        ],
        requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/QueueDeclaration" }, example: { arguments: { "x-it's": 1 } } } } },
        responses: { "201": { description: "it was made" }, "404": { $ref: "#/components/responses/refused-404" } },
      },
    },
    "/healthz/live": {
      get: {
        tags: ["healthz"],
        summary: "whether it lives",
        description: "Who may: everybody.",
        operationId: "live",
        parameters: [{ name: "of", in: "query", description: "of what", schema: { enum: ["a", "b"] } }],
        responses: { "200": { content: { "application/json": { schema: { type: "array", items: { $ref: "#/components/schemas/Done" } } } } } },
      },
    },
  },
};
const [put, live] = operations(document);

test("what can be asked for is told with its keys, what is needed, and what comes of it", () => {
  expect(put).toMatchObject({ method: "PUT", group: "queues", who: "management", query: [] });
  expect(put?.body?.keys).toEqual([
    { name: "durable", kind: "true or false", does: "stays", needed: true },
    { name: "arguments", kind: "object", does: "", needed: false },
  ]);
  expect(put?.refused).toEqual([{ code: "404", what: "it is not there", kind: "", keys: [] }]);
  expect(live?.query).toEqual([{ name: "of", kind: "a | b", does: "of what", needed: false }]);
  expect(live?.done[0]).toMatchObject({ code: "200", kind: "list of Done", keys: [{ name: "next", kind: "text or nothing" }] });
  expect(kindOf({})).toBe("anything");
});

test("it is found by words, and stands in groups", () => {
  const all = operations(document);
  expect(matching(all, "queues PUT")).toEqual([put]);
  expect(matching(all, "nowhere")).toEqual([]);
  expect(grouped(all).map(([group, of]) => [group, of.length])).toEqual([
    ["queues", 1],
    ["healthz", 1],
  ]);
});

test("a command for a terminal has names and bodies as they are, whatever is in them", () => {
  if (!put || !live) throw new Error("both are there");
  expect(filled("/api/queues/{vhost}/{name}", { vhost: "/", name: "" })).toBe("/api/queues/%2F/NAME");
  expect(curl(put, "http://h", "o'brien", { vhost: "/", name: "a b" })).toBe(
    `curl -u 'o'\\''brien' -X PUT -H 'content-type: application/json' -d '{"arguments":{"x-it'\\''s":1}}' 'http://h/api/queues/%2F/a%20b'`,
  );
  expect(curl(live, "http://h", "guest")).toBe("curl 'http://h/healthz/live'");
});
