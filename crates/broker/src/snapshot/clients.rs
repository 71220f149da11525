//! Who is connected, on which channels, and who consumes what; and of a consumer that gets nothing: why.

use crate::Broker;
use crate::connection::{Channel, ChannelId, Connection, Consumer, ConsumerId};
use crate::statistics::Recent;
use crate::traffic::Traffic;
use model::{ChannelNumber, ConnectionId, QueueId, ShortStr, Timestamp};

/// A connection with an open virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Which.
    pub connection: ConnectionId,
    /// Who logged in.
    pub user: ShortStr,
    /// Where.
    pub vhost: ShortStr,
    /// How many channels it has.
    pub channels: u64,
    /// Nothing is read from it: it publishes, and disk or memory is short.
    pub blocked: bool,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// On which connection.
    pub connection: ConnectionId,
    /// Its number there.
    pub number: ChannelNumber,
    /// Whose connection it is.
    pub user: ShortStr,
    /// Where.
    pub vhost: ShortStr,
    /// The prefetch count of each consumer; 0 for no limit.
    pub prefetch_each: u32,
    /// The prefetch count of all consumers together; 0 for no limit.
    pub prefetch_all: u32,
    /// Deliveries that wait for their acknowledgements.
    pub unacked: u32,
    /// Publishes that wait for their confirms; `None` without confirm mode.
    pub unconfirmed: Option<u64>,
    /// Publishes and acknowledgements that wait for the commit; `None` without transactions.
    pub uncommitted: Option<(u64, u64)>,
    /// How many consumers it has.
    pub consumers: u64,
    /// What went through it.
    pub traffic: Traffic,
    /// And lately.
    pub recent: Recent,
}

/// A consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerStatus {
    /// Its name on its channel.
    pub tag: ShortStr,
    /// The virtual host of its queue.
    pub vhost: ShortStr,
    /// Its queue.
    pub queue: ShortStr,
    /// On which connection.
    pub connection: ConnectionId,
    /// On which channel.
    pub channel: ChannelNumber,
    /// Whose connection it is.
    pub user: ShortStr,
    /// It acknowledges what it gets.
    pub acknowledges: bool,
    /// No other one may consume from the queue.
    pub exclusive: bool,
    /// Its prefetch count; 0 for no limit.
    pub prefetch: u32,
    /// Those of a higher priority get messages first.
    pub priority: i32,
    /// How long it may take to acknowledge, in milliseconds, if there is a limit.
    pub timeout: Option<u64>,
    /// What it has and did not acknowledge.
    pub unacked: u32,
    /// It gets messages; not where another one is the single active consumer.
    pub active: bool,
    /// What it waits for; `None` where nothing keeps it from getting more.
    pub waits_for: Option<WaitsFor>,
}

/// Why a consumer gets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The queue hands nothing out: an operator says so.
    Resume,
    /// Another one is the single active consumer of the queue.
    SingleActive {
        /// That one's tag.
        tag: ShortStr,
    },
    /// Nothing is ready in its queue.
    Messages {
        /// So many are with consumers.
        unacked: u64,
        /// What comes goes first to consumers of this priority, which is higher.
        outranked_by: Option<i32>,
    },
    /// All messages of its queue wait for their time.
    Time {
        /// How many.
        delayed: u64,
        /// Not before then; `None` if that is now.
        due: Option<Timestamp>,
    },
    /// What was published has not landed yet.
    Landing {
        /// How many.
        messages: u64,
    },
    /// The client does not read what was handed out to it.
    Reading {
        /// So many deliveries are on their way.
        deliveries: u32,
    },
    /// Its prefetch count is reached.
    Prefetch {
        /// So many it has not acknowledged.
        unacked: u32,
    },
    /// The prefetch count of its channel is reached, or the limit for all channels.
    ChannelPrefetch {
        /// So many its channel has not acknowledged.
        unacked: u32,
    },
    /// Memory is short, and it has enough to work on.
    Memory {
        /// So many its channel has not acknowledged.
        unacked: u32,
    },
}

impl Broker {
    /// All connections, or one, by number.
    pub(crate) fn connection_statuses(&self, one: Option<ConnectionId>) -> Vec<ConnectionStatus> {
        let shown = self.wanted_connections(one);
        let shown = shown.map(|(id, connection)| ConnectionStatus {
            connection: id,
            user: connection.user.clone(),
            vhost: self.vhosts[connection.vhost.0].name.clone(),
            channels: connection.channels.len() as u64,
            blocked: connection.blocked,
        });
        shown.collect()
    }

    fn wanted_connections(
        &self,
        one: Option<ConnectionId>,
    ) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        let mut ids: Vec<ConnectionId> = match one {
            Some(id) => vec![id],
            None => self.connections.keys().copied().collect(),
        };
        ids.sort_unstable();
        ids.into_iter()
            .filter_map(move |id| Some((id, self.connections.get(&id)?)))
    }

    /// The channels of all connections, or of one.
    pub(crate) fn channel_statuses(&self, one: Option<ConnectionId>) -> Vec<ChannelStatus> {
        let mut all = Vec::new();
        for (id, connection) in self.wanted_connections(one) {
            let mut numbers: Vec<ChannelNumber> = connection.channels.keys().copied().collect();
            numbers.sort_unstable();
            let of = |number| ChannelId {
                connection: id,
                number,
            };
            all.extend(
                (numbers.into_iter()).map(|number| self.channel_status(of(number), connection)),
            );
        }
        all
    }

    fn channel_status(&self, id: ChannelId, of: &Connection) -> ChannelStatus {
        let channel = &of.channels[&id.number];
        let confirms = channel.confirms.as_ref();
        let transaction = channel.transaction.as_ref();
        ChannelStatus {
            connection: id.connection,
            number: id.number,
            user: of.user.clone(),
            vhost: self.vhosts[of.vhost.0].name.clone(),
            prefetch_each: channel.prefetch_each,
            prefetch_all: channel.prefetch_all,
            unacked: channel.unacked.awaiting_ack(),
            unconfirmed: confirms.map(|confirms| confirms.unconfirmed()),
            uncommitted: transaction.map(|transaction| transaction.held()),
            consumers: channel.consumers.len() as u64,
            traffic: Traffic {
                confirm: confirms.map_or(0, |confirms| confirms.accepted()),
                ..channel.counted.traffic
            },
            recent: self.statistics.recent_of_channel(id),
        }
    }

    /// The consumers of a queue, in the order in which they came.
    pub(crate) fn consumers_of_queue(&self, id: QueueId) -> Vec<ConsumerStatus> {
        let consumers = self.queues[&id].consumers.iter();
        consumers.map(|one| self.consumer_status(*one)).collect()
    }

    /// All consumers, or those of a virtual host, queue by queue.
    pub(crate) fn consumer_statuses(&self, vhost: Option<&ShortStr>) -> Vec<ConsumerStatus> {
        let mut all: Vec<ConsumerId> = self.consumers.keys().copied().collect();
        all.sort_unstable();
        let shown = all.into_iter().map(|one| self.consumer_status(one));
        let is_wanted = |of: &ConsumerStatus| vhost.is_none_or(|vhost| of.vhost == *vhost);
        shown.filter(is_wanted).collect()
    }

    fn consumer_status(&self, id: ConsumerId) -> ConsumerStatus {
        let consumer = &self.consumers[&id];
        let queue = &self.queues[&consumer.queue];
        let connection = &self.connections[&consumer.channel.connection];
        let channel = &connection.channels[&consumer.channel.number];
        let timeout = consumer.timeout.or(queue.rules.timeout);
        ConsumerStatus {
            tag: consumer.tag.clone(),
            vhost: self.vhosts[queue.vhost.0].name.clone(),
            queue: queue.definition.name.clone(),
            connection: consumer.channel.connection,
            channel: consumer.channel.number,
            user: connection.user.clone(),
            acknowledges: !consumer.no_ack,
            exclusive: consumer.exclusive,
            prefetch: channel.prefetch_each,
            priority: consumer.priority,
            timeout: timeout.or(self.capacity.consumer_timeout),
            unacked: consumer.unacked,
            active: queue.single_active.is_none_or(|active| active == id),
            waits_for: self.waits_for(id, consumer, connection, channel),
        }
    }

    fn waits_for(
        &self,
        id: ConsumerId,
        consumer: &Consumer,
        connection: &Connection,
        channel: &Channel,
    ) -> Option<WaitsFor> {
        let queue = &self.queues[&consumer.queue];
        if self.is_paused(consumer.queue) {
            return Some(WaitsFor::Resume);
        }
        if let Some(active) = queue.single_active.filter(|active| *active != id) {
            let tag = self.consumers[&active].tag.clone();
            return Some(WaitsFor::SingleActive { tag });
        }
        if connection.delivery_room == 0 {
            let deliveries = crate::connection::DELIVERY_ROOM;
            return Some(WaitsFor::Reading { deliveries });
        }
        let here = self.counts(queue);
        let landing = queue.backlog.waiting().saturating_sub(here.ready);
        if here.ready == 0 && landing > 0 {
            return Some(WaitsFor::Landing { messages: landing });
        }
        if here.ready == 0 && here.delayed > 0 && here.unacked == 0 {
            return Some(WaitsFor::Time {
                delayed: here.delayed,
                due: queue.delayed.next_due(),
            });
        }
        if here.ready == 0 {
            let first = queue.willing.highest_priority();
            return Some(WaitsFor::Messages {
                unacked: here.unacked,
                outranked_by: first.filter(|first| *first > consumer.priority),
            });
        }
        self.has_enough(consumer, channel)
    }

    /// Something is ready: whether the consumer has as many as it may.
    fn has_enough(&self, consumer: &Consumer, channel: &Channel) -> Option<WaitsFor> {
        let reached = |count: u32, limit: u32| limit > 0 && count >= limit;
        let of_channel = channel.unacked.awaiting_ack();
        if consumer.no_ack {
            None
        } else if reached(consumer.unacked, channel.prefetch_each) {
            let unacked = consumer.unacked;
            Some(WaitsFor::Prefetch { unacked })
        } else if reached(of_channel, channel.prefetch_all)
            || of_channel >= self.capacity.unacked_max
        {
            Some(WaitsFor::ChannelPrefetch {
                unacked: of_channel,
            })
        } else if of_channel >= self.unacked_max() {
            Some(WaitsFor::Memory {
                unacked: of_channel,
            })
        } else {
            None
        }
    }
}
