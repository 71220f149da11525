//! The messages of a queue that wait for their time, by when it comes: a few bytes each, however far ahead it is.
//! No policy.
//!
//! They stand in spans of time that are the narrower the nearer they were when a message came to them: of one
//! millisecond for the next 64, of 64 for the next 4,096, and so on, so that some hundred spans reach as far as
//! time does. A span whose time comes is split into narrower ones, until what is left is due in one millisecond
//! and goes in the order of positions.

mod block;
mod page;

use crate::backlog::Ready;
use block::{Block, Entry};
use model::{Position, Run, Runs, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// How much wider a span is than those of the next lower level: 2 to the power of this.
const LEVEL_BITS: u32 = 6;

/// About how many messages are moved at a time, so that a million that are due at once do not hold up a turn.
const MOVED_MAX: usize = 4096;

/// Messages that wait for their time.
#[derive(Debug, Default)]
pub(crate) struct Delayed {
    spans: BTreeMap<Span, Waiting>,
    count: u64,
}

/// A span of time: two of them are apart, or the one is part of the other and comes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    /// Its first millisecond, a multiple of its length.
    first: u64,
    level: Reverse<u32>,
}

/// The messages of a span, as they came.
#[derive(Debug)]
struct Waiting {
    blocks: VecDeque<Block>,
    /// Nothing here is due earlier.
    due: u64,
    /// The positions rise.
    in_order: bool,
}

impl Span {
    /// The one for what is due then, seen from `now`.
    fn of(due: u64, now: u64) -> Self {
        let differing_bits = u64::BITS - (due ^ now).leading_zeros();
        let level = differing_bits.saturating_sub(1) / LEVEL_BITS;
        let within = (1 << (level * LEVEL_BITS)) - 1;
        Self {
            first: due & !within,
            level: Reverse(level),
        }
    }

    /// All that is due in it is due at once.
    fn is_narrowest(self) -> bool {
        self.level == Reverse(0)
    }
}

impl Waiting {
    fn add(&mut self, span: Span, entry: Entry) {
        self.due = self.due.min(entry.due);
        let last = self.blocks.back();
        self.in_order &= last.is_none_or(|last| last.last() < entry.ready.position);
        match self.blocks.back_mut().filter(|block| block.has_room()) {
            Some(block) => block.push(span.first, entry),
            None => {
                let mut block = Block::default();
                block.push(span.first, entry);
                self.blocks.push_back(block);
            }
        }
    }

    fn entries(&self, span: Span) -> impl Iterator<Item = Entry> {
        let blocks = self.blocks.iter();
        blocks.flat_map(move |block| block.entries(span.first))
    }

    /// Puts the messages in the order of their positions.
    fn sort(&mut self, span: Span) {
        let mut entries: Vec<Entry> = self.entries(span).collect();
        entries.sort_by_key(|entry| entry.ready.position);
        self.blocks.clear();
        for entry in entries {
            self.add(span, entry);
        }
        self.in_order = true;
    }
}

impl Delayed {
    /// A message waits until `due`.
    pub(crate) fn insert(&mut self, now: Timestamp, due: Timestamp, ready: Ready) {
        self.count += 1;
        let entry = Entry { due: due.0, ready };
        self.place(now.0, entry);
    }

    fn place(&mut self, now: u64, entry: Entry) {
        let span = Span::of(entry.due, now);
        let waiting = self.spans.entry(span).or_insert_with(|| Waiting {
            blocks: VecDeque::new(),
            due: entry.due,
            in_order: true,
        });
        waiting.add(span, entry);
    }

    /// Takes messages whose time has come, first those that were due first, those due at once by position. Where
    /// they are very many it takes some, and `next_due` is not later than `now` still.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Ready> {
        let mut taken = Vec::new();
        let mut moved = 0;
        while moved < MOVED_MAX
            && let Some(span) = self.first_due(now.0)
        {
            moved += if span.is_narrowest() {
                self.take_block(span, &mut taken)
            } else {
                self.split_block(span)
            };
        }
        self.count -= taken.len() as u64;
        taken
    }

    /// The first span in which something is due.
    fn first_due(&self, now: u64) -> Option<Span> {
        let mut begun = self.spans.iter().take_while(|(span, _)| span.first <= now);
        let due = begun.find(|(_, waiting)| waiting.due <= now);
        due.map(|(span, _)| *span)
    }

    fn take_block(&mut self, span: Span, taken: &mut Vec<Ready>) -> usize {
        let waiting = self.spans.get_mut(&span).expect("found by the caller");
        if !waiting.in_order {
            waiting.sort(span);
        }
        let block = waiting.blocks.pop_front();
        let block = block.expect("a span without messages is removed");
        if waiting.blocks.is_empty() {
            self.spans.remove(&span);
        }
        let before = taken.len();
        taken.extend(block.entries(span.first).map(|entry| entry.ready));
        taken.len() - before
    }

    /// Moves a block of a span to the narrower ones in it: as seen from its first message, all of them are.
    fn split_block(&mut self, span: Span) -> usize {
        let waiting = self.spans.get_mut(&span).expect("found by the caller");
        let due = waiting.due;
        let block = waiting.blocks.pop_front();
        let block = block.expect("a span without messages is removed");
        if waiting.blocks.is_empty() {
            self.spans.remove(&span);
        }
        let mut moved = 0;
        for entry in block.entries(span.first) {
            self.place(due, entry);
            moved += 1;
        }
        moved
    }

    /// When the next message is due; perhaps too early where some were taken out before their time.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let mut next: Option<u64> = None;
        for (span, waiting) in &self.spans {
            if next.is_some_and(|next| next < span.first) {
                break;
            }
            next = Some(next.map_or(waiting.due, |next| next.min(waiting.due)));
        }
        next.map(Timestamp)
    }

    /// Takes a message out before its time. It is looked for: the more there are the longer it takes.
    pub(crate) fn remove(&mut self, position: Position) -> Option<(Timestamp, Ready)> {
        let mut found = None;
        self.take_out(&[position.0].into_iter().collect(), |entry| {
            found = Some((Timestamp(entry.due), entry.ready));
        });
        found
    }

    /// Takes all messages up to a position out before their time.
    pub(crate) fn purge(&mut self, last: Position) -> Runs {
        let all = Run {
            first: 0,
            count: last.0 + 1,
        };
        let mut taken = Vec::new();
        self.take_out(&[all].into_iter().collect(), |entry| {
            taken.push(entry.ready.position.0);
        });
        // Runs grow quickly only at their end.
        taken.sort_unstable();
        taken.into_iter().collect()
    }

    fn take_out(&mut self, wanted: &Runs, mut found: impl FnMut(Entry)) {
        let mut count = 0;
        for (span, waiting) in &mut self.spans {
            for block in &mut waiting.blocks {
                if !block.may_hold(wanted) {
                    continue;
                }
                let (gone, kept): (Vec<Entry>, Vec<Entry>) = block
                    .entries(span.first)
                    .partition(|entry| wanted.contains(entry.ready.position.0));
                if !gone.is_empty() {
                    count += gone.len() as u64;
                    gone.into_iter().for_each(&mut found);
                    *block = Block::default();
                    for entry in kept {
                        block.push(span.first, entry);
                    }
                }
            }
            waiting.blocks.retain(|block| !block.is_empty());
        }
        self.spans.retain(|_, waiting| !waiting.blocks.is_empty());
        self.count -= count;
    }

    /// How many wait.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them with when they are due, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timestamp, Ready)> {
        let entries = self
            .spans
            .iter()
            .flat_map(|(span, waiting)| waiting.entries(*span));
        entries.map(|entry| (Timestamp(entry.due), entry.ready))
    }
}

#[cfg(test)]
mod tests;
