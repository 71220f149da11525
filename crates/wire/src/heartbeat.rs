//! Heartbeats: telling the peer that we are here, and noticing that it is not.

use crate::frame::OVERHEAD;
use model::Timestamp;
use std::time::Duration;

/// What the heartbeat timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Nothing was written for half an interval.
    Send,
    /// Nothing came for two intervals.
    PeerIsGone,
}

/// The two timers of a negotiated interval.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    interval: Duration,
    check_output_at: Timestamp,
    /// How many octets had been written when the output was last checked.
    written: u64,
    /// When the peer was last heard; `None` while nobody listens.
    heard_at: Option<Timestamp>,
}

impl Heartbeat {
    /// Timers that start now; `None` for an interval of 0, which means "no heartbeats".
    pub(crate) fn new(interval_s: u16, now: Timestamp) -> Option<Self> {
        let interval = Duration::from_secs(interval_s.into());
        (interval_s > 0).then(|| Self {
            interval,
            check_output_at: now + interval / 2,
            written: 0,
            heard_at: Some(now),
        })
    }

    /// Something came: any octet counts.
    pub(crate) fn heard(&mut self, now: Timestamp) {
        if self.heard_at.is_some() {
            self.heard_at = Some(now);
        }
    }

    /// While nobody reads the socket, silence says nothing about the peer.
    pub(crate) fn set_listening(&mut self, now: Timestamp, listening: bool) {
        self.heard_at = listening.then_some(now);
    }

    /// What is due. `written` counts the octets written since the connection began; `idle` says that none wait.
    pub(crate) fn check(&mut self, now: Timestamp, written: u64, idle: bool) -> Due {
        if self.gone_at().is_some_and(|at| at <= now) {
            return Due::PeerIsGone;
        }
        if now < self.check_output_at {
            return Due::Nothing;
        }
        self.check_output_at = now + self.interval / 2;
        if idle && written == self.written {
            // Our own heartbeat is no reason to leave out the next one.
            self.written = written + OVERHEAD as u64;
            return Due::Send;
        }
        self.written = written;
        Due::Nothing
    }

    pub(crate) fn wake_at(&self) -> Timestamp {
        self.gone_at()
            .map_or(self.check_output_at, |at| at.min(self.check_output_at))
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    fn gone_at(&self) -> Option<Timestamp> {
        self.heard_at.map(|at| at + self.interval * 2)
    }
}
