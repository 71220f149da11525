//! Memory for messages that have come in part: one budget for all connections (promise P9).
//!
//! Beyond the budget a connection that holds much of an unfinished message is not read, so that it cannot grow.
//! One at a time may go on, so that something always completes; it has limited time for it, so that who never
//! finishes does not keep the others waiting. Connections that hold little never wait.

use model::{ConnectionError, ConnectionId, MethodId, ReplyCode, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A connection that holds less than this is not counted and does not wait: small messages get through.
const LITTLE: usize = 64 * 1024;

/// So long may the one that goes on take, while others wait.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

/// What `chosen` says when nobody is; connections are numbered from 1.
const NOBODY: u64 = 0;

/// The budget.
#[derive(Debug)]
pub struct Unfinished {
    most: usize,
    held: AtomicUsize,
    /// The connection that may go on beyond the budget.
    chosen: AtomicU64,
    changed: Notify,
}

impl Unfinished {
    /// A budget of so many bytes.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: AtomicUsize::new(0),
            chosen: AtomicU64::new(NOBODY),
            changed: Notify::new(),
        })
    }

    /// Waits until those that wait should ask again. To be called before asking: what changes from then on counts.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn is_spent(&self) -> bool {
        self.held.load(SeqCst) > self.most
    }
}

/// A connection's part of the budget. Dropped, it holds nothing.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Unfinished>,
    id: ConnectionId,
    held: usize,
    /// Since when it is the one that may go on.
    chosen_at: Option<Timestamp>,
}

impl Share {
    /// Holds nothing yet.
    pub fn of(budget: &Arc<Unfinished>, id: ConnectionId) -> Self {
        Self {
            budget: budget.clone(),
            id,
            held: 0,
            chosen_at: None,
        }
    }

    /// Takes note of what the connection holds now.
    pub fn hold(&mut self, bytes: usize) {
        let counted = if bytes < LITTLE { 0 } else { bytes };
        let before = std::mem::replace(&mut self.held, counted);
        if counted >= before {
            self.budget.held.fetch_add(counted - before, SeqCst);
            return;
        }
        self.budget.held.fetch_sub(before - counted, SeqCst);
        if counted == 0 && self.chosen_at.take().is_some() {
            self.budget.chosen.store(NOBODY, SeqCst);
        }
        self.budget.changed.notify_waiters();
    }

    /// Whether the connection may be read: there is room, it holds little, or it is the one that may go on.
    pub fn may_grow(&mut self, now: Timestamp) -> bool {
        if self.held == 0 || self.chosen_at.is_some() || !self.budget.is_spent() {
            return true;
        }
        let chosen = &self.budget.chosen;
        let is_chosen = chosen.compare_exchange(NOBODY, self.id.0, SeqCst, SeqCst);
        if is_chosen.is_ok() {
            self.chosen_at = Some(now);
        }
        is_chosen.is_ok()
    }

    /// When the connection is given up for not finishing.
    pub fn give_up_at(&self) -> Option<Timestamp> {
        self.chosen_at.map(|at| at + FINISH_WITHIN)
    }

    /// What it is told then.
    pub fn too_slow(&self) -> ConnectionError {
        ConnectionError::new(
            ReplyCode::ResourceError,
            format_args!(
                "memory for unfinished messages is short, and {} bytes of one were not completed within {} s",
                self.held,
                FINISH_WITHIN.as_secs()
            ),
            MethodId::default(),
        )
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;
    const NOW: Timestamp = Timestamp(1000);

    #[test]
    fn beyond_the_budget_one_goes_on_and_the_next_when_it_has_finished() {
        let budget = Unfinished::new(2 * MIB);
        let [mut one, mut two, mut three] =
            [1, 2, 3].map(|id| Share::of(&budget, ConnectionId(id)));
        for share in [&mut one, &mut two] {
            share.hold(MIB);
            assert!(share.may_grow(NOW), "there is room");
        }
        one.hold(MIB + 1);
        assert!(two.may_grow(NOW), "somebody goes on");
        assert!(!one.may_grow(NOW), "nobody else does");
        two.hold(10 * MIB);
        assert!(two.may_grow(NOW), "as far as it takes");
        three.hold(LITTLE - 1);
        assert!(three.may_grow(NOW), "little never waits");
        two.hold(0);
        assert!(one.may_grow(NOW));
    }

    #[test]
    fn who_does_not_finish_is_given_up_and_who_goes_makes_room() {
        let budget = Unfinished::new(MIB);
        let [mut one, mut two] = [1, 2].map(|id| Share::of(&budget, ConnectionId(id)));
        one.hold(MIB);
        two.hold(MIB);
        assert_eq!(one.give_up_at(), None);
        assert!(one.may_grow(NOW) && !two.may_grow(NOW));
        assert_eq!(one.give_up_at(), Some(NOW + FINISH_WITHIN));
        assert_eq!(two.give_up_at(), None, "who waits has time");
        drop(one);
        assert!(two.may_grow(NOW));
        assert_eq!(two.give_up_at(), None, "there is room again");
    }
}
