//! A store in memory whose disk fails on demand: for tests, and as the contract in its plainest form.
//!
//! It lands real chunks, in segments that are reclaimed by the rules of the contract; only the [`Disk`] itself
//! ends with the process.

mod disk;
mod reader;

pub use disk::{Disk, Fault};

use crate::chunk::{Chunk, ChunkBuilder, ChunkError, LandedChunk};
use crate::contract::{Landed, Reader, Store, StoreFailure};
use crate::live::{Density, LiveSet};
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
    /// How many of the first segments are copies of what was left of others: none or one.
    copies: usize,
    next_number: u64,
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
            copies: 0,
            next_number: 1,
            live: LiveSet::new(),
            checkpoint: Position::NONE,
            upto: Position::NONE,
            reader: Arc::new(MemoryReader::new(disk.clone())),
            failed: None,
        };
        let mut next_number = 1;
        for (number, chunks) in segments {
            next_number = next_number.max(number + 1);
            let chunks: Vec<_> = chunks
                .into_iter()
                .map(LandedChunk::parse)
                .collect::<Result<_, _>>()?;
            let (from, density) = match chunks.first() {
                Some(first) if first.header().count == 0 => (first.span().0, Density::Sparse),
                Some(first) => (first.first(), Density::Dense),
                // Copies do not tell up to where positions were given.
                None => (store.upto.next().max(store.live.end()), Density::Dense),
            };
            store.copies += usize::from(density == Density::Sparse);
            store.begin_segment(number, from, density);
            for chunk in chunks {
                store.recover(chunk, tell)?;
            }
        }
        store.next_number = next_number;
        store.roll().map_err(|_| ChunkError::Damaged {
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
            if let Some(born) = entry.born() {
                self.live.born(&born);
            }
            match &entry.record {
                Record::Settled(queue, _, runs) => self.live.settled(*queue, runs),
                Record::Checkpoint { begin, .. } => self.checkpoint = *begin,
                _ => {}
            }
            tell(entry.position, entry.record);
        }
        self.grown(&Arc::new(chunk));
        Ok(())
    }

    /// Appends a chunk to the segment that is written to now.
    fn append(&mut self, chunk: Chunk) -> Result<(), StoreFailure> {
        if self.tail().bytes >= self.disk.segment_bytes() {
            self.roll()
                .map_err(|source| self.fail("beginning a segment", source))?;
        }
        let number = self.tail().number;
        self.live.enter_chunk(&chunk);
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

    /// Begins the segment that is written to from now on.
    fn roll(&mut self) -> io::Result<()> {
        let number = self.take_number();
        self.disk.create(self.epoch, number)?;
        self.begin_segment(number, self.upto.next(), Density::Dense);
        Ok(())
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn begin_segment(&mut self, number: u64, from: Position, density: Density) {
        self.live.begin(number, from, density);
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
    /// Only from the front: a settling must outlive the messages that it settles, and they stand before it. What is
    /// left of the first segments is one segment of copies, in their place.
    fn reclaim(&mut self) -> Result<bool, StoreFailure> {
        while self.segments.len() > self.copies + 1 {
            let next = self.segments[self.copies];
            if !self.is_sparse(next) {
                return Ok(false);
            }
            if next.end >= self.checkpoint {
                return Ok(true);
            }
            self.give_back()?;
        }
        Ok(false)
    }

    fn is_sparse(&self, next: Segment) -> bool {
        let lane: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        self.live.usage(next.number).bytes * 2 <= next.bytes
            || lane > LANE_PER_LIVE * self.live.total().bytes
    }

    /// Writes again what is live in the copies and in the segment behind them, and lets both go.
    fn give_back(&mut self) -> Result<(), StoreFailure> {
        let old: Vec<Segment> = self.segments.drain(..=self.copies).collect();
        let numbers: Vec<u64> = old.iter().map(|segment| segment.number).collect();
        let mut builder = ChunkBuilder::new();
        let mut copied = Vec::new();
        for &number in &numbers {
            for (position, queues) in self.live.live_messages(number) {
                let chunk = self.reader.find(position);
                let chunk = chunk.expect("a live message is in a chunk");
                let message = chunk.message(position).expect("what is live is a message");
                let before = builder.bytes();
                builder.relocate(position, &queues, &message);
                let bytes = u32::try_from(builder.bytes() - before);
                copied.push((position, bytes.expect("a chunk is under 4 GiB")));
            }
        }
        let number = self.take_number();
        let chunk = (!builder.is_empty()).then(|| builder.take().seal(self.epoch, number));
        let chunks = chunk.iter().map(|chunk| chunk.bytes().clone()).collect();
        let replaced = self.disk.replace(self.epoch, &numbers, number, chunks);
        replaced.map_err(|source| self.fail("writing live messages again", source))?;
        self.live.replace(&numbers, number, copied);
        for number in numbers {
            self.reader.forget(number);
        }
        if let Some(chunk) = &chunk {
            self.reader.add(chunk);
        }
        self.segments.push_front(Segment {
            number,
            bytes: chunk.map_or(0, |chunk| chunk.bytes().len() as u64),
            end: old.last().expect("at least one was written again").end,
        });
        self.copies = 1;
        Ok(())
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
            busy: false,
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
