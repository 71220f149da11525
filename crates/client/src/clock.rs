//! Time as the state machines take it.

use model::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// Milliseconds since a connection's task began; never goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Timestamp {
        Timestamp(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// When `time` is, for tokio's timers.
    pub(crate) fn at(self, time: Timestamp) -> Instant {
        self.0 + Duration::from_millis(time.0)
    }
}
