//! Where a message goes: the queues that take it at once, and those that it reaches through an exchange that puts
//! it off. A queue that it reaches both ways takes it at once.

use super::Queues;
use model::QueueId;

/// The queues that a message goes to, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets {
    pub(crate) at_once: Queues,
    pub(crate) later: Queues,
    /// How many milliseconds later.
    pub(crate) delay: u64,
}

impl Targets {
    pub(crate) fn is_empty(&self) -> bool {
        self.at_once.is_empty() && self.later.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.at_once.len() + self.later.len()
    }

    pub(crate) fn retain(&mut self, mut stays: impl FnMut(QueueId) -> bool) {
        self.at_once.retain(|queue| stays(*queue));
        self.later.retain(|queue| stays(*queue));
    }
}

impl From<Queues> for Targets {
    fn from(at_once: Queues) -> Self {
        Self {
            at_once,
            ..Self::default()
        }
    }
}
