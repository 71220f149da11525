//! Deliveries whose time runs out, and those that get more of it.

use super::{State, Unacked, Unsettled};
use model::{DeliveryTag, Timestamp};

/// The most tags of a channel that are known though their time ran out; the oldest are forgotten first.
const LATE_MAX: usize = 65_536;

/// So much longer a delivery has that a transaction holds, in milliseconds.
const HELD_MORE: u64 = 1000;

/// A tag that was never given, or that the client has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownTag;

impl Unacked {
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
}
