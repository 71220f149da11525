//! Retry: an attempt ended without an acknowledgement. One rule for every cause: the message comes back at once or
//! after a wait that grows, and when it has come back too often it goes to the dead letters or is parked (P2).

use crate::Broker;
use crate::backlog::Ready;
use crate::connection::ChannelId;
use crate::journey::{Event, Outcome, Then};
use crate::parked::ParkedMessage;
use crate::rules::Rules;
use crate::schedule::Deadline;
use crate::unacked::Unsettled;
use model::record::{Attempts, Place, Reason, Waiting};
use model::{Position, QueueId, Timestamp};

/// Why an attempt ended without an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The receiver was silent for too long.
    TimedOut,
    /// The receiver gave the message back: nack, reject or recover.
    Returned,
    /// Its channel or connection ended.
    Lost,
}

impl Cause {
    /// As journeys tell it.
    const fn outcome(self) -> Outcome {
        match self {
            Self::TimedOut => Outcome::TimedOut,
            Self::Returned => Outcome::Returned,
            Self::Lost => Outcome::Lost,
        }
    }

    /// The attempts with this one.
    fn counted(self, before: Attempts) -> Attempts {
        match self {
            Self::TimedOut | Self::Returned => Attempts {
                failed: before.failed.saturating_add(1),
                ..before
            },
            Self::Lost => Attempts {
                lost: before.lost.saturating_add(1),
                ..before
            },
        }
    }
}

/// Which messages wait before they are delivered again, in RabbitMQ's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryType {
    /// Those that come back for any cause.
    All,
    /// Those that nobody gave back: the time ran out, or the connection died.
    Failed,
    /// Those that receivers gave back.
    Returned,
}

impl RetryType {
    fn includes(self, cause: Cause) -> bool {
        match self {
            Self::All => true,
            Self::Failed => cause != Cause::Returned,
            Self::Returned => cause == Cause::Returned,
        }
    }
}

/// How long a message waits that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) of: RetryType,
    /// The first wait, in milliseconds.
    pub(crate) least: u64,
    /// The longest.
    pub(crate) most: u64,
    /// How much longer each wait is than the one before, in thousandths.
    pub(crate) multiplier: u64,
    /// The part of a wait that is left to chance, in thousandths.
    pub(crate) jitter: u64,
}

impl Retry {
    /// The wait after so many attempts in vain, in milliseconds. Messages that failed together come back spread
    /// over the jitter; the same message waits the same whoever computes it.
    fn wait(&self, position: Position, attempts: u32) -> u64 {
        let mut wait = self.least.min(self.most);
        if self.multiplier > 1000 && wait > 0 {
            for _ in 1..attempts {
                if wait >= self.most {
                    break;
                }
                // A wait of a millisecond grows, too.
                let longer = u128::from(wait) * u128::from(self.multiplier);
                wait = u64::try_from(longer.div_ceil(1000)).unwrap_or(u64::MAX);
            }
        }
        wait = wait.min(self.most);
        let spread = u128::from(wait) * u128::from(self.jitter) / 1000;
        let chance = u128::from(mixed(position.0 ^ u64::from(attempts).rotate_left(32)) >> 32);
        let shift = u64::try_from((spread * chance) >> 32).unwrap_or(u64::MAX);
        let least = wait - u64::try_from(spread / 2).unwrap_or(wait).min(wait);
        least.saturating_add(shift).min(self.most)
    }
}

/// Numbers that look alike become numbers that do not (the finalizer of splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What becomes of a message that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Ready,
    Delayed(Timestamp),
    OutOfAttempts,
}

impl Rules {
    /// `since` is when its wait began.
    fn next(&self, since: Timestamp, position: Position, cause: Cause, attempts: Attempts) -> Next {
        if self
            .delivery_limit
            .is_some_and(|limit| attempts.total() > limit)
        {
            return Next::OutOfAttempts;
        }
        let retry = self.retry.filter(|retry| retry.of.includes(cause));
        match retry.map(|retry| retry.wait(position, attempts.total())) {
            None | Some(0) => Next::Ready,
            Some(wait) => Next::Delayed(Timestamp(since.0.saturating_add(wait))),
        }
    }
}

impl Broker {
    /// A delivery ended in vain: its message waits again, or has come back too often.
    pub(crate) fn come_back(&mut self, now: Timestamp, entry: &Unsettled, cause: Cause) {
        self.free_consumer(entry);
        let Some(queue) = self.queues.get_mut(&entry.queue) else {
            return;
        };
        queue.unacked -= 1;
        self.statistics.touch(queue);
        let in_vain = &mut self.statistics.in_vain;
        match cause {
            Cause::TimedOut => in_vain.timed_out += 1,
            Cause::Returned => in_vain.returned += 1,
            Cause::Lost => in_vain.lost += 1,
        }
        if queue.again.ended(entry.position) {
            // A late acknowledgement has settled it.
            return;
        }
        let attempts = cause.counted(entry.attempts);
        let position = entry.position;
        // A receiver that was silent has used up part of the wait.
        let since = match cause {
            Cause::TimedOut => entry.began,
            Cause::Returned | Cause::Lost => now,
        };
        let place = match queue.rules.next(since, position, cause, attempts) {
            Next::OutOfAttempts => {
                self.tell_attempt(entry, cause.outcome(), Then::Leaves);
                self.run_out(now, entry, attempts);
                return;
            }
            Next::Delayed(due) if due > now => Place::Delayed { due },
            Next::Delayed(_) | Next::Ready => Place::Ready,
        };
        let then = match place {
            Place::Delayed { due } => Then::Delayed(due),
            Place::Ready | Place::Parked { .. } => Then::Ready,
        };
        self.tell_attempt(entry, cause.outcome(), then);
        let ready = Ready {
            position,
            priority: entry.priority,
            attempts,
            redelivered: true,
        };
        let queue = self.queues.get_mut(&entry.queue).expect("looked up before");
        match place {
            Place::Delayed { due } => queue.delayed.insert(now, due, ready),
            Place::Ready | Place::Parked { .. } => queue.backlog.give_back(ready),
        }
        self.activate(entry.queue);
        self.tell_waiting(
            entry.queue,
            Waiting {
                position,
                place,
                attempts,
            },
        );
    }

    /// Tells the journey how an attempt ended that was not acknowledged in time.
    pub(crate) fn tell_attempt(&mut self, entry: &Unsettled, outcome: Outcome, then: Then) {
        self.journey.note(|| Event::AttemptEnded {
            queue: entry.queue,
            position: entry.position,
            attempt: entry.attempts.total().saturating_add(1),
            outcome,
            then,
        });
    }

    /// A message came back too often.
    fn run_out(&mut self, now: Timestamp, entry: &Unsettled, attempts: Attempts) {
        let (id, position, priority) = (entry.queue, entry.position, entry.priority);
        let queue = self.queues.get_mut(&id).expect("looked up by the caller");
        if queue.rules.dead_letter.is_none() {
            let parked = ParkedMessage {
                position,
                why: Reason::DeliveryLimit,
                at: now,
                attempts,
                priority,
            };
            self.park(id, parked);
            return;
        }
        queue.dying.remember(position, attempts);
        let messages = [position.0].into_iter().collect();
        self.discard(id, &messages, Reason::DeliveryLimit);
    }

    /// A message is handed out no more; it stays in sight.
    pub(crate) fn park(&mut self, id: QueueId, message: ParkedMessage) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.parked.insert(message);
            self.journey.note(|| Event::Parked {
                queue: id,
                position: message.position,
                why: message.why,
            });
            self.tell_waiting(id, message.told());
        }
    }

    /// A message waits otherwise than before: told by a record at the end of the turn.
    pub(crate) fn tell_waiting(&mut self, id: QueueId, waiting: Waiting) {
        if let Some(queue) = self.queues.get_mut(&id) {
            if queue.nothing_to_tell() {
                self.settling.push(id);
            }
            queue.told.push(waiting);
            self.statistics.touch(queue);
        }
    }

    /// The time of some of the channel's deliveries is over: their messages come back, and nothing else happens to
    /// the channel. RabbitMQ closes it, and every other message of its comes back, too.
    pub(crate) fn time_out(&mut self, now: Timestamp, id: ChannelId) {
        let Some(channel) = self.channel_mut(id) else {
            return;
        };
        let overdue = channel.unacked.take_overdue(now);
        if !overdue.is_empty() {
            // A limit for the whole channel may have kept others of its consumers waiting.
            self.wake_channel(id);
        }
        for entry in overdue {
            self.come_back(now, &entry, Cause::TimedOut);
        }
        if let Some(channel) = self.channel_mut(id) {
            let next = channel.unacked.next_due();
            self.schedule.set(Deadline::Channel(id), next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Retry = Retry {
        of: RetryType::All,
        least: 1000,
        most: 60_000,
        multiplier: 2000,
        jitter: 0,
    };

    fn waits(retry: Retry) -> Vec<u64> {
        let wait = |attempts| retry.wait(Position(7), attempts);
        (1..=8).map(wait).collect()
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let doubled = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000];
        assert_eq!(waits(PLAIN), doubled);
        let slower = Retry {
            multiplier: 1500,
            least: 1,
            ..PLAIN
        };
        assert_eq!(waits(slower), [1, 2, 3, 5, 8, 12, 18, 27]);
        let constant = Retry {
            multiplier: 1000,
            ..PLAIN
        };
        assert_eq!(waits(constant), [1000; 8]);
        let most = PLAIN.wait(Position(1), u32::MAX);
        assert_eq!(most, 60_000);
        let endless = Retry {
            most: u64::MAX,
            ..PLAIN
        };
        assert_eq!(endless.wait(Position(1), u32::MAX), u64::MAX);
    }

    #[test]
    fn chance_spreads_waits_evenly_and_never_beyond_the_longest() {
        let retry = Retry {
            jitter: 100,
            ..PLAIN
        };
        let spread: Vec<u64> = (1..=10_000)
            .map(|position| retry.wait(Position(position), 2))
            .collect();
        assert!(spread.iter().all(|wait| (1900..2100).contains(wait)));
        let mean = spread.iter().sum::<u64>() / 10_000;
        assert!((1997..=2003).contains(&mean), "{mean}");
        let longest = (1..=1000).map(|position| retry.wait(Position(position), 20));
        assert_eq!(longest.max(), Some(60_000));
    }
}
