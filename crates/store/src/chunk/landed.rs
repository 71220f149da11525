//! Chunks that have landed: checked once, then read without errors.

use super::{
    Born, ChunkError, ChunkHeader, HEADER_LENGTH, MessageView, checksum, damaged, header, record,
};
use bytes::Bytes;
use model::{Position, Record, Run};

/// A whole, checked chunk: what is on the disk, and what deliveries are served from.
#[derive(Debug)]
pub struct LandedChunk {
    header: ChunkHeader,
    bytes: Bytes,
    /// Where each record begins that takes a position.
    offsets: Vec<u32>,
    /// Original positions of relocated messages and where they begin, sorted; the last copy counts.
    relocated: Vec<(Position, u32)>,
}

/// One record of a landed chunk, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The record's position; for a relocated message the one that it has always had.
    pub position: Position,
    /// What it says. It shares the chunk's buffer.
    pub record: Record,
    /// The bytes that it takes in the chunk.
    pub bytes: u32,
    /// Whether it is a message that was written again. Its queues are those that still needed it then.
    pub relocated: bool,
}

impl Entry {
    /// The message that the record brings, as the accounting of live data needs it.
    pub fn born(&self) -> Option<Born> {
        match &self.record {
            Record::Message(message) => Some(Born {
                run: Run {
                    first: self.position.0,
                    count: 1,
                },
                queues: message.queues.clone(),
                bytes: self.bytes,
            }),
            _ => None,
        }
    }
}

impl LandedChunk {
    pub(super) fn sealed(
        header: ChunkHeader,
        bytes: Bytes,
        offsets: Vec<u32>,
        mut relocated: Vec<(Position, u32)>,
    ) -> Self {
        relocated.sort_unstable();
        Self {
            header,
            bytes,
            offsets,
            relocated,
        }
    }

    /// Checks the chunk at the start of `bytes`, which may be longer: the header, the checksum, and that every
    /// record can be found and read.
    ///
    /// # Errors
    /// Those of [`header`](super::header); `Short` if the chunk is longer than `bytes`; `Damaged`.
    pub fn parse(bytes: Bytes) -> Result<Self, ChunkError> {
        let header = header(&bytes)?;
        if bytes.len() < header.length as usize {
            return Err(ChunkError::Short);
        }
        let bytes = bytes.slice(..header.length as usize);
        if checksum(&bytes) != header.crc {
            return Err(damaged("checksum"));
        }
        // A record takes at least the octets of its length and its kind, whatever the header claims.
        let records_end = header.records_end();
        let most = (records_end - HEADER_LENGTH) / (record::LENGTH_OCTETS + 1);
        let mut offsets = Vec::with_capacity(most.min(header.count as usize));
        let mut relocated = Vec::with_capacity(most.min(header.relocated as usize));
        let mut offset = HEADER_LENGTH;
        while offset < records_end {
            let (payload, end) = record::at(&bytes, offset)?;
            if end > records_end {
                return Err(damaged("a record reaches into the padding"));
            }
            let place = u32::try_from(offset).expect("the length of a chunk is 32 bits");
            match record::check(&bytes, payload)? {
                Some(original) => relocated.push((original, place)),
                None => offsets.push(place),
            }
            offset = end;
        }
        if bytes[records_end..].iter().any(|octet| *octet != 0) {
            return Err(damaged("padding"));
        }
        if (offsets.len(), relocated.len()) != (header.count as usize, header.relocated as usize) {
            return Err(damaged("number of records"));
        }
        Ok(Self::sealed(header, bytes, offsets, relocated))
    }

    /// What goes to the disk: the whole chunk.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What the chunk says about itself.
    pub fn header(&self) -> &ChunkHeader {
        &self.header
    }

    /// Which opening of the lane wrote it.
    pub fn epoch(&self) -> u64 {
        self.header.epoch
    }

    /// The segment that it was written to.
    pub fn segment(&self) -> u64 {
        self.header.segment
    }

    /// The position of the first record; [`Position::NONE`] if none takes one.
    pub fn first(&self) -> Position {
        self.header.first
    }

    /// The position of the last record; [`Position::NONE`] if none takes one.
    pub fn last(&self) -> Position {
        self.header.last()
    }

    /// The lowest and the highest position of its records, relocated messages among them.
    pub fn span(&self) -> (Position, Position) {
        let copies = self.relocated.first().zip(self.relocated.last());
        let (least, most) = copies.map_or((Position(u64::MAX), Position::NONE), |(first, last)| {
            (first.0, last.0)
        });
        if self.first() == Position::NONE {
            (least, most)
        } else {
            (least.min(self.first()), most.max(self.last()))
        }
    }

    /// Whether the record at `position` is here: as one that takes the position, or as a relocated message.
    pub fn contains(&self, position: Position) -> bool {
        self.offset(position).is_some()
    }

    /// The original positions of the relocated messages, in rising order.
    pub fn relocated(&self) -> impl Iterator<Item = Position> {
        self.relocated.iter().map(|(original, _)| *original)
    }

    /// The message at `position`, without copying or allocating; `None` if it is not here or not a message.
    pub fn message(&self, position: Position) -> Option<MessageView<'_>> {
        let offset = self.offset(position)?;
        let (payload, _) = record::at(&self.bytes, offset).ok()?;
        MessageView::read(&self.bytes, payload).ok()
    }

    /// The record at `position`, decoded; it shares the chunk's buffer.
    ///
    /// # Errors
    /// `NoChunk` if it is not here; `Damaged` if what it says breaks the rules of what it is (names that are not
    /// UTF-8, malformed properties): such a chunk was never written by this program.
    pub fn record(&self, position: Position) -> Result<Record, ChunkError> {
        let offset = self.offset(position).ok_or(ChunkError::NoChunk)?;
        let (payload, _) = record::at(&self.bytes, offset)?;
        Ok(record::read(&self.bytes, payload)?.1)
    }

    /// The kind and payload of the record at `position`.
    pub(super) fn payload(&self, position: Position) -> Result<&[u8], ChunkError> {
        let offset = self.offset(position).ok_or(ChunkError::NoChunk)?;
        let (payload, _) = record::at(&self.bytes, offset)?;
        Ok(&self.bytes[payload])
    }

    /// All records in the order in which they were written.
    pub fn records(&self) -> impl Iterator<Item = Result<Entry, ChunkError>> {
        let mut offset = HEADER_LENGTH;
        let mut next = self.header.first;
        std::iter::from_fn(move || {
            if offset >= self.header.records_end() {
                return None;
            }
            let entry = self.entry(offset, next);
            match &entry {
                Ok(entry) => {
                    offset += entry.bytes as usize;
                    next = if entry.relocated { next } else { next.next() };
                }
                Err(_) => offset = self.header.records_end(),
            }
            Some(entry)
        })
    }

    fn entry(&self, offset: usize, next: Position) -> Result<Entry, ChunkError> {
        let (payload, end) = record::at(&self.bytes, offset)?;
        let (original, record) = record::read(&self.bytes, payload)?;
        Ok(Entry {
            position: original.unwrap_or(next),
            record,
            bytes: u32::try_from(end - offset).expect("the length of a chunk is 32 bits"),
            relocated: original.is_some(),
        })
    }

    fn offset(&self, position: Position) -> Option<usize> {
        let own = position
            .0
            .checked_sub(self.header.first.0)
            .and_then(|index| self.offsets.get(usize::try_from(index).ok()?));
        if let Some(&offset) = own {
            return Some(offset as usize);
        }
        let after = self
            .relocated
            .partition_point(|(original, _)| *original <= position);
        let &(original, offset) = self.relocated.get(after.checked_sub(1)?)?;
        (original == position).then_some(offset as usize)
    }
}
