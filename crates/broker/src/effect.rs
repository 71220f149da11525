//! What the broker wants done: a closed list, performed by the shell in one place.

use crate::audit::Account;
use crate::command::{Answer, CommandId, CommandRefused};
use crate::login::LoginRefused;
use crate::password::Slow;
use model::record::Attempts;
use model::{
    ChannelError, ChannelNumber, ConnectionError, ConnectionId, DeliveryTag, Method, Position,
    Publish, QueueId, Record, ShortStr,
};

/// What the broker wants done. Effects for one connection are performed in the order they come.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Land this record; positions come without gaps.
    Land {
        /// The record's position.
        position: Position,
        /// The record.
        record: Record,
        /// Whether someone waits for it. What nobody waits for may land with the next that someone does.
        awaited: bool,
    },
    /// A client may go on to connection.tune, or its login is refused.
    LoginChecked {
        /// Whose.
        connection: ConnectionId,
        /// Why it is refused, for the log.
        result: Result<(), LoginRefused>,
    },
    /// Look at a client's password beside the loop; where it fits, say so by another
    /// [`Input::Login`](crate::Input::Login).
    PasswordSlow {
        /// Whose.
        connection: ConnectionId,
        /// What it has to fit.
        slow: Slow,
    },
    /// Answer an operator's command.
    Answer(CommandId, Result<Answer, CommandRefused>),
    /// Send a method that carries no content.
    Send(ConnectionId, ChannelNumber, Method),
    /// Hand a message to a consumer: basic.deliver.
    Deliver {
        /// To whom.
        connection: ConnectionId,
        /// On which channel.
        channel: ChannelNumber,
        /// To which consumer.
        consumer_tag: ShortStr,
        /// What is handed out.
        delivery: Delivery,
    },
    /// Answer basic.get with a message.
    GetOk {
        /// To whom.
        connection: ConnectionId,
        /// On which channel.
        channel: ChannelNumber,
        /// What is handed out.
        delivery: Delivery,
        /// How many are ready after this one.
        message_count: u32,
    },
    /// Give an unroutable message back: basic.return.
    Return {
        /// To whom.
        connection: ConnectionId,
        /// On which channel.
        channel: ChannelNumber,
        /// The message as it came.
        message: Publish,
    },
    /// Read a message and hand it in: [`Input::Fetched`](crate::Input::Fetched).
    Fetch {
        /// The queue that holds it.
        queue: QueueId,
        /// Where its record is to be read.
        position: Position,
    },
    /// The audit has found a difference: log it as an error.
    Unbalanced(Box<Account>),
    /// Close a channel with an error. The broker has forgotten it already.
    CloseChannel(ConnectionId, ChannelNumber, ChannelError),
    /// Close a connection with an error. The broker has forgotten it already.
    CloseConnection(ConnectionId, ConnectionError),
    /// Read nothing more from a connection: publishes must wait.
    Block {
        /// Which.
        connection: ConnectionId,
        /// Why, for connection.blocked.
        reason: ShortStr,
        /// Whether the client understands connection.blocked.
        notify: bool,
    },
    /// Take up reading it again.
    Unblock {
        /// Which.
        connection: ConnectionId,
        /// Whether the client understands connection.unblocked.
        notify: bool,
    },
}

/// One message on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where its record is to be read.
    pub position: Position,
    /// Its tag in the channel.
    pub tag: DeliveryTag,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// How often it was handed out in vain before: the headers x-delivery-count (failed) and x-acquired-count (all),
    /// told from the second delivery on.
    pub attempts: Attempts,
    /// No acknowledgement will come: report it as settled once it is written.
    pub no_ack: bool,
}
