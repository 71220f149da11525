//! Summaries: beside each segment that is full stands what it holds without the bodies, so that a start reads a
//! hundredth of the bytes. Nothing depends on one: where it is missing, or is not this segment's, the segment itself is
//! read.
//!
//! ```text
//! summary = header, sections
//!
//! header, 64 bytes:
//!   0 magic    "LFSU"
//!   4 version  u16   1
//!   6 density  u16   0: one record behind the other, 1: copies of what was left of several segments
//!   8 crc      u32   CRC-32C of bytes 0..8 and 12 to the end
//!  12 begins   u32   the crc of the segment's first chunk: a summary of what had this number before is known by it
//!  16 epoch    u64   the highest of the segment's chunks
//!  24 segment  u64
//!  32 used     u64   where the segment's chunks end, and its end mark stands
//!  40 from     u64   the first position that it speaks of; of copies, the first that it stands for
//!  48 end      u64   the position behind the last
//!  56 length   u64   bytes of the whole file
//!
//! section = first position u64, offset u32 of its first chunk in the segment, bytes u32, items (store::summary)
//! ```

use crate::disk::{self, DiskFile};
use crate::identity::Key;
use crate::mark;
use bytes::Bytes;
use model::Position;
use std::io;
use store::Density;
use store::chunk::{self, HEADER_LENGTH};

const MAGIC: [u8; 4] = *b"LFSU";
const VERSION: u16 = 1;
const LENGTH: usize = 64;
const CRC: std::ops::Range<usize> = 8..12;
const SECTION_HEADER: usize = 16;

/// A section begins when a chunk begins at least this many bytes behind the first of the last section.
pub(crate) const SECTION_STEP: u64 = 64 * 1024;

/// Collects the summary of a segment while it is written.
#[derive(Debug)]
pub(crate) struct SummaryBuilder {
    density: Density,
    from: Position,
    epoch: u64,
    /// The checksum of the first chunk.
    begins: Option<u32>,
    sections: Vec<u8>,
    /// Where the header of the section that grows stands, and the offset of its first chunk.
    section: Option<(usize, u64)>,
}

/// What a summary says.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) density: Density,
    pub(crate) epoch: u64,
    pub(crate) used: u64,
    pub(crate) from: Position,
    pub(crate) end: Position,
    sections: Bytes,
}

/// A part of a summary.
pub(crate) struct Section {
    pub(crate) first: Position,
    pub(crate) offset: u32,
    pub(crate) items: Bytes,
}

impl SummaryBuilder {
    /// Of a segment without a chunk, the first record of which will stand at `from` or behind it.
    pub(crate) fn new(density: Density, from: Position) -> Self {
        Self {
            density,
            from,
            epoch: 0,
            begins: None,
            sections: Vec::new(),
            section: None,
        }
    }

    /// A chunk stands at `offset`; `items` is what `store::summary` has made of it.
    pub(crate) fn add(&mut self, chunk: &store::LandedChunk, offset: u64, items: &[u8]) {
        self.begins.get_or_insert(chunk.header().crc);
        self.epoch = self.epoch.max(chunk.epoch());
        // Copies leave out positions between chunks; so each has its own section.
        let goes_on = |(_, first): &(usize, u64)| {
            self.density == Density::Dense && offset < first + SECTION_STEP
        };
        let at = match self.section.filter(goes_on) {
            Some((at, _)) => at,
            None => {
                let at = self.sections.len();
                let place = u32::try_from(offset).expect("offsets are under 4 GiB");
                self.sections
                    .extend_from_slice(&chunk.span().0.0.to_le_bytes());
                self.sections.extend_from_slice(&place.to_le_bytes());
                self.sections.extend_from_slice(&0u32.to_le_bytes());
                self.section = Some((at, offset));
                at
            }
        };
        self.sections.extend_from_slice(items);
        let length = self.sections.len() - at - SECTION_HEADER;
        let length = u32::try_from(length).expect("what is said of a segment is shorter than it");
        self.sections[at + 12..at + SECTION_HEADER].copy_from_slice(&length.to_le_bytes());
    }

    /// The file of a segment whose chunks end at `used`, and its records before `end`.
    pub(crate) fn finish(self, segment: u64, used: u64, end: Position) -> Vec<u8> {
        let density: u16 = match self.density {
            Density::Dense => 0,
            Density::Sparse => 1,
        };
        let mut file = vec![0; LENGTH];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(4, &VERSION.to_le_bytes());
        put(6, &density.to_le_bytes());
        put(12, &self.begins.unwrap_or_default().to_le_bytes());
        put(16, &self.epoch.to_le_bytes());
        put(24, &segment.to_le_bytes());
        put(32, &used.to_le_bytes());
        put(40, &self.from.0.to_le_bytes());
        put(48, &end.0.to_le_bytes());
        put(56, &((LENGTH + self.sections.len()) as u64).to_le_bytes());
        file.extend_from_slice(&self.sections);
        let crc = checksum(&file);
        file[CRC].copy_from_slice(&crc.to_le_bytes());
        file
    }
}

impl Summary {
    /// Reads a summary and looks whether it is that of `segment`, as the segment is now; `None` if it is not, or is
    /// not whole: then the segment itself tells.
    pub(crate) fn read(
        summary: &dyn DiskFile,
        segment: &dyn DiskFile,
        key: Key,
        number: u64,
    ) -> io::Result<Option<Self>> {
        let length = usize::try_from(summary.length()?).map_err(io::Error::other)?;
        let bytes = Bytes::from(disk::read(summary, 0, length)?);
        let Some((begins, said)) = Self::parse(bytes, number) else {
            return Ok(None);
        };
        let start = disk::read(segment, 0, HEADER_LENGTH)?;
        let end = disk::read(segment, said.used, mark::LENGTH)?;
        let first = chunk::header(&start).ok();
        let is_of_it = first.is_some_and(|first| first.crc == begins && first.segment == number)
            && mark::read(&end, number).is_some_and(|epoch| key.opening(epoch).is_some())
            && key.opening(said.epoch).is_some();
        Ok(Some(said).filter(|_| is_of_it))
    }

    /// With it comes the checksum of the segment's first chunk.
    fn parse(bytes: Bytes, number: u64) -> Option<(u32, Self)> {
        let header = bytes.first_chunk::<LENGTH>()?;
        let u16_at = |at: usize| Some(u16::from_le_bytes(*header[at..].first_chunk()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(*header[at..].first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*header[at..].first_chunk()?));
        let is_whole = header[..4] == MAGIC
            && u16_at(4)? == VERSION
            && u64_at(56)? == bytes.len() as u64
            && u32_at(CRC.start)? == checksum(&bytes);
        let density = match u16_at(6)? {
            0 => Density::Dense,
            1 => Density::Sparse,
            _ => return None,
        };
        if !is_whole || u64_at(24)? != number {
            return None;
        }
        let said = Self {
            density,
            epoch: u64_at(16)?,
            used: u64_at(32)?,
            from: Position(u64_at(40)?),
            end: Position(u64_at(48)?),
            sections: bytes.slice(LENGTH..),
        };
        Some((u32_at(12)?, said))
    }

    /// Its sections, in the order of their positions.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Section> + '_ {
        let mut rest = self.sections.clone();
        std::iter::from_fn(move || {
            let header = *rest.first_chunk::<SECTION_HEADER>()?;
            let [.., a, b, c, d] = header;
            let length = u32::from_le_bytes([a, b, c, d]) as usize;
            let end = (SECTION_HEADER + length).min(rest.len());
            let section = Section {
                first: Position(u64::from_le_bytes(*header.first_chunk()?)),
                offset: u32::from_le_bytes(*header[8..].first_chunk()?),
                items: rest.slice(SECTION_HEADER..end),
            };
            rest = rest.slice(end..);
            Some(section)
        })
    }
}

fn checksum(file: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&file[..CRC.start]), &file[CRC.end..])
}
