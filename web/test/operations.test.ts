import { expect, test } from "vitest";
import { deed } from "../src/words/operations";

test("a path says what was done to what", () => {
  expect(deed("PUT", "/api/queues/%2F/a%20b")).toEqual({ did: "set the queue", to: ["/", "a b"] });
  expect(deed("DELETE", "/api/queues/%2F/q/contents")).toEqual({ did: "purged the queue", to: ["/", "q"] });
  expect(deed("DELETE", "/api/users/ada")).toEqual({ did: "removed the user", to: ["ada"] });
  expect(deed("POST", "/api/landfall/queues/%2F/q/redrive")).toEqual({ did: "redrove messages of the queue", to: ["/", "q"] });
  expect(deed("POST", "/api/bindings/%2F/e/amq.topic/q/q")).toEqual({ did: "bound", to: ["/", "amq.topic", "q"] });
  expect(deed("POST", "/api/exchanges/%2F/publish/publish")).toEqual({ did: "published to the exchange", to: ["/", "publish"] });
  expect(deed("POST", "/api/landfall/session")).toEqual({ did: "logged in", to: [] });
  expect(deed("GET", "/api/queues")).toEqual({ did: "asked for the queue", to: [] });
  expect(deed("PUT", "/api/policies/%2F/%E0%A4%A")).toEqual({ did: "set the policy", to: ["/", "%E0%A4%A"] });
});
