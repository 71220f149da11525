//! The reading half: finds a live message's chunk in memory, or reads it from the disk.

use crate::disk;
use crate::places::{Places, Stretch};
use crate::summary::SECTION_STEP;
use bytes::Bytes;
use model::Position;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use store::chunk::{self, ChunkError, HEADER_LENGTH};
use store::{Cache, Density, LandedChunk, ReadError, Reader};

/// What the writer and the readers of a lane share.
pub(crate) struct Shared {
    places: RwLock<Places>,
    cache: Mutex<Cache>,
}

/// Why a stretch of a segment did not give the chunk that was looked for.
enum Failure {
    Io(io::Error),
    NotThere(String),
    /// Copies stand for it, and it is not among them.
    NotCopied,
}

impl Shared {
    pub(crate) fn new(places: Places, cache_bytes: usize) -> Self {
        Self {
            places: RwLock::new(places),
            cache: Mutex::new(Cache::new(cache_bytes)),
        }
    }

    /// Where everything stands.
    pub(crate) fn places(&self) -> RwLockReadGuard<'_, Places> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to be changed: the writer's right alone.
    pub(crate) fn places_mut(&self) -> RwLockWriteGuard<'_, Places> {
        self.places.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a stretch and keeps all chunks of it: whoever reads a backlog wants the next one next.
    fn load(&self, position: Position, stretch: &Stretch) -> Result<Arc<LandedChunk>, Failure> {
        let mut found = None;
        let mut offset = stretch.from;
        let mut block = Bytes::new();
        while offset < stretch.to && found.is_none() {
            let chunk = next_chunk(stretch, offset, &mut block)?;
            offset += chunk.bytes().len() as u64;
            let chunk = Arc::new(chunk);
            self.cache().read(chunk.clone());
            if chunk.contains(position) {
                found = Some(chunk);
            }
        }
        found.ok_or_else(|| {
            if stretch.density == Density::Sparse {
                return Failure::NotCopied;
            }
            let (segment, from) = (stretch.segment, stretch.from);
            Failure::NotThere(format!(
                "it is in no chunk behind byte {from} of segment {segment}"
            ))
        })
    }
}

/// The chunk at `offset` of a segment; `block` is what was read last and ends with the stretch or behind it.
fn next_chunk(stretch: &Stretch, offset: u64, block: &mut Bytes) -> Result<LandedChunk, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::NotThere(format!(
            "at byte {offset} of segment {}: {error}",
            stretch.segment
        ))
    };
    let fill = |length: u64| {
        let length = usize::try_from(length).map_err(|error| wrong(&error))?;
        let bytes = disk::read(&*stretch.file, offset, length).map_err(Failure::Io)?;
        Ok(Bytes::from(bytes))
    };
    if block.len() < HEADER_LENGTH {
        let ahead = (stretch.to - offset).clamp(SECTION_STEP, 2 * SECTION_STEP);
        *block = fill(ahead)?;
    }
    let header = chunk::header(block).map_err(|error| wrong(&error))?;
    // A length is believed only within what has landed.
    if u64::from(header.length) > stretch.used - offset {
        return Err(wrong(&ChunkError::Short));
    }
    if block.len() < header.length as usize {
        *block = fill(header.length.into())?;
    }
    let chunk = LandedChunk::parse(block.clone()).map_err(|error| wrong(&error))?;
    if chunk.segment() != stretch.segment {
        return Err(wrong(&ChunkError::NoChunk));
    }
    *block = block.slice(chunk.bytes().len()..);
    Ok(chunk)
}

impl Reader for Shared {
    fn cached(&self, position: Position) -> Option<Arc<LandedChunk>> {
        self.cache().get(position)
    }

    fn read(&self, position: Position) -> Result<Arc<LandedChunk>, ReadError> {
        if let Some(chunk) = self.cached(position) {
            return Ok(chunk);
        }
        loop {
            let stretch = self
                .places()
                .find(position)
                .ok_or(ReadError::Gone(position))?;
            let failure = match self.load(position, &stretch) {
                Ok(chunk) => return Ok(chunk),
                Err(failure) => failure,
            };
            // While we read, the segment may have been reclaimed and its file written again: then look where the
            // message is now.
            if !self.places().has(stretch.segment) {
                continue;
            }
            return Err(match failure {
                Failure::Io(source) => ReadError::Io { position, source },
                Failure::NotCopied => ReadError::Gone(position),
                Failure::NotThere(what) => ReadError::Damaged { position, what },
            });
        }
    }
}
