//! What happened in a run, as one number: the same seed must give the same number, whatever the machine. Where a
//! person looks on, also as lines.

use std::fmt::{self, Write};

/// The running hash, and the lines.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    /// Print what is noted.
    pub(crate) told: bool,
}

impl Trace {
    pub(crate) fn new(told: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            told,
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.hash = crate::random::mixed(self.hash.rotate_left(5) ^ number);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.number(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        }
        let rest = chunks.remainder();
        let last = rest
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        self.number(last ^ (rest.len() as u64) << 56);
    }

    /// Takes in whatever can be written.
    pub(crate) fn words(&mut self, words: fmt::Arguments<'_>) {
        self.write_fmt(words).expect("a hash takes all");
    }
}

impl Write for Trace {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}
