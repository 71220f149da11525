//! Who is connected: connections, their channels, and the consumers on them.

use crate::access::Rights;
use crate::landing::Confirms;
use crate::numbered::Numbering;
use crate::permit::Grants;
use crate::request::Request;
use crate::retry::Cause;
use crate::route::VhostIndex;
use crate::schedule::Deadline;
use crate::seldom::Seldom;
use crate::statistics::Counted;
use crate::tx::Transaction;
use crate::unacked::Unacked;
use crate::{Broker, Effect, Mark, Opened};
use model::method::{channel, connection};
use model::{
    ChannelError, ChannelNumber, ConnectionError, ConnectionId, MethodId, Position, QueueId,
    ReplyCode, ShortStr, Timestamp,
};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// A channel of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChannelId {
    pub(crate) connection: ConnectionId,
    pub(crate) number: ChannelNumber,
}

/// One consumer; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConsumerId(pub(crate) u64);

/// A connection with an open virtual host.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) vhost: VhostIndex,
    pub(crate) user: ShortStr,
    /// What the user may do here.
    pub(crate) grants: Grants,
    pub(crate) consumer_cancel_notify: bool,
    pub(crate) blocked_notify: bool,
    pub(crate) channels: FxHashMap<ChannelNumber, Channel>,
    pub(crate) exclusive_queues: Vec<QueueId>,
    /// How many more deliveries may be handed to the shell before it reports some as written: what a client
    /// does not read must not pile up in memory (promise P9).
    pub(crate) delivery_room: u32,
    /// It has published; only such connections are blocked when disk or memory is short.
    pub(crate) publishes: bool,
    pub(crate) blocked: bool,
}

/// Deliveries on their way to one connection at a time.
pub(crate) const DELIVERY_ROOM: u32 = 2048;

/// An open channel.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    /// The prefetch count of each consumer; 0 for no limit.
    pub(crate) prefetch_each: u32,
    /// The prefetch count of all consumers together; 0 for no limit.
    pub(crate) prefetch_all: u32,
    pub(crate) consumers: FxHashMap<ShortStr, ConsumerId>,
    pub(crate) unacked: Unacked,
    /// `None` until confirm.select.
    pub(crate) confirms: Option<Confirms>,
    /// `None` until tx.select.
    pub(crate) transaction: Option<Transaction>,
    /// `None` until whoever passes messages on numbers them.
    pub(crate) numbering: Option<Numbering>,
    /// The last record that this channel's publishes asked for.
    pub(crate) published: Position,
    /// Replies that wait for landing; nothing else may overtake them.
    pub(crate) held_replies: u32,
    /// Requests behind one that must see the channel's own publishes landed.
    pub(crate) stalled: VecDeque<Request>,
    /// The queue that an empty name stands for.
    pub(crate) last_queue: ShortStr,
    /// The queue that its replies come to, if it asked for one.
    pub(crate) reply_queue: ShortStr,
    /// What went through it.
    pub(crate) counted: Seldom<Counted>,
}

/// A consumer on a channel.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) channel: ChannelId,
    pub(crate) tag: ShortStr,
    pub(crate) queue: QueueId,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
    pub(crate) priority: i32,
    /// Milliseconds that it may take to acknowledge, where that is its own.
    pub(crate) timeout: Option<u64>,
    pub(crate) unacked: u32,
    /// Listed at its queue as one that may have room.
    pub(crate) waiting: bool,
}

impl Broker {
    pub(crate) fn open_connection(&mut self, opened: Opened) {
        let to = ChannelId {
            connection: opened.connection,
            number: ChannelNumber(0),
        };
        let (vhost, grants) = match self.admit(&opened) {
            Ok(admitted) => admitted,
            Err(explanation) => {
                let error =
                    ConnectionError::new(ReplyCode::NotAllowed, explanation, connection::Open::ID);
                self.effects
                    .push_back(Effect::CloseConnection(opened.connection, error));
                return;
            }
        };
        self.logged_in.remove(&opened.connection);
        self.quota.connection_opened(&opened.user, vhost);
        self.statistics.churn.connection_created += 1;
        let known = self.connections.insert(
            opened.connection,
            Connection {
                vhost,
                user: opened.user,
                grants,
                consumer_cancel_notify: opened.consumer_cancel_notify,
                blocked_notify: opened.blocked_notify,
                channels: FxHashMap::default(),
                exclusive_queues: Vec::new(),
                delivery_room: DELIVERY_ROOM,
                publishes: false,
                blocked: false,
            },
        );
        assert!(known.is_none(), "a connection opens once");
        self.effects.push_back(Effect::Send(
            to.connection,
            to.number,
            connection::OpenOk::default().into(),
        ));
    }

    /// Where the connection is, and what it may do there; or why it is not let in.
    fn admit(&self, opened: &Opened) -> Result<(VhostIndex, Grants), String> {
        let Some(vhost) = self.own_vhost_named(&opened.vhost) else {
            return Err(format!("vhost {} not found", opened.vhost));
        };
        if let Some(why) = self.connection_refused(&opened.user, vhost) {
            return Err(why);
        }
        match self.rights_of(opened) {
            Some(rights) => Ok((vhost, Grants::new(rights))),
            None => Err(format!(
                "access to vhost '{}' refused for user '{}'",
                opened.vhost, opened.user
            )),
        }
    }

    fn rights_of(&self, opened: &Opened) -> Option<Arc<Rights>> {
        if let Some(bearer) = self.bearers.get(&opened.connection) {
            return bearer.rights(&opened.vhost);
        }
        let logged_in = self.logged_in.get(&opened.connection);
        let user = self.access.users.get(&opened.user);
        // Whoever was removed since the login, and made anew under the same name, is somebody else.
        if logged_in.is_some_and(|mark| user.is_none_or(|user| Mark::of(user) != *mark)) {
            return None;
        }
        self.access.rights(&opened.user, &opened.vhost)
    }

    /// A connection is gone: its exclusive queues go with it, what it did not acknowledge comes back.
    pub(crate) fn close_connection(&mut self, now: Timestamp, id: ConnectionId) {
        self.bearers.remove(&id);
        self.logged_in.remove(&id);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let exclusive = std::mem::take(&mut connection.exclusive_queues);
        let mut numbers: Vec<ChannelNumber> = connection.channels.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            let channel = ChannelId {
                connection: id,
                number,
            };
            self.forget_channel(now, channel);
        }
        self.connection_goes(id);
        if let Some(connection) = self.connections.remove(&id) {
            self.quota.connection_closed(&connection);
            self.statistics.churn.connection_closed += 1;
            self.statistics.publishers -= u64::from(connection.publishes);
        }
        for queue in exclusive {
            self.remove_queue(queue);
        }
    }

    pub(crate) fn open_channel(&mut self, now: Timestamp, id: ChannelId) {
        let Some(connection) = self.connections.get_mut(&id.connection) else {
            return;
        };
        if let Some(why) = self.quota.refuses_channel(&self.access, &connection.user) {
            let error = ConnectionError::new(ReplyCode::NotAllowed, why, channel::Open::ID);
            self.close_connection_with(now, id.connection, error);
            return;
        }
        self.quota.channel_opened(&connection.user);
        self.statistics.churn.channel_created += 1;
        connection.channels.insert(id.number, Channel::default());
        self.effects.push_back(Effect::Send(
            id.connection,
            id.number,
            channel::OpenOk::default().into(),
        ));
    }

    /// channel.close from the client.
    pub(crate) fn close_channel(&mut self, now: Timestamp, id: ChannelId) {
        self.forget_channel(now, id);
        self.effects.push_back(Effect::Send(
            id.connection,
            id.number,
            channel::CloseOk.into(),
        ));
    }

    pub(crate) fn close_channel_with(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        error: ChannelError,
    ) {
        self.forget_channel(now, id);
        self.effects
            .push_back(Effect::CloseChannel(id.connection, id.number, error));
    }

    pub(crate) fn close_connection_with(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        error: ConnectionError,
    ) {
        self.close_connection(now, id);
        self.effects.push_back(Effect::CloseConnection(id, error));
    }

    /// Ends a channel: its consumers go, what it did not acknowledge comes back to its place.
    fn forget_channel(&mut self, now: Timestamp, id: ChannelId) {
        let Some(connection) = self.connections.get_mut(&id.connection) else {
            return;
        };
        let Some(mut channel) = connection.channels.remove(&id.number) else {
            return;
        };
        self.quota.channel_closed(&connection.user);
        self.statistics.churn.channel_closed += 1;
        self.landing.forget_channel(id);
        self.schedule.set(Deadline::Channel(id), None);
        self.landing.stalled_bytes -= channel.stalled.iter().map(Request::bytes).sum::<usize>();
        if let Some(transaction) = &channel.transaction {
            self.transaction_room.leave(transaction);
        }
        let mut consumers: Vec<ConsumerId> = channel.consumers.values().copied().collect();
        consumers.sort_unstable();
        for entry in channel.unacked.drain() {
            self.come_back(now, &entry, Cause::Lost);
        }
        for consumer in consumers {
            self.remove_consumer(now, consumer);
        }
    }

    /// The channel, if neither side has closed it meanwhile.
    pub(crate) fn channel_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.connections
            .get_mut(&id.connection)?
            .channels
            .get_mut(&id.number)
    }

    /// The channel of the request being handled.
    pub(crate) fn open_channel_mut(&mut self, id: ChannelId) -> &mut Channel {
        self.channel_mut(id)
            .expect("a request is handled only while its channel is open")
    }

    /// The connection of the request being handled.
    pub(crate) fn connection_of(&mut self, id: ChannelId) -> &mut Connection {
        self.connections
            .get_mut(&id.connection)
            .expect("a request is handled only while its connection is open")
    }

    /// A name that nobody else has, for what the client left unnamed. Its middle is mixed so that names do
    /// not look alike, not so that they cannot be guessed: exclusive queues are guarded by their owner.
    pub(crate) fn make_name(&mut self, prefix: &str, now: model::Timestamp) -> ShortStr {
        self.names_made += 1;
        let mut mixed = now.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.names_made;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ShortStr::truncated(&format!(
            "{prefix}{:016x}{:06x}",
            mixed ^ (mixed >> 31),
            self.names_made
        ))
    }
}

/// How a request is refused: the type says what closes.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum Refusal {
    Channel(#[from] ChannelError),
    Connection(#[from] ConnectionError),
}

/// `NOT_FOUND` for the channel.
pub(crate) fn not_found(explanation: String, method: MethodId) -> Refusal {
    ChannelError::new(ReplyCode::NotFound, explanation, method).into()
}

/// `ACCESS_REFUSED` for the channel.
pub(crate) fn access_refused(explanation: impl std::fmt::Display, method: MethodId) -> Refusal {
    ChannelError::new(ReplyCode::AccessRefused, explanation, method).into()
}

/// `PRECONDITION_FAILED` for the channel.
pub(crate) fn precondition_failed(
    explanation: impl std::fmt::Display,
    method: MethodId,
) -> Refusal {
    ChannelError::new(ReplyCode::PreconditionFailed, explanation, method).into()
}
