//! Times of many messages, and which of them are the middle one and the slow ones.

use anyhow::{Context, Result};
use std::time::Duration;

/// Kept in tenths of a microsecond.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<u32>);

impl Latencies {
    pub(super) fn add(&mut self, time: Duration) {
        let tenths = time.as_nanos() / 100;
        self.0.push(u32::try_from(tenths).unwrap_or(u32::MAX));
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The times that so many parts of all are below, in microseconds.
    pub(super) fn percentiles<const N: usize>(mut self, parts: [f64; N]) -> Result<[f64; N]> {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1);
        let last = last.context("no message was on its way while it was measured")?;
        Ok(parts.map(|part| {
            let at = (self.0.len() as f64 * part) as usize;
            f64::from(self.0[at.min(last)]) / 10.0
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let mut latencies = Latencies::default();
        for micros in (0..1000).rev() {
            latencies.add(Duration::from_micros(micros));
        }
        let parts = latencies.percentiles([0.5, 0.99, 1.0]);
        assert_eq!(parts.expect("there are some"), [500.0, 990.0, 999.0]);
        assert!(Latencies::default().percentiles([0.5]).is_err());
    }
}
