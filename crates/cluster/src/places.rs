//! Where everything stands: the stretches of a lane, and a sparse index into each.
//!
//! A stretch is what a segment is in the journal: chunks of neighbouring positions that are given back as one. All of it
//! is in one table. It is known by a number that stands in its chunks, so that an opening finds together again what
//! belongs together.

use model::Position;
use store::{Density, LandedChunk};

/// An entry of the index for so many bytes, about; whoever reads a message reads the chunks up to the next entry.
const STEP_BYTES: u64 = 256 * 1024;

/// Neighbouring chunks in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) number: u64,
    pub(crate) table: u32,
    pub(crate) density: Density,
    /// No record of it stands before this position.
    pub(crate) from: Position,
    /// No record of it stands behind this position.
    pub(crate) last: Position,
    /// The bytes of its chunks.
    pub(crate) bytes: u64,
    /// The page behind its last chunk.
    pub(crate) end: i64,
    /// The position that a chunk begins with, and the chunk's first page; one entry per [`STEP_BYTES`].
    pub(crate) index: Vec<(Position, i64)>,
    /// How many bytes there were when the last entry was made.
    pub(crate) indexed: u64,
    /// The page of the same table where its heads begin, if they have landed.
    pub(crate) heads: Option<i64>,
    /// Whether the snapshot that counts may name messages of it as live: an opening would tell them, so it stays until
    /// another one does not.
    pub(crate) mapped: bool,
}

/// Pages among which a record's chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stretch: u64,
    pub(crate) table: u32,
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) density: Density,
}

impl Stretch {
    /// A stretch without a chunk, whose first record will stand at `from` or behind.
    pub(crate) fn new(number: u64, table: u32, density: Density, from: Position) -> Self {
        Self {
            number,
            table,
            density,
            from,
            last: Position(from.0.saturating_sub(1)),
            bytes: 0,
            end: 0,
            index: Vec::new(),
            indexed: 0,
            heads: None,
            mapped: false,
        }
    }

    /// Takes in that a chunk stands at `page` and the pages behind it, `end` being the next.
    pub(crate) fn append(&mut self, chunk: &LandedChunk, page: i64, end: i64) {
        let (first, last) = chunk.span();
        if self.index.is_empty() || self.bytes >= self.indexed + STEP_BYTES {
            self.index.push((first, page));
            self.indexed = self.bytes;
        }
        self.bytes += chunk.bytes().len() as u64;
        self.last = self.last.max(last);
        self.end = end;
    }

    fn find(&self, position: Position) -> Option<Place> {
        let behind = self.index.partition_point(|(first, _)| *first <= position);
        let (_, from) = self.index.get(behind.checked_sub(1)?)?;
        Some(Place {
            stretch: self.number,
            table: self.table,
            from: *from,
            to: self.index.get(behind).map_or(self.end, |(_, to)| *to),
            density: self.density,
        })
    }
}

/// The stretches in the order of their positions; the last one is written to.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<Stretch>);

impl Places {
    /// Stretches in any order; no two share positions.
    pub(crate) fn of(mut stretches: Vec<Stretch>) -> Self {
        stretches.sort_by_key(|stretch| stretch.from);
        Self(stretches)
    }

    pub(crate) fn all(&self) -> &[Stretch] {
        &self.0
    }

    pub(crate) fn push(&mut self, stretch: Stretch) {
        self.0.push(stretch);
    }

    /// The stretch that is written to.
    pub(crate) fn tail(&mut self) -> Option<&mut Stretch> {
        self.0.last_mut()
    }

    /// The snapshot names messages of these stretches as live, and of no others.
    pub(crate) fn set_mapped(&mut self, is_mapped: impl Fn(&Stretch) -> bool) {
        for stretch in &mut self.0 {
            stretch.mapped = is_mapped(stretch);
        }
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.0.iter().any(|stretch| stretch.number == number)
    }

    pub(crate) fn remove(&mut self, number: u64) {
        self.0.retain(|stretch| stretch.number != number);
    }

    /// Puts one stretch in the place of neighbouring ones.
    pub(crate) fn replace(&mut self, replaced: &[u64], stretch: Stretch) {
        let is_replaced = |one: &Stretch| replaced.contains(&one.number);
        let at = self.0.iter().position(is_replaced);
        self.0.retain(|one| !is_replaced(one));
        self.0
            .insert(at.expect("what is replaced is there"), stretch);
    }

    /// Where the record at `position` is; `None` if it has not landed, or was let go.
    pub(crate) fn find(&self, position: Position) -> Option<Place> {
        let at = self.0.partition_point(|stretch| stretch.last < position);
        self.0.get(at)?.find(position)
    }
}
