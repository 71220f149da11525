//! The accounting of live data: which messages of which segment some queue still needs.
//!
//! Ten million messages may wait, so a message costs a few bytes here. In the segment where it landed it is one octet
//! in an array over the segment's positions (its rough size, 0 when it is dead), and beside it the number of its queue
//! in the segment's own list of queues, kept only where a segment serves more than one. A segment of copies holds few
//! of the positions that it spans, and knows which: four octets more. Only messages that wait in several queues have
//! a list of their own.

mod segment;

use crate::chunk::{Born, Chunk};
use model::{Position, QueueId, Run, Runs};
use rustc_hash::FxHashMap;
use segment::{Label, Segment, Size};
use smallvec::{SmallVec, smallvec};
use std::collections::VecDeque;

/// How much of something is live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages that some queue still needs.
    pub messages: u64,
    /// The bytes of their records, each to within a sixteenth.
    pub bytes: u64,
}

impl Usage {
    fn add(&mut self, size: Size, count: u64) {
        self.messages += count;
        self.bytes += size.bytes() * count;
    }

    fn remove(&mut self, size: Size) {
        self.messages -= 1;
        self.bytes -= size.bytes();
    }
}

/// Which of the positions that a segment spans its messages take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Density {
    /// Most of them: they landed there one behind the other.
    Dense,
    /// Few of them: it was made of what was left of others.
    Sparse,
}

/// Which messages are live, and in which segment they are.
#[derive(Debug, Default)]
pub struct LiveSet {
    /// In the order of their positions, of which no two segments share a stretch.
    segments: VecDeque<Segment>,
    fanned: FxHashMap<Position, Fanned>,
    total: Usage,
    /// Whether a segment has lost its last live message since this was asked.
    emptied: bool,
}

/// A live message that waits in several queues.
#[derive(Clone, Debug)]
struct Fanned {
    queues: SmallVec<[QueueId; 2]>,
    /// Its record names more queues than these.
    settled_in_part: bool,
}

impl LiveSet {
    /// Nothing is live.
    pub fn new() -> Self {
        Self::default()
    }

    /// The segments of several sets as one set: for an opening that meets them in another order than that of their
    /// positions. What is born next stands in the last one.
    ///
    /// # Panics
    /// If two segments share a stretch of positions, or a message is in two of them.
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut whole = Self::new();
        for part in parts {
            whole.segments.extend(part.segments);
            for (position, fanned) in part.fanned {
                let before = whole.fanned.insert(position, fanned);
                assert!(before.is_none(), "a message is in one segment");
            }
            whole.total.messages += part.total.messages;
            whole.total.bytes += part.total.bytes;
        }
        let segments = whole.segments.make_contiguous();
        segments.sort_by_key(|segment| segment.from);
        for two in segments.windows(2) {
            assert!(
                two[0].end() <= two[1].from,
                "no two segments share a stretch of positions"
            );
        }
        let closed = segments.len().saturating_sub(1);
        segments[..closed].iter_mut().for_each(Segment::close);
        whole.emptied = true;
        whole
    }

    /// A segment begins: what is born from now on stands in it, at `from` or behind.
    ///
    /// # Panics
    /// If a message before it stands at `from` or behind.
    pub fn begin(&mut self, number: u64, from: Position, density: Density) {
        if let Some(last) = self.segments.back_mut() {
            assert!(
                last.end() <= from.0.max(last.from),
                "segments come in the order of their positions"
            );
            last.close();
            self.emptied |= last.usage.messages == 0;
        }
        self.segments.push_back(Segment::new(number, from, density));
    }

    /// The first position behind all messages that are known.
    pub fn end(&self) -> Position {
        Position(
            self.segments
                .back()
                .map_or(0, |last| last.end().max(last.from)),
        )
    }

    /// Messages landed in the last segment.
    ///
    /// # Panics
    /// If there is no segment, or messages do not come in the order of their positions.
    pub fn born(&mut self, born: &Born) {
        if born.queues.is_empty() {
            return;
        }
        match born.queues[..] {
            [queue] => {
                let label = self.last().label(queue);
                self.push(born, label);
            }
            _ => self.born_fanned(born, false),
        }
    }

    /// The same for messages whose records name more queues than still need them.
    pub fn born_in_part(&mut self, born: &Born) {
        self.born_fanned(born, true);
    }

    /// One queue has messages no more. What is unknown, or was settled before, is nothing.
    pub fn settled(&mut self, queue: QueueId, runs: &Runs) {
        for run in runs.as_slice() {
            self.settle(queue, *run);
        }
    }

    /// Takes in a chunk that lands in the last segment.
    pub fn enter_chunk(&mut self, chunk: &Chunk) {
        for born in chunk.born() {
            self.born(born);
        }
        for (queue, runs) in chunk.settled() {
            self.settled(queue, runs);
        }
    }

    /// What is live in `segment`.
    pub fn usage(&self, segment: u64) -> Usage {
        self.index(segment)
            .map_or(Usage::default(), |at| self.segments[at].usage)
    }

    /// What is live in each segment, in the order of their positions.
    pub fn usages(&self) -> impl Iterator<Item = (u64, Usage)> {
        let segments = self.segments.iter();
        segments.map(|segment| (segment.number, segment.usage))
    }

    /// What is live altogether.
    pub fn total(&self) -> Usage {
        self.total
    }

    /// Whether a segment has lost its last live message, or was closed without one, since this was asked last.
    pub fn take_emptied(&mut self) -> bool {
        std::mem::take(&mut self.emptied)
    }

    /// The positions of all live messages before `end`.
    pub fn live_before(&self, end: Position) -> Runs {
        let mut runs = Runs::new();
        let segments = self.segments.iter();
        for segment in segments.take_while(|segment| segment.from < end.0) {
            segment.add_live(end, &mut runs);
        }
        runs
    }

    /// The live messages before `end` whose records name more queues than still need them, with those that do; by
    /// rising position.
    pub fn settled_in_part(&self, end: Position) -> Vec<(Position, SmallVec<[QueueId; 2]>)> {
        let fanned = self.fanned.iter();
        let in_part =
            fanned.filter(|(position, fanned)| fanned.settled_in_part && **position < end);
        let mut all: Vec<_> = in_part
            .map(|(position, fanned)| (*position, fanned.queues.clone()))
            .collect();
        all.sort_unstable_by_key(|(position, _)| *position);
        all
    }

    /// The live messages of `segment`, in the order of their positions, with the queues that still need them.
    pub fn live_messages(
        &self,
        segment: u64,
    ) -> impl Iterator<Item = (Position, SmallVec<[QueueId; 2]>)> {
        let segment = self.index(segment).map(|at| &self.segments[at]);
        segment.into_iter().flat_map(move |segment| {
            segment
                .live()
                .map(|(position, label)| (position, self.queues(segment, position, label)))
        })
    }

    /// Segment `number` takes the place of neighbouring ones, all of whose live messages stand in it too: `copied` are
    /// its messages, dead ones perhaps among them, with the bytes of their records.
    ///
    /// # Panics
    /// If `replaced` are not neighbours, or a live message of theirs is not among the copies.
    pub fn replace(
        &mut self,
        replaced: &[u64],
        number: u64,
        copied: impl IntoIterator<Item = (Position, u32)>,
    ) {
        let at = self.index(replaced[0]).expect("what is replaced is known");
        let old: Vec<Segment> = self.segments.drain(at..at + replaced.len()).collect();
        assert!(
            old.iter().map(|segment| &segment.number).eq(replaced),
            "neighbours are replaced"
        );
        let mut usage = Usage::default();
        for segment in &old {
            usage.messages += segment.usage.messages;
            usage.bytes += segment.usage.bytes;
        }
        let mut copies = Segment::new(number, Position(old[0].from), Density::Sparse);
        let mut of = 0;
        for (position, bytes) in copied {
            while old.get(of + 1).is_some_and(|next| next.from <= position.0) {
                of += 1;
            }
            let index = old[of].index(position);
            let Some((label, _)) = index.and_then(|index| old[of].live_at(index)) else {
                continue;
            };
            let label = match old[of].queue(label) {
                Some(queue) => copies.label(queue),
                None => Label::FANNED,
            };
            let run = Run {
                first: position.0,
                count: 1,
            };
            copies.push(run, label, Size::of(bytes));
        }
        assert!(
            copies.usage.messages == usage.messages,
            "every live message was copied"
        );
        copies.close();
        self.total.bytes = self.total.bytes - usage.bytes + copies.usage.bytes;
        self.segments.insert(at, copies);
    }

    /// Forgets a segment that was reclaimed.
    ///
    /// # Panics
    /// If something in it is live.
    pub fn forget(&mut self, segment: u64) {
        if let Some(at) = self.index(segment) {
            let usage = self.segments[at].usage;
            assert!(usage.messages == 0, "only dead segments are reclaimed");
            self.segments.remove(at);
        }
    }

    fn last(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a segment has begun")
    }

    fn born_fanned(&mut self, born: &Born, settled_in_part: bool) {
        let fanned = Fanned {
            queues: born.queues.clone(),
            settled_in_part,
        };
        let positions = born.run.first..born.run.end();
        self.fanned
            .extend(positions.map(|position| (Position(position), fanned.clone())));
        self.push(born, Label::FANNED);
    }

    fn push(&mut self, born: &Born, label: Label) {
        let size = Size::of(born.bytes);
        self.last().push(born.run, label, size);
        self.total.add(size, born.run.count);
    }

    fn queues(
        &self,
        segment: &Segment,
        position: Position,
        label: Label,
    ) -> SmallVec<[QueueId; 2]> {
        match segment.queue(label) {
            Some(queue) => smallvec![queue],
            None => {
                let fanned = self.fanned.get(&position);
                fanned.map_or_else(SmallVec::new, |fanned| fanned.queues.clone())
            }
        }
    }

    fn index(&self, number: u64) -> Option<usize> {
        let mut segments = self.segments.iter();
        segments.position(|segment| segment.number == number)
    }

    fn settle(&mut self, queue: QueueId, run: Run) {
        let behind = self
            .segments
            .partition_point(|segment| segment.from <= run.first);
        let written_to = self.segments.len().saturating_sub(1);
        for at in behind.saturating_sub(1)..self.segments.len() {
            let segment = &mut self.segments[at];
            if segment.from >= run.end() {
                return;
            }
            if segment.usage.messages == 0 {
                continue;
            }
            for index in segment.covered(run) {
                let Some((label, size)) = segment.live_at(index) else {
                    continue;
                };
                let of = segment.queue(label);
                if settles(&mut self.fanned, of, queue, || segment.position(index)) {
                    segment.kill(index, size);
                    self.total.remove(size);
                }
            }
            if at < written_to && segment.usage.messages == 0 {
                segment.shrink();
                self.emptied = true;
            }
        }
    }
}

/// Whether `queue` was the last that needed the message at `position`, which belongs to queue `of`, or to several.
fn settles(
    fanned: &mut FxHashMap<Position, Fanned>,
    of: Option<QueueId>,
    queue: QueueId,
    position: impl Fn() -> Position,
) -> bool {
    if let Some(of) = of {
        return of == queue;
    }
    let position = position();
    let Some(waiting) = fanned.get_mut(&position) else {
        return false;
    };
    let before = waiting.queues.len();
    waiting.queues.retain(|other| *other != queue);
    waiting.settled_in_part |= waiting.queues.len() < before;
    let is_last = waiting.queues.is_empty();
    if is_last {
        fanned.remove(&position);
    }
    is_last
}

#[cfg(test)]
mod tests;
