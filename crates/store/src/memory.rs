//! A store in memory whose disk can be made to fail, for tests: it keeps every promise of the contract except
//! that the disk itself ends with the process.

use crate::chunk::{Chunk, ChunkError};
use crate::contract::{Landed, Reader, Room, Store, StoreFailure};
use model::{Position, Record};
use std::sync::Arc;

/// What happens to one landing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error; nothing reached the disk.
    Lost,
    /// An error; only the first bytes reached the disk.
    Torn(usize),
    /// An error, though everything reached the disk.
    Kept,
}

/// A disk that outlives the stores on it. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {}

impl Disk {
    /// An empty disk whose segments are about `segment_bytes` long.
    pub fn new(_segment_bytes: usize) -> Self {
        unimplemented!()
    }
    /// The power goes: the stores that are open can land nothing more.
    pub fn crash(&self) {
        unimplemented!()
    }
    /// Lets the landing after `lands` further ones fail.
    pub fn fail_after(&self, _lands: u64, _fault: Fault) {
        unimplemented!()
    }
    /// Holds up every landing until [`Disk::release`].
    pub fn hold(&self) {
        unimplemented!()
    }
    /// Lets landings go on.
    pub fn release(&self) {
        unimplemented!()
    }
    /// How much room landings report from now on.
    pub fn set_room(&self, _room: Room) {
        unimplemented!()
    }
}

/// The store on such a disk.
#[derive(Debug)]
pub struct MemoryStore {}

impl MemoryStore {
    /// Opens the disk and tells all records that it holds, in order. A torn last chunk is cut.
    ///
    /// # Errors
    /// If a chunk is damaged that is not the last.
    pub fn open(_disk: &Disk, _tell: &mut dyn FnMut(Position, Record)) -> Result<Self, ChunkError> {
        unimplemented!()
    }
}

impl Store for MemoryStore {
    fn land(&mut self, _chunk: Chunk) -> Result<Landed, StoreFailure> {
        unimplemented!()
    }
    fn reader(&self) -> Arc<dyn Reader> {
        unimplemented!()
    }
    fn close(self: Box<Self>) -> Result<(), StoreFailure> {
        unimplemented!()
    }
}
