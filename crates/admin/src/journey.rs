//! What became of a message, as values.

pub(crate) mod show;
pub(crate) mod told;

use broker::journey::{Errand, Outcome, QueueName, Then};
use model::record::{Ending, Reason};
use model::{ChannelNumber, ConnectionId, Position, PublishingId, ShortStr, Timestamp};

/// Whose journeys are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One message's.
    Message(Position),
    /// Those of the messages with this message id.
    MessageId(ShortStr),
    /// That of the message that a publisher gave a number to.
    Numbered(ShortStr, PublishingId),
    /// Those of the last messages of a queue, at most so many.
    Queue(QueueName, usize),
}

/// One message's journey, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// The message.
    pub position: Position,
    /// In the order in which they happened.
    pub steps: Vec<Step>,
}

/// One thing that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// In which queue; `None` where it concerns all of its queues.
    pub queue: Option<QueueName>,
    /// What.
    pub what: What,
}

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was taken in.
    Published {
        /// By whom; `None` for the server itself.
        client: Option<Client>,
        /// Where it was sent.
        exchange: ShortStr,
        /// With which key.
        routing_key: ShortStr,
        /// The queues that it landed in.
        queues: Vec<QueueName>,
        /// Its publisher, and the publisher's number for it.
        publisher: Option<(ShortStr, PublishingId)>,
    },
    /// Its message id.
    MessageId(ShortStr),
    /// It is a copy of another.
    CopyOf {
        /// Of which.
        original: Position,
        /// What for.
        errand: Errand,
    },
    /// It was handed out.
    Delivered {
        /// Which attempt.
        attempt: u32,
        /// To whom.
        client: Client,
        /// To which consumer; `None` for basic.get.
        consumer_tag: Option<ShortStr>,
    },
    /// An attempt ended without an acknowledgement.
    AttemptEnded {
        /// Which.
        attempt: u32,
        /// How.
        outcome: Outcome,
        /// What became of it.
        then: Then,
    },
    /// It is not to be delivered before this time.
    Delayed(Timestamp),
    /// It waited for its time and is ready now.
    Due,
    /// It is kept in sight.
    Parked(Reason),
    /// A copy was sent somewhere else.
    Copied {
        /// The copy.
        copy: Position,
        /// What for.
        errand: Errand,
    },
    /// It was parked and is ready again.
    Redriven,
    /// It left the queue.
    Ended(Ending),
    /// The server came up: whoever had the message has it no more.
    Started,
    /// Something may have happened of which nobody knows.
    LeftOut,
}

/// A client's connection and channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The number of the connection, from the start of the server.
    pub connection: ConnectionId,
    /// The channel.
    pub channel: ChannelNumber,
    /// Who logged in.
    pub user: ShortStr,
    /// From where.
    pub address: ShortStr,
}
