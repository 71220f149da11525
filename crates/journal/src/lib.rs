//! The store on this machine: a lane of segment files, written ahead of use, one write and one sync a chunk.
//!
//! In reading order: the `writer` lands chunks, `places` says where everything stands, the `reader` finds it
//! again through the cache of chunks, `reclaim` gives back what nobody needs, the `stock` makes files ahead of use, and the
//! `keeper` writes what stands beside the lane: summaries, checkpoints, and copies of what is left of old segments
//! (`compact`). `recover` opens a directory, and reads its `lane` by the `checkpoint` and each `summary`, or by
//! `scan`ning a segment; [`check()`] looks at one without changing it. All of them touch the disk through `disk` alone.
//!
//! The bytes of segments and the tables of recovery are in `docs/format.md`.

mod check;
mod checkpoint;
mod compact;
mod directory;
mod disk;
mod error;
mod identity;
mod keeper;
mod lane;
mod mark;
mod names;
mod opened;
mod places;
mod reader;
mod reclaim;
mod recover;
mod scan;
mod stock;
mod summary;
mod writer;

pub use check::{Counts, Report, check};
pub use error::OpenError;
pub use recover::Recovered;
pub use writer::{Journal, Options};

#[cfg(test)]
mod tests;
