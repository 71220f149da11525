// Messages in a table: opened for what they say, chosen for what is to be done with them.

import { ChevronRight, Route } from "lucide-react";
import { useMemo, useState, type ReactNode } from "react";
import { Link } from "react-router";
import type { Message } from "../api/shapes";
import { Table, type Column } from "../parts/table";
import { Time } from "../parts/show";
import { bytes } from "../words/numbers";
import { exchangeName, link } from "../words/names";
import { MessageFacts, Payload } from "./payload";

interface MessagesProps {
  messages: Message[];
  empty: ReactNode;
  chosen?: ReadonlySet<string>;
  choose?: (keys: ReadonlySet<string>) => void;
  height?: string;
  /** Whether the column of the state's own time is shown, and how it is called. */
  time?: { title: string; of: (message: Message) => number | undefined };
}

/** The beginning of a body, in a line. */
export function glimpse(message: Message): string {
  if (message.payload_encoding === "base64") return `${bytes(message.payload_bytes)} of bytes`;
  return (message.payload ?? "").replaceAll(/\s+/g, " ").slice(0, 200);
}

const keyOf = (message: Message) => String(message.position);

export function MessageTable({ messages, empty, chosen, choose, height, time }: MessagesProps) {
  const [open, setOpen] = useState<number | null>(null);
  const columns = useMemo<Column<Message>[]>(
    () => [
      {
        id: "position",
        title: "Message",
        width: "128px",
        by: (message) => message.position,
        cell: (message) => (
          <button type="button" className="opener" aria-expanded={open === message.position} onClick={() => setOpen(open === message.position ? null : message.position)}>
            <ChevronRight />
            {message.position}
          </button>
        ),
      },
      {
        id: "body",
        title: "Body",
        width: "minmax(180px, 3fr)",
        wide: true,
        cell: (message) => <span className="mono cut">{glimpse(message) || <span className="zero">empty</span>}</span>,
      },
      {
        id: "key",
        title: "Routing key",
        width: "minmax(110px, 1fr)",
        by: (message) => message.routing_key,
        cell: (message) => (
          <span className="cut" title={`through ${exchangeName(message.exchange)}`}>
            {message.routing_key}
          </span>
        ),
      },
      { id: "size", title: "Size", width: "86px", end: true, by: (message) => message.payload_bytes, cell: (message) => bytes(message.payload_bytes) },
      {
        id: "attempts",
        title: "In vain",
        width: "76px",
        end: true,
        by: (message) => message.failed + message.lost,
        cell: (message) => <span className={message.failed + message.lost === 0 ? "zero" : ""}>{message.failed + message.lost}</span>,
      },
      { id: "accepted", title: "Published", width: "106px", end: true, by: (message) => message.accepted, cell: (message) => <Time at={message.accepted} /> },
      ...(time
        ? [
            {
              id: "time",
              title: time.title,
              width: "106px",
              end: true,
              by: (message: Message) => time.of(message) ?? 0,
              cell: (message: Message) => {
                const at = time.of(message);
                return at === undefined ? <span className="zero">–</span> : <Time at={at} />;
              },
            },
          ]
        : []),
    ],
    [open, time],
  );
  return (
    <Table
      rows={messages}
      columns={columns}
      rowKey={keyOf}
      empty={empty}
      {...(height ? { height } : {})}
      {...(chosen && choose ? { chosen: { keys: chosen, set: choose, all: messages } } : {})}
      more={(message) => (message.position === open ? <Opened message={message} /> : null)}
    />
  );
}

function Opened({ message }: { message: Message }) {
  return (
    <div className="stack">
      <div>
        <Link className="button small" to={link("/message", { id: message.position })}>
          <Route /> Journey
        </Link>
      </div>
      <MessageFacts message={message} />
      <Payload message={message} />
    </div>
  );
}
