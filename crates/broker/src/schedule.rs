//! The one table of deadlines: which queue has something to do when, though nothing happens.

use model::{QueueId, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// At most one deadline for each queue: its earliest.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    order: BTreeSet<(Timestamp, QueueId)>,
    of: FxHashMap<QueueId, Timestamp>,
}

impl Schedule {
    /// Sets the queue's deadline, or takes it away.
    pub(crate) fn set(&mut self, queue: QueueId, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => self.of.insert(queue, at),
            None => self.of.remove(&queue),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, queue));
        }
        if let Some(at) = at {
            self.order.insert((at, queue));
        }
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes a queue whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<QueueId> {
        let &(at, queue) = self.order.first().filter(|(at, _)| *at <= now)?;
        self.order.remove(&(at, queue));
        self.of.remove(&queue);
        Some(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_one_deadline_and_the_earliest_comes_first() {
        let mut schedule = Schedule::default();
        schedule.set(QueueId(1), Some(Timestamp(30)));
        schedule.set(QueueId(2), Some(Timestamp(20)));
        schedule.set(QueueId(1), Some(Timestamp(10)));
        schedule.set(QueueId(3), Some(Timestamp(5)));
        schedule.set(QueueId(3), None);
        assert_eq!(schedule.next(), Some(Timestamp(10)));
        assert_eq!(schedule.pop_due(Timestamp(9)), None);
        assert_eq!(schedule.pop_due(Timestamp(20)), Some(QueueId(1)));
        assert_eq!(schedule.pop_due(Timestamp(20)), Some(QueueId(2)));
        assert_eq!(schedule.pop_due(Timestamp(90)), None);
        assert_eq!(schedule.next(), None);
    }
}
