// What pages are put together from: head, cards, tiles, notices, empty states, tabs.

import { CircleAlert, CircleCheck, Copy, Info, TriangleAlert, type LucideIcon } from "lucide-react";
import { useEffect, type ReactNode } from "react";
import { Link, useSearchParams } from "react-router";
import type { UseQueryResult } from "@tanstack/react-query";
import type { Refused } from "../api/request";
import { IconButton } from "./buttons";
import { Dot, Tip, type Place } from "./show";
import { useToast } from "./toasts";

interface PageProps {
  title: string;
  /** Beside the title. */
  marks?: ReactNode;
  about?: ReactNode;
  crumb?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, marks, about, crumb, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Landfall`;
  }, [title]);
  return (
    <div className="page">
      <div className="page-head">
        <div className="titles">
          {crumb && <div className="crumb">{crumb}</div>}
          <h1>
            {title} {marks}
          </h1>
          {about && <p>{about}</p>}
        </div>
        {actions && <div className="actions">{actions}</div>}
      </div>
      {children}
    </div>
  );
}

interface CardProps {
  title?: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  /** Whether the children have the card's margins. */
  bare?: boolean;
  children: ReactNode;
}

export function Card({ title, note, actions, bare = false, children }: CardProps) {
  return (
    <section className="card">
      {(title ?? actions) !== undefined && (
        <header>
          {title && <h2>{title}</h2>}
          {note && <span className="note">{note}</span>}
          {actions && <div className="actions">{actions}</div>}
        </header>
      )}
      {bare ? children : <div className="body">{children}</div>}
    </section>
  );
}

export function Tiles({ children }: { children: ReactNode }) {
  return <div className="tiles">{children}</div>;
}

interface TileProps {
  label: string;
  value: ReactNode;
  unit?: string;
  hint?: ReactNode;
  of?: Place;
  tone?: "bad" | "warn" | "good" | undefined;
  to?: string;
}

export function Tile({ label, value, unit, hint, of, tone, to }: TileProps) {
  const inside = (
    <>
      <div className="label">
        {of && <Dot of={of} />}
        {label}
      </div>
      <div className={`value${tone ? ` tone-${tone}` : ""}`}>
        {value}
        {unit && <small>{unit}</small>}
      </div>
      {hint && <div className="hint">{hint}</div>}
    </>
  );
  return to ? (
    <Link className="tile" to={to}>
      {inside}
    </Link>
  ) : (
    <div className="tile">{inside}</div>
  );
}

const icons = { bad: CircleAlert, warn: TriangleAlert, good: CircleCheck, plain: Info };

interface NoticeProps {
  tone?: keyof typeof icons;
  what: ReactNode;
  children?: ReactNode;
  aside?: ReactNode;
  /** One of several in a card. */
  line?: boolean;
}

export function Notice({ tone = "plain", what, children, aside, line = false }: NoticeProps) {
  const Icon = icons[tone];
  return (
    <div className={`notice ${line ? "line" : tone}`}>
      <Icon className={line && tone !== "plain" ? `tone-${tone}` : undefined} />
      <div className="grow">
        <div className="what">{what}</div>
        {children && <p>{children}</p>}
      </div>
      {aside}
    </div>
  );
}

export function Empty({ icon: Icon, title, children }: { icon: LucideIcon; title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Text to copy into a terminal or an editor. */
export function Code({ children, tall = false }: { children: string; tall?: boolean }) {
  const toast = useToast();
  const copy = () => void navigator.clipboard.writeText(children).then(() => toast("Copied.", "good"));
  return (
    <div className="code-box">
      <pre className={`code${tall ? " tall" : ""}`} tabIndex={0}>
        {children}
      </pre>
      {/* Browsers have a clipboard for pages that came over TLS or from this machine. */}
      {window.isSecureContext && <IconButton icon={Copy} name="Copy" onClick={copy} />}
    </div>
  );
}

/** What stands where an answer is to be: nothing yet, why there is none, or the page's own. */
export function Answer<T>({
  of: query,
  what,
  children,
}: {
  of: Pick<UseQueryResult<T, Refused>, "data" | "error">;
  /** What is asked for, for the sentence that it is not there. */
  what: string;
  children: (data: T) => ReactNode;
}) {
  const { data, error } = query;
  if (data !== undefined) return <>{children(data)}</>;
  if (!error) return <div className="empty faint">…</div>;
  return error.missing ? (
    <Notice what={`This server does not tell of ${what}.`}>{error.message === "Not Found" ? "It has no such endpoint, or there is none." : error.message}</Notice>
  ) : (
    <Notice tone="bad" what={`No answer about ${what}.`}>
      {error.message}
    </Notice>
  );
}

export interface TabOf {
  id: string;
  title: string;
  mark?: ReactNode;
}

/** What a page is asked to show, kept in its address, so that a link leads to it. */
export function useInAddress(key: string): [string | null, (value: string) => void] {
  const [search, setSearch] = useSearchParams();
  const put = (value: string) =>
    setSearch(
      (before) => {
        const after = new URLSearchParams(before);
        after.set(key, value);
        return after;
      },
      { replace: true },
    );
  return [search.get(key), put];
}

/** Which tab is open. */
export function useTab(tabs: TabOf[], key = "tab"): [string, (id: string) => void] {
  const [wanted, choose] = useInAddress(key);
  const open = tabs.find((tab) => tab.id === wanted)?.id ?? tabs[0]?.id ?? "";
  return [open, choose];
}

export function Tabs({ tabs, open, choose }: { tabs: TabOf[]; open: string; choose: (id: string) => void }) {
  return (
    <div className="tabs" role="tablist">
      {tabs.map((tab) => (
        <button key={tab.id} type="button" role="tab" aria-selected={tab.id === open} onClick={() => choose(tab.id)}>
          {tab.title}
          {tab.mark !== undefined && <small>{tab.mark}</small>}
        </button>
      ))}
    </div>
  );
}

interface SegmentsProps<T extends string> {
  of: { id: T; title: ReactNode }[];
  open: T;
  choose: (id: T) => void;
}

export function Segments<T extends string>({ of, open, choose }: SegmentsProps<T>) {
  return (
    <div className="segments">
      {of.map((one) => (
        <button key={one.id} type="button" aria-pressed={one.id === open} onClick={() => choose(one.id)}>
          {one.title}
        </button>
      ))}
    </div>
  );
}

export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {of.flatMap(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} is`}>{value}</dd>])}
    </dl>
  );
}

/** Several parts of one whole, as a bar. */
export function Share({ of }: { of: { place: Place; value: number; title: string }[] }) {
  const total = of.reduce((sum, part) => sum + part.value, 0);
  return (
    <div className="share" role="img" aria-label={of.map((part) => `${part.title} ${part.value}`).join(", ")}>
      {of
        .filter((part) => part.value > 0)
        .map((part) => (
          <Tip key={part.title} text={`${part.title}: ${part.value}`}>
            <i style={{ width: `${(100 * part.value) / total}%`, background: `var(--${part.place})` }} />
          </Tip>
        ))}
    </div>
  );
}
