// What a queue's rules mean for a message that fails again and again (docs/retry.md).

import { many } from "./numbers";
import { span } from "./times";

/** The rules of a queue, as its arguments or a policy say them. */
export type Rules = Record<string, unknown>;

/** One attempt of a message whose receiver fails at once each time. */
export interface Attempt {
  attempt: number;
  /** Milliseconds that the message waits before it, by the formula. */
  wait: number;
  /** The same with the jitter's least and most. */
  least: number;
  most: number;
  /** Milliseconds after the first attempt. */
  after: number;
}

/** A queue's retry in numbers. */
export interface Retry {
  /** Whether failed messages wait at all before they come back. */
  waits: boolean;
  /** Which messages wait, in the words of the argument. */
  kind: string;
  /** How long a receiver may take to acknowledge. */
  timeout: number;
  /** How often a message may come back; null for any number. */
  limit: number | null;
  first: number;
  longest: number;
  multiplier: number;
  jitter: number;
  /** What becomes of a message that is out of attempts. */
  then: string;
}

const HOUR = 3_600_000;
const TIMEOUT = 1_800_000;

/** A rule by its name: arguments begin with "x-", policies do not. */
export function rule(rules: Rules, name: string): unknown {
  return rules[`x-${name}`] ?? rules[name];
}

function numeric(rules: Rules, name: string): number | null {
  const value = rule(rules, name);
  return typeof value === "number" ? value : null;
}

/** Reads a queue's rules. */
export function retryOf(rules: Rules): Retry {
  const first = numeric(rules, "delayed-retry-min");
  const given = rule(rules, "delayed-retry-type");
  const kind = typeof given === "string" ? given : first === null ? "disabled" : "all";
  const exchange = rule(rules, "dead-letter-exchange");
  const start = first ?? 1000;
  return {
    waits: kind !== "disabled",
    kind,
    timeout: numeric(rules, "consumer-timeout") ?? TIMEOUT,
    limit: numeric(rules, "delivery-limit"),
    first: start,
    longest: numeric(rules, "delayed-retry-max") ?? Math.max(HOUR, start),
    multiplier: numeric(rules, "delayed-retry-multiplier") ?? 2,
    jitter: numeric(rules, "delayed-retry-jitter") ?? 0.1,
    then: typeof exchange === "string" ? `dead-lettered to ${exchange || "the default exchange"}` : "parked in this queue",
  };
}

/** The attempts of a message that fails at once each time, the first `most` of them. */
export function attempts(retry: Retry, most: number): Attempt[] {
  const total = Math.min(most, (retry.limit ?? most - 1) + 1);
  const all: Attempt[] = [];
  let after = 0;
  for (let attempt = 1; attempt <= total; attempt += 1) {
    const failed = attempt - 1;
    const full = Math.min(retry.longest, retry.first * retry.multiplier ** (failed - 1));
    const wait = failed === 0 || !retry.waits ? 0 : full;
    const spread = (wait * retry.jitter) / 2;
    after += wait;
    all.push({ attempt, wait, least: wait - spread, most: wait + spread, after });
  }
  return all;
}

/** What becomes of a message that always fails, in a sentence. */
export function retrySentence(retry: Retry): string {
  const timeout = `An attempt is given up after ${span(retry.timeout)}. `;
  const back = retry.waits ? "" : "A message that fails comes back at once. ";
  if (retry.limit === null) return `${timeout}${back}It is tried any number of times.`;
  const all = attempts(retry, Infinity);
  const last = all.at(-1)?.after ?? 0;
  const over = retry.waits ? ` over ${span(last)} where it fails at once` : "";
  return `${timeout}${back}After ${many(all.length, "attempt")}${over} it is ${retry.then}.`;
}
