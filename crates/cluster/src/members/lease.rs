//! Until when a node may deliver on its own word.
//!
//! ZooKeeper gives the shards of a silent member to others when the session's time-out has passed since it last heard of
//! it; the client's library notices that late, after seven fifths of it. So a member keeps a lease of its own: whatever
//! it asked and was answered, ZooKeeper had not given it up *when it asked*, and two thirds of the time-out later it
//! has not either. The clock goes on while the process is stopped, so a member that wakes up knows that it slept.
//!
//! This bounds duplicates. That nothing is lost is not left to a clock: the database refuses an old owner (promise P8).

use std::time::{Duration, Instant};

/// Until when a node may deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    good_until: Option<Instant>,
}

impl Lease {
    /// No lease: nothing has been answered.
    pub const NONE: Self = Self { good_until: None };

    /// Whether messages may be handed out at `now`.
    pub fn may_deliver(&self, now: Instant) -> bool {
        self.good_until.is_some_and(|until| now < until)
    }

    /// When it runs out unless it is renewed; none if there is no lease.
    pub fn good_until(&self) -> Option<Instant> {
        self.good_until
    }

    /// What was asked at `asked` has been answered; the session's time-out is `session`.
    #[must_use]
    pub fn renewed(self, asked: Instant, session: Duration) -> Self {
        let until = asked + session * 2 / 3;
        Self {
            good_until: self.good_until.max(Some(until)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Duration = Duration::from_secs(6);

    fn at(base: Instant, millis: u64) -> Instant {
        base + Duration::from_millis(millis)
    }

    #[test]
    fn a_lease_counts_from_the_question_not_from_the_answer() {
        let base = Instant::now();
        assert!(!Lease::NONE.may_deliver(base));
        let lease = Lease::NONE.renewed(at(base, 1000), SESSION);
        assert!(lease.may_deliver(at(base, 4999)));
        assert!(!lease.may_deliver(at(base, 5000)));
    }

    #[test]
    fn a_late_answer_to_an_early_question_takes_nothing_back() {
        let base = Instant::now();
        let lease = Lease::NONE.renewed(at(base, 1000), SESSION);
        assert_eq!(lease.renewed(base, SESSION), lease);
    }

    /// A member that was stopped for any time wakes up without a lease, before ZooKeeper can have told it anything.
    #[test]
    fn it_runs_out_before_the_session_does() {
        let base = Instant::now();
        let lease = Lease::NONE.renewed(base, SESSION);
        let until = lease.good_until().expect("renewed");
        assert!(until + SESSION / 4 < base + SESSION);
    }
}
