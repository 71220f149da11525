//! Chunks in memory: those that landed last, from which most deliveries are served, and those that were read
//! from the disk last. Each kind has a budget in bytes, and the oldest goes first.

use crate::places::Place;
use model::Position;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use store::LandedChunk;

/// The part of the budget that is for chunks read from the disk: one in so many.
const PART_READ: usize = 4;

/// Chunks in memory.
pub(crate) struct Cache {
    landed: VecDeque<(Position, Arc<LandedChunk>)>,
    landed_bytes: usize,
    landed_budget: usize,
    read: BTreeMap<Key, Arc<LandedChunk>>,
    read_order: VecDeque<Key>,
    read_bytes: usize,
    read_budget: usize,
}

/// What a chunk that was read is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The position of its first record.
    First(Position),
    /// Where it stands, if it holds messages that were written again.
    Place(Place),
}

impl Cache {
    /// Keeps about `budget` bytes.
    pub(crate) fn new(budget: usize) -> Self {
        let read_budget = budget / PART_READ;
        Self {
            landed: VecDeque::new(),
            landed_bytes: 0,
            landed_budget: budget - read_budget,
            read: BTreeMap::new(),
            read_order: VecDeque::new(),
            read_bytes: 0,
            read_budget,
        }
    }

    /// Takes in a chunk that has just landed.
    pub(crate) fn landed(&mut self, chunk: Arc<LandedChunk>) {
        self.landed_bytes += chunk.bytes().len();
        self.landed.push_back((chunk.last(), chunk));
        while self.landed_bytes > self.landed_budget
            && let Some((_, oldest)) = self.landed.pop_front()
        {
            self.landed_bytes -= oldest.bytes().len();
        }
    }

    /// Takes in a chunk that was read from the disk.
    pub(crate) fn read(&mut self, key: Key, chunk: Arc<LandedChunk>) {
        let bytes = chunk.bytes().len();
        if self.read.insert(key, chunk).is_some() {
            return;
        }
        self.read_order.push_back(key);
        self.read_bytes += bytes;
        while self.read_bytes > self.read_budget
            && let Some(oldest) = self.read_order.pop_front()
        {
            self.drop_read(oldest);
        }
    }

    /// Lets go of what stood in a segment that was given back; `last` is the last position in it or before it.
    pub(crate) fn forget(&mut self, segment: u64, last: Position) {
        while let Some((_, oldest)) = self.landed.pop_front_if(|(upto, _)| *upto <= last) {
            self.landed_bytes -= oldest.bytes().len();
        }
        let ours = |key: &Key| match key {
            Key::First(first) => *first <= last,
            Key::Place(place) => u64::from(place.segment) == segment,
        };
        let gone: Vec<Key> = self.read.keys().copied().filter(ours).collect();
        self.read_order.retain(|key| !ours(key));
        for key in gone {
            self.drop_read(key);
        }
    }

    fn drop_read(&mut self, key: Key) {
        let chunk = self.read.remove(&key).expect("what is in order is there");
        self.read_bytes -= chunk.bytes().len();
    }

    /// The chunk that holds the record at `position` as one of its own.
    pub(crate) fn get(&self, position: Position) -> Option<Arc<LandedChunk>> {
        let at = self.landed.partition_point(|(last, _)| *last < position);
        let landed = self.landed.get(at).map(|(_, chunk)| chunk);
        landed
            .filter(|chunk| chunk.first() <= position)
            .or_else(|| {
                let before = self.read.range(..=Key::First(position)).next_back();
                before
                    .map(|(_, chunk)| chunk)
                    .filter(|chunk| chunk.last() >= position)
            })
            .cloned()
    }

    /// The chunk at `place`, which holds messages that were written again.
    pub(crate) fn get_relocated(&self, place: Place) -> Option<Arc<LandedChunk>> {
        self.read.get(&Key::Place(place)).cloned()
    }
}
