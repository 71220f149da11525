//! Reading and writing of what payloads are made of. Reading is total: whatever the bytes are, it ends with a
//! value or an error, and nothing is allocated before the bytes that fill it are there.

use super::{ChunkError, damaged};
use bytes::Bytes;
use model::{FieldTable, QueueId, Run, Runs, ShortStr};
use std::ops::Range;

/// Reads a stretch of a chunk from its front.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    chunk: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// Reads `range`, which must lie within the chunk.
    pub(super) fn new(chunk: &'a Bytes, range: Range<usize>) -> Self {
        assert!(
            range.start <= range.end && range.end <= chunk.len(),
            "a payload lies within its chunk"
        );
        Self {
            chunk,
            at: range.start,
            end: range.end,
        }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.chunk[self.at..self.end]
    }

    /// Reads all that was not read yet, sharing it.
    pub(super) fn take_rest(&mut self) -> Bytes {
        let rest = self.chunk.slice(self.at..self.end);
        self.at = self.end;
        rest
    }

    /// Whether all of the record is read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.end
    }

    /// Refuses what is left over.
    pub(super) fn finish(self) -> Result<(), ChunkError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(damaged("a record is longer than what it says"))
        }
    }

    fn range(&mut self, length: usize) -> Result<Range<usize>, ChunkError> {
        if length > self.end - self.at {
            return Err(damaged("a record is shorter than what it says"));
        }
        let start = self.at;
        self.at += length;
        Ok(start..self.at)
    }

    pub(super) fn slice(&mut self, length: usize) -> Result<&'a [u8], ChunkError> {
        let range = self.range(length)?;
        Ok(&self.chunk[range])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ChunkError> {
        let slice = self.slice(N)?;
        Ok(*slice.first_chunk().expect("a slice of N bytes was read"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, ChunkError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, ChunkError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ChunkError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn u128(&mut self) -> Result<u128, ChunkError> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub(super) fn varint(&mut self) -> Result<u64, ChunkError> {
        let mut rest = self.rest();
        let value = take_varint(&mut rest).ok_or(damaged("an integer is cut or over 64 bits"))?;
        self.at = self.end - rest.len();
        Ok(value)
    }

    /// The bytes of a short string.
    pub(super) fn short(&mut self) -> Result<&'a [u8], ChunkError> {
        let length = self.u8()?;
        self.slice(length.into())
    }

    pub(super) fn short_str(&mut self) -> Result<ShortStr, ChunkError> {
        let length = self.u8()?;
        let range = self.range(length.into())?;
        ShortStr::from_bytes(self.chunk.slice(range)).map_err(|_| damaged("a name is not UTF-8"))
    }

    /// Bytes with a length of 32 bits in front.
    pub(super) fn long(&mut self) -> Result<&'a [u8], ChunkError> {
        let length = self.u32()?;
        self.slice(length as usize)
    }

    pub(super) fn long_bytes(&mut self) -> Result<Bytes, ChunkError> {
        let length = self.u32()?;
        let range = self.range(length as usize)?;
        Ok(self.chunk.slice(range))
    }

    pub(super) fn table(&mut self) -> Result<FieldTable, ChunkError> {
        FieldTable::from_bytes(self.long_bytes()?)
            .map_err(|_| damaged("a field table is malformed"))
    }

    /// Runs to the end of what is read.
    pub(super) fn runs(&mut self) -> Result<Runs, ChunkError> {
        let mut end = 0u64;
        let mut runs = Vec::new();
        while self.at < self.end {
            let gap = self.varint()?;
            if gap == 0 && !runs.is_empty() {
                return Err(damaged("runs touch each other"));
            }
            let run = (|| {
                let first = end.checked_add(gap)?;
                let count = self.varint().ok()?.checked_add(1)?;
                end = first.checked_add(count)?;
                Some(Run { first, count })
            })();
            runs.push(run.ok_or(damaged("a run ends over 64 bits"))?);
        }
        Ok(runs.into_iter().collect())
    }

    /// A number less the one before it.
    pub(super) fn zigzag(&mut self, before: u64) -> Result<u64, ChunkError> {
        let zigzag = self.varint()?;
        let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        Ok(before.wrapping_add(difference))
    }

    /// Where bytes with their length as a varint in front stand.
    pub(super) fn stretch(&mut self) -> Result<Range<usize>, ChunkError> {
        let length = usize::try_from(self.varint()?);
        self.range(length.map_err(|_| damaged("a length is over the memory"))?)
    }

    /// A list of queue ids with its length in bytes in front; checked, so that [`Queues`] can read it.
    pub(super) fn queues(&mut self) -> Result<Queues<'a>, ChunkError> {
        let length = self.varint()?;
        let length =
            usize::try_from(length).map_err(|_| damaged("a list of queues is too long"))?;
        let list = self.slice(length)?;
        let mut rest = list;
        while !rest.is_empty() {
            take_varint(&mut rest).ok_or(damaged("a queue id is cut or over 64 bits"))?;
        }
        Ok(Queues(list))
    }
}

/// Seven bits an octet, the lowest first; the eighth says that more follow.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, shift) in (0..u64::BITS).step_by(7).enumerate() {
        let octet = *bytes.get(index)?;
        let bits = u64::from(octet & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if octet & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return Some(value);
        }
    }
    None
}

/// The queue ids of a message, read from the chunk as they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queues<'a>(&'a [u8]);

impl Iterator for Queues<'_> {
    type Item = QueueId;

    fn next(&mut self) -> Option<QueueId> {
        take_varint(&mut self.0).map(QueueId)
    }
}

/// Writes what [`Cursor`] reads.
pub(super) trait Put {
    fn put_varint(&mut self, value: u64);
    fn put_zigzag(&mut self, value: u64, before: u64);
    fn put_short(&mut self, text: &ShortStr);
    fn put_long(&mut self, bytes: &[u8]);
    fn put_runs(&mut self, runs: &Runs);
    fn put_queues(&mut self, queues: &[QueueId]);
}

impl Put for Vec<u8> {
    fn put_varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn put_zigzag(&mut self, value: u64, before: u64) {
        let difference = value.wrapping_sub(before).cast_signed();
        let zigzag = (difference << 1) ^ (difference >> 63);
        self.put_varint(zigzag.cast_unsigned());
    }

    fn put_short(&mut self, text: &ShortStr) {
        let bytes = text.as_bytes();
        self.push(u8::try_from(bytes.len()).expect("a short string is at most 255 bytes"));
        self.extend_from_slice(bytes);
    }

    fn put_long(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("tables and properties are under 4 GiB");
        self.extend_from_slice(&length.to_le_bytes());
        self.extend_from_slice(bytes);
    }

    fn put_runs(&mut self, runs: &Runs) {
        let mut end = 0;
        for run in runs.as_slice() {
            self.put_varint(run.first - end);
            self.put_varint(run.count - 1);
            end = run.end();
        }
    }

    fn put_queues(&mut self, queues: &[QueueId]) {
        let octets = |queue: &QueueId| (u64::BITS - (queue.0 | 1).leading_zeros()).div_ceil(7);
        let length = queues.iter().map(octets).map(u64::from).sum();
        self.put_varint(length);
        for queue in queues {
            self.put_varint(queue.0);
        }
    }
}
