//! The one clock of a process: wall time at the start, and what has passed since.

use model::Timestamp;
use std::time::{Duration, Instant, SystemTime};

/// Tells a time that never steps back: a wall clock that is set while the server runs must not make every
/// connection look silent, or every message overdue.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// A clock that starts at the wall clock's time.
    pub fn start() -> Self {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
        Self {
            started: Instant::now(),
            started_at: Timestamp(0) + since_epoch,
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.started_at + self.started.elapsed()
    }

    /// The time at an instant.
    pub fn at(&self, instant: Instant) -> Timestamp {
        self.started_at + instant.saturating_duration_since(self.started)
    }

    /// When `at` will be, for the runtime's timers.
    pub fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        let after = Duration::from_millis(at.0.saturating_sub(self.started_at.0));
        (self.started + after).into()
    }
}
