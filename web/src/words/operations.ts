// Requests of operators in words: the path says what was done to what.

/** What a method does. */
const DID: Record<string, string> = { PUT: "set", POST: "did", DELETE: "removed", GET: "asked for" };

const NAME = "([^/]+)";
const as = (of: string, did: string): [RegExp, string] => [new RegExp(`^${of.replaceAll("*", NAME)}$`), did];

/** Requests that say more than their kind; a star is a name. */
const SPECIAL: [RegExp, string][] = [
  as("POST /api/landfall/session", "logged in"),
  as("DELETE /api/landfall/session", "logged out"),
  as("DELETE /api/queues/*/*/contents", "purged the queue"),
  as("POST /api/queues/*/*/get", "got messages of the queue"),
  as("POST /api/exchanges/*/*/publish", "published to the exchange"),
  as("POST /api/bindings/*/e/*/[qe]/*", "bound"),
  as("DELETE /api/bindings/*/e/*/[qe]/*/*", "unbound"),
  as("POST /api/definitions", "imported definitions"),
  as("POST /api/definitions/*", "imported definitions into the virtual host"),
  as("POST /api/landfall/queues/*/*/redrive", "redrove messages of the queue"),
  as("POST /api/landfall/queues/*/*/fire", "fired delayed messages of the queue"),
  as("DELETE /api/landfall/queues/*/*/messages", "cancelled messages of the queue"),
  as("DELETE /api/connections/username/*", "closed the connections of"),
  as("DELETE /api/connections/*", "closed the connection"),
  as("POST /api/users/bulk-delete", "removed users"),
  as("POST /api/landfall/cluster/drain/*", "drained the node"),
  as("DELETE /api/landfall/cluster/drain/*", "ended the draining of the node"),
  as("POST /api/(?:landfall/cluster/rebalance|rebalance/queues)", "rebalanced the cluster"),
];

const KINDS: Record<string, string> = {
  queues: "queue",
  exchanges: "exchange",
  users: "user",
  vhosts: "virtual host",
  permissions: "permission",
  "topic-permissions": "topic permission",
  policies: "policy",
  "operator-policies": "operator policy",
  "user-limits": "limit of the user",
  "vhost-limits": "limit of the virtual host",
  parameters: "parameter",
};

/** What was done, and the names of what it was done to. */
export function deed(method: string, path: string): { did: string; to: string[] } {
  for (const [of, did] of SPECIAL) {
    const found = of.exec(`${method} ${path}`);
    if (found) return { did, to: found.slice(1).map(decoded) };
  }
  const [kind = "", ...names] = path.replace(/^\/api\/(landfall\/)?/, "").split("/");
  const what = KINDS[kind];
  return { did: `${DID[method] ?? method} ${what ? `the ${what}` : kind}`, to: names.map(decoded) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
