//! A queue as a data structure: what waits, what is out, what is on its way to the dead letters. No policy.

use crate::again::OutAgain;
use crate::audit::Audited;
use crate::backlog::{Backlog, Ready, Traits};
use crate::connection::ConsumerId;
use crate::dead::Dying;
use crate::delayed::Delayed;
use crate::ended::Ended;
use crate::parked::Parked;
use crate::route::VhostIndex;
use crate::rules::Rules;
use crate::seldom::Seldom;
use crate::statistics::Counted;
use crate::willing::Willing;
use model::record::{Arrival, Attempts, QueueDefinition, Waiting};
use model::{ConnectionId, Position, Runs, Timestamp};
use std::collections::BTreeMap;

/// A declared queue with what waits in it.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) vhost: VhostIndex,
    pub(crate) definition: QueueDefinition,
    pub(crate) rules: Seldom<Rules>,
    /// The connection that alone may use an exclusive queue.
    pub(crate) owner: Option<ConnectionId>,
    pub(crate) backlog: Backlog,
    /// Consumers had their chance at everything up to here: what comes later does not expire yet.
    pub(crate) offered: Position,
    /// Messages that wait for their time.
    pub(crate) delayed: Seldom<Delayed>,
    /// Messages that wait for an operator.
    pub(crate) parked: Seldom<Parked>,
    /// Messages that leave for the dead letters.
    pub(crate) dying: Seldom<Dying>,
    /// In the order in which they came.
    pub(crate) consumers: Vec<ConsumerId>,
    /// The one that gets messages, where there is to be only one.
    pub(crate) single_active: Option<ConsumerId>,
    /// Those of the consumers that may have room.
    pub(crate) willing: Willing,
    /// It had a consumer: the last one's leaving deletes an auto-delete queue.
    pub(crate) was_consumed: bool,
    /// When it was last used, for queues that expire.
    pub(crate) used: Timestamp,
    /// How many messages are handed out and not settled.
    pub(crate) unacked: u64,
    pub(crate) audited: Audited,
    /// What went through it.
    pub(crate) counted: Seldom<Counted>,
    /// Listed among those whose messages are to be counted anew.
    pub(crate) changed: bool,
    /// Of those that are handed out: which failed before.
    pub(crate) again: Seldom<OutAgain>,
    /// What was settled in this turn.
    pub(crate) settled: Ended,
    /// What waits otherwise than before, since this turn.
    pub(crate) told: Vec<Waiting>,
    /// Listed among the broker's active queues.
    pub(crate) active: bool,
    /// It has a deadline in the schedule.
    pub(crate) scheduled: bool,
}

impl Queue {
    pub(crate) fn new(vhost: VhostIndex, definition: QueueDefinition, now: Timestamp) -> Self {
        Self {
            vhost,
            rules: Rules::of(&definition.arguments).into(),
            definition,
            owner: None,
            backlog: Backlog::default(),
            offered: Position::NONE,
            delayed: Seldom::default(),
            parked: Seldom::default(),
            dying: Seldom::default(),
            consumers: Vec::new(),
            single_active: None,
            willing: Willing::default(),
            was_consumed: false,
            used: now,
            unacked: 0,
            audited: Audited::default(),
            counted: Seldom::default(),
            changed: false,
            again: Seldom::default(),
            settled: Ended::default(),
            told: Vec::new(),
            active: false,
            scheduled: false,
        }
    }

    /// Its owner or an operator asks for other rules. Of what is there already up to `last`, the age counts from
    /// now on where nobody looked at it before, and the size does not count until the next start.
    pub(crate) fn change_rules(&mut self, now: Timestamp, last: Position, rules: Rules) {
        if self.rules.time_to_live.is_none() && rules.time_to_live.is_some() {
            self.backlog.ages = Seldom::default();
            self.backlog.ages.note(Position::NONE.next(), now);
            self.backlog.ages.note(last, now);
        } else if self.rules.time_to_live != rules.time_to_live {
            self.backlog.ages.renew(now);
        }
        if self.rules.expires.is_none() {
            self.used = now;
        }
        self.rules = rules.into();
    }

    /// Adds a new message.
    pub(crate) fn push(&mut self, position: Position, arrival: &Arrival) {
        if let Some(due) = arrival.due {
            return self.put_off(position, arrival, due);
        }
        if self.rules.time_to_live.is_some() {
            self.backlog.ages.note(position, arrival.came);
        }
        self.backlog.push(position, self.traits(arrival));
    }

    /// A new message waits for its time.
    fn put_off(&mut self, position: Position, arrival: &Arrival, due: Timestamp) {
        let traits = self.traits(arrival);
        self.backlog.keep(position, traits);
        let ready = Ready {
            position,
            priority: traits.priority,
            attempts: Attempts::NONE,
            redelivered: false,
        };
        self.delayed.insert(arrival.came, due, ready);
    }

    /// Messages have waited for their time.
    pub(crate) fn end_delays(&mut self, now: Timestamp, due: Vec<Ready>) {
        let time_to_live = self.rules.time_to_live;
        let mut risen: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        for mut ready in due {
            ready.priority = ready.priority.min(self.rules.max_priority);
            match time_to_live {
                _ if ready.attempts != Attempts::NONE => self.backlog.give_back(ready),
                // It is ready for the first time: its time to live begins.
                Some(time) => self.backlog.rise_ageless(ready, now, time),
                None => {
                    let of_priority = risen.entry(ready.priority).or_default();
                    of_priority.push(ready.position.0);
                }
            }
        }
        for (priority, mut positions) in risen {
            // Runs grow quickly only at their end.
            positions.sort_unstable();
            self.backlog
                .rise(priority, &positions.into_iter().collect());
        }
    }

    /// It may have something to hand out; false if that was known.
    pub(crate) fn activate(&mut self) -> bool {
        !std::mem::replace(&mut self.active, true)
    }

    /// What the queue's rules make of a message's properties.
    pub(crate) fn traits(&self, arrival: &Arrival) -> Traits {
        Traits {
            priority: arrival.priority.min(self.rules.max_priority),
            expires: arrival.expires,
            bytes: match self.rules.max_length_bytes {
                Some(_) => arrival.bytes,
                None => 0,
            },
            ageless: false,
        }
    }

    /// Whether no record is to be written of it at the end of the turn, as far as is known.
    pub(crate) fn nothing_to_tell(&self) -> bool {
        self.settled.is_empty() && self.told.is_empty()
    }

    /// Takes a message out, wherever it waits; false if it does not wait here.
    pub(crate) fn take_back(&mut self, position: Position) -> bool {
        self.backlog.pick(position).is_some()
            || !self.delayed.is_empty() && self.delayed.remove(position).is_some()
            || self.parked.count() > 0 && self.parked.remove(position).is_some()
    }

    /// Whether there is no room for one more.
    pub(crate) fn is_full(&self) -> bool {
        let at = |count: u64, limit: Option<u64>| limit.is_some_and(|limit| count >= limit);
        at(self.backlog.waiting(), self.rules.max_length)
            || at(self.backlog.bytes(), self.rules.max_length_bytes)
    }

    /// Whether more is ready than may be.
    pub(crate) fn is_over(&self, landed: Position) -> bool {
        let over = |count: u64, limit: Option<u64>| limit.is_some_and(|limit| count > limit);
        over(self.backlog.ready(landed), self.rules.max_length)
            || over(self.backlog.bytes(), self.rules.max_length_bytes)
    }

    /// Whether time or a limit means anything to it. To most queues they do not, and nobody looks.
    pub(crate) fn is_ruled(&self) -> bool {
        self.rules.time_to_live.is_some()
            || self.rules.expires.is_some()
            || self.rules.is_limited()
            || self.backlog.has_expiring()
            || !self.delayed.is_empty()
            || self.scheduled
    }

    /// When it has something to do though nothing happens. What is overdue waits for something else to happen:
    /// its landing.
    pub(crate) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let message = self.backlog.next_expiry(self.rules.time_to_live);
        let unused = self.unused_at();
        let times = message.into_iter().chain(unused);
        let times = times.filter(|at| *at > now);
        // Where very much is due at once, some of it is left to the next turn.
        let delayed = self.delayed.next_due().map(|due| due.max(now));
        times.chain(delayed).min()
    }

    /// When it goes unless somebody uses it.
    pub(crate) fn unused_at(&self) -> Option<Timestamp> {
        let expires = self.rules.expires.filter(|_| self.consumers.is_empty())?;
        Some(Timestamp(self.used.0.saturating_add(expires)))
    }

    /// Takes all messages up to `last` that are ready or wait for their time.
    pub(crate) fn purge(&mut self, last: Position) -> Runs {
        let mut purged = self.backlog.purge(last);
        let delayed = self.delayed.purge(last);
        self.backlog.forget_all(&delayed);
        purged.insert_all(&delayed);
        purged
    }

    /// All messages up to `last` that it holds, except those that channels have and those that ended in this turn.
    pub(crate) fn into_messages(mut self, last: Position) -> Runs {
        let mut messages = self.purge(last);
        for parked in self.parked.from(Position::NONE) {
            messages.insert(parked.position.0);
        }
        self.dying.add_to(&mut messages);
        messages
    }
}
