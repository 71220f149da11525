//! The reading half of the store in memory.

use super::Disk;
use crate::chunk::LandedChunk;
use crate::contract::{ReadError, Reader};
use model::Position;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Finds chunks by position.
#[derive(Debug)]
pub(super) struct MemoryReader {
    disk: Disk,
    chunks: Mutex<Chunks>,
}

#[derive(Debug, Default)]
struct Chunks {
    by_first: BTreeMap<Position, Arc<LandedChunk>>,
    /// Where relocated messages are; it comes before where they were.
    relocated: BTreeMap<Position, Arc<LandedChunk>>,
}

impl MemoryReader {
    pub(super) fn new(disk: Disk) -> Self {
        Self {
            disk,
            chunks: Mutex::default(),
        }
    }

    pub(super) fn add(&self, chunk: &Arc<LandedChunk>) {
        let mut chunks = self.chunks();
        for original in chunk.relocated() {
            chunks.relocated.insert(original, chunk.clone());
        }
        if chunk.header().count > 0 {
            chunks.by_first.insert(chunk.first(), chunk.clone());
        }
    }

    pub(super) fn forget(&self, segment: u64) {
        let mut chunks = self.chunks();
        chunks
            .by_first
            .retain(|_, chunk| chunk.segment() != segment);
        chunks
            .relocated
            .retain(|_, chunk| chunk.segment() != segment);
    }

    pub(super) fn find(&self, position: Position) -> Option<Arc<LandedChunk>> {
        let chunks = self.chunks();
        let relocated = chunks.relocated.get(&position);
        let chunk = relocated.or_else(|| Some(chunks.by_first.range(..=position).next_back()?.1));
        chunk.filter(|chunk| chunk.contains(position)).cloned()
    }

    fn chunks(&self) -> MutexGuard<'_, Chunks> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader for MemoryReader {
    fn cached(&self, position: Position) -> Option<Arc<LandedChunk>> {
        if self.disk.caches() {
            self.find(position)
        } else {
            None
        }
    }

    fn read(&self, position: Position) -> Result<Arc<LandedChunk>, ReadError> {
        self.find(position).ok_or(ReadError::Gone(position))
    }
}
