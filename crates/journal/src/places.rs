//! Where everything stands: the segments of the lane, a sparse index into each, and the places of the messages
//! that were written again. Changed by the writer after each landing, read by every reader.

use crate::disk::DiskFile;
use model::{Position, Runs};
use std::collections::VecDeque;
use std::sync::Arc;
use store::{LandedChunk, PositionMap};

/// An index entry is made when a chunk begins at least this many bytes behind the one of the last entry.
pub(crate) const INDEX_STEP: u64 = 64 * 1024;

/// Where a chunk stands. Segments are numbered by the gigabyte written, so 32 bits do; see [`Place::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

impl Place {
    /// # Panics
    /// After 2^32 segments, which are 256 PiB of messages in segments of 64 MiB; offsets are under 4 GiB because
    /// [`crate::Options`] are.
    pub(crate) fn new(segment: u64, offset: u64) -> Self {
        let narrow = |number| u32::try_from(number).expect("segments and offsets are under 2^32");
        Self {
            segment: narrow(segment),
            offset: narrow(offset),
        }
    }
}

/// A segment of the lane.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// The length of the file.
    pub(crate) length: u64,
    /// Where the landed chunks end.
    pub(crate) used: u64,
    /// The last position in this segment or before it.
    pub(crate) last: Position,
    /// The position that a chunk begins with, and where the chunk stands; about one entry per [`INDEX_STEP`].
    index: Vec<(Position, u32)>,
    /// The messages whose place is here because they were written again.
    relocated: Runs,
}

impl Segment {
    /// A segment without a chunk; `last` is the last position before it.
    pub(crate) fn new(number: u64, file: Arc<dyn DiskFile>, length: u64, last: Position) -> Self {
        Self {
            number,
            file,
            length,
            used: 0,
            last,
            index: Vec::new(),
            relocated: Runs::new(),
        }
    }

    /// Whether a chunk of `length` bytes fits, with the end mark behind it.
    pub(crate) fn has_room(&self, length: usize) -> bool {
        self.used + length as u64 + crate::mark::LENGTH as u64 <= self.length
    }
}

/// Where a reader finds a record.
pub(crate) struct Stretch {
    pub(crate) segment: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Where the chunk stands, or one before it.
    pub(crate) from: u64,
    /// Where no chunk that holds the record begins any more.
    pub(crate) to: u64,
    /// Where the landed chunks of the segment end.
    pub(crate) used: u64,
    /// Whether the message was written again, and its chunk stands exactly at `from`.
    pub(crate) relocated: bool,
}

/// Where everything stands.
#[derive(Default)]
pub(crate) struct Places {
    /// In rising order; the last one is written to.
    segments: VecDeque<Segment>,
    relocated: PositionMap<Place>,
    bytes: u64,
}

impl Places {
    /// Appends a segment.
    pub(crate) fn push(&mut self, segment: Segment) {
        if let Some(last) = self.segments.back() {
            assert!(
                last.number + 1 == segment.number,
                "segments are numbered without gaps"
            );
        }
        self.bytes += segment.used;
        self.segments.push_back(segment);
    }

    /// Takes in that a chunk stands at the end of the last segment.
    pub(crate) fn append(&mut self, chunk: &LandedChunk) {
        let tail = self.segments.back_mut().expect("a lane has a tail");
        let (offset, length) = (tail.used, chunk.bytes().len() as u64);
        let place = Place::new(tail.number, offset);
        tail.used += length;
        self.bytes += length;
        if chunk.last() != Position::NONE {
            tail.last = chunk.last();
            let indexed = tail.index.last().map(|(_, at)| u64::from(*at) + INDEX_STEP);
            if indexed.is_none_or(|due| offset >= due) {
                tail.index.push((chunk.first(), place.offset));
            }
        }
        for original in chunk.relocated() {
            self.relocated.insert(original, place);
            tail.relocated.insert(original.0);
        }
    }

    /// Takes out the first segment.
    pub(crate) fn pop(&mut self) -> Segment {
        let front = self.segments.pop_front().expect("a lane has a front");
        self.bytes -= front.used;
        for original in front.relocated.positions() {
            let here = |place: &Place| u64::from(place.segment) == front.number;
            if self.relocated.get(original).as_ref().is_some_and(here) {
                self.relocated.remove(original);
            }
        }
        front
    }

    /// Puts another file in the place of the last segment's: the same chunks stand in it.
    pub(crate) fn replace_tail(&mut self, file: Arc<dyn DiskFile>, length: u64) {
        let tail = self.segments.back_mut().expect("a lane has a tail");
        (tail.file, tail.length) = (file, length);
    }

    /// The first segment.
    pub(crate) fn front(&self) -> &Segment {
        self.segments.front().expect("a lane has a front")
    }

    /// The segment that is written to.
    pub(crate) fn tail(&self) -> &Segment {
        self.segments.back().expect("a lane has a tail")
    }

    /// How many segments there are.
    pub(crate) fn count(&self) -> usize {
        self.segments.len()
    }

    /// The bytes of all chunks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the segment is still part of the lane.
    pub(crate) fn has(&self, segment: u64) -> bool {
        self.front().number <= segment && segment <= self.tail().number
    }

    /// How many segments hold records at `position` or behind it.
    pub(crate) fn count_from(&self, position: Position) -> usize {
        self.segments.len() - self.segments.partition_point(|each| each.last < position)
    }

    /// The place of a message that was written again.
    pub(crate) fn relocated(&self, position: Position) -> Option<Place> {
        self.relocated.get(position)
    }

    /// Where the record at `position` is; `None` if it has not landed, or was reclaimed.
    pub(crate) fn find(&self, position: Position) -> Option<Stretch> {
        if let Some(place) = self.relocated(position) {
            let at = u64::from(place.segment).checked_sub(self.front().number)?;
            let segment = self.segments.get(usize::try_from(at).ok()?)?;
            return Some(Stretch {
                segment: segment.number,
                file: segment.file.clone(),
                from: place.offset.into(),
                to: u64::from(place.offset) + 1,
                used: segment.used,
                relocated: true,
            });
        }
        let at = self.segments.partition_point(|each| each.last < position);
        let segment = self.segments.get(at)?;
        let behind = segment
            .index
            .partition_point(|(first, _)| *first <= position);
        let (_, from) = segment.index.get(behind.checked_sub(1)?)?;
        let to = segment.index.get(behind).map(|(_, to)| (*to).into());
        Some(Stretch {
            segment: segment.number,
            file: segment.file.clone(),
            from: (*from).into(),
            to: to.unwrap_or(segment.used),
            used: segment.used,
            relocated: false,
        })
    }
}
