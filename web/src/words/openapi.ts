// The document of the API, for people: what can be asked, grouped by what it is about, and as a command for a terminal.

interface Schema {
  $ref?: string;
  type?: string;
  description?: string;
  enum?: unknown[];
  items?: Schema;
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
}

interface Content {
  content?: Record<string, { schema?: Schema; example?: unknown }>;
}

interface Told {
  tags?: string[];
  summary?: string;
  description?: string;
  operationId: string;
  parameters?: { name: string; in: "path" | "query"; description?: string; schema?: Schema }[];
  requestBody?: Content & { required?: boolean };
  responses: Record<string, Content & { $ref?: string; description?: string }>;
}

export interface Document {
  info: { version: string };
  paths: Record<string, Record<string, Told>>;
  components?: { schemas?: Record<string, Schema>; responses?: Record<string, { description?: string }> };
}

/** A key of an object, or a parameter. */
export interface Named {
  name: string;
  kind: string;
  does: string;
  needed: boolean;
}

export interface Answer {
  code: string;
  what: string;
  kind: string;
  keys: Named[];
}

/** One thing that can be asked for. */
export interface Operation {
  id: string;
  method: string;
  path: string;
  group: string;
  does: string;
  who: string;
  parts: Named[];
  query: Named[];
  body: { keys: Named[]; example: unknown } | undefined;
  done: Answer[];
  refused: Answer[];
}

const METHODS = ["get", "put", "post", "delete"];

/** Everything that can be asked for, in the document's order of paths. */
export function operations(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => {
      const told = methods[method];
      return told ? [operation(document, method.toUpperCase(), path, told)] : [];
    }),
  );
}

function operation(document: Document, method: string, path: string, told: Told): Operation {
  const parameters = (where: string): Named[] =>
    (told.parameters ?? [])
      .filter((one) => one.in === where)
      .map((one) => ({ name: one.name, kind: kindOf(one.schema), does: one.description ?? "", needed: where === "path" }));
  const body = contentOf(told.requestBody);
  const answers = Object.entries(told.responses).map(([code, one]): Answer => {
    const what = one.description ?? document.components?.responses?.[nameOf(one.$ref)]?.description ?? "";
    const schema = contentOf(one)?.schema;
    return { code, what, kind: schema ? kindOf(schema) : "", keys: keysOf(document, schema) };
  });
  return {
    id: told.operationId,
    method,
    path,
    group: told.tags?.[0] ?? "",
    does: told.summary ?? "",
    who: (told.description ?? "").replace(/^Who may: /, "").replace(/\.$/, ""),
    parts: parameters("path"),
    query: parameters("query"),
    body: body && { keys: keysOf(document, body.schema), example: body.example },
    done: answers.filter(({ code }) => code < "300"),
    refused: answers.filter(({ code }) => code >= "300"),
  };
}

const contentOf = (of: Content | undefined) => Object.values(of?.content ?? {})[0];
const nameOf = (reference: string | undefined): string => reference?.split("/").at(-1) ?? "";

/** What a value is, in a few words. */
export function kindOf(schema: Schema | undefined): string {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.enum) return schema.enum.join(" | ");
  // A list, or a page of it: to a reader it is the list.
  if (schema.oneOf) {
    const kinds = schema.oneOf.filter((one) => one.properties === undefined).map(kindOf);
    return kinds.map((kind) => (kind === "null" ? "nothing" : kind)).join(" or ");
  }
  if (schema.type === "array") return `list of ${kindOf(schema.items)}`;
  const kinds: Record<string, string> = { string: "text", integer: "whole number", boolean: "true or false" };
  return kinds[schema.type ?? ""] ?? schema.type ?? "anything";
}

/** The keys of an object, or of the objects in a list. */
function keysOf(document: Document, schema: Schema | undefined): Named[] {
  if (!schema) return [];
  if (schema.$ref) return keysOf(document, document.components?.schemas?.[nameOf(schema.$ref)]);
  if (schema.items) return keysOf(document, schema.items);
  if (schema.oneOf) return keysOf(document, schema.oneOf[0]);
  return Object.entries(schema.properties ?? {}).map(([name, of]) => ({
    name,
    kind: kindOf(of),
    does: of.description ?? "",
    needed: schema.required?.includes(name) ?? false,
  }));
}

/** Those with all of these words in their method, path or purpose. */
export function matching(all: Operation[], text: string): Operation[] {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return all.filter((one) => {
    const said = `${one.method} ${one.path} ${one.does} ${one.who}`.toLowerCase();
    return words.every((word) => said.includes(word));
  });
}

/** By what they are about, in the order in which that comes first. */
export function grouped(all: Operation[]): [string, Operation[]][] {
  const groups = new Map<string, Operation[]>();
  for (const one of all) groups.set(one.group, [...(groups.get(one.group) ?? []), one]);
  return [...groups];
}

/** The path with these names in the place of its parts. */
export function filled(path: string, names: Record<string, string>): string {
  return path.replace(/\{([^}]+)\}/g, (_, part: string) => {
    const name = names[part];
    return name === undefined || name === "" ? part.toUpperCase() : encodeURIComponent(name);
  });
}

/** A word of a command for a shell, whatever is in it. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** The request as a command; curl asks for the password. */
export function curl(one: Operation, origin: string, user: string, names: Record<string, string> = {}): string {
  const words = ["curl"];
  if (one.who !== "everybody") words.push("-u", quoted(user));
  if (one.method !== "GET") words.push("-X", one.method);
  if (one.body) words.push("-H", quoted("content-type: application/json"), "-d", quoted(JSON.stringify(one.body.example ?? {})));
  words.push(quoted(origin + filled(one.path, names)));
  return words.join(" ");
}
