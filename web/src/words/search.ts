// What somebody types to find messages of a queue, as the words of a request.

/** What stands before a colon, and the request's word for it. */
const named: Record<string, string> = {
  id: "message_id",
  correlation: "correlation_id",
  key: "routing_key",
  exchange: "exchange",
  reason: "reason",
  died: "queue",
};

export const searchHint = "Find: text, id:…, key:…, header=value";

/**
 * The words in the order of the request's query: `id:a-1 tenant=blue not found` is a message id, a header, and a text of
 * the body. What stands in quotes is text or a value as it is.
 */
export function searchWords(typed: string): [string, string][] {
  const words: [string, string][] = [];
  const text: string[] = [];
  for (const [token, quoted] of tokens(typed)) {
    const word = /^([a-z]+):(.*)$/s.exec(token);
    const header = /^([^=]+)=(.*)$/s.exec(token);
    const name = word?.[1] === undefined ? undefined : named[word[1]];
    if (quoted) text.push(token);
    else if (name !== undefined) words.push([name, word?.[2] ?? ""]);
    else if (header) words.push(["header", `${header[1] ?? ""}:${header[2] ?? ""}`]);
    else text.push(token);
  }
  if (text.length > 0) words.push(["text", text.join(" ")]);
  return words;
}

/** As they stand in a query behind other words. */
export function searchQuery(typed: string): string {
  return searchWords(typed)
    .map(([key, value]) => `&${key}=${encodeURIComponent(value)}`)
    .join("");
}

/** What spaces part; quotes hold together. The second says that all of it was in quotes. */
function tokens(typed: string): [string, boolean][] {
  const all: [string, boolean][] = [];
  for (const [found, quoted] of typed.matchAll(/"([^"]*)"(?=\s|$)|(?:[^\s"]|"[^"]*"?)+/g)) {
    all.push(quoted === undefined ? [found.replaceAll('"', ""), false] : [quoted, true]);
  }
  return all;
}
