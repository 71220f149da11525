//! A block of delayed messages as bytes: mostly four or five for each of them.
//!
//! A message is its distance from the one before it in positions, with a bit that says whether anything is unusual
//! about it; when it is due, counted from the beginning of its span; and what is unusual.

use crate::backlog::Ready;
use crate::varint::{octet, put, take};
use model::record::Attempts;
use model::{Position, Runs};

/// The bytes of a block, a little less than a page. Blocks grow to it, so that a few messages take a few bytes.
const BYTES_MAX: usize = 4096;

/// What a message takes at the most: five numbers and an octet.
const MESSAGE_BYTES_MAX: usize = 5 * 10 + 1;

/// A message that waits for its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) due: u64,
    pub(super) ready: Ready,
}

/// Some of the messages of a span, as they came.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// The position of the last one.
    last: u64,
    /// Lower than or as low as all positions.
    lowest: u64,
    highest: u64,
}

impl Block {
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() + MESSAGE_BYTES_MAX <= BYTES_MAX
    }

    /// Adds a message of a span that begins at `first`.
    pub(super) fn push(&mut self, first: u64, entry: Entry) {
        let Entry { due, ready } = entry;
        let position = ready.position.0;
        if self.bytes.is_empty() {
            self.lowest = position;
        }
        self.lowest = self.lowest.min(position);
        self.highest = self.highest.max(position);
        let distance = position.wrapping_sub(self.last).cast_signed();
        self.last = position;
        let zigzag = ((distance << 1) ^ (distance >> 63)).cast_unsigned();
        let rare = rare_numbers(&ready);
        let is_rare = ready.redelivered || rare.iter().any(|number| *number > 0);
        // No lane has as many records as would need the bit.
        put(&mut self.bytes, (zigzag << 1) | u64::from(is_rare));
        put(&mut self.bytes, due - first);
        if is_rare {
            let flags = rare.iter().enumerate();
            let flags = flags.filter(|(_, number)| **number > 0);
            let flags = flags.fold(u8::from(ready.redelivered), |flags, (bit, _)| {
                flags | (2 << bit)
            });
            self.bytes.push(flags);
            for number in rare.into_iter().filter(|number| *number > 0) {
                put(&mut self.bytes, number);
            }
        }
    }

    /// The messages, as they came.
    pub(super) fn entries(&self, first: u64) -> Entries<'_> {
        Entries {
            bytes: &self.bytes,
            first,
            last: 0,
        }
    }

    /// The memory that the messages take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The position of the one that came last.
    pub(super) fn last(&self) -> Position {
        Position(self.last)
    }

    /// False only if none of its messages is among them.
    pub(super) fn may_hold(&self, wanted: &Runs) -> bool {
        let runs = wanted.as_slice();
        let at = runs.partition_point(|run| run.end() <= self.lowest);
        runs.get(at).is_some_and(|run| run.first <= self.highest)
    }
}

/// The messages of a block.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    first: u64,
    last: u64,
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.bytes.is_empty() {
            return None;
        }
        let head = take(&mut self.bytes);
        let zigzag = head >> 1;
        let distance = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        self.last = self.last.wrapping_add_signed(distance);
        let due = self.first + take(&mut self.bytes);
        let flags = if head & 1 == 0 {
            0
        } else {
            octet(&mut self.bytes)
        };
        let mut rare = [0; RARE];
        for (bit, number) in rare.iter_mut().enumerate() {
            if flags & (2 << bit) != 0 {
                *number = take(&mut self.bytes);
            }
        }
        let ready = ready(Position(self.last), rare, flags & 1 != 0);
        Some(Entry { due, ready })
    }
}

/// How many numbers there may be to know of a message; mostly they are 0.
const RARE: usize = 3;

fn rare_numbers(ready: &Ready) -> [u64; RARE] {
    let Attempts { failed, lost } = ready.attempts;
    [u64::from(ready.priority), failed.into(), lost.into()]
}

fn ready(position: Position, rare: [u64; RARE], redelivered: bool) -> Ready {
    let [priority, failed, lost] = rare;
    let count = |number| u32::try_from(number).expect("it was one");
    Ready {
        position,
        priority: u8::try_from(priority).expect("it was one"),
        attempts: Attempts {
            failed: count(failed),
            lost: count(lost),
        },
        redelivered,
    }
}
