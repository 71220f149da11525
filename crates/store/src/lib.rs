//! The contract of landing: what every store promises, the format in which records land, and the means that
//! every store needs to keep its promises.
//!
//! In reading order: the [`contract`], the [`chunk`] format, the accounting of what is still [`live`], the [`cache`] of
//! chunks in memory, the store in [`memory`] whose disk fails on demand, and the [`conformance`] suite that every store
//! passes. Nothing here
//! touches a file or a socket: that is the business of the stores.

pub mod contract;
pub use contract::{Landed, ReadError, Reader, Room, Store, StoreFailure, Told};

pub mod chunk;
pub use chunk::{
    Born, Chunk, ChunkBuilder, ChunkError, ChunkHeader, Entry, LandedChunk, LiveMap, MessageView,
    summary,
};

pub mod live;
pub use live::{Density, LiveSet, Usage};

pub mod cache;
pub use cache::Cache;

pub mod memory;
pub use memory::MemoryStore;

pub mod recording;
pub use recording::Recording;

pub mod conformance;
