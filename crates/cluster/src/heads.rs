//! Heads: what a stretch holds without the bodies of its messages, so that an opening reads a hundredth of its bytes.
//! Where they are missing, or not all are there, the stretch itself is read.
//!
//! They land when the last chunk of the stretch has. So copies with heads are all there, and stand for the stretches whose
//! place they take; those without are not, and count for nothing.
//!
//! ```text
//!  0 magic    "LFHD"
//!  4 version  u16   1
//!  6 zero     u16   0
//!  8 length   u32   bytes of the whole
//! 12 crc      u32   CRC-32C of bytes 0..12 and 16 to the end
//! 16 epoch    u64   under which they were landed
//! 24 stretch  u64   the number of the stretch
//! 32 from     u64   the first position that the stretch stands for
//! 40 last     u64   the last one
//! 48 whole    u32   1 if all that it holds is told here
//! 52 sections       each: first position u64, length of its items u32, items as in `store::summary`
//! ```

use crate::frame;
use crate::places::Stretch;
use bytes::Bytes;
use model::Position;
use store::summary::{self, Messages, Wanted};
use store::{ChunkError, Density, LandedChunk};

const MAGIC: [u8; 4] = *b"LFHD";
const SECTION_HEADER: usize = 12;
/// More is not kept of a stretch: of one with many small messages that differ, the heads are as long as the whole.
const MOST: usize = 4 * 1024 * 1024;

/// Collects the heads of a stretch while it is written.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    sections: Vec<u8>,
    /// Where the section begins that may go on.
    open: Option<usize>,
    too_many: bool,
}

impl Heads {
    /// A chunk has landed; `items` is what `store::summary` has made of it.
    pub(crate) fn add(&mut self, chunk: &LandedChunk, density: Density, items: &[u8]) {
        if self.too_many || self.sections.len() + items.len() > MOST {
            (self.too_many, self.sections) = (true, Vec::new());
            return;
        }
        // Copies leave out positions between chunks, so each chunk of them begins a section.
        let goes_on = self.open.filter(|_| density == Density::Dense);
        let at = goes_on.unwrap_or_else(|| {
            let at = self.sections.len();
            let (first, _) = chunk.span();
            self.sections.extend_from_slice(&first.0.to_le_bytes());
            self.sections.extend_from_slice(&[0; 4]);
            at
        });
        self.sections.extend_from_slice(items);
        let length = self.sections.len() - at - SECTION_HEADER;
        let length = u32::try_from(length).expect("they are bounded");
        self.sections[at + 8..at + SECTION_HEADER].copy_from_slice(&length.to_le_bytes());
        self.open = Some(at);
    }

    /// Whether all that the stretch holds is told.
    pub(crate) fn is_whole(&self) -> bool {
        !self.too_many
    }

    /// What lands, of a stretch that stands for the positions up to `last`.
    pub(crate) fn finish(self, epoch: i64, stretch: &Stretch, last: Position) -> Bytes {
        let mut out = frame::begin(MAGIC, epoch);
        for number in [stretch.number, stretch.from.0, last.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&u32::from(self.is_whole()).to_le_bytes());
        out.extend_from_slice(&self.sections);
        frame::finish(out)
    }
}

/// Of which stretch heads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Of {
    pub(crate) stretch: u64,
    /// The positions that it stands for.
    pub(crate) from: Position,
    pub(crate) last: Position,
    /// Whether all that it holds is told.
    pub(crate) is_whole: bool,
}

/// Whether heads begin here, or are meant to.
pub(crate) fn begin_with(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Of which stretch these heads are; `None` if it is something else that begins here.
pub(crate) fn of(bytes: &Bytes) -> Result<Option<Of>, ChunkError> {
    if !begin_with(bytes) {
        return Ok(None);
    }
    Ok(Some(split(bytes)?.0))
}

fn split(bytes: &Bytes) -> Result<(Of, Bytes), ChunkError> {
    let mut rest = frame::read(bytes, MAGIC)?;
    let of = Of {
        stretch: frame::u64_of(&mut rest)?,
        from: Position(frame::u64_of(&mut rest)?),
        last: Position(frame::u64_of(&mut rest)?),
        is_whole: frame::u32_of(&mut rest)? == 1,
    };
    Ok((of, rest))
}

/// Tells the messages of a stretch.
pub(crate) fn read(
    bytes: &Bytes,
    stretch: u64,
    each: &mut dyn FnMut(Messages),
) -> Result<(), ChunkError> {
    let (of, mut rest) = split(bytes)?;
    if of.stretch != stretch || !of.is_whole {
        return Err(ChunkError::Damaged {
            what: "the heads are those of another stretch",
        });
    }
    while !rest.is_empty() {
        let first = Position(frame::u64_of(&mut rest)?);
        let length = frame::u32_of(&mut rest)? as usize;
        if length > rest.len() {
            return Err(ChunkError::Damaged {
                what: "a section ends behind the heads",
            });
        }
        let items = rest.split_to(length);
        summary::read(&items, first, Wanted::Messages, &mut |item| {
            if let summary::Item::Messages(messages) = item {
                each(messages);
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{MessageRecord, Properties, QueueId, Record, Run, ShortStr, Timestamp};
    use store::ChunkBuilder;

    fn message(queue: u64) -> Record {
        Record::Message(MessageRecord {
            queues: [QueueId(queue)].into_iter().collect(),
            publisher: None,
            due: None,
            fingerprints: Vec::new(),
            accepted: Timestamp(1_700_000_000_000),
            exchange: ShortStr::from_static(""),
            routing_key: ShortStr::from_static("queue"),
            properties: Properties::default(),
            body: Bytes::from_static(b"body"),
        })
    }

    /// The heads of a stretch of two chunks, of three messages each.
    fn heads(second: u64) -> (Heads, Stretch) {
        let mut heads = Heads::default();
        let density = if second == 4 {
            Density::Dense
        } else {
            Density::Sparse
        };
        let stretch = Stretch::new(7, 1, density, Position(1));
        for first in [1, second] {
            let mut builder = ChunkBuilder::new();
            for position in first..first + 3 {
                builder.push(Position(position), &message(first));
            }
            let mut chunk = builder.take();
            let items = chunk.take_summary();
            heads.add(&chunk.seal(1, 7), density, &items);
        }
        (heads, stretch)
    }

    #[test]
    fn heads_tell_what_the_chunks_hold() {
        for second in [4, 100] {
            let (heads, stretch) = heads(second);
            let bytes = heads.finish(1, &stretch, Position(500));
            let of = Of {
                stretch: 7,
                from: Position(1),
                last: Position(500),
                is_whole: true,
            };
            assert_eq!(super::of(&bytes), Ok(Some(of)));
            let mut runs = Vec::new();
            let told = read(&bytes, 7, &mut |messages| {
                runs.push((messages.run, messages.head.queues[0].0));
            });
            assert_eq!(told, Ok(()));
            let run = |first| (Run { first, count: 3 }, first);
            assert_eq!(runs, [run(1), run(second)]);
            read(&bytes, 8, &mut |_| {}).expect_err("they are those of another");
        }
    }

    #[test]
    fn of_too_many_nothing_is_told_but_that_it_ends_here() {
        let (mut heads, stretch) = heads(4);
        let mut builder = ChunkBuilder::new();
        builder.push(Position(7), &message(1));
        heads.add(&builder.take().seal(1, 7), Density::Dense, &vec![0; MOST]);
        assert!(!heads.is_whole());
        let bytes = heads.finish(1, &stretch, Position(7));
        let of = super::of(&bytes).expect("they are sound");
        assert_eq!(of.map(|of| (of.stretch, of.is_whole)), Some((7, false)));
        assert_eq!(super::of(&Bytes::from_static(b"LFCK")), Ok(None));
    }
}
