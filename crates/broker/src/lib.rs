//! The life of one message, as a pure state machine: no IO, no clock, no threads, no randomness.
//!
//! The shell hands in what happened and when ([`Broker::handle`]), ends each turn with [`Broker::tick`], and
//! performs what the broker wants done ([`Broker::poll_effect`]). One rule is above all others: nothing leaves
//! before the record that it depends on has landed.

use model::{
    ChannelError, ChannelNumber, ConnectionError, ConnectionId, DeliveryTag, Method, Position,
    Publish, Record, ShortStr,
};

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A client passed login and asks for a virtual host; the broker answers it (connection.open-ok or 530).
    ConnectionOpened(Opened),
    /// A connection is gone, closed or broken: its exclusive queues go, its unacked messages come back.
    ConnectionClosed(ConnectionId),
    /// channel.open; the broker answers it.
    ChannelOpened(ConnectionId, ChannelNumber),
    /// channel.close from the client; the broker answers it.
    ChannelClosed(ConnectionId, ChannelNumber),
    /// A method other than basic.publish on an open channel; the broker answers it.
    Method(ConnectionId, ChannelNumber, Method),
    /// basic.publish with its whole content.
    Publish(ConnectionId, ChannelNumber, Publish),
    /// The store says that every record up to and including this one has landed.
    Landed(Position),
    /// The shell wrote deliveries to the client's socket: so many more may be handed to it.
    Written(ConnectionId, Written),
    /// A delivery could not be handed out because its record is gone; its tag is free again.
    Undeliverable(ConnectionId, ChannelNumber, DeliveryTag),
    /// The store asks for a checkpoint.
    CheckpointWanted,
    /// The store says whether publishes may go on.
    Room(bool),
    /// The node is about to stop: tell what was delivered and came back. The last input.
    Stopping,
}

/// A connection that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The connection.
    pub connection: ConnectionId,
    /// Who logged in.
    pub user: ShortStr,
    /// The virtual host.
    pub vhost: ShortStr,
    /// The client understands basic.cancel from the server.
    pub consumer_cancel_notify: bool,
    /// The client understands connection.blocked.
    pub blocked_notify: bool,
}

/// Deliveries that reached the client's socket.
#[derive(Debug, Default)]
pub struct Written {
    /// How many, of any kind.
    pub deliveries: u32,
    /// Those that need no acknowledgement, by channel and tag: being written settles them.
    pub settled: Vec<(ChannelNumber, DeliveryTag)>,
}

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
    /// Close a channel with an error. The broker has forgotten it already.
    CloseChannel(ConnectionId, ChannelNumber, ChannelError),
    /// Close a connection with an error. The broker has forgotten it already.
    CloseConnection(ConnectionId, ConnectionError),
    /// Tell a connection that publishes must wait (connection.blocked), and read nothing more from it.
    Block(ConnectionId, ShortStr),
    /// Take up reading it again (connection.unblocked).
    Unblock(ConnectionId),
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
    /// How often it was delivered before: the header x-delivery-count, told from the second delivery on.
    pub delivery_count: u32,
    /// No acknowledgement will come: report it as settled once it is written.
    pub no_ack: bool,
}
