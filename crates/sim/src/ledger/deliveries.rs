//! What may be handed out: what has landed and is there, in its order, in its time, marked and counted (P2, P3, P4, P6,
//! P9).

use super::{Channel, Given, Holder, Ledger, TIMEOUT_USUAL};
use crate::plan::Plan;
use broker::Delivery;
use model::record::{Attempts, Place};
use model::{Position, Timestamp};

impl Ledger {
    pub(super) fn handed_out(
        &mut self,
        plan: &Plan,
        now: Timestamp,
        channel: Channel,
        (queue, by_consumer): (usize, bool),
        delivery: &Delivery,
    ) {
        self.deliveries += 1;
        let position = delivery.position;
        let key = (queue, position);
        if position > self.landed {
            return self.blame("P3", format!("{position} is delivered and has not landed"));
        }
        if !self.lane.is_alive(queue, position) {
            let name = &plan.queues[queue].name;
            return self.blame(
                "P4",
                format!("{position} is delivered from {name}, which has it not"),
            );
        }
        self.check_turn(plan, now, key, delivery);
        let before = self.delivered.get(&key).copied().unwrap_or(0);
        if before > 0 && !delivery.redelivered {
            self.blame("P4", format!("{position} comes again and is not marked"));
        }
        if before == 0 && delivery.redelivered && position > self.suspect {
            self.blame(
                "P4",
                format!("{position} is marked though it was never delivered"),
            );
        }
        if before == 0 {
            self.check_order(plan, queue, position);
        }
        self.delivered.insert(key, before + 1);
        let tag = delivery.tag.0;
        let holder = Holder {
            channel,
            tag,
            since: now,
        };
        self.holders.insert(key, holder);
        let Some(dealings) = self.channels.get_mut(&channel) else {
            return self.blame(
                "P10",
                format!("{position} is delivered to a closed channel"),
            );
        };
        let no_ack = delivery.no_ack;
        dealings.given.insert(
            tag,
            Given {
                queue,
                position,
                no_ack,
            },
        );
        let prefetch = usize::from(dealings.prefetch);
        if by_consumer && !no_ack && prefetch > 0 && dealings.given.len() > prefetch {
            // Those that took too long are not counted any more.
            let is_held = |(tag, given): (&u64, &Given)| {
                let timeout = plan.queues[given.queue].timeout.unwrap_or(TIMEOUT_USUAL);
                let holder = self.holders.get(&(given.queue, given.position));
                holder.is_some_and(|holder| {
                    (holder.channel, holder.tag) == (channel, *tag)
                        && now.0 < holder.since.0 + timeout
                })
            };
            let held = dealings.given.iter().filter(|one| is_held(*one)).count();
            if held > prefetch {
                self.blame(
                    "P9",
                    format!("{held} deliveries are unacked, the prefetch count is {prefetch}"),
                );
            }
        }
    }

    /// The message may be handed out now: nobody has it, its time has come, and its attempts were counted.
    fn check_turn(
        &mut self,
        plan: &Plan,
        now: Timestamp,
        key: (usize, Position),
        delivery: &Delivery,
    ) {
        let position = delivery.position;
        let timeout = plan.queues[key.0].timeout.unwrap_or(TIMEOUT_USUAL);
        if let Some(holder) = self.holders.get(&key)
            && now.0 < holder.since.0 + timeout
        {
            return self.blame("P2", format!("{position} is in two hands at once"));
        }
        let waiting = self.lane.waiting.get(&key).copied();
        match waiting.map(|waiting| waiting.place) {
            Some(Place::Parked { .. }) => {
                self.blame("P2", format!("{position} is delivered though it is parked"));
            }
            Some(Place::Delayed { due }) if due > now => {
                self.blame(
                    "P2",
                    format!("{position} is delivered at {now}, it is due at {due}"),
                );
            }
            _ => {}
        }
        let landed = self.lane.message(position);
        // What an operator sends back is put off by nothing any more.
        let came = landed.filter(|landed| !self.redriven.contains(&landed.message));
        let due = came.and_then(|landed| {
            let own = self.sent[landed.message as usize].delay;
            let own = own.filter(|_| landed.died_in.is_none());
            let delay = own.max(plan.queues[key.0].delay).filter(|delay| *delay > 0);
            delay.map(|delay| Timestamp(landed.accepted.0 + delay))
        });
        if let Some(due) = due.filter(|due| *due > now && waiting.is_none()) {
            self.blame(
                "P2",
                format!("{position} is delivered at {now}, it is due at {due}"),
            );
        }
        let told = waiting.map_or(Attempts::NONE, |waiting| waiting.attempts);
        let before = self.delivered.get(&key).copied().unwrap_or(0);
        let attempts = delivery.attempts;
        if attempts.failed < told.failed || attempts.lost < told.lost || attempts.total() > before {
            self.blame(
                "P2",
                format!("{position} is delivered with {attempts:?}: {told:?} were told, and it was delivered {before} times"),
            );
        }
    }

    /// What one channel sent is first delivered in that order (P6).
    fn check_order(&mut self, plan: &Plan, queue: usize, position: Position) {
        let Some(landed) = self.lane.message(position) else {
            return;
        };
        let sent = &self.sent[landed.message as usize];
        // Of what was sent more than once it is not known which one landed, and dead letters come as they died.
        if sent.transmissions != 1
            || landed.died_in.is_some()
            || landed.due.is_some()
            || self.redriven.contains(&landed.message)
        {
            return;
        }
        let priority = sent.properties.priority().unwrap_or(0);
        let priority = priority.min(plan.queues[queue].max_priority);
        let (connection, order) = sent.on;
        let last = self
            .first_delivered
            .entry((connection, queue, priority))
            .or_default();
        if order < *last {
            let (message, last) = (landed.message, *last);
            self.blame(
                "P6",
                format!(
                    "message {message}, number {order} of its channel, comes after number {last}"
                ),
            );
        } else {
            *last = order;
        }
    }
}
