//! What happened: everything that the shell may tell the broker.

use crate::bearer::Bearer;
use crate::command::{Command, CommandId};
use crate::password::Mark;
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, MessageRecord, Method, Password, Position, Publish,
    QueueId, ShortStr,
};
use std::sync::Arc;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A client says who it is; answered by [`Effect::LoginChecked`](crate::Effect::LoginChecked), or by
    /// [`Effect::PasswordSlow`](crate::Effect::PasswordSlow) if the shell has to look at the password first.
    Login(Login),
    /// The client of an open connection has shown another token: that one counts from now on.
    TokenRenewed(ConnectionId, Arc<Bearer>),
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
    /// A message that was asked for; `None` if its record is gone.
    Fetched(QueueId, Position, Option<Box<MessageRecord>>),
    /// The store asks for a checkpoint.
    CheckpointWanted,
    /// The store says whether publishes may go on.
    Room(bool),
    /// The shell says whether there is memory enough: while there is not, connections that publish are blocked, and
    /// consumers get no more than they need to go on.
    Memory(bool),
    /// An operator asks for something; answered by [`Effect::Answer`](crate::Effect::Answer).
    Command(CommandId, Command),
    /// The node begins to stop, and says goodbye to its clients: they did not choose to go, so an auto-delete queue does
    /// not go with its last consumer any more (promise P2).
    Farewell,
    /// The node is about to stop: tell what was delivered and came back. The last input.
    Stopping,
}

/// What shows who somebody is.
#[derive(Debug)]
pub enum Proof {
    /// The password as it came.
    Password(Password),
    /// The shell has looked at the password beside the loop: it fitted what is under this mark.
    Checked(Mark),
    /// The shell knows it: by a certificate, or from another node.
    Vouched,
    /// The shell has verified a token that says so, and knows when it ends.
    Token(Arc<Bearer>),
}

/// Who a client says it is.
#[derive(Debug)]
pub struct Login {
    /// The connection.
    pub connection: ConnectionId,
    /// The user's name.
    pub user: ShortStr,
    /// Why that should be so.
    pub proof: Proof,
    /// Whether the client is on this machine.
    pub local: bool,
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
