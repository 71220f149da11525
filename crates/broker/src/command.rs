//! What an operator asks for: a closed list of commands, and what they are answered.
//!
//! Commands change definitions; like the replies to clients, their answers wait until what they speak of has
//! landed.

use crate::access::Right;
use crate::audit::Account;
use crate::bearer::Bearer;
use crate::definitions::Definitions;
use crate::password::{Mark, Slow};
use crate::snapshot::{
    ChannelStatus, ConnectionStatus, ConsumerStatus, ExchangeStatus, Look, MessageStatus, Page,
    QueueStatus, State, Totals,
};
use model::method::{exchange, queue};
use model::record::{
    PermissionDefinition, PolicyDefinition, TopicPermissionDefinition, UserDefinition,
    VhostDefinition,
};
use model::{ConnectionId, Password, Position, Publish, ShortStr};
use std::sync::Arc;

/// Tells the shell which command an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(pub u64);

/// What an operator asks for.
#[derive(Debug)]
pub enum Command {
    /// Is that the user's password? Answered with the user.
    Authenticate {
        /// Who it is said to be.
        user: ShortStr,
        /// The password as it came.
        password: Password,
        /// Whether it came from this machine: some users may come from nowhere else.
        local: bool,
    },
    /// Is the user still the one who once logged in under that mark? Answered with the user.
    User {
        /// The user's name.
        user: ShortStr,
        /// What the user logged in with.
        mark: Mark,
        /// Whether it came from this machine.
        local: bool,
    },
    /// Make a virtual host, or change what is said of it.
    PutVhost(VhostDefinition),
    /// Remove a virtual host with all that is in it; its connections are closed.
    RemoveVhost {
        /// Its name.
        vhost: ShortStr,
    },
    /// Make or replace a user; the hash was made by the shell, which has salt.
    PutUser(UserDefinition),
    /// Remove a user with all permissions; the user's connections are closed.
    RemoveUser {
        /// The user's name.
        user: ShortStr,
    },
    /// Set what a user may do in a virtual host.
    PutPermission(PermissionDefinition),
    /// A user may no longer use a virtual host.
    RemovePermission {
        /// The user's name.
        user: ShortStr,
        /// The virtual host's name.
        vhost: ShortStr,
    },
    /// Set which routing keys a user may use at an exchange.
    PutTopicPermission(TopicPermissionDefinition),
    /// A user may use any routing key again: at one exchange, or at all of a virtual host.
    RemoveTopicPermission {
        /// The user's name.
        user: ShortStr,
        /// The virtual host's name.
        vhost: ShortStr,
        /// The exchange; `None` for all.
        exchange: Option<ShortStr>,
    },
    /// Make or replace a policy.
    PutPolicy(PolicyDefinition),
    /// Remove a policy.
    RemovePolicy {
        /// The virtual host's name.
        vhost: ShortStr,
        /// The policy's name.
        name: ShortStr,
    },
    /// Make or replace an operator policy.
    PutOperatorPolicy(PolicyDefinition),
    /// Remove an operator policy.
    RemoveOperatorPolicy {
        /// The virtual host's name.
        vhost: ShortStr,
        /// The policy's name.
        name: ShortStr,
    },
    /// Make everything in it. What is there already is replaced (users, permissions, policies, what is said of
    /// virtual hosts) or kept as it is (queues, exchanges, bindings).
    Import(Box<Definitions>),
    /// All definitions as they stand.
    Export,
    /// Virtual hosts, users and permissions as they stand. Answered with definitions.
    Directory,
    /// Become the same as the directory of another shard: what is not in it is removed.
    Follow(Box<Definitions>),
    /// What queues have accepted, what ended and what is here: of one, of a virtual host's, or of all.
    Audit {
        /// The virtual host; `None` for all.
        vhost: Option<ShortStr>,
        /// The queue; `None` for all.
        queue: Option<ShortStr>,
    },
    /// May the user do that with what has this name?
    Permitted {
        /// Who.
        user: ShortStr,
        /// The virtual host's name.
        vhost: ShortStr,
        /// What.
        right: Right,
        /// The name.
        name: ShortStr,
    },
    /// Look at what is there.
    Look(Look),
    /// Close a connection; its client is told why.
    CloseConnection {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: String,
    },
    /// Parked messages are to be handed out again, their attempts forgotten; dead letters that are ready go back to
    /// the queues in which they died.
    Redrive(Chosen),
    /// Delayed messages are to be handed out now.
    Fire(Chosen),
    /// Messages that wait are not wanted any more.
    Cancel(Chosen),
    /// What a client could do as well, as that user.
    OnBehalf(OnBehalf),
}

/// What a user asks for as on a channel.
#[derive(Debug)]
pub struct OnBehalf {
    /// Whose permissions count.
    pub user: ShortStr,
    /// Whose scopes count instead, where it came with a token.
    pub bearer: Option<Arc<Bearer>>,
    /// In which virtual host.
    pub vhost: ShortStr,
    /// What.
    pub deed: Deed,
}

/// One thing that a client could do as well.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum Deed {
    /// Nothing: whether the user may be there at all.
    Enter,
    DeclareQueue(queue::Declare),
    DeleteQueue(queue::Delete),
    PurgeQueue(queue::Purge),
    DeclareExchange(exchange::Declare),
    DeleteExchange(exchange::Delete),
    BindQueue(queue::Bind),
    UnbindQueue(queue::Unbind),
    BindExchange(exchange::Bind),
    UnbindExchange(exchange::Unbind),
    Publish(Publish),
    /// The messages that would be handed out next, to be looked at.
    Peek {
        queue: ShortStr,
        /// At most so many, and at most a thousand.
        most: usize,
    },
    /// basic.get of messages that were seen, settled at once. What is not ready any more is left alone.
    Take {
        queue: ShortStr,
        /// At most a thousand.
        positions: Vec<Position>,
        /// basic.reject for good, instead of basic.ack.
        reject: bool,
    },
}

/// Messages that an operator wants something done with.
#[derive(Debug)]
pub struct Chosen {
    /// The virtual host's name.
    pub vhost: ShortStr,
    /// The queue's name.
    pub queue: ShortStr,
    /// Where they were seen: what is not there any more is left alone.
    pub state: State,
    /// Which; at most a thousand at a time.
    pub positions: Vec<Position>,
}

/// What a command is answered.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// It is done and has landed.
    Done {
        /// Whether something was made that had not been there.
        made: bool,
    },
    /// The user who was asked for, or whose password it was.
    User(UserDefinition, Mark),
    /// The shell, which is the first to see a password, has found that it is a good token.
    Bearer(Arc<Bearer>),
    /// The password takes long to look at: the shell does it, and then asks for the user under the mark.
    Slow(Slow),
    /// All definitions.
    Definitions(Box<Definitions>),
    /// The accounts of queues.
    Accounts(Vec<Account>),
    /// Queues, by virtual host and name.
    Queues(Vec<QueueStatus>),
    /// Everything in a few numbers.
    Totals(Box<Totals>),
    /// Exchanges.
    Exchanges(Vec<ExchangeStatus>),
    /// Connections, by number.
    Connections(Vec<ConnectionStatus>),
    /// Channels, by connection and number.
    Channels(Vec<ChannelStatus>),
    /// Consumers, in the order in which they came.
    Consumers(Vec<ConsumerStatus>),
    /// Messages.
    Messages(Page),
    /// What was done with messages, and has landed.
    Outcome(Outcome),
    /// The message has landed in every queue that takes it.
    Published {
        /// Whether there is any.
        routed: bool,
    },
    /// The messages that would be handed out next, in this order.
    Next {
        /// How many there are in all.
        ready: u64,
        /// The first of them.
        messages: Vec<MessageStatus>,
    },
}

/// What became of chosen messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// With so many of them it was done.
    pub done: u64,
    /// The others are as they were.
    pub stayed: Vec<Stayed>,
}

/// A message with which nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stayed {
    /// Which.
    pub position: Position,
    /// Why.
    pub why: String,
}

/// Why a command is refused; nothing was changed by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// What it is about is not there.
    #[error("{0}")]
    NotFound(String),
    /// What it says makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// No such user, another password, or not from there.
    #[error("{0}")]
    AccessRefused(String),
    /// The user may not do that.
    #[error("{0}")]
    NotPermitted(String),
    /// There is too little memory or room on the disk to take more in.
    #[error("{0}")]
    Short(String),
}
