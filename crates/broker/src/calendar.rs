//! When which position was given out, kept as a few marks whatever their number: so the age of a message is known from
//! its position, without reading it.
//!
//! Positions rise with time, so one mark tells that from a position on records came no earlier than that. The older a
//! stretch is the fewer marks it has: an age that is told is too much by a part of itself at the most, and never too
//! little. Recovery tells the marks again, for each message that it meets says when it came.

use model::{Position, Timestamp};

/// Marks are no closer together than this, in milliseconds.
const SPAN: u64 = 1000;

/// An age is too much by one part in so many at the most, and [`SPAN`].
const PARTS: u64 = 16;

/// So many marks are too many: then those that are not needed go.
const MARKS_MAX: usize = 1024;

/// When positions were given out.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    /// From which position on, and when that was; rising in both.
    marks: Vec<(Position, Timestamp)>,
    /// All up to here were given out before this turn.
    upto: Position,
}

impl Calendar {
    /// All up to here were given out before.
    pub(crate) fn begin(&mut self, last: Position) {
        self.upto = last;
    }

    /// A turn ends, in which positions were given out up to this one.
    pub(crate) fn end_turn(&mut self, last: Position, now: Timestamp) {
        if last > self.upto {
            self.note(self.upto.next(), now);
            self.upto = last;
        }
    }

    /// A record with this position came then. Recovery meets relocated ones out of order.
    pub(crate) fn note(&mut self, position: Position, came: Timestamp) {
        let at = match self.marks.last() {
            Some((last, _)) if *last > position => {
                self.marks.partition_point(|(from, _)| *from <= position)
            }
            _ => self.marks.len(),
        };
        // A clock that was set back makes nothing younger.
        let before = at.checked_sub(1).map(|before| self.marks[before].1);
        let after = self.marks.get(at).map(|(_, after)| *after);
        let is_near = before.is_some_and(|before| came.0 < before.0.saturating_add(SPAN));
        if is_near || after.is_some_and(|after| came > after) {
            return;
        }
        self.marks.insert(at, (position, came));
        if self.marks.len() > MARKS_MAX {
            self.thin(came);
        }
    }

    /// When the record with this position came, or a little earlier; `None` for one before all that is known.
    pub(crate) fn came(&self, position: Position) -> Option<Timestamp> {
        let at = self.marks.partition_point(|(from, _)| *from <= position);
        let (_, came) = self.marks[at.checked_sub(1)?];
        Some(came)
    }

    /// Without those whose stretch the one before can stand for.
    fn thin(&mut self, now: Timestamp) {
        let marks = std::mem::take(&mut self.marks);
        for (place, mark) in marks.iter().enumerate() {
            let next = marks.get(place + 1);
            let needed = match (self.marks.last(), next) {
                (Some((_, last)), Some((_, next))) => {
                    let stretch = next.0 - last.0;
                    stretch > now.0.saturating_sub(next.0) / PARTS
                }
                _ => true,
            };
            if needed {
                self.marks.push(*mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_never_too_little_and_too_much_by_a_part_of_it() {
        let mut calendar = Calendar::default();
        assert_eq!(calendar.came(Position(7)), None);
        // A month, a position every half minute.
        let step = 30_000;
        let last = 86_400;
        for number in 1..=last {
            calendar.note(Position(number), Timestamp(number * step));
        }
        assert!(
            calendar.marks.len() <= MARKS_MAX,
            "{}",
            calendar.marks.len()
        );
        let now = last * step;
        for number in (1..=last).step_by(97) {
            let came = calendar.came(Position(number)).expect("it came");
            let (age, told) = (now - number * step, now - came.0);
            assert!(told >= age, "{number}: {told} for {age}");
            assert!(
                told <= age + age / PARTS + step,
                "{number}: {told} for {age}"
            );
        }
    }

    #[test]
    fn what_is_told_out_of_order_stands_where_it_belongs() {
        let mut calendar = Calendar::default();
        for (position, came) in [(50, 50_000), (60, 60_000), (10, 10_000), (55, 53_000)] {
            calendar.note(Position(position), Timestamp(came));
        }
        // One that came before its neighbours, or a moment after them, changes nothing.
        calendar.note(Position(61), Timestamp(20_000));
        calendar.note(Position(62), Timestamp(60_100));
        for (position, came) in [
            (9, None),
            (10, Some(10_000)),
            (54, Some(50_000)),
            (56, Some(53_000)),
            (99, Some(60_000)),
        ] {
            assert_eq!(
                calendar.came(Position(position)),
                came.map(Timestamp),
                "{position}"
            );
        }
    }
}
