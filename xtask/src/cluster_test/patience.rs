//! Waiting, with an end.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until it is so.
pub(super) fn until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > limit {
            bail!("after {limit:?} it is not so that {what}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Numbers that look random (xorshift64) and are the same for the same seed.
pub(super) struct Chance(u64);

impl Chance {
    /// Those of a seed.
    pub(super) fn of(seed: u64) -> Self {
        // Small seeds differ in few bits, and zero would stay zero.
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        chance.next();
        chance
    }

    /// The next one.
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next one, below a limit.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let limit = limit as u64;
        usize::try_from((self.next() >> 11) % limit).expect("below a usize")
    }

    /// Puts things into another order.
    pub(super) fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            things.swap(at, self.below(at + 1));
        }
    }
}
