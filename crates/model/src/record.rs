//! What the store keeps: the records of a lane, as values. Their bytes are `store`'s business.
//!
//! Everything that must outlive a crash is one of these. Records are applied in the order of their positions
//! when a lane is recovered. Queues are known by id, so that the order in which recovery meets a message, its
//! settling and its queue's declaration does not matter.

mod access;
mod arrival;
mod fate;
mod fingerprint;
mod tally;
pub use access::{
    Hashing, PermissionDefinition, PolicyDefinition, TopicPermissionDefinition, UserDefinition,
    VhostDefinition,
};
pub use arrival::{Arrival, MessageHead};
pub use fate::{Attempts, Ending, Place, Reason, Waiting};
pub use fingerprint::Fingerprint;
pub use tally::Tally;

use crate::{FieldTable, Properties, PublishingId, QueueId, Runs, ShortStr, Timestamp};
use bytes::Bytes;
use smallvec::SmallVec;

/// One record of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A message and the queues that it was routed to.
    Message(MessageRecord),
    /// Messages that one queue has no more, and how they ended. Held as runs of message positions.
    Settled(QueueId, Ending, Runs),
    /// Messages of one queue that wait otherwise than as they came: handed out in vain, put off, parked, or back in
    /// their order. By rising position; what is told last of a message counts, and a checkpoint tells it again.
    Waiting(QueueId, Vec<Waiting>),
    /// What one queue that deduplicates remembers of messages, which may be gone: by rising position, and told again
    /// at a checkpoint. At first it is told with the message itself.
    Remembered(QueueId, Vec<(crate::Position, Fingerprint)>),
    /// Messages of one queue that were delivered at least once and came back; told on a clean stop.
    Delivered(QueueId, Runs),
    /// A definition was made, changed or removed.
    Definition(Definition),
    /// All definitions and publishers that stand at this position, all messages that wait otherwise than as they
    /// came, and what queues remember of messages, have been written again since the checkpoint began: nothing before the record `begin` is needed to know them.
    Checkpoint {
        /// The position of the checkpoint's first record.
        begin: crate::Position,
        /// The lowest queue id that was never used.
        next_queue: QueueId,
    },
    /// The node stopped cleanly: what was delivered and came back has been told.
    Stopped,
}

/// A message that landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// The queues that it was routed to; at least one.
    pub queues: SmallVec<[QueueId; 2]>,
    /// The publisher and its number for the message, where it gave them.
    pub publisher: Option<Publishing>,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// Not to be delivered before this time; `None` for at once.
    pub due: Option<Timestamp>,
    /// What queues that deduplicate remember of it from now on.
    pub fingerprints: Vec<(QueueId, Fingerprint)>,
    /// The exchange that it was published to.
    pub exchange: ShortStr,
    /// The routing key that it was published with.
    pub routing_key: ShortStr,
    /// Its properties, as they came.
    pub properties: Properties,
    /// Its body.
    pub body: Bytes,
}

/// A sender's own identity for a message: the same on every retransmission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publishing {
    /// The virtual host in which the publisher's name counts.
    pub vhost: ShortStr,
    /// The publisher's name.
    pub publisher: ShortStr,
    /// The publisher's number for the message.
    pub id: PublishingId,
}

/// A definition that was made, changed or removed. To make what exists already is to replace it, to remove
/// what does not exist is nothing: so a recovery may meet them twice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Definition {
    VhostMade(VhostDefinition),
    /// A virtual host goes, with all that was told of it before.
    VhostRemoved {
        vhost: ShortStr,
    },
    ExchangeMade {
        vhost: ShortStr,
        exchange: ExchangeDefinition,
    },
    ExchangeRemoved {
        vhost: ShortStr,
        exchange: ShortStr,
    },
    QueueMade {
        vhost: ShortStr,
        queue: QueueDefinition,
    },
    QueueRemoved {
        queue: QueueId,
    },
    Bound(BindingDefinition),
    Unbound(BindingDefinition),
    /// The publishing ids of a publisher that landed, written again at a checkpoint.
    PublisherLanded {
        vhost: ShortStr,
        publisher: ShortStr,
        landed: Runs,
    },
    UserMade(UserDefinition),
    /// A user goes, with all permissions.
    UserRemoved {
        user: ShortStr,
    },
    PermissionMade(PermissionDefinition),
    PermissionRemoved {
        user: ShortStr,
        vhost: ShortStr,
    },
    TopicPermissionMade(TopicPermissionDefinition),
    TopicPermissionRemoved {
        user: ShortStr,
        vhost: ShortStr,
        exchange: ShortStr,
    },
    /// How many messages a queue has had up to here, written again at a checkpoint.
    QueueCounted {
        queue: QueueId,
        tally: Tally,
    },
    /// A queue hands nothing out, because an operator says so; or does again.
    QueuePaused {
        queue: QueueId,
        paused: bool,
    },
    PolicyMade(PolicyDefinition),
    PolicyRemoved {
        vhost: ShortStr,
        name: ShortStr,
    },
    /// A policy whose limits count whatever others say.
    OperatorPolicyMade(PolicyDefinition),
    OperatorPolicyRemoved {
        vhost: ShortStr,
        name: ShortStr,
    },
}

/// An exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct ExchangeDefinition {
    pub name: ShortStr,
    /// `direct`, `fanout`, `topic`, `headers`, `x-consistent-hash`, `x-delayed-message`.
    pub kind: ShortStr,
    pub durable: bool,
    pub auto_delete: bool,
    pub internal: bool,
    pub arguments: FieldTable,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct QueueDefinition {
    pub id: QueueId,
    pub name: ShortStr,
    pub durable: bool,
    pub exclusive: bool,
    pub auto_delete: bool,
    pub arguments: FieldTable,
}

/// A binding from an exchange to a queue or to another exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct BindingDefinition {
    pub vhost: ShortStr,
    pub source: ShortStr,
    pub destination: Destination,
    pub routing_key: ShortStr,
    pub arguments: FieldTable,
}

/// What a binding leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// A queue.
    Queue(QueueId),
    /// Another exchange of the same virtual host.
    Exchange(ShortStr),
}
