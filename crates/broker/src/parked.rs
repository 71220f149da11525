//! The messages of a queue that are handed out no more and wait for an operator: by position, some bytes each,
//! because a handler that is broken all night parks millions (promise P9). No policy.

use crate::varint::{octet, put, take};
use model::record::{Attempts, Place, Reason, Waiting};
use model::{Position, Timestamp};
use std::collections::BTreeMap;

/// The most messages of a block: enough that a block's own weight does not count, few enough to be read whole.
const BLOCK_MAX: usize = 64;

/// A parked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParkedMessage {
    pub(crate) position: Position,
    pub(crate) why: Reason,
    /// Since when.
    pub(crate) at: Timestamp,
    pub(crate) attempts: Attempts,
    pub(crate) priority: u8,
}

impl ParkedMessage {
    /// As records tell it.
    pub(crate) fn told(&self) -> Waiting {
        Waiting {
            position: self.position,
            place: Place::Parked {
                why: self.why,
                at: self.at,
            },
            attempts: self.attempts,
        }
    }
}

/// Parked messages.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    /// By the first position in each.
    blocks: BTreeMap<Position, Block>,
    count: u64,
}

/// Neighbours, coded: for each its position less the one before it, why, since when less the last time (zigzag),
/// failed, lost, priority; all but why and priority as varints.
#[derive(Debug, Default)]
struct Block(Vec<u8>);

impl Block {
    fn of(all: &[ParkedMessage]) -> Self {
        let mut bytes = Vec::new();
        let (mut position, mut time) = (0, 0u64);
        for message in all {
            put(&mut bytes, message.position.0 - position);
            position = message.position.0;
            bytes.push(message.why as u8);
            let difference = message.at.0.wrapping_sub(time).cast_signed();
            put(
                &mut bytes,
                ((difference << 1) ^ (difference >> 63)).cast_unsigned(),
            );
            time = message.at.0;
            put(&mut bytes, message.attempts.failed.into());
            put(&mut bytes, message.attempts.lost.into());
            bytes.push(message.priority);
        }
        bytes.shrink_to_fit();
        Self(bytes)
    }

    fn read(&self) -> impl Iterator<Item = ParkedMessage> + '_ {
        let mut bytes = &self.0[..];
        let (mut position, mut time) = (0, 0u64);
        std::iter::from_fn(move || {
            if bytes.is_empty() {
                return None;
            }
            position += take(&mut bytes);
            let why = usize::from(octet(&mut bytes));
            let zigzag = take(&mut bytes);
            time = time.wrapping_add((zigzag >> 1) ^ (zigzag & 1).wrapping_neg());
            let mut count = || u32::try_from(take(&mut bytes)).expect("as it was put");
            let (failed, lost) = (count(), count());
            let priority = octet(&mut bytes);
            Some(ParkedMessage {
                position: Position(position),
                why: Reason::ALL[why],
                at: Timestamp(time),
                attempts: Attempts { failed, lost },
                priority,
            })
        })
    }
}

impl Parked {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Adds a message, or tells otherwise of one that is there.
    pub(crate) fn insert(&mut self, message: ParkedMessage) {
        let mut all = self.take_block(message.position);
        match all.binary_search_by_key(&message.position, |one| one.position) {
            Ok(at) => all[at] = message,
            Err(at) => {
                all.insert(at, message);
                self.count += 1;
            }
        }
        // What comes in order fills blocks; what comes between others halves them.
        let appended = all.last() == Some(&message);
        let split = match all.len() {
            ..=BLOCK_MAX => all.len(),
            _ if appended => BLOCK_MAX,
            _ => all.len() / 2,
        };
        let (first, second) = all.split_at(split);
        self.put_block(first);
        self.put_block(second);
    }

    /// Takes a message out, if it is there.
    pub(crate) fn remove(&mut self, position: Position) -> Option<ParkedMessage> {
        let mut all = self.take_block(position);
        let found = all.binary_search_by_key(&position, |one| one.position);
        let removed = found.ok().map(|at| all.remove(at));
        self.count -= u64::from(removed.is_some());
        self.put_block(&all);
        removed
    }

    /// The messages from a position on.
    pub(crate) fn from(&self, position: Position) -> impl Iterator<Item = ParkedMessage> + '_ {
        let before = self.blocks.range(..=position).next_back();
        let first = before.map_or(position, |(first, _)| *first);
        let blocks = self.blocks.range(first..).map(|(_, block)| block);
        let all = blocks.flat_map(Block::read);
        all.skip_while(move |one| one.position < position)
    }

    /// The block that a position belongs to, out of its place.
    fn take_block(&mut self, position: Position) -> Vec<ParkedMessage> {
        let first = match self.blocks.range(..=position).next_back() {
            Some((first, _)) => Some(*first),
            None => self.blocks.keys().next().copied(),
        };
        let block = first.and_then(|first| self.blocks.remove(&first));
        let mut all = Vec::with_capacity(BLOCK_MAX + 1);
        all.extend(block.iter().flat_map(Block::read));
        all
    }

    fn put_block(&mut self, all: &[ParkedMessage]) {
        if let Some(first) = all.first() {
            self.blocks.insert(first.position, Block::of(all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(position: u64, at: u64, failed: u32) -> ParkedMessage {
        ParkedMessage {
            position: Position(position),
            why: Reason::ALL[usize::try_from(position % 4).expect("small")],
            at: Timestamp(at),
            attempts: Attempts { failed, lost: 1 },
            priority: 3,
        }
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map(steps in prop::collection::vec((1u64..300, any::<u64>(), any::<u32>(), any::<bool>()), 0..600)) {
            let (mut parked, mut model) = (Parked::default(), BTreeMap::new());
            for (position, at, failed, remove) in steps {
                let one = message(position, at, failed);
                if remove {
                    prop_assert_eq!(parked.remove(one.position), model.remove(&one.position));
                } else {
                    parked.insert(one);
                    model.insert(one.position, one);
                }
                prop_assert_eq!(parked.count(), model.len() as u64);
                let from = Position(at % 300);
                let told: Vec<ParkedMessage> = parked.from(from).collect();
                let expected: Vec<ParkedMessage> = model.range(from..).map(|(_, one)| *one).collect();
                prop_assert_eq!(told, expected);
            }
        }
    }

    #[test]
    fn many_take_some_bytes_each() {
        let mut parked = Parked::default();
        for position in 1..=100_000 {
            parked.insert(message(position * 3, 1_700_000_000_000 + position / 7, 20));
        }
        let bytes: usize = parked.blocks.values().map(|block| block.0.len()).sum();
        let own = parked.blocks.len() * (size_of::<(Position, Block)>() + 16);
        assert!((bytes + own) / 100_000 < 8, "{bytes} and {own}");
    }
}
