//! What ended in a queue in this turn, by how it ended: each way becomes one record.

use model::record::Ending;
use model::{Position, Runs};

/// The other ways to end but the usual one.
const OTHERS: usize = Ending::ALL.len() - 1;

/// Messages that ended, by how. Most are acknowledged, so the other ways take no room until there is one.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    acknowledged: Runs,
    others: Option<Box<[Runs; OTHERS]>>,
}

impl Ended {
    fn all(&self) -> impl Iterator<Item = &Runs> {
        let others = self.others.iter().flat_map(|others| others.iter());
        std::iter::once(&self.acknowledged).chain(others)
    }

    fn of(&mut self, how: Ending) -> &mut Runs {
        match (how as usize).checked_sub(1) {
            None => &mut self.acknowledged,
            Some(other) => &mut self.others.get_or_insert_default()[other],
        }
    }

    /// Whether nothing ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.all().all(Runs::is_empty)
    }

    /// How many ended.
    pub(crate) fn count(&self) -> u64 {
        self.all().map(Runs::count).sum()
    }

    pub(crate) fn insert(&mut self, how: Ending, position: Position) {
        self.of(how).insert(position.0);
    }

    pub(crate) fn insert_all(&mut self, how: Ending, messages: &Runs) {
        self.of(how).insert_all(messages);
    }

    /// Takes all, those that ended in the same way together.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (Ending, Runs)> + use<> {
        let acknowledged = std::iter::once(std::mem::take(&mut self.acknowledged));
        let others = self.others.as_deref_mut().map(std::mem::take);
        let all = acknowledged.chain(others.into_iter().flatten());
        let all = Ending::ALL.into_iter().zip(all);
        all.filter(|(_, messages)| !messages.is_empty())
    }
}
