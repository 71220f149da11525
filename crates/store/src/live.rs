//! The accounting of live data: which messages of which segment some queue still needs.

use crate::chunk::{Born, Chunk, Entry};
use model::{Position, QueueId, Runs};
use smallvec::SmallVec;

/// How much of something is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages that some queue still needs.
    pub messages: u64,
    /// The bytes of their records, to within a sixteenth.
    pub bytes: u64,
}

/// Which messages are live, and where they are.
#[derive(Debug, Default)]
pub struct LiveSet {}

impl LiveSet {
    /// Nothing is live.
    pub fn new() -> Self {
        unimplemented!()
    }
    /// A message landed in `segment`. Segments come in rising order, messages in the order of their positions.
    pub fn born(&mut self, _segment: u64, _born: &Born) {
        unimplemented!()
    }
    /// A message was written again in `segment`: from now on it is there, and belongs to the queues of the copy.
    pub fn relocated(&mut self, _segment: u64, _copy: &Born) {
        unimplemented!()
    }
    /// One queue has messages no more. What is unknown, or was settled before, is nothing.
    pub fn settled(&mut self, _queue: QueueId, _runs: &Runs) {
        unimplemented!()
    }
    /// Takes in a record that recovery has read from `segment`: all of the above.
    pub fn enter(&mut self, _segment: u64, _entry: &Entry) {
        unimplemented!()
    }
    /// Takes in a chunk that is about to land in `segment`.
    pub fn enter_chunk(&mut self, _segment: u64, _chunk: &Chunk) {
        unimplemented!()
    }
    /// What is live in `segment`.
    pub fn usage(&self, _segment: u64) -> Usage {
        unimplemented!()
    }
    /// What is live altogether.
    pub fn total(&self) -> Usage {
        unimplemented!()
    }
    /// The segment that holds a live message; `None` if it is not live.
    pub fn segment_of(&self, _position: Position) -> Option<u64> {
        unimplemented!()
    }
    /// The live messages of `segment` that stand at `from` or behind it, in the order of their positions, with the
    /// queues that still need them.
    pub fn live_messages(
        &self,
        _segment: u64,
        _from: Position,
    ) -> impl Iterator<Item = (Position, SmallVec<[QueueId; 2]>)> {
        std::iter::empty()
    }
    /// Forgets a segment that was reclaimed.
    ///
    /// # Panics
    /// If something in it is live.
    pub fn forget(&mut self, _segment: u64) {
        unimplemented!()
    }
}
