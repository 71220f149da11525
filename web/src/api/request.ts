// One way to ask the server: JSON over HTTP, behind the session's cookie.

/** The server refused, or did not answer (status 0). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    reason: string,
  ) {
    super(reason);
  }

  /** Whether the session is over, not only this request refused: RabbitMQ's two spellings. */
  get loggedOut(): boolean {
    return this.status === 401 && this.error === "not_authorized";
  }

  /** Whether this server has no such endpoint or thing. */
  get missing(): boolean {
    return this.status === 404 || this.status === 405;
  }
}

export const SESSION_PATH = "/api/landfall/session";

/** Says that a page asks, which asks for a password itself: else the browser would. */
export const AS_PAGE = { "x-requested-with": "landfall" };

let csrf = "";

/** The word that must come with every change while this session lasts. */
export function setCsrf(token: string): void {
  csrf = token;
}

export type Method = "GET" | "PUT" | "POST" | "DELETE";

/** Who logs in anew in another window changes the word for this one too: it is asked for, and the change tried again. */
async function renewed(): Promise<boolean> {
  const before = csrf;
  try {
    csrf = (await attempt<{ csrf: string }>("GET", SESSION_PATH)).csrf;
  } catch {
    return false;
  }
  return csrf !== before;
}

/** Asks; an answer without a body is null. */
export async function request<T>(method: Method, path: string, body?: unknown, more?: Record<string, string>): Promise<T> {
  try {
    return await attempt<T>(method, path, body, more);
  } catch (error) {
    const isStale = error instanceof Refused && error.status === 403 && method !== "GET" && path !== SESSION_PATH;
    if (isStale && (await renewed())) return attempt<T>(method, path, body, more);
    throw error;
  }
}

async function attempt<T>(
  method: Method,
  path: string,
  body?: unknown,
  more: Record<string, string> = {},
): Promise<T> {
  const headers: Record<string, string> = { ...AS_PAGE, accept: "application/json", ...more };
  if (method !== "GET" && csrf !== "") headers["x-csrf-token"] = csrf;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    const sent = body === undefined ? null : JSON.stringify(body);
    response = await fetch(path, { method, headers, body: sent, credentials: "same-origin" });
  } catch {
    throw new Refused(0, "unreachable", "The server does not answer.");
  }
  const text = await response.text();
  const json: unknown = parse(text);
  if (!response.ok) {
    const told = (json ?? {}) as { error?: unknown; reason?: unknown };
    const reason = typeof told.reason === "string" ? told.reason : `The server answered ${response.status}.`;
    throw new Refused(response.status, typeof told.error === "string" ? told.error : "", reason);
  }
  return json as T;
}

function parse(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
