// Days of a calendar, and what is due on each.

import { day } from "./times";

/** The weeks of a month, from Monday to Sunday: every day as 2026-11-24. */
export function month(year: number, of: number): string[] {
  const first = new Date(year, of - 1, 1);
  const before = (first.getDay() + 6) % 7;
  const length = new Date(year, of, 0).getDate();
  const cells = Math.ceil((before + length) / 7) * 7;
  return Array.from({ length: cells }, (_, at) => day(new Date(year, of - 1, 1 - before + at).getTime()));
}

export interface Day<T> {
  day: string;
  items: T[];
}

/** What is due, day by day; the items come in the order of their times. */
export function agenda<T extends { due?: number }>(items: T[]): Day<T>[] {
  const days = new Map<string, T[]>();
  for (const item of items) {
    const of = day(item.due ?? 0);
    const due = days.get(of);
    if (due) due.push(item);
    else days.set(of, [item]);
  }
  return [...days].map(([of, due]) => ({ day: of, items: due }));
}
