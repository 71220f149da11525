//! Telling a silent server from a dead one.

use model::Timestamp;
use std::time::Duration;

/// When to say that we live, and when to think that the server does not.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    /// Zero: neither side sends heartbeats.
    interval: Duration,
    read_at: Timestamp,
    written_at: Timestamp,
}

/// What the clock says about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    /// Nothing to do.
    Fine,
    /// Write a heartbeat frame.
    Beat,
    /// Nothing came for two intervals: the server is gone.
    Dead,
}

impl Heartbeat {
    /// As negotiated with the server.
    pub(crate) fn new(interval: Duration, now: Timestamp) -> Self {
        Self {
            interval,
            read_at: now,
            written_at: now,
        }
    }

    /// Bytes came.
    pub(crate) fn read(&mut self, now: Timestamp) {
        self.read_at = now;
    }

    /// Bytes went.
    pub(crate) fn written(&mut self, now: Timestamp) {
        self.written_at = now;
    }

    /// What is to be done now.
    pub(crate) fn pulse(&self, now: Timestamp) -> Pulse {
        if self.interval.is_zero() {
            Pulse::Fine
        } else if now >= self.read_at + self.interval * 2 {
            Pulse::Dead
        } else if now >= self.written_at + self.interval / 2 {
            Pulse::Beat
        } else {
            Pulse::Fine
        }
    }

    /// When [`Self::pulse`] has something to say, if nothing is read or written until then.
    pub(crate) fn wake_at(&self) -> Option<Timestamp> {
        if self.interval.is_zero() {
            return None;
        }
        Some((self.read_at + self.interval * 2).min(self.written_at + self.interval / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_each_half_interval_and_dead_after_two() {
        let mut heart = Heartbeat::new(Duration::from_secs(10), Timestamp(0));
        assert_eq!(heart.wake_at(), Some(Timestamp(5_000)));
        assert_eq!(heart.pulse(Timestamp(4_999)), Pulse::Fine);
        assert_eq!(heart.pulse(Timestamp(5_000)), Pulse::Beat);
        heart.written(Timestamp(5_000));
        assert_eq!(heart.pulse(Timestamp(9_000)), Pulse::Fine);
        heart.written(Timestamp(19_000));
        assert_eq!(heart.wake_at(), Some(Timestamp(20_000)));
        assert_eq!(heart.pulse(Timestamp(20_000)), Pulse::Dead);
        heart.read(Timestamp(20_000));
        assert_eq!(heart.pulse(Timestamp(20_000)), Pulse::Fine);
    }

    #[test]
    fn no_interval_no_heartbeats() {
        let heart = Heartbeat::new(Duration::ZERO, Timestamp(0));
        assert_eq!(heart.wake_at(), None);
        assert_eq!(heart.pulse(Timestamp(u64::MAX)), Pulse::Fine);
    }
}
