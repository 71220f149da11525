//! Whose turn it is: the consumers of a queue that may have room, those of the highest priority first, equals in
//! turn.

use crate::connection::ConsumerId;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// The consumers that may have room.
#[derive(Debug, Default)]
pub(crate) struct Willing {
    /// Highest priority first; none is empty.
    ranks: SmallVec<[Rank; 1]>,
}

#[derive(Debug)]
struct Rank {
    priority: i32,
    /// In the order of their turns.
    consumers: VecDeque<ConsumerId>,
}

impl Willing {
    /// The first in turn.
    pub(crate) fn front(&self) -> Option<ConsumerId> {
        self.ranks.first()?.consumers.front().copied()
    }

    /// The highest priority of them.
    pub(crate) fn highest_priority(&self) -> Option<i32> {
        self.ranks.first().map(|rank| rank.priority)
    }

    /// The first in turn has had it.
    pub(crate) fn rotate(&mut self) {
        if let Some(rank) = self.ranks.first_mut() {
            rank.consumers.rotate_left(1);
        }
    }

    /// Takes out the first in turn.
    pub(crate) fn pop_front(&mut self) {
        if let Some(rank) = self.ranks.first_mut() {
            rank.consumers.pop_front();
            if rank.consumers.is_empty() {
                self.ranks.remove(0);
            }
        }
    }

    /// Adds a consumer behind its equals.
    pub(crate) fn push_back(&mut self, consumer: ConsumerId, priority: i32) {
        let at = self.ranks.partition_point(|rank| rank.priority > priority);
        if self
            .ranks
            .get(at)
            .is_none_or(|rank| rank.priority < priority)
        {
            let consumers = VecDeque::new();
            self.ranks.insert(
                at,
                Rank {
                    priority,
                    consumers,
                },
            );
        }
        self.ranks[at].consumers.push_back(consumer);
    }

    /// Takes out a consumer.
    pub(crate) fn remove(&mut self, consumer: ConsumerId) {
        for rank in &mut self.ranks {
            rank.consumers.retain(|other| *other != consumer);
        }
        self.ranks.retain(|rank| !rank.consumers.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_priorities_first_and_equals_in_turn() {
        let mut willing = Willing::default();
        for (id, priority) in [(1, 0), (2, 5), (3, 5), (4, -1), (5, 0)] {
            willing.push_back(ConsumerId(id), priority);
        }
        assert_eq!(willing.front(), Some(ConsumerId(2)));
        willing.rotate();
        assert_eq!(willing.front(), Some(ConsumerId(3)));
        willing.pop_front();
        willing.remove(ConsumerId(2));
        assert_eq!(willing.front(), Some(ConsumerId(1)));
        willing.rotate();
        assert_eq!(willing.front(), Some(ConsumerId(5)));
        willing.remove(ConsumerId(1));
        willing.pop_front();
        assert_eq!(willing.front(), Some(ConsumerId(4)));
        willing.pop_front();
        assert_eq!(willing.front(), None);
    }
}
