//! What a server shows of itself while it works. Whoever looks keeps nobody waiting: the shard notes, others read.

use crate::clients::Clients;
use crate::histogram::Histogram;
use broker::snapshot::Totals;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The instruments of a shard.
#[derive(Debug, Default)]
pub struct Instruments {
    /// Who is connected.
    pub clients: Clients,
    /// Microseconds from the turn that took publishes in until they could be confirmed.
    pub confirm: Histogram,
    /// Microseconds that a chunk took to land: a write and a sync, or a commit.
    pub sync: Histogram,
    /// Bytes of a chunk.
    pub chunk_bytes: Histogram,
    /// Records of a chunk.
    pub chunk_records: Histogram,
    /// Bytes of the bodies of messages that were to land.
    pub message_bytes: Histogram,
    /// Microseconds that recovery took.
    recovery: AtomicU64,
    /// What became of the spans of traced messages.
    pub spans: Arc<SpanCounts>,
    totals: Mutex<Totals>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    sent: AtomicU64,
    failed: AtomicU64,
    left_out: AtomicU64,
    forgotten: AtomicU64,
}

impl SpanCounts {
    /// The collector took so many.
    pub fn sent(&self, spans: usize) {
        self.sent.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// The collector did not take so many.
    pub fn failed(&self, spans: usize) {
        self.failed.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// There was no room for so many.
    pub fn left_out(&self, spans: usize) {
        self.left_out.fetch_add(spans as u64, Ordering::Relaxed);
    }

    /// So many messages are traced no further, because there are too many.
    pub fn forgot(&self, messages: u64) {
        if messages > 0 {
            self.forgotten.fetch_add(messages, Ordering::Relaxed);
        }
    }

    /// Those there was no room for.
    pub fn all_left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Messages that are traced no further.
    pub fn all_forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// All of them by what became of them.
    pub fn each(&self) -> [(&'static str, u64); 3] {
        [
            ("sent", self.sent.load(Ordering::Relaxed)),
            ("failed", self.failed.load(Ordering::Relaxed)),
            ("left_out", self.all_left_out()),
        ]
    }
}

impl Instruments {
    /// So long recovery took.
    pub fn recovered(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.recovery.store(micros, Ordering::Relaxed);
    }

    /// How long recovery took.
    pub fn recovery(&self) -> Duration {
        Duration::from_micros(self.recovery.load(Ordering::Relaxed))
    }

    /// That is how things stand.
    pub fn show(&self, totals: Totals) {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner) = totals;
    }

    /// How things stood when something happened last, a second ago at the most.
    pub fn totals(&self) -> Totals {
        let totals = self.totals.lock();
        totals.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
