// How the parts of paths and links are written.

/** The name of the default exchange in paths of the API, and for people. */
export const DEFAULT_EXCHANGE = "amq.default";

/** A path of the API: every part is escaped, so a `/` in a name stays in the name. */
export function path(...parts: (string | number)[]): string {
  return `/api/${parts.map((part) => encodeURIComponent(part)).join("/")}`;
}

/** A link to a page: names stand in the query, where any character may. */
export function link(page: string, query: Record<string, string | number | undefined> = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return text === "" ? page : `${page}?${text}`;
}

/** An exchange for people: the default one has no name. */
export function exchangeName(name: string): string {
  return name === "" || name === DEFAULT_EXCHANGE ? "(default exchange)" : name;
}
