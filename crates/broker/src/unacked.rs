//! What a channel was handed and has not settled, by delivery tag.
//!
//! A delivery whose time ran out has gone back to its queue, and its tag stays known: who is late may still say that
//! the work is done.

mod overdue;

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

    /// Adds the delivery that was given the last tag. Its time is `timeout` milliseconds; true if the channel's next deadline is another one now.
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

    /// Where the entry of a tag stands. Tags follow one another: as long as no gap was closed in the middle it is as
    /// far from the first as its tag.
    fn place_of(&self, tag: DeliveryTag) -> Option<usize> {
        let (first, _) = self.entries.front()?;
        let guess = usize::try_from(tag.0.checked_sub(first.tag.0)?).ok()?;
        match self.entries.get(guess) {
            Some((entry, _)) if entry.tag == tag => Some(guess),
            _ => self
                .entries
                .binary_search_by_key(&tag, |(entry, _)| entry.tag)
                .ok(),
        }
    }

    /// The queue that a delivery came from, and through which consumer.
    pub(crate) fn source_of(&self, tag: DeliveryTag) -> Option<(QueueId, Option<ConsumerId>)> {
        let at = self.place_of(tag)?;
        let (entry, _) = &self.entries[at];
        Some((entry.queue, entry.consumer))
    }

    /// Whether the client may settle `tag`, in time or late.
    pub(crate) fn contains(&self, tag: DeliveryTag) -> bool {
        self.place_of(tag).is_some_and(|at| {
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
        let at = self.place_of(tag)?;
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
mod tests;
