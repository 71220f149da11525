//! The contract of landing: what every store promises, whatever it is made of.
//!
//! A lane is a sequence of records, numbered from 1 without gaps. The shell collects records into a chunk
//! while the last chunk lands; landing is synchronous and happens on a thread of its own.
//!
//! 1. `land` returns `Ok` only when the whole chunk, and all before it, would survive the loss of power.
//! 2. After an error the store lands nothing more: every later call fails. Nothing is retried.
//! 3. What `land` confirmed is what a later `open` tells, in order, until it is reclaimed; what it did not
//!    confirm may be told too, as a whole chunk or not at all.
//! 4. A record is reclaimed only when nothing needs it: a message when every queue has settled it, a settling
//!    when the store knows by other means that its messages are gone, anything else when a later checkpoint tells
//!    it again.
//! 5. A reader finds every live message that has landed, by its position, from any thread.

use crate::chunk::{Chunk, LandedChunk};
use model::record::MessageHead;
use model::{Position, Record, Run};
use std::sync::Arc;

/// What an opening tells of its lane: first the live messages before the last checkpoint, then everything from the
/// checkpoint's first record on, in the order in which it landed. All else that was before it the checkpoint tells again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A record, as it landed.
    Record(Position, Record),
    /// Messages of neighbouring positions without their bodies. What is said is said of the first, and of the others
    /// too, but that each has a publishing id that is one higher.
    Messages(Run, MessageHead),
}

/// The writing half of a lane; one thread owns it.
pub trait Store: Send {
    /// Appends a chunk and returns when it has landed. Chunks come in the order of their positions. An empty
    /// chunk lands nothing: it asks how things stand.
    fn land(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure>;

    /// The reading half.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Ends cleanly: everything landed stays, the next `open` is quick.
    fn close(self: Box<Self>) -> Result<(), StoreFailure>;
}

/// The reading half of a lane, for any number of threads.
pub trait Reader: Send + Sync {
    /// The landed chunk that holds a live message's record, if it is in memory. Never waits for a disk.
    fn cached(&self, position: Position) -> Option<Arc<LandedChunk>>;

    /// The landed chunk that holds a live message's record; may wait for a disk.
    fn read(&self, position: Position) -> Result<Arc<LandedChunk>, ReadError>;
}

/// What the shell must know after a chunk has landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Landed {
    /// Every record up to here has landed.
    pub upto: Position,
    /// Whether publishes may go on.
    pub room: Room,
    /// Old segments wait for a checkpoint before they can be reclaimed: the broker should write one.
    pub checkpoint_wanted: bool,
    /// Something is being written beside the lane, or would be if nothing else came: to land an empty chunk in a while
    /// lets it be heard of and go on.
    pub busy: bool,
}

/// How much can still land.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Everything.
    Open,
    /// The disk is nearly full: what is in flight and settlings land (in the reserve), new publishes must wait.
    Reserved,
}

/// Landing failed: this process may confirm nothing more (promise P7).
#[derive(Debug, thiserror::Error)]
#[error("cannot land: {what}: {source}")]
pub struct StoreFailure {
    /// What was being done, and where.
    pub what: String,
    /// The system's own error.
    pub source: std::io::Error,
}

/// A record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The message was settled meanwhile and its record reclaimed.
    #[error("record {0} is gone")]
    Gone(Position),
    /// The bytes on the disk are not what was landed.
    #[error("record {position} is damaged: {what}")]
    Damaged {
        /// The record.
        position: Position,
        /// Where, and what does not fit.
        what: String,
    },
    /// The disk failed.
    #[error("cannot read record {position}: {source}")]
    Io {
        /// The record.
        position: Position,
        /// The system's own error.
        source: std::io::Error,
    },
}
