//! How far the threads of a run are, what they are told, and what is counted while it is measured.

use super::socket::PATIENCE;
use anyhow::Result;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_millis(300);

/// How far the threads are, and what they are told.
pub(super) struct Progress {
    pub(super) begin: Instant,
    pub(super) confirmed: AtomicU64,
    pub(super) acked: AtomicU64,
    /// Latencies count of what is sent from here to there, in nanoseconds from the begin.
    measured_from: AtomicU64,
    measured_upto: AtomicU64,
    /// Nothing more is to be sent.
    pub(super) stop: AtomicBool,
    /// No publisher sends more than this.
    pub(super) most: u64,
    /// How many were sent, once that is known.
    pub(super) all: AtomicU64,
    /// Whoever waits, waits in vain.
    pub(super) failed: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            begin: Instant::now(),
            confirmed: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            measured_from: AtomicU64::new(u64::MAX),
            measured_upto: AtomicU64::new(u64::MAX),
            stop: AtomicBool::new(false),
            most: u64::MAX,
            all: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
        }
    }

    fn counts(&self) -> (Instant, u64, u64) {
        (
            Instant::now(),
            self.confirmed.load(Relaxed),
            self.acked.load(Relaxed),
        )
    }

    /// Whether the latency of a message counts that was sent so long after the begin.
    pub(super) fn measures(&self, sent: Duration) -> bool {
        let sent = sent.as_nanos() as u64;
        let (from, upto) = (&self.measured_from, &self.measured_upto);
        from.load(Relaxed) <= sent && sent < upto.load(Relaxed)
    }

    /// How many more a publisher may send, as far as its limits go that have nothing to do with confirms.
    pub(super) fn may_be_sent(&self, sent: u64, most_waiting: Option<u64>) -> usize {
        let upto = most_waiting.map_or(u64::MAX, |most| self.acked.load(Relaxed) + most);
        let more = self.most.min(upto).saturating_sub(sent);
        usize::try_from(more).unwrap_or(usize::MAX)
    }

    /// Lets it run for a time, and longer if by then not even one message got through. Returns what was confirmed and
    /// acknowledged in a second.
    pub(super) fn measure(&self, time: Duration) -> (f64, f64) {
        std::thread::sleep(WARM_UP);
        let nanos = |at: Instant| at.duration_since(self.begin).as_nanos() as u64;
        let (start, confirmed, acked) = self.counts();
        self.measured_from.store(nanos(start), Relaxed);
        loop {
            std::thread::sleep(time);
            let (end, confirmed_then, acked_then) = self.counts();
            let through = confirmed_then > confirmed && acked_then > acked;
            if through || self.failed.load(Relaxed) || end - start > PATIENCE {
                self.measured_upto.store(nanos(end), Relaxed);
                self.stop.store(true, Relaxed);
                let seconds = (end - start).as_secs_f64();
                return (
                    (confirmed_then - confirmed) as f64 / seconds,
                    (acked_then - acked) as f64 / seconds,
                );
            }
        }
    }

    pub(super) fn noted<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.failed.store(true, Relaxed);
            self.stop.store(true, Relaxed);
        }
        outcome
    }
}
