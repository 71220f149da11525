//! An owner that the cluster names, and that this node does not reach: its cable to the other nodes may be cut, and not
//! the one to the clients. A client that waits here would wait for as long as that lasts; told to go, it may find the
//! owner by itself.

use model::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A client that begins to wait has so long all the same: by then it has tried itself, and what it found out counts for all.
/// Otherwise what was not reached once would never be tried again.
const OWN_TRY: Duration = Duration::from_secs(4);

/// What this node knows of its own way to the owner, for all clients.
pub(super) struct Unreached {
    /// An owner that has died is replaced within so long: a client that waits for another one is not to be sent away.
    replaced_within: Duration,
    since: Mutex<Option<(Arc<str>, Timestamp)>>,
}

impl Unreached {
    pub(super) fn new(replaced_within: Duration) -> Self {
        Self {
            replaced_within,
            since: Mutex::default(),
        }
    }

    /// A node does not answer at its address; `at` this time it did, or was not asked yet.
    pub(super) fn failed(&self, address: &Arc<str>, at: Timestamp) {
        let mut since = self.since();
        if since.as_ref().is_none_or(|(other, _)| other != address) {
            *since = Some((address.clone(), at));
        }
    }

    /// It does. If it is the owner, what was known of another counts no more: should that one ever own the shard again,
    /// its clients wait for it as for any other.
    pub(super) fn reached(&self, address: &Arc<str>, is_owner: bool) {
        self.since()
            .take_if(|(other, _)| is_owner || other == address);
    }

    /// When a client that has waited since then is told that it is not served here, if this is still the owner by that time.
    pub(super) fn gives_up_at(&self, address: &Arc<str>, waits: Timestamp) -> Option<Timestamp> {
        let since = self.since();
        let (_, since) = since.as_ref().filter(|(other, _)| other == address)?;
        Some((*since + self.replaced_within).max(waits + OWN_TRY))
    }

    fn since(&self) -> MutexGuard<'_, Option<(Arc<str>, Timestamp)>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_when_another_would_have_taken_its_place_by_then() {
        let unreached = Unreached::new(Duration::from_secs(7));
        let (one, other): (Arc<str>, Arc<str>) = ("one:1".into(), "other:1".into());
        let gives_up_at = |address| unreached.gives_up_at(address, Timestamp(1000));
        assert_eq!(gives_up_at(&one), None);
        unreached.failed(&one, Timestamp(1000));
        unreached.failed(&one, Timestamp(2000));
        assert_eq!(gives_up_at(&one), Some(Timestamp(8000)));
        assert_eq!(gives_up_at(&other), None, "it has taken its place");
        unreached.failed(&other, Timestamp(3000));
        unreached.reached(&one, false);
        assert_eq!(gives_up_at(&other), Some(Timestamp(10_000)));
        unreached.reached(&other, true);
        assert_eq!(gives_up_at(&other), None);
        unreached.failed(&other, Timestamp(3000));
        unreached.reached(&one, true);
        assert_eq!(gives_up_at(&other), None, "that was another time");
    }
    #[test]
    fn who_comes_later_tries_it_once_more() {
        let unreached = Unreached::new(Duration::from_secs(7));
        let one: Arc<str> = "one:1".into();
        unreached.failed(&one, Timestamp(1000));
        let later = Timestamp(3_600_000);
        assert_eq!(unreached.gives_up_at(&one, later), Some(later + OWN_TRY));
        unreached.reached(&one, true);
        assert_eq!(unreached.gives_up_at(&one, later), None);
    }
}
