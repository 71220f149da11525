//! What ended in a queue in this turn, by how it ended: each way becomes one record.

use model::record::Ending;
use model::{Position, Runs};

/// Messages that ended, by how.
#[derive(Debug, Default)]
pub(crate) struct Ended([Runs; Ending::ALL.len()]);

impl Ended {
    /// Whether nothing ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Runs::is_empty)
    }

    /// How many ended.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(Runs::count).sum()
    }

    pub(crate) fn insert(&mut self, how: Ending, position: Position) {
        self.0[how as usize].insert(position.0);
    }

    pub(crate) fn insert_all(&mut self, how: Ending, messages: &Runs) {
        self.0[how as usize].insert_all(messages);
    }

    /// Takes all, those that ended in the same way together.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (Ending, Runs)> + use<> {
        let all = Ending::ALL.into_iter().zip(std::mem::take(self).0);
        all.filter(|(_, messages)| !messages.is_empty())
    }
}
