// Field tables (headers, arguments, definitions of policies) while they are typed.

import type { Arguments } from "../api/shapes";

/** One entry of a field table while it is typed. */
export interface Entry {
  key: string;
  kind: "text" | "number" | "boolean" | "json";
  value: string;
}

export const noEntry: Entry = { key: "", kind: "text", value: "" };

/** The entries as a table; or what is wrong with one. */
export function toArguments(entries: Entry[]): Arguments | string {
  const table: Arguments = {};
  for (const { key, kind, value } of entries) {
    if (key === "") continue;
    if (kind === "text") table[key] = value;
    else if (kind === "boolean") table[key] = value === "true";
    else if (kind === "number") {
      if (value.trim() === "" || Number.isNaN(Number(value))) return `${key}: '${value}' is no number`;
      table[key] = Number(value);
    } else {
      try {
        table[key] = JSON.parse(value) as unknown;
      } catch {
        return `${key}: that is no JSON`;
      }
    }
  }
  return table;
}

/** A table as entries to be changed. */
export function toEntries(table: Arguments): Entry[] {
  return Object.entries(table).map(([key, value]) => {
    if (typeof value === "string") return { key, kind: "text", value };
    if (typeof value === "number") return { key, kind: "number", value: String(value) };
    if (typeof value === "boolean") return { key, kind: "boolean", value: String(value) };
    return { key, kind: "json", value: JSON.stringify(value) };
  });
}
