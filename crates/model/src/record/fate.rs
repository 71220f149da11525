//! What becomes of a message in a queue: where it waits if not as it came, how often it was handed out in vain,
//! and how it ended.

use crate::{Position, Timestamp};

/// How often a message was handed out in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Its receiver was silent for too long, or gave it back.
    pub failed: u32,
    /// The channel or connection that had it ended.
    pub lost: u32,
}

impl Attempts {
    /// None.
    pub const NONE: Self = Self { failed: 0, lost: 0 };

    /// All of them.
    pub const fn total(self) -> u32 {
        self.failed.saturating_add(self.lost)
    }
}

/// How messages end in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// A receiver acknowledged them.
    Acknowledged,
    /// They had waited for too long.
    Expired,
    /// Their copies have gone to the dead letters.
    DeadLettered,
    /// They had to give way, were refused for good, purged or cancelled, or went with their queue.
    Dropped,
    /// An operator sent them back to where they had died.
    Redriven,
    /// An operator sent them to another place.
    Moved,
}

impl Ending {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Acknowledged,
        Self::Expired,
        Self::DeadLettered,
        Self::Dropped,
        Self::Redriven,
        Self::Moved,
    ];
}

/// Why a message leaves its queue unacknowledged, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A receiver refused it for good.
    Rejected,
    /// It has waited for too long.
    Expired,
    /// The queue had no room for it.
    MaxLength,
    /// It came back too often.
    DeliveryLimit,
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Rejected,
        Self::Expired,
        Self::MaxLength,
        Self::DeliveryLimit,
    ];

    /// RabbitMQ's word for it in `x-death`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// A message of a queue that waits, though not as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub position: Position,
    /// Where it waits.
    pub place: Place,
    /// How often it was handed out in vain.
    pub attempts: Attempts,
}

/// Where a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In its order, to be handed out.
    Ready,
    /// For its time.
    Delayed {
        /// When it becomes ready.
        due: Timestamp,
    },
    /// For an operator.
    Parked {
        /// Why it is not handed out any more.
        why: Reason,
        /// Since when.
        at: Timestamp,
    },
}
