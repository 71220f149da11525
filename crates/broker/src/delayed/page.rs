//! A look at messages that wait for their time, in the order of their times; and some of them taken out.

use super::{Delayed, Span};
use crate::backlog::Ready;
use model::{Position, Runs, Timestamp};
use std::collections::BTreeMap;

impl Span {
    /// Its last millisecond.
    fn last(self) -> u64 {
        let bits = (self.level.0 + 1) * super::LEVEL_BITS;
        let within = 1u64.checked_shl(bits).map_or(u64::MAX, |length| length - 1);
        match self.is_narrowest() {
            true => self.first,
            false => self.first | within,
        }
    }
}

impl Delayed {
    /// The first messages behind one, by due time and then by position, of those that have landed.
    pub(crate) fn page(
        &self,
        after: (Timestamp, Position),
        landed: Position,
        most: usize,
    ) -> Vec<(Timestamp, Ready)> {
        let mut page: BTreeMap<(Timestamp, Position), Ready> = BTreeMap::new();
        let spans = self.spans.iter();
        for (span, waiting) in spans.filter(|(span, _)| span.last() >= after.0.0) {
            let last = page.keys().next_back().copied();
            if page.len() >= most && last.is_none_or(|(due, _)| due.0 < span.first) {
                break;
            }
            for entry in waiting.entries(*span) {
                let at = (Timestamp(entry.due), entry.ready.position);
                if at > after && at.1 <= landed {
                    page.insert(at, entry.ready);
                    if page.len() > most {
                        page.pop_last();
                    }
                }
            }
        }
        page.into_iter()
            .map(|((due, _), ready)| (due, ready))
            .collect()
    }

    /// Nothing is due later.
    pub(crate) fn latest(&self) -> Timestamp {
        let last = self.spans.keys().map(|span| span.last()).max();
        Timestamp(last.unwrap_or(0))
    }

    /// Takes messages out before their time, with when they were due.
    pub(crate) fn pick(&mut self, wanted: &Runs) -> Vec<(Timestamp, Ready)> {
        let mut picked = Vec::new();
        self.take_out(wanted, |entry| {
            picked.push((Timestamp(entry.due), entry.ready));
        });
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::Attempts;
    use proptest::prelude::*;

    fn ready(position: u64) -> Ready {
        Ready {
            position: Position(position),
            priority: 0,
            attempts: Attempts::NONE,
            redelivered: false,
        }
    }

    proptest! {
        #[test]
        fn pages_follow_each_other_in_the_order_of_times(
            dues in prop::collection::vec(prop_oneof![0u64..100, 0u64..1_000_000, any::<u64>()], 0..200),
            now in 0u64..1000,
            most in 1usize..20,
        ) {
            let mut delayed = Delayed::default();
            let mut expected: Vec<(Timestamp, Position)> = Vec::new();
            for (position, due) in dues.into_iter().enumerate() {
                let position = position as u64 + 1;
                delayed.insert(Timestamp(now), Timestamp(due), ready(position));
                expected.push((Timestamp(due), Position(position)));
            }
            prop_assert!(expected.iter().all(|(due, _)| *due <= delayed.latest()));
            // The last one has not landed.
            let landed = Position((expected.len() as u64).saturating_sub(1));
            expected.pop();
            expected.sort_unstable();
            let mut after = (Timestamp(0), Position::NONE);
            let mut seen = Vec::new();
            loop {
                let page = delayed.page(after, landed, most);
                let page: Vec<_> = page.iter().map(|(due, ready)| (*due, ready.position)).collect();
                let Some(last) = page.last() else { break };
                after = *last;
                seen.extend(page);
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
