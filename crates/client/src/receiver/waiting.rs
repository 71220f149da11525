//! The time of deliveries that wait in the receiver's window.
//!
//! An attempt's time runs from the moment at which it leaves the server. Five hundred messages that are fetched ahead and
//! take a tenth of a second each would use it up while they wait, and come again although nothing is wrong. So for what
//! waits more time is asked for, in rounds, as long as the application does anything at all: one that is stuck must lose
//! what waits for it.

use model::Timestamp;
use std::time::Duration;

/// How long a delivery may wait until more time is asked for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitingTime {
    /// In milliseconds; `None` where time is no matter.
    time_out: Option<u64>,
}

impl WaitingTime {
    /// For attempts that have so long.
    pub(super) fn of(time_out: Option<Duration>) -> Self {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            time_out: time_out.map(milliseconds),
        }
    }

    /// Whether so much of the time is over that the application should not have to do with the rest.
    pub(super) fn is_short(self, now: Timestamp, timed_from: Timestamp) -> bool {
        self.is_over(now, timed_from, 4)
    }

    /// Whether this part of the time is over.
    fn is_over(self, now: Timestamp, since: Timestamp, part: u64) -> bool {
        let waited = now.0.saturating_sub(since.0);
        self.time_out.is_some_and(|time| waited > time / part)
    }
}

/// When it is asked for. A round each third of the time, with what has waited for a sixth of it: so nothing gets older
/// than half of the time.
#[derive(Debug)]
pub(super) struct Rounds {
    waiting: WaitingTime,
    last: Timestamp,
    progress: u64,
}

impl Rounds {
    pub(super) fn new(waiting: WaitingTime) -> Self {
        Self {
            waiting,
            last: Timestamp(0),
            progress: 0,
        }
    }

    /// When [`Self::is_due`] says yes.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        let time = self.waiting.time_out?;
        Some(Timestamp(self.last.0.saturating_add(time / 3 + 1)))
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.wake_at().is_some_and(|at| at <= now)
    }

    /// Begins a round. False if the application has done nothing since the last.
    pub(super) fn begin(&mut self, now: Timestamp, progress: u64) -> bool {
        self.last = now;
        std::mem::replace(&mut self.progress, progress) != progress
    }

    /// Whether a delivery is to have more time in this round.
    pub(super) fn includes(&self, now: Timestamp, timed_from: Timestamp) -> bool {
        self.waiting.is_over(now, timed_from, 6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The oldest that a delivery gets that came at `came`, in rounds a turn late now and then.
    fn oldest(came: u64, turn: u64) -> u64 {
        let waiting = WaitingTime::of(Some(Duration::from_secs(6)));
        let mut rounds = Rounds::new(waiting);
        let (mut timed_from, mut oldest) = (Timestamp(came), 0);
        for now in (0..30_000).step_by(usize::try_from(turn).expect("small")) {
            let now = Timestamp(now);
            let is_there = now >= Timestamp(came);
            oldest = oldest.max(now.0.saturating_sub(timed_from.0));
            let round = rounds.is_due(now) && rounds.begin(now, now.0);
            if round && is_there && rounds.includes(now, timed_from) {
                timed_from = now;
            }
        }
        oldest
    }

    #[test]
    fn nothing_gets_much_older_than_half_of_the_time() {
        for came in (0..4_000).step_by(100) {
            for turn in [1, 10, 250] {
                assert!(oldest(came, turn) <= 3_000 + 3 * turn, "{came} {turn}");
            }
        }
    }

    #[test]
    fn for_an_application_that_does_nothing_nothing_is_asked() {
        let mut rounds = Rounds::new(WaitingTime::of(Some(Duration::from_secs(6))));
        assert!(!rounds.is_due(Timestamp(1_000)));
        assert!(rounds.begin(Timestamp(2_100), 1));
        assert!(!rounds.begin(Timestamp(4_200), 1));
        assert!(rounds.begin(Timestamp(6_300), 2));
    }

    #[test]
    fn without_a_time_there_are_no_rounds() {
        let waiting = WaitingTime::of(None);
        assert_eq!(Rounds::new(waiting).wake_at(), None);
        assert!(!waiting.is_short(Timestamp(u64::MAX), Timestamp(0)));
    }
}
