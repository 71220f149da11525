// What a document of definitions holds, looked at before it is imported.

const PARTS = ["users", "vhosts", "permissions", "topic_permissions", "policies", "parameters", "global_parameters", "queues", "exchanges", "bindings"] as const;

export interface Looked {
  /** How many of each part there are, as far as there are any. */
  parts: [string, number][];
  /** From which program it says to come. */
  from: string | undefined;
}

/** Counts what is in a document; or says why it is none. */
export function look(text: string): Looked | string {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return `That is no JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) return "A document of definitions is an object.";
  const map = document as Record<string, unknown>;
  const parts = PARTS.flatMap((part): [string, number][] => {
    const list = map[part];
    return Array.isArray(list) && list.length > 0 ? [[part.replaceAll("_", " "), list.length]] : [];
  });
  const from = map["product_name"] ?? (typeof map["rabbitmq_version"] === "string" ? "RabbitMQ" : undefined);
  return { parts, from: typeof from === "string" ? `${from} ${String(map["product_version"] ?? map["rabbitmq_version"] ?? "")}`.trim() : undefined };
}
