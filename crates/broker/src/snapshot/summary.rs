//! What needs attention, of all queues in one pass: how many there are of each sort, and the worst of them by name.

use super::{ConsumerStatus, Counts};
use crate::Broker;
use crate::queue::Queue;
use crate::route::VhostIndex;
use model::record::Destination;
use model::{Position, QueueId, ShortStr, Timestamp};
use rustc_hash::FxHashSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What somebody may see.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// What is in these virtual hosts; `None` for all.
    pub vhosts: Option<Vec<ShortStr>>,
    /// Connections, and what is on them, of this user; `None` for all.
    pub user: Option<ShortStr>,
}

/// How things stand, and what needs attention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// When.
    pub at: Timestamp,
    /// Queues.
    pub queues: u64,
    /// Their consumers.
    pub consumers: u64,
    /// Their messages.
    pub messages: Counts,
    /// Queues with messages that are ready and nobody who takes them; the most messages first.
    pub unread: Worst,
    /// Queues with parked messages; the most first.
    pub parked: Worst,
    /// Queues that an operator has paused; those with the most messages first.
    pub paused: Worst,
    /// Queues that dead letters of others come to, with messages that are ready; the most first.
    pub dead: Worst,
    /// Queues with messages that are ready; the most first.
    pub backlogs: Worst,
    /// The same; that with the oldest message first.
    pub oldest: Worst,
    /// Queues whose accounts do not add up; the largest difference first.
    pub unbalanced: Worst,
    /// Connections that are blocked.
    pub blocked: u64,
    /// Consumers that get nothing though their queue has messages and nobody acknowledges any: how many, of the queues
    /// among the largest backlogs; and some of them.
    pub stuck: (u64, Vec<ConsumerStatus>),
}

/// Queues of one sort.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    /// How many queues.
    pub queues: u64,
    /// How many messages of that sort, together.
    pub messages: u64,
    /// The worst of them.
    pub worst: Vec<QueueSummary>,
}

/// A queue in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSummary {
    /// The virtual host's name.
    pub vhost: ShortStr,
    /// Its name.
    pub name: ShortStr,
    /// Its consumers.
    pub consumers: u64,
    /// Its messages.
    pub counts: Counts,
    /// The oldest of those that are ready, and when that came: perhaps a little earlier.
    pub oldest: Option<(Position, Option<Timestamp>)>,
    /// How many messages are here that should not be; fewer than 0 if some are missing.
    pub surplus: i64,
}

/// The queues of one sort, while they are found.
#[derive(Debug)]
struct Finding {
    most: usize,
    queues: u64,
    messages: u64,
    /// The least bad first, so that it can give way.
    worst: BinaryHeap<Reverse<(u64, Reverse<QueueId>)>>,
}

impl Finding {
    fn new(most: usize) -> Self {
        Self {
            most,
            queues: 0,
            messages: 0,
            worst: BinaryHeap::new(),
        }
    }

    fn note(&mut self, id: QueueId, badness: u64, messages: u64) {
        self.queues += 1;
        self.messages += messages;
        let one = Reverse((badness, Reverse(id)));
        if self.worst.len() < self.most {
            self.worst.push(one);
        } else if let Some(mut least) = self.worst.peek_mut()
            && one < *least
        {
            *least = one;
        }
    }

    /// The worst first.
    fn ids(self) -> Vec<QueueId> {
        let sorted = self.worst.into_sorted_vec();
        sorted
            .into_iter()
            .map(|Reverse((_, Reverse(id)))| id)
            .collect()
    }
}

impl Broker {
    /// What needs attention, with at most so many of each sort by name.
    pub(crate) fn summary(&self, now: Timestamp, sight: &Sight, most: usize) -> Summary {
        let landed = self.landing.landed();
        let graves = self.graves();
        let mut summary = Summary {
            at: now,
            ..Summary::default()
        };
        let [
            mut unread,
            mut parked,
            mut paused,
            mut dead,
            mut backlogs,
            mut oldest,
            mut unbalanced,
        ] = [(); 7].map(|()| Finding::new(most));
        for (&id, queue) in &self.queues {
            let vhost = &self.vhosts[queue.vhost.0].name;
            if sight
                .vhosts
                .as_ref()
                .is_some_and(|seen| !seen.contains(vhost))
            {
                continue;
            }
            let (counts, consumers) = (self.counts(queue), queue.consumers.len() as u64);
            summary.queues += 1;
            summary.consumers += consumers;
            summary.messages.include(&counts);
            if counts.parked > 0 {
                parked.note(id, counts.parked, counts.parked);
            }
            if self.is_paused(id) {
                paused.note(id, counts.ready, counts.ready);
            }
            let surplus = self.audit.surplus_of(id);
            if surplus != 0 {
                let size = surplus.unsigned_abs();
                unbalanced.note(id, size, size);
            }
            let Some(first) = queue.backlog.oldest(landed).filter(|_| counts.ready > 0) else {
                continue;
            };
            backlogs.note(id, counts.ready, counts.ready);
            oldest.note(id, u64::MAX - first.0, counts.ready);
            if graves.contains(&id) {
                dead.note(id, counts.ready, counts.ready);
            } else if consumers == 0 {
                unread.note(id, counts.ready, counts.ready);
            }
        }
        (summary.blocked, summary.stuck) = self.trouble(sight, &backlogs, most);
        summary.unread = self.worst(unread);
        summary.parked = self.worst(parked);
        summary.paused = self.worst(paused);
        summary.dead = self.worst(dead);
        summary.backlogs = self.worst(backlogs);
        summary.oldest = self.worst(oldest);
        summary.unbalanced = self.worst(unbalanced);
        summary
    }

    fn worst(&self, found: Finding) -> Worst {
        let (queues, messages) = (found.queues, found.messages);
        let ids = found.ids().into_iter();
        Worst {
            queues,
            messages,
            worst: ids
                .map(|id| self.queue_summary(&self.queues[&id]))
                .collect(),
        }
    }

    fn queue_summary(&self, queue: &Queue) -> QueueSummary {
        let oldest = queue.backlog.oldest(self.landing.landed());
        QueueSummary {
            vhost: self.vhosts[queue.vhost.0].name.clone(),
            name: queue.definition.name.clone(),
            consumers: queue.consumers.len() as u64,
            counts: self.counts(queue),
            oldest: oldest.map(|oldest| (oldest, self.calendar.came(oldest))),
            surplus: self.audit.surplus_of(queue.definition.id),
        }
    }

    /// Connections that are blocked; and consumers that get nothing where something waits and nothing is acknowledged.
    fn trouble(
        &self,
        sight: &Sight,
        backlogs: &Finding,
        most: usize,
    ) -> (u64, (u64, Vec<ConsumerStatus>)) {
        let sees = |user: &ShortStr| sight.user.as_ref().is_none_or(|own| own == user);
        let connections = self.connections.values();
        let blocked = connections
            .filter(|of| of.blocked && sees(&of.user))
            .count();
        let (mut count, mut some) = (0, Vec::new());
        let ids = backlogs.worst.iter().map(|Reverse((_, Reverse(id)))| *id);
        for id in ids {
            if self.statistics.recent_of_queue(id).traffic.ack > 0 {
                continue;
            }
            let of_queue = self.consumers_of_queue(id).into_iter();
            for consumer in of_queue.filter(|one| one.waits_for.is_some() && sees(&one.user)) {
                count += 1;
                if some.len() < most {
                    some.push(consumer);
                }
            }
        }
        (blocked as u64, (count, some))
    }

    /// The queues that dead letters of others come to.
    fn graves(&self) -> FxHashSet<QueueId> {
        let mut graves = FxHashSet::default();
        // Many queues send their dead letters to one exchange: it is followed once.
        let mut followed: FxHashSet<(usize, &ShortStr)> = FxHashSet::default();
        for queue in self.queues.values() {
            let Some(rule) = &queue.rules.dead_letter else {
                continue;
            };
            let vhost = &self.vhosts[queue.vhost.0];
            if rule.exchange.is_empty() {
                let named = rule
                    .routing_key
                    .as_ref()
                    .and_then(|key| vhost.queues.get(key));
                graves.extend(named);
            } else if followed.insert((queue.vhost.0, &rule.exchange)) {
                self.lead_on(queue.vhost, &rule.exchange, &mut graves);
            }
        }
        graves
    }

    /// The queues that an exchange leads to, whatever the key.
    fn lead_on<'a>(
        &'a self,
        vhost: VhostIndex,
        exchange: &'a ShortStr,
        found: &mut FxHashSet<QueueId>,
    ) {
        let exchanges = &self.vhosts[vhost.0].exchanges;
        let (mut next, mut passed) = (vec![exchange], FxHashSet::default());
        while let Some(name) = next.pop() {
            if !passed.insert(name) {
                continue;
            }
            let bindings = exchanges.get(name).into_iter().flat_map(|of| of.bindings());
            for (destination, ..) in bindings {
                match destination {
                    Destination::Queue(queue) => {
                        found.insert(*queue);
                    }
                    Destination::Exchange(name) => next.push(name),
                }
            }
        }
    }
}
