//! The messages of a queue that are out again while somebody may still acknowledge an earlier attempt, which took
//! too long.

use model::Position;
use std::collections::BTreeMap;

/// Messages that failed before and are in a receiver's hands now, and whether a late acknowledgement has settled
/// them meanwhile.
#[derive(Debug, Default)]
pub(crate) struct OutAgain {
    out: BTreeMap<Position, bool>,
    settled: u64,
}

impl OutAgain {
    /// A message that failed before is handed out.
    pub(crate) fn began(&mut self, position: Position) {
        self.out.insert(position, false);
    }

    /// An attempt ended; whether its message had been settled before.
    pub(crate) fn ended(&mut self, position: Position) -> bool {
        let settled = !self.out.is_empty() && self.out.remove(&position) == Some(true);
        self.settled -= u64::from(settled);
        settled
    }

    /// A late acknowledgement settles the message; false if it is not out, or was settled so already.
    pub(crate) fn settle(&mut self, position: Position) -> bool {
        let out = self.out.get_mut(&position);
        let settles = out.is_some_and(|settled| !std::mem::replace(settled, true));
        self.settled += u64::from(settles);
        settles
    }

    /// Whether a late acknowledgement has settled a message that is out.
    pub(crate) fn is_settled(&self, position: Position) -> bool {
        self.out.get(&position) == Some(&true)
    }

    /// How many of those that are out a late acknowledgement has settled.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }
}
