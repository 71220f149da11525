//! What a queue remembers of a message that was published to it, to know another one of the same.

use crate::Timestamp;

/// A message as a queue that deduplicates remembers it: by sixteen bytes, whatever it was told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The XXH3 hash of what tells the message apart.
    pub hash: u128,
    /// When it is forgotten.
    pub until: Timestamp,
}

impl Fingerprint {
    /// It is forgotten only when newer ones need the room.
    pub const NO_END: Timestamp = Timestamp(u64::MAX);
}
