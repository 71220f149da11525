//! A store in memory whose disk fails on demand: for tests, and as the contract in its plainest form.
//!
//! It lands real chunks, in segments that are reclaimed by the rules of the contract; only the [`Disk`] itself
//! ends with the process.

mod disk;
mod reader;

pub use disk::{Disk, Fault};

use crate::chunk::{Chunk, ChunkBuilder, ChunkError, LandedChunk};
use crate::contract::{Landed, Reader, Store, StoreFailure};
use crate::live::LiveSet;
use model::{Position, Record};
use reader::MemoryReader;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// A lane may be this many times as long as what is live in it before live messages are written again, however
/// much of the first segment they fill: one slow queue pins no more.
const LANE_PER_LIVE: u64 = 4;

/// The store on a [`Disk`].
#[derive(Debug)]
pub struct MemoryStore {
    disk: Disk,
    /// Which opening of the disk this is. The disk takes nothing from an earlier one.
    epoch: u64,
    /// From the oldest to the one that is written to; never empty.
    segments: VecDeque<Segment>,
    live: LiveSet,
    /// Where the last checkpoint began: no definition before it is needed.
    checkpoint: Position,
    upto: Position,
    reader: Arc<MemoryReader>,
    /// Why nothing can land any more.
    failed: Option<String>,
}

/// What the store knows of a segment.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    /// No record in it stands behind this.
    end: Position,
}

impl MemoryStore {
    /// Opens the disk and tells all records that it holds in the order in which they landed, relocated messages
    /// under the positions that they have always had. What was open on the disk before can land nothing more.
    ///
    /// # Errors
    /// If a chunk is damaged. A chunk that was torn by a [`Fault`] is the last one, and is cut.
    pub fn open(disk: &Disk, tell: &mut dyn FnMut(Position, Record)) -> Result<Self, ChunkError> {
        let (epoch, segments) = disk.open();
        let mut store = Self {
            disk: disk.clone(),
            epoch,
            segments: VecDeque::new(),
            live: LiveSet::new(),
            checkpoint: Position::NONE,
            upto: Position::NONE,
            reader: Arc::new(MemoryReader::new(disk.clone())),
            failed: None,
        };
        let mut next_number = 1;
        for (number, chunks) in segments {
            next_number = number + 1;
            store.begin_segment(number);
            for bytes in chunks {
                store.recover(LandedChunk::parse(bytes)?, tell)?;
            }
        }
        store.begin_segment(next_number);
        disk.create(epoch, next_number)
            .map_err(|_| ChunkError::Damaged {
                what: "opened twice at a time",
            })?;
        Ok(store)
    }

    fn recover(
        &mut self,
        chunk: LandedChunk,
        tell: &mut dyn FnMut(Position, Record),
    ) -> Result<(), ChunkError> {
        let follows = self.upto == Position::NONE || chunk.first() == self.upto.next();
        if chunk.header().count > 0 && !follows {
            return Err(ChunkError::Damaged {
                what: "positions have a gap",
            });
        }
        for entry in chunk.records() {
            let entry = entry?;
            self.live.enter(chunk.segment(), &entry);
            if let Record::Checkpoint { begin, .. } = entry.record {
                self.checkpoint = begin;
            }
            tell(entry.position, entry.record);
        }
        self.grown(&Arc::new(chunk));
        Ok(())
    }

    /// Appends a chunk to the segment that is written to now.
    fn append(&mut self, chunk: Chunk) -> Result<(), StoreFailure> {
        if self.tail().bytes >= self.disk.segment_bytes() {
            let number = self.tail().number + 1;
            let created = self.disk.create(self.epoch, number);
            created.map_err(|source| self.fail("beginning a segment", source))?;
            self.begin_segment(number);
        }
        let number = self.tail().number;
        self.live.enter_chunk(number, &chunk);
        let checkpoint = chunk.checkpoint();
        let chunk = chunk.seal(self.epoch, number);
        let written = self.disk.write(self.epoch, chunk.bytes());
        written.map_err(|source| self.fail("writing a chunk", source))?;
        if let Some(checkpoint) = checkpoint {
            self.checkpoint = checkpoint.begin;
        }
        self.grown(&chunk);
        Ok(())
    }

    fn grown(&mut self, chunk: &Arc<LandedChunk>) {
        self.upto = self.upto.max(chunk.last());
        let upto = self.upto;
        let tail = self.tail();
        tail.bytes += chunk.bytes().len() as u64;
        tail.end = upto;
        self.reader.add(chunk);
    }

    fn begin_segment(&mut self, number: u64) {
        self.segments.push_back(Segment {
            number,
            bytes: 0,
            end: self.upto,
        });
    }

    fn tail(&mut self) -> &mut Segment {
        self.segments
            .back_mut()
            .expect("a store has at least one segment")
    }

    /// Reclaims from the front what nothing needs; returns whether a checkpoint would let more of it go.
    ///
    /// Only from the front: a settling must outlive the messages that it settles, and they stand before it.
    fn reclaim(&mut self) -> Result<bool, StoreFailure> {
        for _ in 1..self.segments.len() {
            let front = self.segments[0];
            if !self.is_sparse(front) {
                return Ok(false);
            }
            if front.end >= self.checkpoint {
                return Ok(true);
            }
            self.relocate(front.number)?;
            self.live.forget(front.number);
            let removed = self.disk.remove(self.epoch, front.number);
            removed.map_err(|source| self.fail("removing a segment", source))?;
            self.reader.forget(front.number);
            self.segments.pop_front();
        }
        Ok(false)
    }

    fn is_sparse(&self, front: Segment) -> bool {
        let lane: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        self.live.usage(front.number).bytes * 2 <= front.bytes
            || lane > LANE_PER_LIVE * self.live.total().bytes
    }

    /// Writes the live messages of a segment again. They land before it is removed.
    fn relocate(&mut self, segment: u64) -> Result<(), StoreFailure> {
        let mut builder = ChunkBuilder::new();
        for (position, queues) in self.live.live_messages(segment, Position::NONE) {
            let chunk = self
                .reader
                .find(position)
                .expect("a live message is in a chunk");
            let message = chunk.message(position).expect("what is live is a message");
            builder.relocate(position, &queues, &message);
        }
        if builder.is_empty() {
            return Ok(());
        }
        self.append(builder.take())
    }

    fn fail(&mut self, what: &str, source: io::Error) -> StoreFailure {
        self.failed = Some(format!("{what} failed: {source}"));
        StoreFailure {
            what: what.into(),
            source,
        }
    }

    fn check_usable(&self) -> Result<(), StoreFailure> {
        match &self.failed {
            None => Ok(()),
            Some(why) => Err(StoreFailure {
                what: "the store stopped at an earlier failure".into(),
                source: io::Error::other(why.clone()),
            }),
        }
    }
}

impl Store for MemoryStore {
    fn land(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure> {
        self.check_usable()?;
        if !chunk.is_empty() {
            assert!(
                chunk.first() == self.upto.next(),
                "chunks come in the order of their positions"
            );
            self.append(chunk)?;
        }
        let checkpoint_wanted = self.reclaim()?;
        Ok(Landed {
            upto: self.upto,
            room: self.disk.room(),
            checkpoint_wanted,
        })
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reader.clone()
    }

    fn close(self: Box<Self>) -> Result<(), StoreFailure> {
        self.check_usable()
    }
}

#[cfg(test)]
mod tests;
