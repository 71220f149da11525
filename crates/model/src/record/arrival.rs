//! What queues must know of a message that comes, and all that need be kept of it beside its record.

use crate::{MessageRecord, Properties, QueueId, Timestamp};
use smallvec::SmallVec;

/// What queues must know of a message that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it was accepted.
    pub came: Timestamp,
    /// Not to be delivered before.
    pub due: Option<Timestamp>,
    /// As its sender gave it.
    pub priority: u8,
    /// When it expires by its own word.
    pub expires: Option<Timestamp>,
    /// The length of its body.
    pub bytes: u32,
}

impl Arrival {
    /// Of a message whose properties were checked when it was published. What is put off begins to live when its time
    /// comes.
    pub fn of(
        came: Timestamp,
        due: Option<Timestamp>,
        properties: &Properties,
        body_length: usize,
    ) -> Self {
        let time_to_live = properties
            .expiration()
            .and_then(|text| text.parse::<u64>().ok());
        let begins = due.unwrap_or(came);
        Self {
            came,
            due,
            priority: properties.priority().unwrap_or(0),
            expires: time_to_live.map(|time| Timestamp(begins.0.saturating_add(time))),
            bytes: u32::try_from(body_length).unwrap_or(u32::MAX),
        }
    }
}

/// What a start must know of a live message whose record it does not read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHead {
    /// The queues that still need it.
    pub queues: SmallVec<[QueueId; 2]>,
    /// What they must know of it.
    pub arrival: Arrival,
}

impl MessageHead {
    /// The head of a whole record.
    pub fn of(message: &MessageRecord) -> Self {
        let MessageRecord {
            queues,
            accepted,
            due,
            properties,
            body,
            ..
        } = message;
        Self {
            queues: queues.clone(),
            arrival: Arrival::of(*accepted, *due, properties, body.len()),
        }
    }
}
