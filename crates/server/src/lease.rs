//! Until when this node may act as the owner of a shard.
//!
//! That nothing lands for a node that has lost its shard, the database sees to. But a node that was paused and goes on
//! would hand out once more what its successor hands out too, until it hears of it. So the shard's loop looks at the
//! lease before each turn.

use model::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A shard whose lease has run out looks so often whether it was renewed.
pub const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Until when, on the server's clock. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Lease(Arc<AtomicU64>);

impl Lease {
    /// That of a node which shares its store with nobody.
    pub fn for_ever() -> Self {
        Self::until(Timestamp(u64::MAX))
    }

    /// One that ends then.
    pub fn until(end: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(end.0)))
    }

    /// Lets it end later; never earlier.
    pub fn extend(&self, end: Timestamp) {
        self.0.fetch_max(end.0, Relaxed);
    }

    /// Whether it has not run out.
    pub fn holds(&self, now: Timestamp) -> bool {
        now.0 < self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_extended_and_never_shortened() {
        let lease = Lease::until(Timestamp(1000));
        let same = lease.clone();
        assert!(lease.holds(Timestamp(999)));
        assert!(!lease.holds(Timestamp(1000)), "it ends when it says");
        same.extend(Timestamp(2000));
        same.extend(Timestamp(1500));
        assert!(lease.holds(Timestamp(1999)));
        assert!(!lease.holds(Timestamp(2000)));
        assert!(Lease::for_ever().holds(Timestamp(u64::MAX - 1)));
    }
}
