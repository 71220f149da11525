//! What journeys are told of: who sent a message, who got it, and what happened to it then.

use crate::envelope::Numbered;
use model::record::{Ending, Reason};
use model::{
    ChannelNumber, ConnectionId, Position, Publish, PublishingId, QueueId, Run, Runs, ShortStr,
    Timestamp,
};
use smallvec::SmallVec;

/// Something with a name that went in this turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// A queue.
    Queue(QueueId, QueueName),
    /// A connection.
    Connection(ConnectionId, ShortStr),
    /// A consumer.
    Consumer(u64, ConsumerName),
}

/// How people know a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueName {
    /// The virtual host that it is in.
    pub vhost: ShortStr,
    /// Its own name.
    pub name: ShortStr,
}

/// How people know a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerName {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its channel.
    pub channel: ChannelNumber,
    /// Its tag.
    pub tag: ShortStr,
}

/// A run of messages that came the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// From whom.
    pub origin: Origin,
    /// The queues that they landed in.
    pub queues: SmallVec<[QueueId; 2]>,
    /// Where they were sent.
    pub exchange: ShortStr,
    /// Where they were sent.
    pub routing_key: ShortStr,
    /// The publisher, and its number for the first of them; the others count on.
    pub publisher: Option<(ShortStr, PublishingId)>,
    /// Their positions.
    pub run: Run,
}

/// From whom a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a client.
    Client(ConnectionId, ChannelNumber),
    /// From the server: the copy of one that left its queue.
    Server,
}

/// A message that landed nowhere, or not in every queue that it was routed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// The message as it came.
    pub publish: Publish,
    /// Why.
    pub why: Why,
}

/// Why a message landed nowhere, or not everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No queue takes it, and nobody wants it back.
    Dropped,
    /// No queue takes it: it goes back to its publisher.
    Returned,
    /// Full queues refuse it. The others took it at this position, if there are any.
    Full(Option<Position>),
    /// It may not be published so: what its publisher is told.
    Forbidden(String),
}

/// To whom a message was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// To a consumer.
    Consumer(u64),
    /// To whoever asked for one message: basic.get.
    Get(ConnectionId, ChannelNumber),
}

/// How an attempt ended that was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its receiver gave it back to be delivered again: nack, reject or recover.
    Returned,
    /// Its receiver refused it for good: nack or reject without requeue.
    Refused,
    /// Its time was over.
    TimedOut,
    /// The connection or the channel died.
    Lost,
    /// It was acknowledged after its time was over, and still counted.
    AcknowledgedLate,
}

/// What became of a message when an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is ready again.
    Ready,
    /// It waits for its next attempt.
    Delayed(Timestamp),
    /// It leaves the queue, or is parked: what follows says which.
    Leaves,
}

/// What a copy of a message was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// To the dead letters.
    DeadLetter(Reason),
    /// Back to where it had died.
    Redrive,
    /// To where an operator said.
    Move,
}

/// What happened to messages after they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// They were handed out.
    Delivered {
        /// Their queue.
        queue: QueueId,
        /// To whom.
        to: Receiver,
        /// Which attempt it is, counted from 1.
        attempt: u32,
        /// Their positions.
        run: Run,
    },
    /// An attempt ended without an acknowledgement in time.
    AttemptEnded {
        /// The message's queue.
        queue: QueueId,
        /// The message.
        position: Position,
        /// Which attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// What becomes of the message.
        then: Then,
    },
    /// It is not to be delivered before a time.
    Delayed {
        /// The message's queue.
        queue: QueueId,
        /// The message.
        position: Position,
        /// The time.
        due: Timestamp,
    },
    /// It waited for its time and is ready now.
    Due {
        /// The message's queue.
        queue: QueueId,
        /// The message.
        position: Position,
    },
    /// It is out of attempts, or its dead-letter exchange leads nowhere, and is kept in sight.
    Parked {
        /// The message's queue.
        queue: QueueId,
        /// The message.
        position: Position,
        /// Why it would have left.
        why: Reason,
    },
    /// A copy of it was sent somewhere else, and it leaves.
    Copied {
        /// The queue that it leaves.
        queue: QueueId,
        /// The message.
        position: Position,
        /// Its copy.
        copy: Position,
        /// What for.
        errand: Errand,
    },
    /// It was parked and is ready again, as if it had never been delivered.
    Redriven {
        /// The message's queue.
        queue: QueueId,
        /// The message.
        position: Position,
    },
    /// They left the queue.
    Settled {
        /// The queue.
        queue: QueueId,
        /// How.
        ending: Ending,
        /// Their positions.
        positions: Runs,
    },
}

impl Event {
    /// In which queue it happened.
    pub const fn queue(&self) -> QueueId {
        match self {
            Self::Delivered { queue, .. }
            | Self::AttemptEnded { queue, .. }
            | Self::Delayed { queue, .. }
            | Self::Due { queue, .. }
            | Self::Parked { queue, .. }
            | Self::Copied { queue, .. }
            | Self::Redriven { queue, .. }
            | Self::Settled { queue, .. } => *queue,
        }
    }
}

impl Published {
    /// Whether a message right behind this run is of the same publisher, and has the next number.
    pub(super) fn counts_on_to(&self, next: Numbered<'_>) -> bool {
        match (&self.publisher, next) {
            (None, None) => true,
            (Some((publisher, first)), Some((name, number))) => {
                first.0.checked_add(self.run.count) == Some(number.0)
                    && publisher.as_bytes() == name
            }
            _ => false,
        }
    }
}
