//! Reading a segment from its front: chunk after chunk, and what stands where they end.
//!
//! # How a segment ends
//! A chunk is written only after the sync of the one before it has returned. So of all that was written to a
//! segment, at most its last chunk (or its end mark) may be there in part; everything before it was landed. What
//! stands behind the last whole chunk is one row of this table:
//!
//! | row | what stands there | and behind it | in the last segment | in an earlier one |
//! |---|---|---|---|---|
//! | closed | the segment's end mark | anything | the end | the end |
//! | unwritten | zeros, or nothing | zeros, or nothing | the end | damaged |
//! | leftover | bytes of what the file was before, or of a chunk whose start never reached the disk | nothing of this segment | the end | damaged |
//! | torn | the start of a chunk of this segment, not whole | nothing of this segment | cut, and told | damaged |
//! | damaged | anything but an end mark | a whole chunk or the end mark of this segment | refused | refused |
//! | newer | a chunk of this segment of a newer version | anything | refused | refused |
//! | stranger | at the first byte, a whole chunk of this segment with an epoch of another directory | anything | refused | refused |

use crate::disk::{self, DiskFile};
use crate::identity::Key;
use crate::mark;
use bytes::Bytes;
use model::Position;
use std::io;
use store::LandedChunk;
use store::chunk::{self, ChunkError, HEADER_LENGTH};

/// How much is read at once. A chunk that is longer is read whole.
const WINDOW: usize = 1024 * 1024;

/// What stands where the chunks of a segment end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The segment's end mark: the segment is whole.
    Closed,
    /// Nothing was written here yet.
    Unwritten,
    /// What is here counts for nothing.
    Leftover,
    /// A chunk that was being written when the power went; this many bytes of it are in the file.
    Torn {
        /// Its bytes, as far as the file holds them.
        bytes: u64,
    },
    /// Something that had landed is damaged: `next` is where the next thing stands that had landed, too.
    Damaged {
        /// What does not fit.
        what: &'static str,
        /// Where more that had landed begins.
        next: u64,
    },
    /// A newer version of the program has written on.
    Newer(u16),
    /// The segment was written under another key.
    Stranger,
}

/// What stands at one place of a segment, looked at by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// The segment's end mark.
    EndMark,
    /// Zeros to the end of the file, or the end of the file.
    Zeros,
    /// Nothing that this program wrote to this segment.
    Foreign,
    /// The start of a chunk of this segment, the rest of which does not fit.
    Broken {
        /// What does not fit.
        what: &'static str,
        /// The bytes that the chunk says it has, as far as the file holds them.
        bytes: u64,
    },
    /// A whole chunk of this segment that does not follow the one before it.
    Astray {
        /// Where it stands.
        at: u64,
    },
    /// The start of a chunk of this segment of a newer version.
    Newer(u16),
    /// At the first byte, a whole chunk of this segment that another directory's server wrote. Only a server
    /// writes there; so it is the key that is wrong, and nothing here may be taken for leftover.
    Stranger,
}

/// The table above: `behind` is where the next whole chunk or end mark of this segment stands, if there is one.
pub(crate) fn ending(here: Here, behind: Option<u64>) -> Ending {
    match (here, behind) {
        (Here::EndMark, _) => Ending::Closed,
        (Here::Newer(version), _) => Ending::Newer(version),
        (Here::Stranger, _) => Ending::Stranger,
        (Here::Zeros | Here::Foreign, Some(next)) => Ending::Damaged {
            what: "no chunk stands here",
            next,
        },
        (Here::Broken { what, .. }, Some(next)) => Ending::Damaged { what, next },
        (Here::Astray { at }, _) => Ending::Damaged {
            what: "the positions do not follow those before",
            next: at,
        },
        (Here::Zeros, None) => Ending::Unwritten,
        (Here::Foreign, None) => Ending::Leftover,
        (Here::Broken { bytes, .. }, None) => Ending::Torn { bytes },
    }
}

/// Reads one segment from its front.
pub(crate) struct Scan<'a> {
    file: &'a dyn DiskFile,
    key: Key,
    segment: u64,
    length: u64,
    /// Where the next chunk should begin.
    offset: u64,
    /// The position that the next record should have; none is known before the first.
    next: Option<Position>,
    window: Bytes,
    window_start: u64,
}

impl<'a> Scan<'a> {
    /// Begins at the front of `file`; `next` is the position that the segment before it leads up to.
    pub(crate) fn new(
        file: &'a dyn DiskFile,
        key: Key,
        segment: u64,
        next: Option<Position>,
    ) -> io::Result<Self> {
        Ok(Self {
            file,
            key,
            segment,
            length: file.length()?,
            offset: 0,
            next,
            window: Bytes::new(),
            window_start: 0,
        })
    }

    /// Where the chunks read so far end.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the opening that wrote a chunk of this segment.
    pub(crate) fn opening_of(&self, chunk: &LandedChunk) -> u32 {
        let opening = self.key.opening(chunk.epoch());
        opening.expect("only chunks of this directory are taken for chunks")
    }

    /// The next chunk and where it stands; `None` where the chunks end.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<(u64, LandedChunk)>> {
        let offset = self.offset;
        let Ok(chunk) = self.chunk_at(offset)? else {
            return Ok(None);
        };
        if !self.follows(&chunk) {
            return Ok(None);
        }
        self.offset += chunk.bytes().len() as u64;
        if chunk.last() != Position::NONE {
            self.next = Some(chunk.last().next());
        }
        Ok(Some((offset, chunk)))
    }

    /// What stands where the chunks end; to be asked after the last chunk.
    pub(crate) fn ending(&mut self) -> io::Result<Ending> {
        let here = self.here()?;
        let behind = match here {
            Here::Foreign | Here::Broken { .. } => self.behind()?,
            Here::EndMark | Here::Zeros | Here::Newer(_) | Here::Astray { .. } | Here::Stranger => {
                None
            }
        };
        Ok(ending(here, behind))
    }

    /// A chunk without positions follows anything, so does the first one in a lane.
    fn follows(&self, chunk: &LandedChunk) -> bool {
        let first = chunk.first();
        first == Position::NONE || self.next.is_none_or(|next| next == first)
    }

    /// The chunk at `offset`, if a whole one of this segment stands there.
    fn chunk_at(&mut self, offset: u64) -> io::Result<Result<LandedChunk, ChunkError>> {
        let start = self.bytes_at(offset, HEADER_LENGTH)?;
        let header = match chunk::header(&start) {
            Ok(header) if !self.is_ours(header.epoch, header.segment) => {
                return Ok(Err(ChunkError::NoChunk));
            }
            Ok(header) if u64::from(header.length) > self.length - offset => {
                return Ok(Err(ChunkError::Short));
            }
            Ok(header) => header,
            Err(error) => return Ok(Err(error)),
        };
        Ok(LandedChunk::parse(
            self.bytes_at(offset, header.length as usize)?,
        ))
    }

    fn here(&mut self) -> io::Result<Here> {
        let offset = self.offset;
        let start = self.bytes_at(offset, HEADER_LENGTH)?;
        if let Some(epoch) = mark::read(&start, self.segment)
            && self.key.opening(epoch).is_some()
        {
            return Ok(Here::EndMark);
        }
        let what = match self.chunk_at(offset)? {
            Ok(_) => return Ok(Here::Astray { at: offset }),
            Err(ChunkError::NewerVersion(version)) if self.says_ours(&start) => {
                return Ok(Here::Newer(version));
            }
            Err(ChunkError::Damaged { what }) if self.says_ours(&start) => what,
            Err(ChunkError::Short) if self.says_ours(&start) => "it ends before the chunk does",
            Err(_) if offset == 0 && self.is_strangers(&start)? => return Ok(Here::Stranger),
            Err(_) if self.only_zeros()? => return Ok(Here::Zeros),
            Err(_) => return Ok(Here::Foreign),
        };
        let said = start.get(8..12).and_then(|field| field.first_chunk());
        let said = said.map_or(0, |field| u32::from_le_bytes(*field));
        let bytes = u64::from(said).min(self.length - offset);
        Ok(Here::Broken { what, bytes })
    }

    /// Whether a whole chunk of this segment begins the file, whoever wrote it.
    fn is_strangers(&mut self, start: &[u8]) -> io::Result<bool> {
        match chunk::header(start) {
            Ok(header) if header.segment == self.segment => {
                let bytes = self.bytes_at(0, header.length as usize)?;
                Ok(LandedChunk::parse(bytes).is_ok())
            }
            _ => Ok(false),
        }
    }

    fn is_ours(&self, epoch: u64, segment: u64) -> bool {
        segment == self.segment && self.key.opening(epoch).is_some()
    }

    /// Whether the epoch and the segment of a header are ours, whatever the rest of it says. Their places are the
    /// same in every later version.
    fn says_ours(&self, header: &[u8]) -> bool {
        let field = |at: usize| {
            let octets = header.get(at..).and_then(|rest| rest.first_chunk());
            octets.map(|octets| u64::from_le_bytes(*octets))
        };
        let (epoch, segment) = (field(16), field(24));
        epoch
            .zip(segment)
            .is_some_and(|(epoch, segment)| self.is_ours(epoch, segment))
    }

    fn only_zeros(&mut self) -> io::Result<bool> {
        let mut offset = self.offset;
        while offset < self.length {
            let window = self.bytes_from(offset)?;
            if !is_zeros(&window) {
                return Ok(false);
            }
            offset += window.len() as u64;
        }
        Ok(true)
    }

    /// Where the first whole chunk or end mark of this segment stands behind the end of the chunks.
    fn behind(&mut self) -> io::Result<Option<u64>> {
        let mut offset = self.offset + 1;
        while offset + (mark::LENGTH as u64) <= self.length {
            let window = self.bytes_from(offset)?;
            // The last bytes are looked at again in the next window: a start may be cut there.
            let last = offset + window.len() as u64 == self.length;
            let starts = window.len() - if last { 0 } else { HEADER_LENGTH - 1 };
            for at in candidates(&window[..starts]) {
                let place = offset + at as u64;
                if self.landed_at(place, &window[at..])? {
                    return Ok(Some(place));
                }
            }
            offset += starts as u64;
        }
        Ok(None)
    }

    /// Whether something stands at `offset` that was written after the end of the chunks was.
    fn landed_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        if let Some(epoch) = mark::read(bytes, self.segment) {
            return Ok(self.key.opening(epoch).is_some());
        }
        let Ok(chunk) = self.chunk_at(offset)? else {
            return Ok(false);
        };
        let later = |next| chunk.first() == Position::NONE || chunk.first() >= next;
        Ok(self.next.is_none_or(later))
    }

    /// `length` bytes at `offset`, fewer only where the file ends.
    fn bytes_at(&mut self, offset: u64, length: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
        let length = length.min(left);
        let start = offset
            .checked_sub(self.window_start)
            .and_then(|start| usize::try_from(start).ok())
            .filter(|start| start + length <= self.window.len());
        if let Some(start) = start {
            return Ok(self.window.slice(start..start + length));
        }
        let bytes = disk::read(self.file, offset, length.max(WINDOW.min(left)))?;
        self.window = bytes.into();
        self.window_start = offset;
        Ok(self.window.slice(..length.min(self.window.len())))
    }

    /// A window of bytes from `offset`: at least enough for a start, unless the file ends.
    fn bytes_from(&mut self, offset: u64) -> io::Result<Bytes> {
        let start = self.bytes_at(offset, HEADER_LENGTH)?;
        let skipped = usize::try_from(offset - self.window_start)
            .expect("the window holds what was read from it");
        debug_assert!(self.window.len() - skipped >= start.len());
        Ok(self.window.slice(skipped..))
    }
}

/// Where a chunk or an end mark may begin. Zeros, most of what is looked at, are passed over by the block.
fn candidates(bytes: &[u8]) -> impl Iterator<Item = usize> {
    const BLOCK: usize = 4096;
    bytes
        .chunks(BLOCK)
        .enumerate()
        .filter(|(_, block)| !is_zeros(block))
        .flat_map(move |(number, block)| {
            (0..block.len())
                .filter(move |at| block[*at] == chunk::MAGIC[0])
                .map(move |at| number * BLOCK + at)
        })
        .filter(move |at| {
            let start = bytes[*at..].first_chunk();
            start.is_none_or(|start| *start == chunk::MAGIC || *start == mark::MAGIC)
        })
}

fn is_zeros(bytes: &[u8]) -> bool {
    static ZEROS: [u8; 4096] = [0; 4096];
    bytes
        .chunks(ZEROS.len())
        .all(|block| *block == ZEROS[..block.len()])
}
