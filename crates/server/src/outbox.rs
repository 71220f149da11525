//! What the shard wants done at one connection: a batch for each turn of its loop.

use broker::{Delivery, LoginRefused, Slow};
use model::{ChannelError, ChannelNumber, ConnectionError, Method, Publish, ShortStr};
use tokio::sync::mpsc;

/// One thing to be done at a connection. Nearly all are deliveries: the others keep what is large in a box, so
/// that a batch of deliveries is short.
#[derive(Debug)]
pub enum Outgoing {
    /// The login is checked.
    LoginChecked(Result<(), LoginRefused>),
    /// The password takes long to look at.
    PasswordSlow(Box<Slow>),
    /// Send a method that carries no content.
    Send(ChannelNumber, Box<Method>),
    /// Hand a message to a consumer.
    Deliver {
        /// On which channel.
        channel: ChannelNumber,
        /// To which consumer.
        consumer_tag: ShortStr,
        /// What.
        delivery: Delivery,
    },
    /// Answer basic.get with a message.
    GetOk {
        /// On which channel.
        channel: ChannelNumber,
        /// What.
        delivery: Delivery,
        /// How many are ready after it.
        message_count: u32,
    },
    /// Give an unroutable message back.
    Return {
        /// On which channel.
        channel: ChannelNumber,
        /// The message as it came.
        message: Box<Publish>,
    },
    /// Close a channel with an error.
    CloseChannel(ChannelNumber, Box<ChannelError>),
    /// Close the connection with an error.
    Close(ConnectionError),
    /// Read nothing more for now.
    Block {
        /// Why.
        reason: ShortStr,
        /// Whether the client understands connection.blocked.
        notify: bool,
    },
    /// Read again.
    Unblock {
        /// Whether the client understands connection.unblocked.
        notify: bool,
    },
}

impl Outgoing {
    /// The memory that it holds, in bytes, roughly.
    pub fn weight(&self) -> usize {
        let content = match self {
            Self::Return { message, .. } => {
                message.body.len() + message.properties.as_bytes().len()
            }
            _ => 0,
        };
        size_of::<Self>() + content
    }
}

/// The shard's end of an outbox. It is never full: the broker bounds deliveries, and a connection with much
/// waiting does not read what would cause more replies.
pub type OutboxSender = mpsc::UnboundedSender<Vec<Outgoing>>;

/// The connection's end.
pub type OutboxReceiver = mpsc::UnboundedReceiver<Vec<Outgoing>>;

/// Makes an outbox.
pub fn outbox() -> (OutboxSender, OutboxReceiver) {
    mpsc::unbounded_channel()
}
