//! When the deliveries of a channel are due. Deliveries that are due at nearly the same time share a mark: a
//! channel has some hundred of them, however many deliveries it has.

use model::{DeliveryTag, Timestamp};
use std::collections::BTreeMap;

/// So many marks cover one time-out: a delivery is given up late by at most this part of it, and never early.
const MARKS: u64 = 512;

/// Marks by time: all deliveries within the tags that are due by then, and perhaps others.
#[derive(Debug, Default)]
pub(crate) struct Dues {
    marks: BTreeMap<Timestamp, (DeliveryTag, DeliveryTag)>,
    /// The last one noted, which the next delivery mostly belongs to; not among the others.
    last: Option<(Timestamp, DeliveryTag, DeliveryTag)>,
}

impl Dues {
    /// A delivery is due, `timeout` milliseconds after its time began; whether that makes another mark the first.
    pub(crate) fn note(&mut self, due: Timestamp, timeout: u64, tag: DeliveryTag) -> bool {
        let grain = (timeout / MARKS).max(1);
        let mark = due.0.checked_next_multiple_of(grain).map_or(due, Timestamp);
        if let Some((at, first, last)) = &mut self.last
            && *at == mark
        {
            *first = tag.min(*first);
            *last = tag.max(*last);
            return false;
        }
        let is_first = self.next().is_none_or(|next| mark < next);
        let noted = self.marks.remove(&mark);
        let (first, last) = noted.unwrap_or((tag, tag));
        let newest = (mark, first.min(tag), last.max(tag));
        if let Some((at, first, last)) = self.last.replace(newest) {
            self.marks.insert(at, (first, last));
        }
        is_first
    }

    /// The time of the first mark.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let first = self.marks.keys().next().copied();
        let last = self.last.map(|(at, ..)| at);
        first.into_iter().chain(last).min()
    }

    /// Takes a mark whose time has come, or that covers only tags below `live`, which nobody waits for any more.
    pub(crate) fn pop(
        &mut self,
        now: Timestamp,
        live: DeliveryTag,
    ) -> Option<(DeliveryTag, DeliveryTag)> {
        if let Some((at, first, last)) = self.last
            && self.marks.keys().next().is_none_or(|next| at < *next)
        {
            return (at <= now || last < live).then(|| {
                self.last = None;
                (first, last)
            });
        }
        let entry = self.marks.first_entry()?;
        let due = *entry.key() <= now || entry.get().1 < live;
        due.then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_share_marks_and_none_comes_early() {
        let mut dues = Dues::default();
        for number in 0..100_000u64 {
            dues.note(Timestamp(number + 30_000), 30_000, DeliveryTag(number + 1));
        }
        assert_eq!(dues.next(), Some(Timestamp(30_044)));
        assert!(dues.marks.len() < 1800, "{}", dues.marks.len());
        assert_eq!(dues.pop(Timestamp(30_043), DeliveryTag(0)), None);
        let first = (DeliveryTag(1), DeliveryTag(45));
        assert_eq!(dues.pop(Timestamp(30_044), DeliveryTag(0)), Some(first));
        let second = (DeliveryTag(46), DeliveryTag(103));
        assert_eq!(dues.pop(Timestamp(0), DeliveryTag(103)), None);
        assert_eq!(dues.pop(Timestamp(0), DeliveryTag(104)), Some(second));
        let mut last = 103;
        while let Some((first, end)) = dues.pop(Timestamp(200_000), DeliveryTag(0)) {
            assert_eq!(first.0, last + 1);
            last = end.0;
        }
        assert_eq!((last, dues.next()), (100_000, None));
    }

    #[test]
    fn a_mark_that_others_came_between_is_found_again() {
        let mut dues = Dues::default();
        for (due, timeout, tag) in [(100, 100, 1), (900, 900, 2), (100, 100, 3), (900, 900, 4)] {
            dues.note(Timestamp(due), timeout, DeliveryTag(tag));
        }
        let (one, two) = (
            (DeliveryTag(1), DeliveryTag(3)),
            (DeliveryTag(2), DeliveryTag(4)),
        );
        assert_eq!(dues.pop(Timestamp(2000), DeliveryTag(0)), Some(one));
        assert_eq!(dues.pop(Timestamp(2000), DeliveryTag(0)), Some(two));
        assert_eq!(dues.next(), None);
    }
}
