//! What recovery finds out of what queues remember, before it knows how much their owners want them to.

use crate::window::Window;
use model::record::Fingerprint;
use model::{Limits, Position, QueueId, Timestamp};
use rustc_hash::FxHashMap;

/// The windows of all queues. A lane may tell of far more messages than any queue is to remember, so they are cut
/// when they have grown to a few times what is allowed (promise P9).
#[derive(Debug)]
pub(crate) struct Relearned {
    windows: FxHashMap<QueueId, Window>,
    count: usize,
    most: usize,
}

impl Relearned {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            windows: FxHashMap::default(),
            count: 0,
            most: limits.deduplication_max,
        }
    }

    pub(crate) fn learn(&mut self, queue: QueueId, position: Position, message: Fingerprint) {
        let window = self.windows.entry(queue);
        let window = window.or_insert_with(|| Window::new(usize::MAX));
        self.count -= window.len();
        // The clock may have been set back meanwhile: nothing is over its time before all is told.
        window.remember(Timestamp(0), position, message);
        self.count += window.len();
    }

    pub(crate) fn take(&mut self, queue: QueueId) -> Option<Window> {
        let window = self.windows.remove(&queue)?;
        self.count -= window.len();
        Some(window)
    }

    pub(crate) fn is_too_much(&self) -> bool {
        self.count / 3 > self.most
    }

    /// Every queue keeps as much as it is to remember; one of which that is not known keeps its share of all.
    pub(crate) fn cut(&mut self, wanted: impl Fn(QueueId) -> Option<usize>) {
        let share = self.most / self.windows.len().max(1);
        self.cut_each(|queue| wanted(queue).unwrap_or(share));
        if self.count / 2 > self.most {
            self.cut_each(|_| share);
        }
    }

    fn cut_each(&mut self, room: impl Fn(QueueId) -> usize) {
        for (queue, window) in &mut self.windows {
            window.resize(room(*queue));
            window.resize(usize::MAX);
        }
        self.count = self.windows.values().map(Window::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_too_much_is_cut_to_what_is_wanted() {
        let mut relearned = Relearned::new(&Limits {
            deduplication_max: 10,
            ..Limits::default()
        });
        let until = Fingerprint::NO_END;
        for position in 1..=33u64 {
            assert!(!relearned.is_too_much());
            let hash = position.into();
            let queue = QueueId(position % 2);
            relearned.learn(queue, Position(position), Fingerprint { hash, until });
        }
        assert!(relearned.is_too_much());
        relearned.cut(|queue| (queue == QueueId(1)).then_some(3));
        let mut kept = |queue| {
            let window = relearned.take(QueueId(queue)).expect("it learned");
            let all = window.all(Timestamp(0));
            all.map(|(position, _)| position.0).collect::<Vec<_>>()
        };
        assert_eq!(kept(1), [29, 31, 33]);
        assert_eq!(kept(0), [24, 26, 28, 30, 32]);
        assert_eq!(relearned.count, 0);
    }
}
