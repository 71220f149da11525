//! How long messages have been waiting: when the messages of a queue came, kept as a few marks whatever their
//! number.
//!
//! Messages come in the order of their positions, so one mark tells that from a position on they came in a
//! certain span of time. When there are too many marks the spans become twice as long. What is told of a
//! message's age is never too much, and too little by one span at the most: the span that lets a time to live
//! pass in some hundreds of marks.

use model::{Position, Timestamp};
use std::collections::VecDeque;

/// The most marks.
const MARKS_MAX: usize = 512;

/// When the messages of a queue came.
#[derive(Clone, Debug)]
pub(crate) struct Ages {
    /// From which position on, and the beginning of the span, a multiple of its length; rising in both.
    marks: VecDeque<(Position, Timestamp)>,
    /// The length of a span in milliseconds, a power of two.
    span: u64,
    /// The last position noted.
    last: Position,
    /// Everything before is over its time.
    over_before: Position,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            marks: VecDeque::new(),
            span: 1,
            last: Position::NONE,
            over_before: Position::NONE,
        }
    }
}

impl Ages {
    /// A message came. Recovery meets relocated ones out of order.
    pub(crate) fn note(&mut self, position: Position, came: Timestamp) {
        let begin = self.begin(came);
        let at = match self.marks.back() {
            Some((last, _)) if *last > position => {
                self.marks.partition_point(|(from, _)| *from <= position)
            }
            _ => self.marks.len(),
        };
        self.last = self.last.max(position);
        // A clock that was set back makes messages younger, never older.
        let known = at
            .checked_sub(1)
            .is_some_and(|before| self.marks[before].1 >= begin);
        if !known {
            self.marks.insert(at, (position, begin));
            if self.marks.len() > MARKS_MAX {
                self.thin();
            }
        }
    }

    /// Another time to live counts from now on. Later messages are told apart as finely as at first; those that
    /// were over the old time, and whose age is not known any more, count as if they came with the oldest that is.
    pub(crate) fn renew(&mut self, now: Timestamp) {
        let to_end = self.span - 1;
        for (_, begin) in &mut self.marks {
            begin.0 += to_end;
        }
        self.span = 1;
        if self.over_before > Position::NONE {
            let came = self.marks.front().map_or(now, |(_, begin)| *begin);
            self.marks.push_front((Position::NONE.next(), came));
            self.over_before = Position::NONE;
        }
    }

    /// When the oldest messages will have waited for `time_to_live`.
    pub(crate) fn next_over(&self, time_to_live: u64) -> Option<Timestamp> {
        let (_, begin) = self.marks.front()?;
        Some(self.over_at(*begin, time_to_live))
    }

    /// Whether a message was found to be over its time: it came back late, or nobody had a chance at it yet.
    pub(crate) fn is_over(&self, position: Position) -> bool {
        position < self.over_before
    }

    /// The position before which everything has waited for `time_to_live`.
    pub(crate) fn over_before(&mut self, now: Timestamp, time_to_live: u64) -> Position {
        while let Some(&(_, begin)) = self.marks.front()
            && self.over_at(begin, time_to_live) <= now
        {
            self.marks.pop_front();
            self.over_before = match self.marks.front() {
                Some((next, _)) => *next,
                None => {
                    self.span = 1;
                    self.last.next()
                }
            };
        }
        self.over_before
    }

    fn begin(&self, came: Timestamp) -> Timestamp {
        Timestamp(came.0 & !(self.span - 1))
    }

    fn over_at(&self, begin: Timestamp, time_to_live: u64) -> Timestamp {
        let end = begin.0 + (self.span - 1);
        Timestamp(end.saturating_add(time_to_live))
    }

    /// Doubles the spans.
    fn thin(&mut self) {
        while self.marks.len() > MARKS_MAX / 2 {
            self.span *= 2;
            let mut kept: VecDeque<(Position, Timestamp)> = VecDeque::new();
            for &(from, begin) in &self.marks {
                let begin = self.begin(begin);
                if kept.back().is_none_or(|(_, last)| *last < begin) {
                    kept.push_back((from, begin));
                }
            }
            self.marks = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_over_when_it_was_told_and_never_before() {
        let mut ages = Ages::default();
        for (position, came) in [(1, 100), (2, 100), (4, 107), (9, 120)] {
            ages.note(Position(position), Timestamp(came));
        }
        assert_eq!(ages.next_over(10), Some(Timestamp(110)));
        assert_eq!(ages.over_before(Timestamp(109), 10), Position(0));
        assert_eq!(ages.over_before(Timestamp(110), 10), Position(4));
        assert_eq!(ages.over_before(Timestamp(129), 10), Position(9));
        assert_eq!(ages.over_before(Timestamp(130), 10), Position(10));
        assert_eq!(ages.next_over(10), None);
    }

    #[test]
    fn a_million_messages_take_a_few_marks_and_are_late_by_one_span_at_the_most() {
        let mut ages = Ages::default();
        for number in 1..=1_000_000 {
            ages.note(Position(number), Timestamp(number * 3));
        }
        assert!(ages.marks.len() <= MARKS_MAX);
        let time_to_live = 60_000;
        for number in (1..1_000_000).step_by(9_973) {
            let due = Timestamp(number * 3 + time_to_live);
            let mut early = ages.clone();
            assert!(early.over_before(Timestamp(due.0 - 1), time_to_live) <= Position(number));
            let mut late = ages.clone();
            let latest = Timestamp(due.0 + ages.span);
            assert!(late.over_before(latest, time_to_live) > Position(number));
        }
        assert!(ages.span <= 3_000_000 / (MARKS_MAX as u64 / 4));
    }

    #[test]
    fn another_time_to_live_is_as_fine_as_the_first_and_takes_nothing_too_early() {
        let mut ages = Ages::default();
        for number in 1..=100_000 {
            ages.note(Position(number), Timestamp(number * 100));
        }
        let day = 86_400_000;
        assert_eq!(ages.over_before(Timestamp(day), day), Position(0));
        assert!(ages.span > 10_000);
        let now = Timestamp(10_100_000);
        ages.renew(now);
        ages.note(Position(100_001), Timestamp(now.0 + 20_000));
        ages.note(Position(100_002), Timestamp(now.0 + 20_005));
        let due = Timestamp(now.0 + 20_000 + 10);
        assert_eq!(ages.over_before(due, 10), Position(100_002));
        ages.renew(due);
        assert!(!ages.is_over(Position(1)), "a longer time counts for all");
        let first = Timestamp(now.0 + 20_005 + 1_000);
        assert_eq!(ages.over_before(Timestamp(first.0 - 1), 1_000), Position(0));
        assert_eq!(ages.over_before(first, 1_000), Position(100_003));
    }

    #[test]
    fn relocated_messages_are_noted_where_they_belong() {
        let mut ages = Ages::default();
        for (position, came) in [(50, 500), (60, 600), (10, 100), (20, 200), (55, 500)] {
            ages.note(Position(position), Timestamp(came));
        }
        assert_eq!(ages.over_before(Timestamp(100), 0), Position(20));
        assert_eq!(ages.over_before(Timestamp(200), 0), Position(50));
        assert_eq!(ages.over_before(Timestamp(500), 0), Position(60));
    }
}
