//! How messages may leave a queue, and how they may wait: by an acknowledgement or by a rule of the queue's owner (P2, P4).

use super::Ledger;
use crate::lane::MessageId;
use crate::plan::Plan;
use model::record::{Ending, Place, Waiting};
use model::{Position, Timestamp};
use rustc_hash::FxHashMap;

/// Why a message may leave its queue unacknowledged.
#[derive(Clone, Copy, Debug, Default)]
struct Reasons {
    expired: bool,
    over: bool,
    rejected: bool,
    out_of_attempts: bool,
}

impl Reasons {
    fn any(self) -> bool {
        self.expired || self.over || self.rejected || self.out_of_attempts
    }
}

impl Ledger {
    /// A message waits otherwise than before: by a rule, and as long as that says (P2).
    pub(super) fn check_waiting(
        &mut self,
        plan: &Plan,
        now: Timestamp,
        queue: usize,
        one: &Waiting,
    ) {
        let key = (queue, one.position);
        // A checkpoint tells it again.
        if self.lane.waiting.get(&key) == Some(one) || !self.lane.is_alive(queue, one.position) {
            return;
        }
        let holder = self.holders.get(&key).copied();
        let told = self
            .lane
            .waiting
            .get(&key)
            .map_or(0, |told| told.attempts.total());
        if one.attempts.total() > told && holder.is_some_and(|holder| holder.since < now) {
            self.holders.remove(&key);
        }
        let rules = &plan.queues[queue];
        let allowed = match one.place {
            Place::Ready => true,
            Place::Delayed { due } => rules.retry.is_some_and(|retry| {
                let (least, most) = retry.wait(one.attempts.total());
                // Of what took too long the wait has begun with the delivery.
                let begun = holder.map_or(now, |holder| holder.since);
                due.0 >= begun.0 + least && due.0 <= now.0 + most
            }),
            Place::Parked { .. } => {
                let leaves = self.reasons(plan, now, key);
                leaves.out_of_attempts && !rules.has_dead_letters()
                    || rules.target_lost && leaves.any()
            }
        };
        if !allowed {
            self.blame(
                "P2",
                format!("no rule of {} says {one:?} at {now}", rules.name),
            );
        }
    }

    /// Why a message may leave its queue unacknowledged.
    fn reasons(&self, plan: &Plan, now: Timestamp, key: (usize, Position)) -> Reasons {
        let (queue, position) = key;
        let rules = &plan.queues[queue];
        let Some(landed) = self.lane.message(position) else {
            return Reasons::default();
        };
        let own_time = match landed.died_in {
            None => self.sent[landed.message as usize].expires_after,
            Some(_) => None,
        };
        // The time to live of what was put off begins when it is due.
        let since = landed.due.unwrap_or(landed.accepted);
        let time = [rules.time_to_live, own_time].into_iter().flatten().min();
        let holds = self.lane.holds.get(&queue).copied().unwrap_or(0);
        let delivered = self.delivered.get(&key).copied().unwrap_or(0);
        Reasons {
            expired: time.is_some_and(|time| now.0 >= since.0 + time),
            // Between the decision and the end of a dead letter others may have left.
            over: !rules.refuses && rules.max_length.is_some_and(|most| holds > most)
                || self
                    .lane
                    .was_over
                    .get(&queue)
                    .is_some_and(|upto| position <= *upto),
            rejected: self.rejected.contains(&key),
            out_of_attempts: rules
                .delivery_limit
                .is_some_and(|limit| u64::from(delivered) > limit),
        }
    }

    /// Nothing leaves a queue without a rule that says so (P2), or an acknowledgement that was given (P4).
    pub(super) fn check_end(
        &mut self,
        plan: &Plan,
        now: Timestamp,
        queue: usize,
        position: Position,
        ending: Ending,
    ) {
        let key = (queue, position);
        let rules = &plan.queues[queue];
        let name = &rules.name;
        let Some(landed) = self
            .lane
            .message(position)
            .filter(|_| self.lane.is_alive(queue, position))
        else {
            return self.blame("P4", format!("{position} ends in {name}, which has it not"));
        };
        let message = landed.message;
        let leaves = self.reasons(plan, now, key);
        let dead_letters = rules.has_dead_letters();
        let justified = match ending {
            Ending::Acknowledged => self.acked.contains(&key),
            Ending::Expired => leaves.expired && !dead_letters,
            Ending::DeadLettered => rules.dead_letters_to.is_some() && leaves.any(),
            Ending::Dropped => !dead_letters && (leaves.over || leaves.rejected),
            Ending::Redriven => self.redrives.contains(&key),
            // Nobody moves messages here.
            Ending::Moved => false,
        };
        if !justified {
            let checker = if ending == Ending::Acknowledged {
                "P4"
            } else {
                "P2"
            };
            self.blame(
                checker,
                format!("message {message} at {position} ends in {name} as {ending:?}: no rule and nobody said so"),
            );
        }
        if ending == Ending::DeadLettered {
            let count = |of: &FxHashMap<(usize, MessageId), u32>| {
                of.get(&(queue, message)).copied().unwrap_or(0)
            };
            if count(&self.lane.copies) <= count(&self.lane.ends) {
                self.blame(
                    "P2",
                    format!("message {message} ends in {name} before its copy was to land"),
                );
            }
        }
    }
}
