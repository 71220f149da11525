//! Giving back the room of what nobody needs.
//!
//! A segment that stands before the last checkpoint and in which nothing is live goes, wherever in the lane it is: what
//! settlings it held, the checkpoint has noted ([`crate::checkpoint`]). If the checkpoint names messages of it as live
//! that were settled since, it waits for the next one: so a start can tell a segment that was given back from one that
//! is missing. Where much more is dead than live, what is left of neighbouring segments is copied into one
//! ([`crate::compact`]): so a slow queue pins little more than its own bytes, and what was copied is not copied again
//! before it is dead for the most part.

use crate::checkpoint::Checkpoint;
use crate::compact::{Compacted, Plan};
use crate::keeper::{Done, Job};
use crate::places::Segment;
use crate::stock::Dead;
use crate::writer::Journal;
use model::Position;
use std::io;
use store::{LiveMap, StoreFailure};

/// A checkpoint is wanted when so many segments would have to be told again by the next start.
const CHECKPOINT_SEGMENTS: usize = 8;
/// So many bytes land for each byte that the last checkpoint took, before the next is wanted. With a hundred thousand
/// queues a checkpoint is 10 MB of small records, each of which costs as much work as a message of a KiB.
const LANDED_PER_CHECKPOINT: u64 = 64;
/// Of the bytes before the checkpoint so many may be dead for each live one: one in so many.
const LIVE_PER_DEAD: u64 = 6;
/// And besides so many segments.
const SLACK_SEGMENTS: u64 = 1;
/// What frees so many bytes for each that is copied is worth it always.
const NEXT_TO_NOTHING: u64 = 32;

/// How far reclaiming is.
#[derive(Debug)]
pub(crate) struct Reclaiming {
    /// No record before this position is needed but live messages.
    begin: Position,
    /// The bytes that the last checkpoint took, and those that have landed since.
    checkpoint_bytes: u64,
    landed_since: u64,
    /// The begin of a checkpoint whose records have landed, and whose file has not been written yet.
    to_write: Option<Position>,
    /// The begin of the checkpoint that is being written, and the segments that it names messages of, by number.
    writing: Option<Position>,
    mapping: Vec<u64>,
    /// Something may be given back or copied now that could not before.
    due: bool,
    /// A checkpoint would let something go, or there is too much that only a checkpoint makes short to tell.
    wanted: bool,
    /// Segments with live messages that cannot be read; they stay.
    stuck: Vec<u64>,
}

/// What is in one segment that is not written to any more.
#[derive(Clone, Copy)]
struct Closed {
    number: u64,
    used: u64,
    /// The bytes of its live messages, never more than all.
    live: u64,
    is_dead: bool,
    mapped: bool,
    last: Position,
    stuck: bool,
}

impl Reclaiming {
    pub(crate) fn new(begin: Position) -> Self {
        Self {
            begin,
            checkpoint_bytes: 0,
            landed_since: 0,
            to_write: None,
            writing: None,
            mapping: Vec::new(),
            due: true,
            wanted: false,
            stuck: Vec::new(),
        }
    }

    /// So many bytes have landed, with a checkpoint that begins there among them.
    pub(crate) fn landed(&mut self, bytes: usize, checkpoint: Option<Position>) {
        self.landed_since += bytes as u64;
        if let Some(begin) = checkpoint {
            self.to_write = Some(begin);
            self.checkpoint_bytes = bytes as u64;
            self.landed_since = 0;
        }
    }
}

impl Journal {
    /// Hears what was written beside the lane, gives back what can go, and has written what is due.
    pub(crate) fn reclaim(&mut self) -> Result<(), StoreFailure> {
        while let Some(done) = self.keeper.done() {
            self.hear(done)?;
        }
        self.reclaiming.due |= self.live.take_emptied();
        if !self.keeper.is_busy()
            && let Some(begin) = self.reclaiming.to_write.take()
        {
            self.write_checkpoint(begin);
        }
        if std::mem::take(&mut self.reclaiming.due) {
            let closed = self.closed();
            self.free_dead(&closed)?;
            self.reclaiming.wanted = self.would_help(&closed);
            // Also while the disk is nearly full: what they take is there beside the reserve, and soon given back.
            if !self.keeper.is_busy()
                && let Some(plan) = self.plan_copies(&closed)
            {
                self.keeper.put(Job::Compact(plan));
            }
        }
        Ok(())
    }

    /// A segment was closed: something may be due.
    pub(crate) fn look_again(&mut self) {
        self.reclaiming.due = true;
    }

    /// Whether the broker should write a checkpoint: not before the last one has landed, nor too often for what one
    /// costs, unless `nothing_came`.
    pub(crate) fn wants_checkpoint(&self, nothing_came: bool) -> bool {
        let Reclaiming {
            checkpoint_bytes,
            landed_since,
            ..
        } = self.reclaiming;
        let cheap = nothing_came || landed_since >= LANDED_PER_CHECKPOINT * checkpoint_bytes;
        cheap && self.misses_checkpoint()
    }

    /// Whether something is being written, or a checkpoint waits until it is cheap.
    pub(crate) fn goes_on(&self) -> bool {
        self.keeper.is_busy() || self.reclaiming.to_write.is_some() || self.misses_checkpoint()
    }

    fn misses_checkpoint(&self) -> bool {
        let Reclaiming {
            wanted,
            to_write,
            writing,
            ..
        } = self.reclaiming;
        wanted && to_write.is_none() && writing.is_none()
    }

    /// All but the tail, in the order of their positions.
    fn closed(&self) -> Vec<Closed> {
        let places = self.shared.places();
        let mut usages = self.live.usages();
        let closed = places.closed().map(|segment| {
            let usage = usages.find(|(number, _)| *number == segment.number);
            let (_, usage) = usage.expect("what is a place for one is accounted for");
            Closed {
                number: segment.number,
                used: segment.used,
                live: usage.bytes.min(segment.used),
                is_dead: usage.messages == 0,
                mapped: segment.mapped,
                last: segment.last,
                stuck: self.reclaiming.stuck.contains(&segment.number),
            }
        });
        closed.collect()
    }

    /// Whether a checkpoint would let something go, or the next start has too much to be told.
    fn would_help(&self, closed: &[Closed]) -> bool {
        let begin = self.reclaiming.begin;
        let after = closed.iter().filter(|one| one.last >= begin).count();
        let waits = |one: &Closed| one.is_dead && (one.mapped || one.last >= begin);
        after >= CHECKPOINT_SEGMENTS || closed.iter().any(waits)
    }

    fn hear(&mut self, done: Done) -> Result<(), StoreFailure> {
        match done {
            Done::Checkpoint(Some(begin)) => {
                self.reclaiming.begin = begin;
                self.reclaiming.writing = None;
                let mapping = std::mem::take(&mut self.reclaiming.mapping);
                let named = |segment: &Segment| mapping.binary_search(&segment.number).is_ok();
                self.shared.places_mut().set_mapped(named);
                self.reclaiming.due = true;
            }
            Done::Checkpoint(None) => self.make_room()?,
            Done::Compacted(copies) => self.take_in(copies)?,
            Done::NoRoom => {}
            Done::Unreadable { segment, what } => {
                self.reclaiming.stuck.push(segment);
                // Nothing is lost by it yet, but the disk is no longer what it was: somebody should look.
                tracing::error!(
                    segment,
                    what,
                    "a live message cannot be read; its segment is kept"
                );
            }
            Done::Failed(source) => {
                let dir = self.directory.layout.segments().display();
                let what = format!("write beside the lane in {dir}");
                return Err(StoreFailure { what, source });
            }
        }
        Ok(())
    }

    /// A checkpoint had no room, and the one before it still counts. Where it would give back a segment it is worth the
    /// reserve, which that segment will be.
    fn make_room(&mut self) -> Result<(), StoreFailure> {
        let Some(begin) = self.reclaiming.writing.take() else {
            return Ok(());
        };
        let closed = self.closed();
        let gives_back = closed.iter().any(|one| one.is_dead && one.last < begin);
        if gives_back {
            let made = self.stock.make_room();
            if made.map_err(|error| self.stock_failure(error))? {
                self.reclaiming.to_write = Some(begin);
            }
        }
        Ok(())
    }

    fn write_checkpoint(&mut self, begin: Position) {
        let checkpoint = Checkpoint {
            begin,
            map: LiveMap {
                live: self.live.live_before(begin),
                in_part: self.live.settled_in_part(begin),
            },
        };
        let live = self.live.usages().filter(|(_, usage)| usage.messages > 0);
        self.reclaiming.writing = Some(begin);
        self.reclaiming.mapping = live.map(|(number, _)| number).collect();
        let file = checkpoint.write(self.epoch);
        self.reclaiming.checkpoint_bytes += file.len() as u64;
        self.keeper.put(Job::Checkpoint { begin, file });
    }

    /// Copies stand where other segments stood: those may go.
    fn take_in(&mut self, copies: Compacted) -> Result<(), StoreFailure> {
        let Compacted {
            replaced,
            mut segment,
            copied,
        } = copies;
        self.live.replace(&replaced, segment.number, copied);
        let number = segment.number;
        let mut places = self.shared.places_mut();
        segment.mapped = places
            .closed()
            .any(|one| one.mapped && replaced.contains(&one.number));
        let old = places.replace(&replaced, segment);
        drop(places);
        for segment in old {
            self.shared.cache().forget(segment.number);
            // The file of the last one has no name any more.
            if segment.number != number {
                self.put_back(segment)?;
            }
        }
        self.look_again();
        Ok(())
    }

    /// Gives back the segments that hold nothing that is needed. The tail stays, and with it the position that the
    /// next record gets.
    fn free_dead(&mut self, closed: &[Closed]) -> Result<(), StoreFailure> {
        let begin = self.reclaiming.begin;
        let free = |one: &&Closed| one.is_dead && !one.mapped && one.last < begin;
        for one in closed.iter().filter(free) {
            let segment = self.shared.places_mut().remove(one.number);
            self.shared.cache().forget(one.number);
            self.live.forget(one.number);
            self.put_back(segment)?;
        }
        Ok(())
    }

    fn put_back(&self, segment: Segment) -> Result<(), StoreFailure> {
        let number = segment.number;
        let dead = Dead::new(&self.directory.layout, segment);
        let given = |error: io::Error| self.failure("give back segment", number, error);
        self.stock.put_back(dead).map_err(given)
    }

    /// The segments that should become one, if there are any.
    fn plan_copies(&self, closed: &[Closed]) -> Option<Plan> {
        let begin = self.reclaiming.begin;
        let gone = |one: &Closed| one.is_dead && !one.mapped;
        let old = closed.iter().take_while(|one| one.last < begin);
        let old: Vec<Closed> = old.filter(|one| !gone(one)).copied().collect();
        let used: u64 = old.iter().map(|one| one.used).sum();
        let live: u64 = old.iter().map(|one| one.live).sum();
        let much = used - live > live / LIVE_PER_DEAD + SLACK_SEGMENTS * self.segment_bytes;
        let least = if much { 1 } else { NEXT_TO_NOTHING };
        let (first, count) = best_window(&old, self.segment_bytes, least)?;
        let from = match first.checked_sub(1) {
            Some(before) => old[before].last.next(),
            None => Position::NONE.next(),
        };
        let chosen = &old[first..first + count];
        let last = chosen[count - 1].last;
        let live = self.live.live_before(last.next());
        let in_part = self.live.settled_in_part(last.next()).into_iter();
        let places = self.shared.places();
        let is_chosen = |segment: &&Segment| chosen.iter().any(|one| one.number == segment.number);
        let replaced = places.closed().filter(is_chosen);
        Some(Plan {
            key: self.key,
            epoch: self.epoch,
            replaced: replaced
                .map(|segment| (segment.number, segment.file.clone()))
                .collect(),
            from,
            last,
            live: live.without(&self.live.live_before(from)),
            in_part: in_part.filter(|(position, _)| *position >= from).collect(),
        })
    }
}

/// The neighbours of whose bytes the most are dead, where what is live in them fits one segment and is copied for `least`
/// times as many that are freed: the first, and how many.
fn best_window(old: &[Closed], segment_bytes: u64, least: u64) -> Option<(usize, usize)> {
    // What is rounded and what a copy takes more than its original has room beside it.
    let fits = segment_bytes - segment_bytes / 8;
    let is_good = |one: &Closed| one.live > segment_bytes / 2 && one.live * 10 > one.used * 9;
    let mut best: Option<(u64, usize, usize)> = None;
    for first in 0..old.len() {
        let (mut used, mut live) = (0, 0);
        for (at, one) in old.iter().enumerate().skip(first) {
            if one.stuck || is_good(one) || live + one.live > fits && at > first {
                break;
            }
            used += one.used;
            live += one.live;
            let (gain, count) = (used - live, at + 1 - first);
            let small = used * 8 < segment_bytes && gain >= live;
            let large = gain * 4 > segment_bytes && gain * 2 > least * live;
            let worth_it = live > 0 && (small || large);
            if worth_it && best.is_none_or(|(most, ..)| gain > most) {
                best = Some((gain, first, count));
            }
        }
    }
    best.map(|(_, first, count)| (first, count))
}
