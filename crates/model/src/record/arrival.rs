//! What queues must know of a message that comes, and all that need be kept of it beside its record.

use super::{Fingerprint, Publishing};
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

    /// Of a message by its record.
    pub fn of_record(message: &MessageRecord) -> Self {
        let MessageRecord {
            accepted,
            due,
            properties,
            body,
            ..
        } = message;
        Self::of(*accepted, *due, properties, body.len())
    }
}

/// All that a start must know of a message: its record without what only its receivers need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHead {
    /// The queues that need it.
    pub queues: SmallVec<[QueueId; 2]>,
    /// What they must know of it.
    pub arrival: Arrival,
    /// The publisher and its number for the message, where it gave them.
    pub publisher: Option<Publishing>,
    /// What queues that deduplicate remember of it.
    pub fingerprints: Vec<(QueueId, Fingerprint)>,
}

impl MessageHead {
    /// The head of a whole record.
    pub fn of(message: &MessageRecord) -> Self {
        Self {
            queues: message.queues.clone(),
            arrival: Arrival::of_record(message),
            publisher: message.publisher.clone(),
            fingerprints: message.fingerprints.clone(),
        }
    }

    /// Whether `message`, the `nth` behind the one of this head, has the same head but for its publisher's number,
    /// which is higher by `nth`.
    pub fn goes_on_with(&self, nth: u64, message: &MessageRecord) -> bool {
        let numbered_on = match (&self.publisher, &message.publisher) {
            (None, None) => true,
            (Some(first), Some(this)) => {
                first.id.0.checked_add(nth) == Some(this.id.0)
                    && first.publisher == this.publisher
                    && first.vhost == this.vhost
            }
            _ => false,
        };
        numbered_on
            && self.fingerprints.is_empty()
            && message.fingerprints.is_empty()
            && self.queues == message.queues
            && self.arrival == Arrival::of_record(message)
    }
}
