// The figures of the last minutes.

import type { Sample } from "../api/shapes";

/** So many seconds are kept in sight. */
export const KEPT = 900;

/** Samples in order of time, each once, the newest `KEPT` of them. */
export function merged(before: Sample[], more: Sample[]): Sample[] {
  const byTime = new Map([...before, ...more].map((sample) => [sample.at, sample]));
  return [...byTime.values()].sort((a, b) => a.at - b.at).slice(-KEPT);
}
