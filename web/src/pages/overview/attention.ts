// What an operator should look at, in words: what is so, why it matters, and where to act. Empty where all is well.

import type { Alarm, Summary, Worst } from "../../api/shapes";
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
  summary: Summary | undefined;
}

/** The worst by name, and how many more there are. */
const named = ({ queues, worst }: Worst): string => {
  const [first, second] = worst;
  if (!first) return "";
  if (queues === 1) return first.name;
  return queues === 2 && second ? `${first.name} and ${second.name}` : `${first.name} and ${count(queues - 1)} more`;
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
  if (known.summary) all.push(...accounts(known.summary), ...ofQueues(known.summary), ...ofClients(known.summary));
  return all;
}

function accounts({ unbalanced }: Summary): Attention[] {
  if (unbalanced.queues === 0) return [];
  return [
    {
      tone: "bad",
      what: `The accounts of ${named(unbalanced)} do not add up`,
      why: "What came in is not what ended and what is here. That is a defect: please report it with the log.",
      to: "/audit",
    },
  ];
}

function ofQueues({ parked, dead, paused, unread }: Summary): Attention[] {
  const all: Attention[] = [];
  if (parked.messages > 0) {
    all.push({
      tone: "bad",
      what: `${many(parked.messages, "message is", "messages are")} parked in ${named(parked)}`,
      why: "Out of attempts and handed to nobody, until you redrive or cancel them.",
      to: "/dead",
    });
  }
  if (dead.messages > 0) {
    all.push({
      tone: "warn",
      what: `${many(dead.messages, "dead letter")} in ${named(dead)}`,
      why: "Rejected, expired or out of attempts. Look why, mend it, and send them back.",
      to: "/dead",
    });
  }
  const [held] = paused.worst;
  if (held) {
    all.push({
      tone: "warn",
      what: `${named(paused)} ${paused.queues === 1 ? "is" : "are"} paused`,
      why: "Messages come and nobody gets them, until you resume it.",
      to: paused.queues === 1 ? link("/queue", { vhost: held.vhost, name: held.name }) : "/queues",
    });
  }
  const [first] = unread.worst;
  if (first) {
    const more = unread.queues > 1 ? `, and ${many(unread.queues - 1, "other queue")} too` : "";
    all.push({
      tone: "warn",
      what: `${first.name} has ${count(first.messages_ready)} ready and no consumer${more}`,
      why: "Nobody takes them: start a receiver, or look whether one has died.",
      since: first.oldest?.accepted ?? undefined,
      to: link("/queue", { vhost: first.vhost, name: first.name }),
    });
  }
  return all;
}

function ofClients({ connections_blocked, stuck }: Summary): Attention[] {
  const all: Attention[] = [];
  if (connections_blocked > 0) {
    all.push({
      tone: "warn",
      what: `${many(connections_blocked, "publisher waits", "publishers wait")}`,
      why: "The server has blocked them until there is room: memory or disk is short.",
      to: "/connections",
    });
  }
  // One whose queue is empty waits for good reason; where messages are acknowledged all the same, it is at work.
  const [first] = stuck.some;
  if (first) {
    const more = stuck.consumers > 1 ? ` and ${count(stuck.consumers - 1)} more get nothing` : " gets nothing";
    all.push({
      tone: "warn",
      what: `Consumer ${first.consumer_tag} of ${first.queue.name}${more}`,
      why: first.landfall_waiting_for ?? "",
      to: "/consumers",
    });
  }
  return all;
}
