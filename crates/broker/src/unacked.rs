//! What a channel was handed and has not settled, by delivery tag.
//!
//! A delivery whose time ran out has gone back to its queue, and its tag stays known: who is late may still say that
//! the work is done.

use crate::connection::ConsumerId;
use crate::due::Dues;
use model::record::Attempts;
use model::{DeliveryTag, Position, QueueId, Timestamp};
use std::collections::VecDeque;

/// One delivery that is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsettled {
    pub(crate) tag: DeliveryTag,
    pub(crate) queue: QueueId,
    pub(crate) position: Position,
    /// `None` for what basic.get brought.
    pub(crate) consumer: Option<ConsumerId>,
    /// Being written settles it; the client has no say.
    pub(crate) no_ack: bool,
    pub(crate) priority: u8,
    /// How often it was handed out in vain before.
    pub(crate) attempts: Attempts,
    /// When it was handed out, or its time began anew.
    pub(crate) began: Timestamp,
    /// When it is given up.
    pub(crate) due: Option<Timestamp>,
    /// Its time ran out, and the message went back.
    pub(crate) late: bool,
}

impl Unsettled {
    /// Whether it counts for a prefetch count.
    fn takes_room(&self) -> bool {
        !self.no_ack && !self.late
    }
}

/// The most tags of a channel that are known though their time ran out; the oldest are forgotten first.
const LATE_MAX: usize = 65_536;

/// A tag that was never given, or that the client has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownTag;

/// So much longer a delivery has that a transaction holds, in milliseconds.
const HELD_MORE: u64 = 1000;

/// How far an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has settled it.
    Open,
    /// A transaction will settle it when it commits.
    Held,
    /// Taken out; the gap is closed in time.
    Gone,
}

/// Deliveries in the order of their tags. What is settled in the middle leaves a gap that is closed when
/// gaps are half of all, so that settling in any order costs the same.
#[derive(Debug, Default)]
pub(crate) struct Unacked {
    entries: VecDeque<(Unsettled, State)>,
    gaps: usize,
    /// Those that wait for an acknowledgement by the client, or for its commit.
    awaiting_ack: u32,
    last_tag: u64,
    dues: Dues,
    /// How many are late and not settled.
    late: usize,
    /// The last late tag that was forgotten.
    forgotten: DeliveryTag,
}

impl Unacked {
    /// How many wait for an acknowledgement by the client: what a prefetch count limits.
    pub(crate) fn awaiting_ack(&self) -> u32 {
        self.awaiting_ack
    }

    /// The tag that the next delivery gets.
    pub(crate) fn next_tag(&mut self) -> DeliveryTag {
        self.last_tag += 1;
        DeliveryTag(self.last_tag)
    }

    /// Adds the delivery that was given the last tag.
    /// Its time is `timeout` milliseconds; true if the channel's next deadline is another one now.
    pub(crate) fn push(&mut self, entry: Unsettled, timeout: Option<u64>) -> bool {
        assert!(
            entry.tag.0 == self.last_tag,
            "deliveries are added in the order of their tags"
        );
        self.awaiting_ack += u32::from(entry.takes_room());
        self.entries.push_back((entry, State::Open));
        match entry.due.zip(timeout) {
            Some((due, timeout)) => self.dues.note(due, timeout, entry.tag),
            None => false,
        }
    }

    /// When the next delivery is due, or a little later.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.dues.next()
    }

    /// The deliveries whose time is over, in order: they are late from now on.
    pub(crate) fn take_overdue(&mut self, now: Timestamp) -> Vec<Unsettled> {
        let mut overdue = Vec::new();
        let open =
            |(entry, state): &&(Unsettled, State)| *state != State::Gone && entry.takes_room();
        let live = self.entries.iter().find(open).map(|(entry, _)| entry.tag);
        let live = live.unwrap_or(DeliveryTag(self.last_tag + 1));
        while let Some((first, last)) = self.dues.pop(now, live) {
            self.look_through(now, first, last, &mut overdue);
        }
        self.awaiting_ack -= u32::try_from(overdue.len()).expect("as many as were counted");
        self.late += overdue.len();
        self.forget_latest();
        overdue
    }

    fn look_through(
        &mut self,
        now: Timestamp,
        first: DeliveryTag,
        last: DeliveryTag,
        overdue: &mut Vec<Unsettled>,
    ) {
        let begin = self.entries.partition_point(|(entry, _)| entry.tag < first);
        let end = self.entries.partition_point(|(entry, _)| entry.tag <= last);
        let mut held = Vec::new();
        for (entry, state) in self.entries.range_mut(begin..end) {
            if !entry.takes_room() || entry.due.is_none_or(|due| due > now) {
                continue;
            }
            match state {
                State::Gone => {}
                State::Open => {
                    overdue.push(*entry);
                    entry.late = true;
                }
                // Its transaction has the word; looked at again if it is rolled back.
                State::Held => held.push(entry.tag),
            }
        }
        for tag in held {
            self.dues.note(Timestamp(now.0 + HELD_MORE), HELD_MORE, tag);
        }
    }

    /// Makes the time of a delivery begin anew, `time` milliseconds of it, or without end; one that is late stays
    /// late. True if the channel's next deadline is another one.
    pub(crate) fn extend(
        &mut self,
        now: Timestamp,
        tag: DeliveryTag,
        time: Option<u64>,
    ) -> Result<bool, UnknownTag> {
        if self.was_forgotten(tag) {
            return Ok(false);
        }
        let entry = self
            .find(tag)
            .filter(|(entry, state)| *state != State::Gone && !entry.no_ack);
        let Some((entry, _)) = entry else {
            return Err(UnknownTag);
        };
        if entry.late {
            return Ok(false);
        }
        entry.began = now;
        entry.due = time.map(|time| Timestamp(now.0.saturating_add(time)));
        let due = entry.due.zip(time);
        Ok(due.is_some_and(|(due, time)| self.dues.note(due, time, tag)))
    }

    /// The queue that a delivery came from, and through which consumer.
    pub(crate) fn source_of(&self, tag: DeliveryTag) -> Option<(QueueId, Option<ConsumerId>)> {
        let at = self
            .entries
            .binary_search_by_key(&tag, |(entry, _)| entry.tag)
            .ok()?;
        let (entry, _) = &self.entries[at];
        Some((entry.queue, entry.consumer))
    }

    fn find(&mut self, tag: DeliveryTag) -> Option<&mut (Unsettled, State)> {
        let at = self
            .entries
            .binary_search_by_key(&tag, |(entry, _)| entry.tag)
            .ok()?;
        self.entries.get_mut(at)
    }

    /// Late tags are not remembered without end.
    fn forget_latest(&mut self) {
        if self.late <= LATE_MAX {
            return;
        }
        let mut too_many = self.late - LATE_MAX;
        for (entry, state) in &mut self.entries {
            if too_many == 0 {
                break;
            }
            if entry.late && *state == State::Open {
                *state = State::Gone;
                self.forgotten = entry.tag;
                self.gaps += 1;
                self.late -= 1;
                too_many -= 1;
            }
        }
        self.close_gaps();
    }

    /// Whether the tag may be one that was late and is forgotten.
    pub(crate) fn was_forgotten(&self, tag: DeliveryTag) -> bool {
        tag.0 > 0 && tag <= self.forgotten
    }

    /// Whether the client may settle `tag`, in time or late.
    pub(crate) fn contains(&self, tag: DeliveryTag) -> bool {
        let at = self
            .entries
            .binary_search_by_key(&tag, |(entry, _)| entry.tag);
        at.is_ok_and(|at| {
            let (entry, state) = &self.entries[at];
            *state == State::Open && !entry.no_ack
        })
    }

    /// Holds for a transaction what the client may settle: one, or all up to `tag` (all of them for tag 0).
    /// `None` if the tag is not the client's to settle.
    pub(crate) fn hold(&mut self, tag: DeliveryTag, multiple: bool) -> Option<Vec<DeliveryTag>> {
        let all = multiple && tag == DeliveryTag(0);
        if !all && !self.contains(tag) {
            return None;
        }
        let end = if all {
            self.entries.len()
        } else {
            self.entries.partition_point(|(entry, _)| entry.tag <= tag)
        };
        let begin = if multiple { 0 } else { end - 1 };
        let entries = self.entries.range_mut(begin..end);
        let open = entries.filter(|(entry, state)| *state == State::Open && !entry.no_ack);
        let held = open.map(|(entry, state)| {
            *state = State::Held;
            entry.tag
        });
        Some(held.collect())
    }

    /// Takes out one that was held.
    pub(crate) fn take_held(&mut self, tag: DeliveryTag) -> Option<Unsettled> {
        self.take_if(tag, |_, state| state == State::Held)
    }

    /// What was held is open again.
    pub(crate) fn release_held(&mut self) {
        for (_, state) in &mut self.entries {
            if *state == State::Held {
                *state = State::Open;
            }
        }
    }

    /// Takes out one that the client may settle.
    pub(crate) fn take(&mut self, tag: DeliveryTag) -> Option<Unsettled> {
        self.take_if(tag, |entry, state| state == State::Open && !entry.no_ack)
    }

    /// Takes out one that being written settles.
    pub(crate) fn take_written(&mut self, tag: DeliveryTag) -> Option<Unsettled> {
        self.take_if(tag, |entry, _| entry.no_ack)
    }

    /// Takes out one of either kind.
    pub(crate) fn take_any(&mut self, tag: DeliveryTag) -> Option<Unsettled> {
        self.take_if(tag, |_, _| true)
    }

    /// Takes out all that the client may settle up to `tag`, in order; all of them for tag 0.
    pub(crate) fn take_upto(&mut self, tag: DeliveryTag) -> Vec<Unsettled> {
        let end = match tag {
            DeliveryTag(0) => self.entries.len(),
            tag => self.entries.partition_point(|(entry, _)| entry.tag <= tag),
        };
        let mut taken = Vec::with_capacity(end);
        for (entry, state) in self
            .entries
            .range_mut(..end)
            .filter(|(entry, state)| *state == State::Open && !entry.no_ack)
        {
            *state = State::Gone;
            taken.push(*entry);
        }
        self.gaps += taken.len();
        let late = taken.iter().filter(|entry| entry.late).count();
        self.late -= late;
        self.awaiting_ack -= u32::try_from(taken.len() - late).expect("as many as were counted");
        self.close_gaps();
        taken
    }

    /// The messages of one queue that are in the client's hands.
    pub(crate) fn of_queue(&self, queue: QueueId) -> impl Iterator<Item = Position> + '_ {
        self.entries_of(queue).map(|entry| entry.position)
    }

    /// What is not settled of one queue.
    pub(crate) fn entries_of(&self, queue: QueueId) -> impl Iterator<Item = &Unsettled> + '_ {
        let entries = self.entries.iter().filter(move |(entry, state)| {
            *state != State::Gone && entry.queue == queue && !entry.late
        });
        entries.map(|(entry, _)| entry)
    }

    /// The queue of each message in the client's hands.
    pub(crate) fn queues(&self) -> impl Iterator<Item = QueueId> + '_ {
        let entries = self.entries.iter();
        let unsettled = entries.filter(|(entry, state)| *state != State::Gone && !entry.late);
        unsettled.map(|(entry, _)| entry.queue)
    }

    /// Takes out everything that is in the client's hands, in order.
    pub(crate) fn drain(&mut self) -> Vec<Unsettled> {
        self.gaps = 0;
        self.awaiting_ack = 0;
        self.late = 0;
        self.entries
            .drain(..)
            .filter(|(entry, state)| *state != State::Gone && !entry.late)
            .map(|(entry, _)| entry)
            .collect()
    }

    fn take_if(
        &mut self,
        tag: DeliveryTag,
        wanted: impl Fn(&Unsettled, State) -> bool,
    ) -> Option<Unsettled> {
        let at = self
            .entries
            .binary_search_by_key(&tag, |(entry, _)| entry.tag)
            .ok()?;
        let (entry, state) = self
            .entries
            .get_mut(at)
            .filter(|(entry, state)| *state != State::Gone && wanted(entry, *state))?;
        let entry = *entry;
        *state = State::Gone;
        self.gaps += 1;
        self.late -= usize::from(entry.late);
        self.awaiting_ack -= u32::from(entry.takes_room());
        self.close_gaps();
        Some(entry)
    }

    fn close_gaps(&mut self) {
        while self
            .entries
            .front()
            .is_some_and(|(_, state)| *state == State::Gone)
        {
            self.entries.pop_front();
            self.gaps -= 1;
        }
        if self.gaps > 64 && self.gaps * 2 > self.entries.len() {
            self.entries.retain(|(_, state)| *state != State::Gone);
            self.gaps = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(count: u64, no_ack: impl Fn(u64) -> bool) -> Unacked {
        let mut unacked = Unacked::default();
        for number in 1..=count {
            let tag = unacked.next_tag();
            unacked.push(
                Unsettled {
                    tag,
                    queue: QueueId(1),
                    position: Position(number),
                    consumer: None,
                    no_ack: no_ack(number),
                    priority: 0,
                    attempts: Attempts::NONE,
                    began: Timestamp(0),
                    due: None,
                    late: false,
                },
                None,
            );
        }
        unacked
    }

    fn tags(entries: &[Unsettled]) -> Vec<u64> {
        entries.iter().map(|entry| entry.tag.0).collect()
    }

    #[test]
    fn a_tag_is_taken_once_and_multiple_takes_what_is_left_below() {
        let mut unacked = with(6, |number| number == 2);
        assert!(unacked.take(DeliveryTag(3)).is_some());
        assert!(unacked.take(DeliveryTag(3)).is_none());
        assert!(
            unacked.take(DeliveryTag(2)).is_none(),
            "what needs no acknowledgement cannot be acknowledged"
        );
        assert!(unacked.take(DeliveryTag(7)).is_none());
        assert_eq!(tags(&unacked.take_upto(DeliveryTag(4))), [1, 4]);
        assert_eq!(unacked.awaiting_ack(), 2);
        assert!(unacked.take_written(DeliveryTag(2)).is_some());
        assert_eq!(tags(&unacked.take_upto(DeliveryTag(0))), [5, 6]);
        assert_eq!(unacked.awaiting_ack(), 0);
    }

    #[test]
    fn what_a_transaction_holds_counts_as_unsettled_and_is_settled_or_released_by_it() {
        let mut unacked = with(5, |number| number == 2);
        assert_eq!(unacked.hold(DeliveryTag(6), true), None);
        assert_eq!(unacked.hold(DeliveryTag(2), false), None);
        assert_eq!(
            unacked.hold(DeliveryTag(3), false),
            Some(vec![DeliveryTag(3)])
        );
        assert_eq!(unacked.hold(DeliveryTag(3), false), None);
        let held = unacked.hold(DeliveryTag(4), true);
        assert_eq!(held, Some(vec![DeliveryTag(1), DeliveryTag(4)]));
        assert_eq!(unacked.awaiting_ack(), 4);
        assert!(unacked.take(DeliveryTag(4)).is_none());
        assert!(unacked.take_held(DeliveryTag(4)).is_some());
        assert!(unacked.take_held(DeliveryTag(5)).is_none());
        assert_eq!(unacked.of_queue(QueueId(1)).count(), 4);
        unacked.release_held();
        assert_eq!(tags(&unacked.take_upto(DeliveryTag(0))), [1, 3, 5]);
        assert_eq!(unacked.awaiting_ack(), 0);
    }

    #[test]
    fn settling_behind_one_that_stays_does_not_grow_memory() {
        let mut unacked = with(1, |_| false);
        for number in 2..10_000 {
            let tag = unacked.next_tag();
            let position = Position(number);
            let consumer = None;
            unacked.push(
                Unsettled {
                    tag,
                    queue: QueueId(1),
                    position,
                    consumer,
                    no_ack: false,
                    priority: 0,
                    attempts: Attempts::NONE,
                    began: Timestamp(0),
                    due: None,
                    late: false,
                },
                None,
            );
            assert!(unacked.take(tag).is_some());
        }
        assert!(unacked.entries.len() < 200);
        assert_eq!(tags(&unacked.drain()), [1]);
    }
}
