//! The bytes of a chunk: the records that land by one sync, under one checksum.
//!
//! All integers are little-endian. The numbers below are frozen: a later version may add, never change.
//!
//! ```text
//! chunk = header, records, padding (zeros)
//!
//! header, 48 bytes:
//!   0 magic     "LFCK"
//!   4 version   u16   2, or 1 for a chunk without padding
//!   6 padding   u16   bytes of zeros behind the records; 0 in version 1
//!   8 length    u32   bytes of the whole chunk, header and padding included
//!  12 crc       u32   CRC-32C of bytes 0..12 and 16..length
//!  16 epoch     u64   which opening of the lane wrote the chunk
//!  24 segment   u64   the segment that it was written to: what a recycled file held before is never taken for new
//!  32 first     u64   the position of the first record; 0 if no record takes a position
//!  40 count     u32   records that take a position: first, first + 1, ...
//!  44 relocated u32   records that take none: messages written again under the position that they had before
//!
//! record = length u32 (of what follows), kind u8, payload
//! ```
//! The payloads are drawn in `chunk/record.rs`.

mod access;
mod buffers;
mod build;
mod cursor;
mod definition;
mod fingerprint;
mod landed;
mod live_map;
mod record;
pub mod summary;
mod waiting;

pub use build::{Born, Checkpoint, Chunk, ChunkBuilder};
pub use cursor::Queues;
pub use landed::{Entry, LandedChunk};
pub use live_map::LiveMap;
pub use record::MessageView;

use model::Position;

/// The first four bytes of every chunk.
pub const MAGIC: [u8; 4] = *b"LFCK";

/// The newest version of the format that this program reads, and the one of the padded chunks that it writes.
pub const VERSION: u16 = 2;

/// The version of chunks without padding: a server that knows no other reads them.
const UNPADDED: u16 = 1;

/// The bytes before the first record.
pub const HEADER_LENGTH: usize = 48;

/// The most bytes of one chunk: its length and its offsets are 32 bits.
pub const LENGTH_MAX: usize = u32::MAX as usize;

/// Where the header's fields stand.
mod at {
    pub(super) const VERSION: usize = 4;
    pub(super) const PADDING: usize = 6;
    pub(super) const LENGTH: usize = 8;
    pub(super) const CRC: usize = 12;
    pub(super) const EPOCH: usize = 16;
    pub(super) const SEGMENT: usize = 24;
    pub(super) const FIRST: usize = 32;
    pub(super) const COUNT: usize = 40;
    pub(super) const RELOCATED: usize = 44;
}

/// Why bytes are not a chunk that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The bytes end before the chunk does: with more of them it may be a chunk.
    #[error("the bytes end before the chunk does")]
    Short,
    /// No chunk begins here.
    #[error("no chunk begins here")]
    NoChunk,
    /// A chunk was written here, and these are not its bytes any more.
    #[error("damaged chunk: {what}")]
    Damaged {
        /// What does not fit.
        what: &'static str,
    },
    /// A later version of the program wrote it.
    #[error("the chunk has format version {0}, this program reads versions up to {VERSION}")]
    NewerVersion(u16),
}

/// A chunk that was written here and is not whole any more.
const fn damaged(what: &'static str) -> ChunkError {
    ChunkError::Damaged { what }
}

/// What a chunk says about itself. Believe it only after [`LandedChunk::parse`] has checked the whole chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    /// The version of the format.
    pub version: u16,
    /// The bytes of zeros behind the records.
    pub padding: u16,
    /// The bytes of the whole chunk, header and padding included.
    pub length: u32,
    /// The checksum of everything else.
    pub crc: u32,
    /// Which opening of the lane wrote the chunk.
    pub epoch: u64,
    /// The segment that the chunk was written to.
    pub segment: u64,
    /// The position of the first record; [`Position::NONE`] if the chunk holds only relocated messages.
    pub first: Position,
    /// How many records take a position.
    pub count: u32,
    /// How many messages are relocated ones.
    pub relocated: u32,
}

impl ChunkHeader {
    /// Where in the chunk its records end.
    pub const fn records_end(&self) -> usize {
        self.length as usize - self.padding as usize
    }

    /// The position of the last record that takes one; [`Position::NONE`] if none does.
    pub const fn last(&self) -> Position {
        if self.count == 0 {
            Position::NONE
        } else {
            Position(self.first.0 + self.count as u64 - 1)
        }
    }
}

/// Reads the header at the start of `bytes`; says nothing about what follows it.
///
/// # Errors
/// `Short` for fewer than [`HEADER_LENGTH`] bytes that could begin a chunk; `NoChunk` for another beginning,
/// zeros for one; `NewerVersion`; `Damaged` for fields that contradict each other.
pub fn header(bytes: &[u8]) -> Result<ChunkHeader, ChunkError> {
    let present = bytes.len().min(MAGIC.len());
    if bytes[..present] != MAGIC[..present] {
        return Err(ChunkError::NoChunk);
    }
    let Some(bytes) = bytes.first_chunk::<HEADER_LENGTH>() else {
        return Err(ChunkError::Short);
    };
    let u16_at = |at| u16::from_le_bytes(field(bytes, at));
    let u32_at = |at| u32::from_le_bytes(field(bytes, at));
    let u64_at = |at| u64::from_le_bytes(field(bytes, at));
    let header = ChunkHeader {
        version: u16_at(at::VERSION),
        padding: u16_at(at::PADDING),
        length: u32_at(at::LENGTH),
        crc: u32_at(at::CRC),
        epoch: u64_at(at::EPOCH),
        segment: u64_at(at::SEGMENT),
        first: Position(u64_at(at::FIRST)),
        count: u32_at(at::COUNT),
        relocated: u32_at(at::RELOCATED),
    };
    if header.version > VERSION {
        return Err(ChunkError::NewerVersion(header.version));
    }
    let what = if header.version < UNPADDED {
        "version"
    } else if header.version == UNPADDED && header.padding != 0
        || (header.length as usize) < HEADER_LENGTH + header.padding as usize
    {
        "length"
    } else if (header.count == 0) != (header.first == Position::NONE)
        || header.first.0.checked_add(header.count.into()).is_none()
    {
        "positions"
    } else {
        return Ok(header);
    };
    Err(damaged(what))
}

fn field<const N: usize>(header: &[u8; HEADER_LENGTH], at: usize) -> [u8; N] {
    *header[at..]
        .first_chunk()
        .expect("every field lies within the header")
}

/// The checksum of a whole chunk: everything but the checksum's own place.
fn checksum(chunk: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&chunk[..at::CRC]), &chunk[at::EPOCH..])
}

#[cfg(test)]
mod tests;
