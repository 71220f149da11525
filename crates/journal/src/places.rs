//! Where everything stands: the segments of the lane, and a sparse index into each. Changed by the writer after each
//! landing, read by every reader.

use crate::disk::DiskFile;
use crate::mark;
use crate::summary::SECTION_STEP;
use model::Position;
use std::collections::VecDeque;
use std::sync::Arc;
use store::{Density, LandedChunk};

/// A segment of the lane.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// The length of the file.
    pub(crate) length: u64,
    pub(crate) density: Density,
    /// Where the landed chunks end.
    pub(crate) used: u64,
    /// The last position in this segment or before it.
    pub(crate) last: Position,
    /// Whether the last checkpoint names messages of it as live: it stays until another one does not.
    pub(crate) mapped: bool,
    /// The position that a chunk begins with, and where the chunk stands; about one entry per [`SECTION_STEP`].
    pub(crate) index: Vec<(Position, u32)>,
}

impl Segment {
    /// A segment without a chunk; `last` is the last position before it.
    pub(crate) fn new(number: u64, file: Arc<dyn DiskFile>, length: u64, last: Position) -> Self {
        Self {
            number,
            file,
            length,
            density: Density::Dense,
            used: 0,
            last,
            mapped: false,
            index: Vec::new(),
        }
    }

    /// Whether a chunk of `length` bytes fits, with its padding and the end mark behind it.
    pub(crate) fn has_room(&self, length: usize) -> bool {
        let block = self.file.granularity() as u64;
        let end = (self.used + length as u64).next_multiple_of(block);
        end + (mark::LENGTH as u64).next_multiple_of(block) <= self.length
    }

    /// The zeros behind a chunk of `length` bytes, so that the next begins a block of the disk.
    pub(crate) fn padding(&self, length: usize) -> u16 {
        let block = self.file.granularity() as u64;
        let end = self.used + length as u64;
        let padding = end.next_multiple_of(block) - end;
        padding.try_into().expect("blocks are of at most 64 KiB")
    }

    /// Takes in that a chunk stands where the chunks end.
    pub(crate) fn append(&mut self, chunk: &LandedChunk) {
        let offset = self.used;
        self.used += chunk.bytes().len() as u64;
        let (first, last) = chunk.span();
        self.last = self.last.max(last);
        let indexed = self
            .index
            .last()
            .map(|(_, at)| u64::from(*at) + SECTION_STEP);
        if indexed.is_none_or(|due| offset >= due) {
            let place = u32::try_from(offset).expect("offsets are under 4 GiB, as options are");
            self.index.push((first, place));
        }
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
    /// Whether records may have been left out of it.
    pub(crate) density: Density,
}

/// Where everything stands.
#[derive(Default)]
pub(crate) struct Places {
    /// In rising order, of their numbers and of their positions; the last one is written to.
    segments: VecDeque<Segment>,
}

impl Places {
    /// Appends a segment.
    pub(crate) fn push(&mut self, segment: Segment) {
        if let Some(last) = self.segments.back() {
            assert!(last.number < segment.number, "numbers of segments rise");
        }
        self.segments.push_back(segment);
    }

    /// Takes in that a chunk stands at the end of the last segment.
    pub(crate) fn append(&mut self, chunk: &LandedChunk) {
        let tail = self.segments.back_mut().expect("a lane has a tail");
        tail.append(chunk);
    }

    /// Takes out a segment.
    pub(crate) fn remove(&mut self, number: u64) -> Segment {
        let at = self.at(number).expect("what is taken out is there");
        self.segments.remove(at).expect("the index is one of it")
    }

    /// Puts one segment in the place of neighbouring ones, the last of which had its number; returns those.
    pub(crate) fn replace(&mut self, replaced: &[u64], segment: Segment) -> Vec<Segment> {
        let old: Vec<Segment> = replaced.iter().map(|number| self.remove(*number)).collect();
        let before = |other: &Segment| other.number < segment.number;
        let at = self.segments.partition_point(before);
        self.segments.insert(at, segment);
        old
    }

    /// Puts another file in the place of the last segment's: the same chunks stand in it.
    pub(crate) fn replace_tail(&mut self, file: Arc<dyn DiskFile>, length: u64) {
        let tail = self.segments.back_mut().expect("a lane has a tail");
        (tail.file, tail.length) = (file, length);
    }

    /// The segment that is written to.
    pub(crate) fn tail(&self) -> &Segment {
        self.segments.back().expect("a lane has a tail")
    }

    /// All but the one that is written to, in rising order.
    pub(crate) fn closed(&self) -> impl Iterator<Item = &Segment> {
        let closed = self.segments.len().saturating_sub(1);
        self.segments.range(..closed)
    }

    /// The last checkpoint names messages of these segments as live, and no others.
    pub(crate) fn set_mapped(&mut self, is_mapped: impl Fn(&Segment) -> bool) {
        for segment in &mut self.segments {
            segment.mapped = is_mapped(segment);
        }
    }

    /// How many segments there are.
    pub(crate) fn count(&self) -> usize {
        self.segments.len()
    }

    /// Whether the segment is still part of the lane.
    pub(crate) fn has(&self, segment: u64) -> bool {
        self.at(segment).is_some()
    }

    /// Where the record at `position` is; `None` if it has not landed, or was reclaimed.
    pub(crate) fn find(&self, position: Position) -> Option<Stretch> {
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
            density: segment.density,
        })
    }

    fn at(&self, number: u64) -> Option<usize> {
        let of = |segment: &Segment| segment.number;
        self.segments.binary_search_by_key(&number, of).ok()
    }
}
