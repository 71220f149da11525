// The rules in force: what the queue's owner asked for and what policies add, and the retry that follows from them, drawn.

import { useMemo } from "react";
import type { Queue } from "../../api/shapes";
import { Chart, type Line } from "../../parts/chart";
import { Card, Facts } from "../../parts/frame";
import { Badge } from "../../parts/show";
import { many } from "../../words/numbers";
import { attempts, retryOf, retrySentence, type Retry, type Rules } from "../../words/retry";
import { span } from "../../words/times";

/** So many attempts are drawn. */
const DRAWN = 25;

const meanings: Record<string, [string, (value: number) => string] | [string]> = {
  "consumer-timeout": ["An attempt may take", span],
  "delayed-retry-type": ["What waits before it comes back"],
  "delayed-retry-min": ["First wait", span],
  "delayed-retry-max": ["Longest wait", span],
  "delayed-retry-multiplier": ["Each wait longer by the factor"],
  "delayed-retry-jitter": ["Left to chance"],
  "delivery-limit": ["May come back so often"],
  "dead-letter-exchange": ["What dies goes to the exchange"],
  "dead-letter-routing-key": ["… with the routing key"],
  "message-ttl": ["A message lives", span],
  expires: ["The queue goes when unused for", span],
  "max-length": ["At most so many messages"],
  "max-length-bytes": ["At most so many bytes"],
  overflow: ["When it is full"],
  "max-priority": ["Highest priority"],
  "single-active-consumer": ["One consumer at a time"],
  "delivery-delay": ["What comes waits first", span],
};

function said(key: string, value: unknown): [string, string] {
  const meaning = meanings[key.replace(/^x-/, "")];
  const say = meaning?.[1];
  const text = typeof value === "number" && say ? say(value) : typeof value === "string" ? value || "(default exchange)" : JSON.stringify(value);
  return [meaning?.[0] ?? key, text];
}

export function QueueRules({ queue }: { queue: Queue }) {
  const rules: Rules = queue.rules ?? queue.arguments;
  const retry = retryOf(rules);
  const own = new Set(Object.keys(queue.arguments));
  const order = Object.keys(meanings);
  const place = (key: string) => (order.indexOf(key.replace(/^x-/, "")) + 1 || order.length + 1);
  const inOrder = Object.entries(rules).sort(([a], [b]) => place(a) - place(b));
  const facts = inOrder.map(([key, value]): [string, React.ReactNode] => {
    const [name, text] = said(key, value);
    return [
      name,
      <span key={key}>
        {text}{" "}
        {own.has(key) || own.has(`x-${key}`) ? <Badge tip={`the queue's own argument ${key}`}>own</Badge> : <Badge tone="accent" tip={key}>{queue.policy ?? "policy"}</Badge>}
      </span>,
    ];
  });
  return (
    <div className="columns">
      <RetryCard retry={retry} />
      <Card title="Rules in force" note={queue.policy ? `with the policy ${queue.policy}` : "no policy applies"}>
        {facts.length === 0 ? <p className="muted">None were asked for: messages wait as long as it takes, and come back at once when they fail.</p> : <Facts of={facts} />}
        {queue.deduplication && (
          <p className="muted">
            It deduplicates: {many(queue.deduplication.remembered, "message")} remembered, {many(queue.deduplication.duplicates, "duplicate")} kept away since the start.
          </p>
        )}
      </Card>
    </div>
  );
}

function RetryCard({ retry }: { retry: Retry }) {
  const { at, lines } = useMemo(() => {
    const drawn = attempts(retry, DRAWN).filter((attempt) => attempt.attempt > 1);
    const line = (title: string, values: number[], more: Partial<Line>): Line => ({ title, color: "delayed", values, ...more });
    return {
      at: drawn.map((attempt) => attempt.attempt),
      lines: [
        line("wait before the attempt", drawn.map((attempt) => attempt.wait), { bars: true }),
        line("since the first attempt", drawn.map((attempt) => attempt.after), { color: "accent" }),
      ],
    };
  }, [retry]);
  return (
    <Card title="Retry" note={retry.waits ? `waits where it ${retry.kind === "all" ? "fails for whatever cause" : retry.kind}` : "without waits"}>
      <p className="muted">{retrySentence(retry)}</p>
      {retry.waits && lines[0] && lines[0].values.length > 0 && (
        <>
          <div className="gap" />
          <Chart at={at} lines={lines} say={span} x={(attempt) => (Number.isInteger(attempt) ? `${attempt}` : "")} log told={false} height={220} />
          <p className="faint">
            Attempts 2 to {at.at(-1)}; each wait is {retry.multiplier} times the one before, up to {span(retry.longest)}, give or take {Math.round(retry.jitter * 50)} %.
          </p>
        </>
      )}
    </Card>
  );
}
