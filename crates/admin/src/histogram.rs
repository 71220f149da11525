//! How long things take and how large they are: counts in buckets, four to each doubling, for as long as the process
//! runs. One thread counts, others look; nobody waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of the buckets of each doubling: 2 to the power of this.
const PARTS_BITS: u32 = 2;
const PARTS: usize = 1 << PARTS_BITS;

/// The last bucket holds all from 2 to the power of 40 on: as microseconds, twelve days.
const BUCKETS: usize = PARTS * 40;

/// Counts by size.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }
}

/// Which bucket a value belongs to.
fn bucket(value: u64) -> usize {
    if value < PARTS as u64 {
        return value as usize;
    }
    let power = u64::BITS - 1 - value.leading_zeros();
    let part = (value >> (power - PARTS_BITS)) as usize - PARTS;
    let bucket = (power - PARTS_BITS + 1) as usize * PARTS + part;
    bucket.min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn largest(bucket: usize) -> u64 {
    if bucket < PARTS {
        return bucket as u64;
    }
    let shift = bucket / PARTS - 1;
    let part = (bucket % PARTS + PARTS) as u64;
    ((part + 1) << shift) - 1
}

impl Histogram {
    /// So many more of a value.
    pub fn note(&self, value: u64, count: u64) {
        self.buckets[bucket(value)].fetch_add(count, Relaxed);
        self.sum.fetch_add(value.saturating_mul(count), Relaxed);
    }

    /// What was counted until now.
    pub fn counted(&self) -> Counted {
        let counts = self.buckets.iter().map(|count| count.load(Relaxed));
        Counted {
            counts: counts.collect(),
            sum: self.sum.load(Relaxed),
        }
    }
}

/// What a histogram had counted.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    counts: Vec<u64>,
    sum: u64,
}

impl Counted {
    /// What was counted since it stood at `before`; all of it where that was another histogram's: whoever takes a shard
    /// over counts anew.
    pub fn since(&self, before: &Self) -> Self {
        let earlier = before.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(earlier);
        let counts = counts.map(|(now, then)| now.checked_sub(then));
        let counts: Option<Vec<u64>> = counts.collect();
        match (counts, self.sum.checked_sub(before.sum)) {
            (Some(counts), Some(sum)) => Self { counts, sum },
            _ => self.clone(),
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values together.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// A value that so many hundredths of all do not exceed, a quarter too large at the most; `None` where nothing was
    /// counted.
    pub fn percentile(&self, hundredths: u64) -> Option<u64> {
        let count = self.count();
        let rank = (count * hundredths).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|of_bucket| {
            seen += of_bucket;
            seen >= rank
        });
        found.filter(|_| count > 0).map(largest)
    }

    /// Up to which value how many were counted: one pair for each doubling.
    pub fn doublings(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let doublings = self.counts.chunks(PARTS).enumerate();
        doublings.map(|(at, counts)| (largest(at * PARTS + PARTS - 1), counts.iter().sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gaps() {
        let mut last = 0;
        for value in 0..100_000 {
            let of_value = bucket(value);
            assert!(of_value == last || of_value == last + 1, "{value}");
            assert!(value <= largest(of_value), "{value}");
            assert!(of_value == 0 || value > largest(of_value - 1), "{value}");
            last = of_value;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_never_too_small_and_little_too_large() {
        let histogram = Histogram::default();
        assert_eq!(histogram.counted().percentile(50), None);
        for value in 1..=1000 {
            histogram.note(value, 1);
        }
        let first = histogram.counted();
        assert_eq!((first.count(), first.sum()), (1000, 500_500));
        assert_eq!(first.percentile(50), Some(511));
        assert_eq!(first.percentile(99), Some(1023));
        histogram.note(7, 10);
        let later = histogram.counted().since(&first);
        assert_eq!((later.count(), later.sum()), (10, 70));
        assert_eq!(later.percentile(50), Some(7));
        let doublings: Vec<_> = later.doublings().filter(|(_, count)| *count > 0).collect();
        assert_eq!(doublings, [(7, 10)]);
        let anew = Histogram::default();
        anew.note(7, 2);
        let anew = anew.counted().since(&later);
        assert_eq!((anew.count(), anew.percentile(99)), (2, Some(7)));
    }
}
