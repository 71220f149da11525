//! What a server shows of itself while it works. Whoever looks keeps nobody waiting: the shard notes, others read.

use crate::clients::Clients;
use crate::histogram::Histogram;
use broker::snapshot::Totals;
use std::sync::{Mutex, PoisonError};

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
    totals: Mutex<Totals>,
}

impl Instruments {
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
