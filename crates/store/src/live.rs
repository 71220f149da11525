//! The accounting of live data: which messages of which segment some queue still needs.
//!
//! Ten million messages may wait, so a message costs a few bytes here. In the segment where it landed first it is
//! one octet in an array over the segment's positions (its rough size, 0 when it is dead), and beside it the number
//! of its queue in the segment's own list of queues, kept only where a segment serves more than one. What was
//! written again elsewhere is an entry in a [`PositionMap`]. Only messages that wait in several queues have a list
//! of their own.

mod segment;

use crate::chunk::{Born, Chunk, Entry};
use crate::position_map::PositionMap;
use model::{Position, QueueId, Record, Run, Runs};
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
    fn add(&mut self, size: Size) {
        self.messages += 1;
        self.bytes += size.bytes();
    }

    fn remove(&mut self, size: Size) {
        self.messages -= 1;
        self.bytes -= size.bytes();
    }
}

/// Which messages are live, and where they are.
#[derive(Debug, Default)]
pub struct LiveSet {
    /// In the order of their numbers, which is that of their messages' first positions too.
    segments: VecDeque<Segment>,
    /// The messages that were written again and where they are now.
    moved: PositionMap<Moved>,
    /// The queues that still need a message, where there was more than one.
    fanned: FxHashMap<Position, SmallVec<[QueueId; 2]>>,
    total: Usage,
}

/// A live message outside of the segment where it landed first.
#[derive(Clone, Copy, Debug)]
struct Moved {
    segment: u64,
    label: Label,
    size: Size,
}

impl LiveSet {
    /// Nothing is live.
    pub fn new() -> Self {
        Self::default()
    }

    /// A message landed in `segment`.
    ///
    /// # Panics
    /// If segments do not come in rising order, or messages not in the order of their positions.
    pub fn born(&mut self, segment: u64, born: &Born) {
        if born.queues.is_empty() {
            return;
        }
        let label = self.label(segment, born);
        let size = Size::of(born.bytes);
        let segment = self.tail(segment);
        segment.push(born.position, label, size);
        segment.usage.add(size);
        self.total.add(size);
    }

    /// A message was written again in `segment`: from now on it is there, and belongs to the queues of the copy.
    ///
    /// # Panics
    /// If segments do not come in rising order.
    pub fn relocated(&mut self, segment: u64, copy: &Born) {
        self.forget_message(copy.position);
        if copy.queues.is_empty() {
            return;
        }
        let label = self.label(segment, copy);
        let size = Size::of(copy.bytes);
        let tail = self.tail(segment);
        tail.widen_moved(copy.position);
        tail.usage.add(size);
        self.total.add(size);
        let moved = Moved {
            segment,
            label,
            size,
        };
        self.moved.insert(copy.position, moved);
    }

    /// One queue has messages no more. What is unknown, or was settled before, is nothing.
    pub fn settled(&mut self, queue: QueueId, runs: &Runs) {
        for run in runs.as_slice() {
            self.settle_where_born(queue, *run);
            if !self.moved.is_empty() {
                self.settle_moved(queue, *run);
            }
        }
    }

    /// Takes in a record that recovery has read from `segment`: all of the above.
    pub fn enter(&mut self, segment: u64, entry: &Entry) {
        match (&entry.record, entry.born()) {
            (_, Some(copy)) if entry.relocated => self.relocated(segment, &copy),
            (_, Some(born)) => self.born(segment, &born),
            (Record::Settled(queue, _, runs), None) => self.settled(*queue, runs),
            (_, None) => {}
        }
    }

    /// Takes in a chunk that lands in `segment`: all of the above.
    pub fn enter_chunk(&mut self, segment: u64, chunk: &Chunk) {
        for born in chunk.born() {
            self.born(segment, born);
        }
        for copy in chunk.relocated() {
            self.relocated(segment, copy);
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

    /// What is live altogether.
    pub fn total(&self) -> Usage {
        self.total
    }

    /// The segment that holds a live message; `None` if it is not live.
    pub fn segment_of(&self, position: Position) -> Option<u64> {
        let born = self.segment_at(position).map(|at| &self.segments[at]);
        match born.filter(|segment| segment.get(position).is_some()) {
            Some(segment) => Some(segment.number),
            None => self.moved.get(position).map(|moved| moved.segment),
        }
    }

    /// The live messages of `segment` that stand at `from` or behind it, in the order of their positions, with the
    /// queues that still need them.
    pub fn live_messages(
        &self,
        segment: u64,
        from: Position,
    ) -> impl Iterator<Item = (Position, SmallVec<[QueueId; 2]>)> {
        let segment = self.index(segment).map(|at| &self.segments[at]);
        segment.into_iter().flat_map(move |segment| {
            // What was moved here stood before all that was born here.
            let moved = self
                .moved
                .range(segment.moved_from(from))
                .filter(|(_, moved)| moved.segment == segment.number)
                .map(|(position, moved)| (position, moved.label));
            let born = segment.live_from(from);
            moved
                .chain(born)
                .map(|(position, label)| (position, self.queues(segment, position, label)))
        })
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

    fn queues(
        &self,
        segment: &Segment,
        position: Position,
        label: Label,
    ) -> SmallVec<[QueueId; 2]> {
        match segment.queue(label) {
            Some(queue) => smallvec![queue],
            None => self.fanned.get(&position).cloned().unwrap_or_default(),
        }
    }

    /// The segment that is written to now.
    fn tail(&mut self, number: u64) -> &mut Segment {
        let last = self.segments.back();
        assert!(
            last.is_none_or(|last| last.number <= number),
            "segments come in rising order"
        );
        if last.is_none_or(|last| last.number < number) {
            let first = last.map_or(0, Segment::end);
            if let Some(last) = self.segments.back_mut() {
                last.close();
            }
            self.segments.push_back(Segment::new(number, first));
        }
        self.segments.back_mut().expect("it was there or was made")
    }

    /// How the queues of a message are written down in the segment that is written to now.
    fn label(&mut self, segment: u64, message: &Born) -> Label {
        if let [queue] = message.queues[..] {
            return self.tail(segment).label(queue);
        }
        self.fanned.insert(message.position, message.queues.clone());
        Label::FANNED
    }

    fn index(&self, number: u64) -> Option<usize> {
        self.segments
            .binary_search_by_key(&number, |segment| segment.number)
            .ok()
    }

    /// The segment where a message at `position` would have landed first.
    fn segment_at(&self, position: Position) -> Option<usize> {
        self.segments
            .partition_point(|segment| segment.first() <= position.0)
            .checked_sub(1)
    }

    fn settle_where_born(&mut self, queue: QueueId, run: Run) {
        let mut at = self.segment_at(Position(run.first)).unwrap_or(0);
        while let Some(segment) = self.segments.get_mut(at) {
            if segment.first() >= run.end() {
                return;
            }
            for position in segment.covered(run) {
                let Some((label, size)) = segment.get(position) else {
                    continue;
                };
                if settles(&mut self.fanned, segment.queue(label), position, queue) {
                    segment.kill(position);
                    segment.usage.remove(size);
                    self.total.remove(size);
                }
            }
            let written_to = at + 1 == self.segments.len();
            if !written_to {
                self.segments[at].shrink();
            }
            at += 1;
        }
    }

    fn settle_moved(&mut self, queue: QueueId, run: Run) {
        let mut dead: SmallVec<[Position; 16]> = SmallVec::new();
        for (position, moved) in self.moved.range(run.first..run.end()) {
            let home = self
                .index(moved.segment)
                .expect("a live message's segment is known");
            let of = self.segments[home].queue(moved.label);
            if settles(&mut self.fanned, of, position, queue) {
                dead.push(position);
            }
        }
        for position in dead {
            self.forget_message(position);
        }
    }

    /// A live message is live no more, whoever needed it.
    fn forget_message(&mut self, position: Position) {
        self.fanned.remove(&position);
        if let Some(moved) = self.moved.remove(position) {
            let home = self
                .index(moved.segment)
                .expect("a live message's segment is known");
            self.segments[home].usage.remove(moved.size);
            self.total.remove(moved.size);
        } else if let Some(at) = self.segment_at(position)
            && let Some((_, size)) = self.segments[at].get(position)
        {
            self.segments[at].kill(position);
            self.segments[at].usage.remove(size);
            self.total.remove(size);
        }
    }
}

/// Whether `queue` was the last that needed the message at `position`, which belongs to queue `of`, or to several.
fn settles(
    fanned: &mut FxHashMap<Position, SmallVec<[QueueId; 2]>>,
    of: Option<QueueId>,
    position: Position,
    queue: QueueId,
) -> bool {
    if let Some(of) = of {
        return of == queue;
    }
    let Some(queues) = fanned.get_mut(&position) else {
        return false;
    };
    queues.retain(|other| *other != queue);
    if queues.is_empty() {
        fanned.remove(&position);
    }
    !fanned.contains_key(&position)
}

#[cfg(test)]
mod tests;
