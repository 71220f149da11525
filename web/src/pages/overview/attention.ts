// What an operator should look at, in words: what is so, why it matters, and where to act. Empty where all is well.

import type { Alarm, Audit, Connection, Consumer, Queue } from "../../api/shapes";
import type { Dying } from "../../words/dying";
import { count, many } from "../../words/numbers";
import { link } from "../../words/names";

export interface Attention {
  tone: "bad" | "warn";
  what: string;
  why: string;
  since?: number | undefined;
  to?: string;
}

export interface Known {
  alarms: Alarm[];
  cluster: string[];
  audit: Audit | undefined;
  parked: Dying[];
  dead: Dying[];
  paused: Pick<Queue, "name" | "vhost">[];
  backlogs: Pick<Queue, "name" | "vhost" | "messages_ready" | "consumers" | "message_stats">[];
  connections: Connection[];
  consumers: Consumer[];
}

const named = (queues: { name: string }[]): string => {
  const [first, second] = queues;
  if (!first) return "";
  if (!second) return first.name;
  return queues.length === 2 ? `${first.name} and ${second.name}` : `${first.name} and ${queues.length - 1} more`;
};

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The worst first. */
export function attention(known: Known): Attention[] {
  const all: Attention[] = known.alarms.map((alarm) => ({
    tone: "bad",
    what: capital(alarm.what),
    why: alarm.do ?? "",
    since: alarm.since,
  }));
  all.push(...known.cluster.map((what): Attention => ({ tone: "bad", what: capital(what), why: "The cluster says so.", to: "/cluster" })));
  all.push(...accounts(known.audit), ...ofQueues(known), ...ofClients(known));
  return all;
}

function accounts(audit: Audit | undefined): Attention[] {
  if (!audit || audit.balanced) return [];
  const wrong = audit.queues.filter((queue) => queue.surplus !== 0);
  return [
    {
      tone: "bad",
      what: `The accounts of ${named(wrong)} do not add up`,
      why: "What came in is not what ended and what is here. That is a defect: please report it with the log.",
      to: "/audit",
    },
  ];
}

function ofQueues({ parked, dead, paused, backlogs }: Known): Attention[] {
  const all: Attention[] = [];
  const inPark = parked.reduce((sum, queue) => sum + queue.messages_parked, 0);
  if (inPark > 0) {
    all.push({
      tone: "bad",
      what: `${many(inPark, "message is", "messages are")} parked in ${named(parked)}`,
      why: "Out of attempts and handed to nobody, until you redrive or cancel them.",
      to: "/dead",
    });
  }
  const died = dead.reduce((sum, queue) => sum + queue.messages_ready, 0);
  if (died > 0) {
    all.push({
      tone: "warn",
      what: `${many(died, "dead letter")} in ${named(dead)}`,
      why: "Rejected, expired or out of attempts. Look why, mend it, and send them back.",
      to: "/dead",
    });
  }
  const [held] = paused;
  if (held) {
    all.push({
      tone: "warn",
      what: `${named(paused)} ${paused.length === 1 ? "is" : "are"} paused`,
      why: "Messages come and nobody gets them, until you resume it.",
      to: paused.length === 1 ? link("/queue", { vhost: held.vhost, name: held.name }) : "/queues",
    });
  }
  const unread = backlogs.filter((queue) => queue.consumers === 0 && queue.messages_ready > 0 && !dead.some((one) => one.name === queue.name && one.vhost === queue.vhost));
  const [first] = unread;
  if (first) {
    const more = unread.length > 1 ? `, and ${many(unread.length - 1, "other queue")} too` : "";
    all.push({
      tone: "warn",
      what: `${first.name} has ${count(first.messages_ready)} ready and no consumer${more}`,
      why: "Nobody takes them: start a receiver, or look whether one has died.",
      to: link("/queue", { vhost: first.vhost, name: first.name }),
    });
  }
  return all;
}

function ofClients({ connections, consumers, backlogs }: Known): Attention[] {
  const all: Attention[] = [];
  const blocked = connections.filter((connection) => connection.state === "blocked" || connection.state === "blocking");
  if (blocked.length > 0) {
    all.push({
      tone: "warn",
      what: `${many(blocked.length, "publisher waits", "publishers wait")}`,
      why: "The server has blocked them until there is room: memory or disk is short.",
      to: "/connections",
    });
  }
  // One whose queue is empty waits for good reason; where messages are acknowledged all the same, it is at work.
  const stuck = backlogs.filter((queue) => queue.messages_ready > 0 && !queue.message_stats?.ack_details?.rate);
  const waiting = consumers.filter(
    (consumer) => consumer.landfall_waiting_for && stuck.some((queue) => queue.name === consumer.queue.name && queue.vhost === consumer.queue.vhost),
  );
  const [first] = waiting;
  if (first) {
    const more = waiting.length > 1 ? ` and ${waiting.length - 1} more get nothing` : " gets nothing";
    all.push({
      tone: "warn",
      what: `Consumer ${first.consumer_tag} of ${first.queue.name}${more}`,
      why: first.landfall_waiting_for ?? "",
      to: "/consumers",
    });
  }
  return all;
}
