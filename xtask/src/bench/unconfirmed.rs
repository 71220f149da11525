//! Which messages of a connection were sent and are not confirmed.

use anyhow::{Context, Result, ensure};
use std::collections::VecDeque;
use std::time::Instant;

/// What was sent and is not confirmed, from the oldest.
#[derive(Default)]
pub(super) struct Unconfirmed {
    /// The publisher's tag of the first entry, less one.
    before: u64,
    /// When each was sent; `None` once it is confirmed out of turn.
    entries: VecDeque<Option<Instant>>,
    pub(super) open: usize,
}

impl Unconfirmed {
    pub(super) fn sent(&mut self, count: usize, now: Instant) {
        self.entries.extend(std::iter::repeat_n(Some(now), count));
        self.open += count;
    }

    pub(super) fn confirm(
        &mut self,
        tag: u64,
        multiple: bool,
        mut confirmed: impl FnMut(Instant),
    ) -> Result<()> {
        let at = tag
            .checked_sub(self.before + 1)
            .context("a message was confirmed twice")?;
        let at = usize::try_from(at).context("tag")?;
        ensure!(
            at < self.entries.len(),
            "a message was confirmed that was not sent"
        );
        let from = if multiple { 0 } else { at };
        for entry in self.entries.range_mut(from..=at) {
            match entry.take() {
                Some(sent_at) => {
                    self.open -= 1;
                    confirmed(sent_at);
                }
                None => ensure!(multiple, "a message was confirmed twice"),
            }
        }
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.before += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_sent() -> Unconfirmed {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.sent(3, Instant::now());
        unconfirmed
    }

    #[test]
    fn confirms_may_come_one_by_one_out_of_turn_and_together() {
        let mut unconfirmed = three_sent();
        let mut count = 0;
        unconfirmed
            .confirm(2, false, |_| count += 1)
            .expect("tag 2 was sent");
        assert_eq!((unconfirmed.open, unconfirmed.before), (2, 0));
        unconfirmed
            .confirm(3, true, |_| count += 1)
            .expect("tags 1 and 3 were sent");
        assert_eq!((unconfirmed.open, unconfirmed.before, count), (0, 3, 3));
        unconfirmed.sent(1, Instant::now());
        unconfirmed
            .confirm(4, false, |_| count += 1)
            .expect("tag 4 was sent");
        assert_eq!(count, 4);
    }

    #[test]
    fn a_confirm_too_many_is_noticed() {
        let mut unconfirmed = three_sent();
        unconfirmed
            .confirm(1, false, |_| {})
            .expect("tag 1 was sent");
        assert!(unconfirmed.confirm(1, false, |_| {}).is_err());
        unconfirmed
            .confirm(3, false, |_| {})
            .expect("tag 3 was sent");
        assert!(unconfirmed.confirm(3, false, |_| {}).is_err());
        assert!(unconfirmed.confirm(4, false, |_| {}).is_err());
    }
}
