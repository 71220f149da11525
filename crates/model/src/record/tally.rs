//! How many messages a queue has had, and how they ended: what the audit balances.

use super::Ending;

/// The messages of one queue, counted up to a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that were accepted for it.
    pub accepted: u64,
    ended: [u64; Ending::ALL.len()],
}

impl Tally {
    /// So many were accepted, and none has ended.
    pub const fn of_accepted(accepted: u64) -> Self {
        Self {
            accepted,
            ended: [0; Ending::ALL.len()],
        }
    }

    /// Those that ended in a way.
    pub const fn ended(&self, how: Ending) -> u64 {
        self.ended[how as usize]
    }

    /// Those that ended in any way.
    pub fn ended_in_all(&self) -> u64 {
        self.ended.iter().fold(0, |all, of| all.wrapping_add(*of))
    }

    /// So many more ended in a way.
    pub const fn add_ended(&mut self, how: Ending, count: u64) {
        let of = &mut self.ended[how as usize];
        *of = of.wrapping_add(count);
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.accepted = self.accepted.wrapping_add(other.accepted);
        for how in Ending::ALL {
            self.add_ended(how, other.ended(how));
        }
    }

    /// Whether the queue never had a message.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}
