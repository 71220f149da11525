//! What is to happen, in the order of its times; what is for one time happens in the order in which it was decided.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events that are to come.
pub(crate) struct Agenda<E> {
    events: BinaryHeap<Reverse<Timed<E>>>,
    decided: u64,
}

struct Timed<E> {
    time: u64,
    order: u64,
    event: E,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self {
            events: BinaryHeap::new(),
            decided: 0,
        }
    }
}

impl<E> Agenda<E> {
    pub(crate) fn push(&mut self, time: u64, event: E) {
        self.decided += 1;
        let order = self.decided;
        self.events.push(Reverse(Timed { time, order, event }));
    }

    /// The next event and its time.
    pub(crate) fn pop(&mut self) -> Option<(u64, E)> {
        let Reverse(Timed { time, event, .. }) = self.events.pop()?;
        Some((time, event))
    }
}

impl<E> Timed<E> {
    fn key(&self) -> (u64, u64) {
        (self.time, self.order)
    }
}

impl<E> PartialEq for Timed<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Timed<E> {}

impl<E> PartialOrd for Timed<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Timed<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
