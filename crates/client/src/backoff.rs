//! Waiting longer after each failure: x, 2x, 4x … up to a limit.

use std::time::Duration;

/// The waits between tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    seed: u64,
}

impl Backoff {
    /// Waits that double from `first` up to `longest`, each shortened by up to a quarter: the clients that a
    /// restarted server lost all at once must not come back all at once. `seed` tells them apart.
    pub(crate) fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self {
            first,
            longest,
            failures: 0,
            seed: seed | 1,
        }
    }

    /// The wait after one more failure.
    pub(crate) fn failed(&mut self) -> Duration {
        let wait = doubled(self.first, self.failures, self.longest);
        self.failures = self.failures.saturating_add(1);
        // xorshift64: any spread will do.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let quarter = wait / 4;
        wait - quarter.mul_f64((self.seed >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// It worked: the next wait is the first again.
    pub(crate) fn worked(&mut self) {
        self.failures = 0;
    }
}

/// `first` doubled `times` times, at most `longest`.
pub(crate) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    let factor = 1u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_again() {
        let second = Duration::from_secs(1);
        assert_eq!(doubled(second, 0, second * 10), second);
        assert_eq!(doubled(second, 3, second * 10), second * 8);
        assert_eq!(doubled(second, 4, second * 10), second * 10);
        assert_eq!(doubled(second, 200, second * 10), second * 10);

        let mut backoff = Backoff::new(second, second * 10, 7);
        for expected in [1, 2, 4, 8, 10, 10] {
            let wait = backoff.failed();
            assert!(
                wait <= second * expected
                    && wait > second * expected * 3 / 4 - Duration::from_millis(1)
            );
        }
        backoff.worked();
        assert!(backoff.failed() <= second);
    }

    #[test]
    fn two_clients_wait_differently() {
        let waits =
            |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(9), seed).failed();
        assert_ne!(waits(11), waits(12 << 20));
    }
}
