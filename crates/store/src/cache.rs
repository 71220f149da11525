//! Chunks in memory: those that landed last, from which most deliveries are served, and those that were read
//! back last. Each kind has a budget in bytes, and the oldest goes first.

use crate::chunk::LandedChunk;
use model::Position;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The part of the budget that is for chunks read back: one in so many.
const PART_READ: usize = 4;

/// Chunks in memory.
#[derive(Debug)]
pub struct Cache {
    landed: VecDeque<(Position, Arc<LandedChunk>)>,
    landed_bytes: usize,
    landed_budget: usize,
    /// By the first position of each.
    read: BTreeMap<Position, Arc<LandedChunk>>,
    read_order: VecDeque<Position>,
    read_bytes: usize,
    read_budget: usize,
}

impl Cache {
    /// Keeps about `budget` bytes.
    pub fn new(budget: usize) -> Self {
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
    pub fn landed(&mut self, chunk: Arc<LandedChunk>) {
        self.landed_bytes += chunk.bytes().len();
        self.landed.push_back((chunk.last(), chunk));
        while self.landed_bytes > self.landed_budget
            && let Some((_, oldest)) = self.landed.pop_front()
        {
            self.landed_bytes -= oldest.bytes().len();
        }
    }

    /// Takes in a chunk that was read back.
    pub fn read(&mut self, chunk: Arc<LandedChunk>) {
        let (first, _) = chunk.span();
        self.read_bytes += chunk.bytes().len();
        match self.read.insert(first, chunk) {
            Some(before) => self.read_bytes -= before.bytes().len(),
            None => self.read_order.push_back(first),
        }
        while self.read_bytes > self.read_budget
            && let Some(oldest) = self.read_order.pop_front()
        {
            self.drop_read(oldest);
        }
    }

    /// Lets go of what stood in a segment that is no more.
    pub fn forget(&mut self, segment: u64) {
        let ours = |chunk: &LandedChunk| chunk.segment() == segment;
        self.landed.retain(|(_, chunk)| !ours(chunk));
        let landed = self.landed.iter();
        self.landed_bytes = landed.map(|(_, chunk)| chunk.bytes().len()).sum();
        let read = self.read.iter().filter(|(_, chunk)| ours(chunk));
        let gone: Vec<Position> = read.map(|(first, _)| *first).collect();
        self.read_order.retain(|first| !gone.contains(first));
        for first in gone {
            self.drop_read(first);
        }
    }

    fn drop_read(&mut self, first: Position) {
        let chunk = self.read.remove(&first).expect("what is in order is there");
        self.read_bytes -= chunk.bytes().len();
    }

    /// The chunk that holds the record at `position`.
    pub fn get(&self, position: Position) -> Option<Arc<LandedChunk>> {
        let at = self.landed.partition_point(|(last, _)| *last < position);
        let landed = self.landed.get(at).map(|(_, chunk)| chunk);
        landed
            .filter(|chunk| chunk.first() <= position)
            .or_else(|| {
                let before = self.read.range(..=position).next_back();
                before
                    .map(|(_, chunk)| chunk)
                    .filter(|chunk| chunk.contains(position))
            })
            .cloned()
    }
}
