//! The one table of deadlines: who has something to do when, though nothing happens.

use crate::connection::ChannelId;
use model::{QueueId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Who has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Deadline {
    /// A queue, for its messages or itself.
    Queue(QueueId),
    /// A channel, for its deliveries.
    Channel(ChannelId),
}

/// At most one deadline for each: its earliest.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    order: BTreeSet<(Timestamp, Deadline)>,
    of: FxHashMap<Deadline, Timestamp>,
}

impl Schedule {
    /// Sets a deadline, or takes it away.
    pub(crate) fn set(&mut self, of: Deadline, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.of.insert(of, at),
            None => self.of.remove(&of),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, of));
        }
        if let Some(at) = at {
            self.order.insert((at, of));
        }
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes one whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Deadline> {
        let &(at, of) = self.order.first().filter(|(at, _)| *at <= now)?;
        self.order.remove(&(at, of));
        self.of.remove(&of);
        Some(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_one_deadline_and_the_earliest_comes_first() {
        let mut schedule = Schedule::default();
        schedule.set(Deadline::Queue(QueueId(1)), Some(Timestamp(30)));
        schedule.set(Deadline::Queue(QueueId(2)), Some(Timestamp(20)));
        schedule.set(Deadline::Queue(QueueId(1)), Some(Timestamp(10)));
        schedule.set(Deadline::Queue(QueueId(3)), Some(Timestamp(5)));
        schedule.set(Deadline::Queue(QueueId(3)), None);
        assert_eq!(schedule.next(), Some(Timestamp(10)));
        assert_eq!(schedule.pop_due(Timestamp(9)), None);
        assert_eq!(
            schedule.pop_due(Timestamp(20)),
            Some(Deadline::Queue(QueueId(1)))
        );
        assert_eq!(
            schedule.pop_due(Timestamp(20)),
            Some(Deadline::Queue(QueueId(2)))
        );
        assert_eq!(schedule.pop_due(Timestamp(90)), None);
        assert_eq!(schedule.next(), None);
    }
}
