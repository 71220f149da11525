// Fields of forms.

import { Plus, Search as SearchIcon, X } from "lucide-react";
import type { ComponentProps, ReactNode } from "react";
import { noEntry, type Entry } from "../words/entries";
import { Button, IconButton } from "./buttons";

export function Field({ label, hint, children }: { label: string; hint?: ReactNode; children: ReactNode }) {
  return (
    <label className="field">
      <span className="label">{label}</span>
      {children}
      {hint && <span className="hint">{hint}</span>}
    </label>
  );
}

interface Text {
  value: string;
  change: (value: string) => void;
}

export function Input({ value, change, ...more }: Text & Omit<ComponentProps<"input">, "value" | "onChange" | "className">) {
  return (
    <input
      className="input"
      autoComplete="off"
      spellCheck={false}
      value={value}
      onChange={(event) => change(event.target.value)}
      {...more}
    />
  );
}

export function TextArea({ value, change, ...more }: Text & Omit<ComponentProps<"textarea">, "value" | "onChange" | "className">) {
  return <textarea className="input" spellCheck={false} value={value} onChange={(event) => change(event.target.value)} {...more} />;
}

interface SelectProps extends Text {
  of: (string | [string, string])[];
  label?: string;
  bare?: boolean;
}

export function Select({ value, change, of, label, bare = false }: SelectProps) {
  return (
    <select className={`input${bare ? " bare" : ""}`} aria-label={label} value={value} onChange={(event) => change(event.target.value)}>
      {of.map((option) => {
        const [id, title] = typeof option === "string" ? [option, option] : option;
        return (
          <option key={id} value={id}>
            {title}
          </option>
        );
      })}
    </select>
  );
}

export function Check({ value, change, children }: { value: boolean; change: (value: boolean) => void; children: ReactNode }) {
  return (
    <label className="check">
      <input type="checkbox" checked={value} onChange={(event) => change(event.target.checked)} />
      {children}
    </label>
  );
}

/** A place to narrow a list down; `f` leads to it. */
export function Filter({ value, change, hint }: Text & { hint: string }) {
  return (
    <label className="search">
      <SearchIcon />
      <input data-filter="" aria-label={hint} placeholder={hint} value={value} spellCheck={false} onChange={(event) => change(event.target.value)} />
    </label>
  );
}

interface EntriesProps {
  value: Entry[];
  change: (value: Entry[]) => void;
  /** Keys that are known, to choose from. */
  known?: string[];
  add: string;
}

/** Headers, arguments, definitions: keys with values of some type. */
export function Entries({ value, change, known = [], add }: EntriesProps) {
  const put = (at: number, part: Partial<Entry>) => change(value.map((entry, place) => (place === at ? { ...entry, ...part } : entry)));
  const list = `known-${add.replaceAll(" ", "-")}`;
  const numbers = /(ttl|limit|length|bytes|min|max|timeout|priority|delay|expires|prefetch|window|multiplier|jitter)/;
  return (
    <div className="entries">
      {value.map((entry, at) => (
        <div className="entry" key={at}>
          <Input
            value={entry.key}
            change={(key) => put(at, entry.value === "" && numbers.test(key) ? { key, kind: "number" } : { key })}
            placeholder="name"
            aria-label="name"
            list={list}
          />
          <Select value={entry.kind} change={(kind) => put(at, { kind: kind as Entry["kind"] })} of={["text", "number", "boolean", "json"]} label="type" />
          {entry.kind === "boolean" ? (
            <Select value={entry.value === "true" ? "true" : "false"} change={(text) => put(at, { value: text })} of={["true", "false"]} label="value" />
          ) : (
            <Input value={entry.value} change={(text) => put(at, { value: text })} placeholder="value" aria-label="value" />
          )}
          <IconButton icon={X} name="Remove" inDialog onClick={() => change(value.filter((_, place) => place !== at))} />
        </div>
      ))}
      <datalist id={list}>
        {known.map((key) => (
          <option key={key} value={key} />
        ))}
      </datalist>
      <div>
        <Button small icon={Plus} onClick={() => change([...value, noEntry])}>
          {add}
        </Button>
      </div>
    </div>
  );
}
