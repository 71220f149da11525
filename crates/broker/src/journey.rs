//! The journey: what happens to messages, told as data, so that somebody can ask later what became of one.
//!
//! Nothing here decides anything, and nothing waits for it. What happens to many messages alike is told as runs of
//! positions, so that the fast path pays for a comparison; what happens to one message is told with its
//! particulars. The shell takes all of it once in a turn ([`Broker::take_journey`]) and looks up the names there.

mod event;
pub use event::{
    ConsumerName, Errand, Event, Gone, Origin, Outcome, Published, QueueName, Receiver, Then,
    TurnedAway, Why,
};

use crate::Broker;
use crate::connection::{ChannelId, ConsumerId};
use crate::envelope::Numbered;
use model::{ChannelNumber, ConnectionId, Position, Publish, QueueId, Run, ShortStr};

/// What happened in a turn.
#[derive(Debug, Default)]
pub struct Journey {
    /// Whether anybody wants to know.
    on: bool,
    /// Whether somebody wants to know of messages that land nowhere, too.
    refusals: bool,
    /// Names of what is gone by the end of the turn: nobody could look them up any more.
    pub gone: Vec<Gone>,
    /// Messages that were taken in; before anything else that happened to them.
    pub published: Vec<Published>,
    /// The message ids of some of them: how long each is in `texts`.
    message_ids: Vec<(Position, usize)>,
    texts: String,
    /// Messages that landed nowhere, or not everywhere, where somebody wants to know of them.
    pub turned_away: Vec<TurnedAway>,
    /// What happened then, in order.
    pub events: Vec<Event>,
}

impl Journey {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.published.is_empty() && self.events.is_empty() && self.turned_away.is_empty()
    }

    /// The message ids of those that were published and have one.
    pub fn message_ids(&self) -> impl Iterator<Item = (Position, &str)> {
        let mut rest = self.texts.as_str();
        self.message_ids.iter().map(move |(position, length)| {
            let (id, others) = rest.split_at(*length);
            rest = others;
            (*position, id)
        })
    }

    /// What a queue is called, or was in this turn.
    pub fn name_of_queue(&self, id: QueueId, broker: &Broker) -> Option<QueueName> {
        let gone = || {
            self.gone.iter().find_map(|gone| match gone {
                Gone::Queue(queue, name) if *queue == id => Some(name.clone()),
                _ => None,
            })
        };
        broker.name_of_queue(id).or_else(gone)
    }

    /// Who has logged in on a connection that is there, or was in this turn.
    pub fn user_of_connection(&self, id: ConnectionId, broker: &Broker) -> Option<ShortStr> {
        let gone = || {
            self.gone.iter().find_map(|gone| match gone {
                Gone::Connection(connection, user) if *connection == id => Some(user.clone()),
                _ => None,
            })
        };
        broker.user_of_connection(id).or_else(gone)
    }

    /// What a consumer is called, or was in this turn.
    pub fn name_of_consumer(&self, number: u64, broker: &Broker) -> Option<ConsumerName> {
        let gone = || {
            self.gone.iter().find_map(|gone| match gone {
                Gone::Consumer(consumer, name) if *consumer == number => Some(name.clone()),
                _ => None,
            })
        };
        broker.name_of_consumer(number).or_else(gone)
    }

    /// Forgets what was told.
    pub fn clear(&mut self) {
        self.gone.clear();
        self.published.clear();
        self.message_ids.clear();
        self.texts.clear();
        self.turned_away.clear();
        self.events.clear();
    }

    /// A message was taken in.
    pub(crate) fn published(
        &mut self,
        position: Position,
        origin: Origin,
        queues: &[QueueId],
        publish: &Publish,
        numbered: Numbered<'_>,
    ) {
        if !self.on {
            return;
        }
        if let Some(id) = publish.properties.message_id() {
            self.message_ids.push((position, id.len()));
            self.texts.push_str(id);
        }
        if let Some(last) = self.published.last_mut()
            && last.run.end() == position.0
            && last.origin == origin
            && last.queues.iter().eq(queues)
            && same(&last.routing_key, &publish.routing_key)
            && same(&last.exchange, &publish.exchange)
            && last.counts_on_to(numbered)
        {
            last.run.count += 1;
            return;
        }
        let name = |name: &[u8]| ShortStr::truncated(&String::from_utf8_lossy(name));
        self.published.push(Published {
            origin,
            queues: queues.into(),
            exchange: publish.exchange.clone(),
            routing_key: publish.routing_key.clone(),
            publisher: numbered.map(|(publisher, number)| (name(publisher), number)),
            run: only(position),
        });
    }

    /// A message was handed out.
    pub(crate) fn delivered(
        &mut self,
        queue: QueueId,
        to: Receiver,
        attempt: u32,
        position: Position,
    ) {
        if !self.on {
            return;
        }
        if let Some(Event::Delivered {
            queue: last_queue,
            to: last_to,
            attempt: last_attempt,
            run,
        }) = self.events.last_mut()
            && run.end() == position.0
            && *last_to == to
            && *last_queue == queue
            && *last_attempt == attempt
        {
            run.count += 1;
            return;
        }
        let run = only(position);
        self.events.push(Event::Delivered {
            queue,
            to,
            attempt,
            run,
        });
    }

    /// A message landed nowhere, or not everywhere.
    pub(crate) fn turned_away(&mut self, publish: &Publish, why: impl FnOnce() -> Why) {
        if self.refusals {
            self.turned_away.push(TurnedAway {
                publish: publish.clone(),
                why: why(),
            });
        }
    }

    /// Something else happened.
    pub(crate) fn note(&mut self, event: impl FnOnce() -> Event) {
        if self.on {
            self.events.push(event());
        }
    }
}

/// Whether two names are the same. The C library compares nothing with nothing where no memory is, and that can take
/// a hundred nanoseconds: with the default exchange, for every message.
fn same(one: &ShortStr, other: &ShortStr) -> bool {
    one.is_empty() == other.is_empty() && (one.is_empty() || one == other)
}

fn only(position: Position) -> Run {
    Run {
        first: position.0,
        count: 1,
    }
}

impl Broker {
    /// From now on what happens to messages is told, and must be taken.
    pub fn tell_journeys(&mut self) {
        self.journey.on = true;
    }

    /// Messages that land nowhere are told, too, as they came.
    pub fn tell_refusals(&mut self) {
        self.tell_journeys();
        self.journey.refusals = true;
    }

    /// Takes what happened since the last time; `spare` comes back empty next time.
    pub fn take_journey(&mut self, spare: &mut Journey) {
        spare.clear();
        spare.on = self.journey.on;
        spare.refusals = self.journey.refusals;
        std::mem::swap(&mut self.journey, spare);
    }

    /// What a queue is called, while it is there.
    pub fn name_of_queue(&self, id: QueueId) -> Option<QueueName> {
        let queue = self.queues.get(&id)?;
        Some(QueueName {
            vhost: self.vhosts[queue.vhost.0].name.clone(),
            name: queue.definition.name.clone(),
        })
    }

    /// Whether what a channel publishes is confirmed.
    pub fn confirms(&self, connection: ConnectionId, channel: ChannelNumber) -> bool {
        let connection = self.connections.get(&connection);
        let channel = connection.and_then(|connection| connection.channels.get(&channel));
        channel.is_some_and(|channel| channel.confirms.is_some())
    }

    /// Who logged in, while the connection is there.
    pub fn user_of_connection(&self, id: ConnectionId) -> Option<ShortStr> {
        Some(self.connections.get(&id)?.user.clone())
    }

    /// What a consumer is called, while it is there.
    pub fn name_of_consumer(&self, number: u64) -> Option<ConsumerName> {
        let consumer = self.consumers.get(&ConsumerId(number))?;
        let ChannelId { connection, number } = consumer.channel;
        Some(ConsumerName {
            connection,
            channel: number,
            tag: consumer.tag.clone(),
        })
    }

    /// Keeps the name of a queue that is about to go until the turn is told.
    pub(crate) fn queue_goes(&mut self, id: QueueId) {
        if self.journey.on {
            let name = self.name_of_queue(id).map(|name| Gone::Queue(id, name));
            self.journey.gone.extend(name);
        }
    }

    /// Keeps the user of a connection that is about to go until the turn is told.
    pub(crate) fn connection_goes(&mut self, id: ConnectionId) {
        if self.journey.on {
            let user = self.user_of_connection(id);
            let gone = user.map(|user| Gone::Connection(id, user));
            self.journey.gone.extend(gone);
        }
    }

    /// Keeps the name of a consumer that is about to go until the turn is told.
    pub(crate) fn consumer_goes(&mut self, id: ConsumerId) {
        if self.journey.on {
            let name = self.name_of_consumer(id.0);
            let gone = name.map(|name| Gone::Consumer(id.0, name));
            self.journey.gone.extend(gone);
        }
    }
}
