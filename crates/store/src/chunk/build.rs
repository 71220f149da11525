//! Chunks on their way out: records are encoded as they come, and the buffer that they are encoded into is the
//! one that goes to the disk and that deliveries are served from.

use super::buffers::Buffers;
use super::summary::SummaryWriter;
use super::{
    HEADER_LENGTH, LENGTH_MAX, LandedChunk, MAGIC, MessageView, UNPADDED, VERSION, at, checksum,
    record,
};
use model::{Position, QueueId, Record, Run, Runs};
use smallvec::SmallVec;
use std::sync::Arc;

/// The smallest buffer to begin a chunk with.
const CAPACITY_LEAST: usize = 4 * 1024;
/// The largest buffer to begin a chunk with, however long the last one was.
const CAPACITY_MOST: usize = 8 * 1024 * 1024;

/// Messages of neighbouring positions that a chunk brings, as the accounting of live data needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Born {
    /// Their positions.
    pub run: Run,
    /// The queues that need each of them.
    pub queues: SmallVec<[QueueId; 2]>,
    /// The bytes that each takes in its chunk.
    pub bytes: u32,
}

/// A checkpoint that a chunk brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Where the checkpoint record stands: once it has landed, the checkpoint counts.
    pub position: Position,
    /// The position of the checkpoint's first record: no definition before it is needed.
    pub begin: Position,
    /// The bytes of its records, as far as they are in this chunk.
    pub bytes: u32,
}

/// Collects records into the next chunk.
#[derive(Debug, Default)]
pub struct ChunkBuilder {
    chunk: Chunk,
    /// How long the last two chunks were: the next is probably no longer.
    last_lengths: [usize; 2],
}

/// Records that can land together.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The header's place and the records; empty before the first record.
    buffer: Vec<u8>,
    /// Where the buffer comes from and goes to.
    buffers: Buffers,
    first: Position,
    /// Where in the buffer each record begins that takes a position.
    offsets: Vec<u32>,
    /// Original positions of relocated messages and where they begin.
    relocated_offsets: Vec<(Position, u32)>,
    born: Vec<Born>,
    summary: SummaryWriter,
    settled: Vec<(QueueId, Runs)>,
    checkpoint: Option<Checkpoint>,
}

impl ChunkBuilder {
    /// No records yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the record at `position`. Its bytes are copied here, and never again on their way to the disk.
    ///
    /// # Panics
    /// If `position` does not follow the last one, or the chunk grows over [`LENGTH_MAX`].
    pub fn push(&mut self, position: Position, record: &Record) {
        let chunk = &mut self.chunk;
        if chunk.offsets.is_empty() {
            assert!(position != Position::NONE, "records are numbered from 1");
            chunk.first = position;
        } else {
            assert!(position == chunk.last().next(), "positions have no gaps");
        }
        let (offset, bytes) = self.write(|out| record::write(out, record));
        let chunk = &mut self.chunk;
        chunk.offsets.push(offset);
        match record {
            Record::Message(message) => {
                chunk.be_born(position, &message.queues, bytes);
                chunk.summary.message(position, message, bytes);
                return;
            }
            Record::Settled(queue, _, runs) => chunk.settled.push((*queue, runs.clone())),
            Record::Checkpoint { begin, .. } => {
                let ahead = begin.0.saturating_sub(chunk.first.0) as usize;
                let from = chunk.offsets[ahead.min(chunk.offsets.len() - 1)];
                chunk.checkpoint = Some(Checkpoint {
                    position,
                    begin: *begin,
                    bytes: offset + bytes - from,
                });
            }
            Record::Waiting(..)
            | Record::Remembered(..)
            | Record::Delivered(..)
            | Record::Definition(_)
            | Record::Stopped => {}
        }
        let record = offset as usize + record::LENGTH_OCTETS;
        chunk.summary.record(position, &chunk.buffer[record..]);
    }

    /// Adds a copy of a live message whose segment is to be reclaimed. It keeps its position, takes none of this
    /// chunk's, and belongs to `queues`: those that still need it, with all settlings that stand before this chunk
    /// and in it taken into account.
    ///
    /// # Panics
    /// If the chunk grows over [`LENGTH_MAX`].
    pub fn relocate(&mut self, original: Position, queues: &[QueueId], view: &MessageView<'_>) {
        let (offset, _) = self.write(|out| record::write_relocated(out, original, queues, view));
        self.chunk.relocated_offsets.push((original, offset));
    }

    /// Whether there is nothing to land.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty()
    }

    /// The bytes so far, header included; 0 when there is nothing to land.
    pub fn bytes(&self) -> usize {
        self.chunk.bytes_len()
    }

    /// The last position so far; [`Position::NONE`] if no record takes one.
    pub fn last(&self) -> Position {
        self.chunk.last()
    }

    /// Takes what was collected; the builder begins the next chunk.
    pub fn take(&mut self) -> Chunk {
        self.last_lengths = [self.last_lengths[1], self.chunk.buffer.len()];
        let next = Chunk {
            buffers: self.chunk.buffers.clone(),
            ..Chunk::default()
        };
        std::mem::replace(&mut self.chunk, next)
    }

    /// Writes one record with its length in front; returns where it begins and its bytes, length included.
    fn write(&mut self, record: impl FnOnce(&mut Vec<u8>)) -> (u32, u32) {
        let Chunk {
            buffer, buffers, ..
        } = &mut self.chunk;
        if buffer.is_empty() {
            let [before, last] = self.last_lengths;
            *buffer = buffers.take(last.max(before).clamp(CAPACITY_LEAST, CAPACITY_MOST));
            buffer.resize(HEADER_LENGTH, 0);
        }
        let offset = buffer.len();
        buffer.extend_from_slice(&[0; record::LENGTH_OCTETS]);
        record(buffer);
        assert!(buffer.len() <= LENGTH_MAX, "a chunk is under 4 GiB");
        let bytes = buffer.len() - offset;
        let length = u32_of(bytes - record::LENGTH_OCTETS);
        buffer[offset..offset + record::LENGTH_OCTETS].copy_from_slice(&length.to_le_bytes());
        (u32_of(offset), u32_of(bytes))
    }
}

fn u32_of(length: usize) -> u32 {
    u32::try_from(length).expect("lengths within a chunk were checked to be under 4 GiB")
}

impl Chunk {
    /// The position of the first record; [`Position::NONE`] if none takes one.
    pub fn first(&self) -> Position {
        self.first
    }

    /// The position of the last record; [`Position::NONE`] if none takes one.
    pub fn last(&self) -> Position {
        Position(self.first.0 + (self.offsets.len() as u64).saturating_sub(1))
    }

    /// How many records take a position.
    pub fn count(&self) -> u32 {
        u32_of(self.offsets.len())
    }

    /// Whether there is nothing to land.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The bytes that land, header included; 0 for an empty chunk.
    pub fn bytes_len(&self) -> usize {
        self.buffer.len()
    }

    /// The messages that the chunk brings, in the order of their positions.
    pub fn born(&self) -> &[Born] {
        &self.born
    }

    /// What the chunk holds without the bodies, for [`summary`](crate::summary): closed, and given away once.
    pub fn take_summary(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.summary).finish()
    }

    fn be_born(&mut self, position: Position, queues: &SmallVec<[QueueId; 2]>, bytes: u32) {
        let last = self.born.last_mut().filter(|last| {
            last.run.end() == position.0 && last.bytes == bytes && last.queues == *queues
        });
        match last {
            Some(last) => last.run.count += 1,
            None => self.born.push(Born {
                run: Run {
                    first: position.0,
                    count: 1,
                },
                queues: queues.clone(),
                bytes,
            }),
        }
    }

    /// The messages that the chunk settles.
    pub fn settled(&self) -> impl Iterator<Item = (QueueId, &Runs)> {
        self.settled.iter().map(|(queue, runs)| (*queue, runs))
    }

    /// The last checkpoint that the chunk completes.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint
    }

    /// Fills in the header and the checksum. What comes out goes to the disk as it is, and deliveries are served
    /// from the same buffer.
    ///
    /// # Panics
    /// If the chunk is empty.
    pub fn seal(self, epoch: u64, segment: u64) -> Arc<LandedChunk> {
        self.seal_padded(epoch, segment, 0)
    }

    /// The same, with so many zeros behind the records: where writes must end at a block's end, the next chunk begins
    /// the next block, and nothing that has landed is ever written again.
    ///
    /// # Panics
    /// If the chunk is empty.
    pub fn seal_padded(mut self, epoch: u64, segment: u64, padding: u16) -> Arc<LandedChunk> {
        assert!(!self.is_empty(), "there is something to land");
        self.buffer
            .resize(self.buffer.len() + usize::from(padding), 0);
        let header = super::ChunkHeader {
            version: if padding == 0 { UNPADDED } else { VERSION },
            padding,
            length: u32_of(self.buffer.len()),
            crc: 0,
            epoch,
            segment,
            first: self.first,
            count: self.count(),
            relocated: u32_of(self.relocated_offsets.len()),
        };
        let mut buffer = self.buffer;
        let mut put = |at: usize, bytes: &[u8]| buffer[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(at::VERSION, &header.version.to_le_bytes());
        put(at::PADDING, &header.padding.to_le_bytes());
        put(at::LENGTH, &header.length.to_le_bytes());
        put(at::EPOCH, &header.epoch.to_le_bytes());
        put(at::SEGMENT, &header.segment.to_le_bytes());
        put(at::FIRST, &header.first.0.to_le_bytes());
        put(at::COUNT, &header.count.to_le_bytes());
        put(at::RELOCATED, &header.relocated.to_le_bytes());
        let crc = checksum(&buffer);
        buffer[at::CRC..at::EPOCH].copy_from_slice(&crc.to_le_bytes());
        let header = super::ChunkHeader { crc, ..header };
        Arc::new(LandedChunk::sealed(
            header,
            self.buffers.share(buffer),
            self.offsets,
            self.relocated_offsets,
        ))
    }
}
