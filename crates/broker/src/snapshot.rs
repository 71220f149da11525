//! What is in the queues, as values: how many messages in which state, and the messages themselves, page by page.
//! To look changes nothing: no message moves, none counts as delivered.

mod clients;
mod messages;
mod queues;
mod summary;
mod totals;
pub use clients::{ChannelStatus, ConnectionStatus, ConsumerStatus, WaitsFor};
pub(crate) use messages::PAGE_MAX;
pub use summary::{QueueSummary, Sight, Summary, Worst};
pub use totals::{ExchangeStatus, Totals};

use crate::operate::no_vhost;
use crate::statistics::Recent;
use crate::traffic::Traffic;
use crate::{Answer, Broker, CommandRefused};
use model::record::Attempts;
use model::{ChannelNumber, ConnectionId, DeliveryTag, FieldTable, Position, ShortStr, Timestamp};

/// What somebody wants to see.
#[derive(Clone, Debug)]
pub enum Look {
    /// Every queue, counted; or those of one virtual host.
    Queues {
        /// Its name; `None` for all.
        vhost: Option<ShortStr>,
    },
    /// One queue, counted.
    Queue {
        /// The virtual host's name.
        vhost: ShortStr,
        /// The queue's name.
        name: ShortStr,
    },
    /// Everything in a few numbers.
    Totals,
    /// What needs attention.
    Summary {
        /// What may be seen.
        sight: Sight,
        /// At most so many of each sort by name.
        most: usize,
    },
    /// What went through the exchanges.
    Exchanges {
        /// Those of this virtual host; `None` for all.
        vhost: Option<ShortStr>,
    },
    /// Who is connected.
    Connections {
        /// One connection; `None` for all.
        one: Option<ConnectionId>,
    },
    /// Channels.
    Channels {
        /// Those of one connection; `None` for all.
        of: Option<ConnectionId>,
    },
    /// Who consumes.
    Consumers {
        /// From queues of this virtual host; `None` for all.
        vhost: Option<ShortStr>,
    },
    /// Who consumes from one queue.
    ConsumersOf {
        /// The virtual host's name.
        vhost: ShortStr,
        /// The queue's name.
        name: ShortStr,
    },
    /// Messages of a queue, page by page.
    Messages {
        /// The virtual host's name.
        vhost: ShortStr,
        /// The queue's name.
        queue: ShortStr,
        /// Those in this state.
        state: State,
        /// Behind this place in the list of them.
        after: Cursor,
        /// At most so many; and at most a thousand.
        most: usize,
    },
}

impl Broker {
    /// Shows what somebody wants to see, with the statistics as they are now.
    pub(crate) fn look(&mut self, now: Timestamp, look: &Look) -> Result<Answer, CommandRefused> {
        self.sample(now);
        self.count_changed(now);
        self.show(now, look)
    }

    fn show(&self, now: Timestamp, look: &Look) -> Result<Answer, CommandRefused> {
        match look {
            Look::Totals => Ok(Answer::Totals(Box::new(self.totals(now)))),
            Look::Summary { sight, most } => {
                let summary = self.summary(now, sight, *most);
                Ok(Answer::Summary(Box::new(summary)))
            }
            Look::Connections { one } => Ok(Answer::Connections(self.connection_statuses(*one))),
            Look::Channels { of } => Ok(Answer::Channels(self.channel_statuses(*of))),
            Look::Exchanges { vhost } => {
                let vhost = self.known_vhost(vhost.as_ref())?;
                Ok(Answer::Exchanges(self.exchange_statuses(vhost)))
            }
            Look::Consumers { vhost } => {
                let vhost = self.known_vhost(vhost.as_ref())?;
                Ok(Answer::Consumers(self.consumer_statuses(vhost)))
            }
            Look::ConsumersOf { vhost, name } => {
                let id = self.queue_named(vhost, name)?;
                Ok(Answer::Consumers(self.consumers_of_queue(id)))
            }
            Look::Queues { vhost } => {
                let vhost = self.known_vhost(vhost.as_ref())?;
                Ok(Answer::Queues(self.queue_statuses(vhost)))
            }
            Look::Queue { vhost, name } => {
                let id = self.queue_named(vhost, name)?;
                Ok(Answer::Queues(vec![self.queue_status(id)]))
            }
            Look::Messages {
                vhost,
                queue,
                state,
                after,
                most,
            } => {
                let id = self.queue_named(vhost, queue)?;
                Ok(Answer::Messages(self.messages(id, *state, *after, *most)))
            }
        }
    }

    fn known_vhost<'a>(
        &self,
        vhost: Option<&'a ShortStr>,
    ) -> Result<Option<&'a ShortStr>, CommandRefused> {
        match vhost.filter(|name| self.vhost_named(name).is_none()) {
            Some(missing) => Err(no_vhost(missing)),
            None => Ok(vhost),
        }
    }
}

/// A queue and how many messages it has in each state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct QueueStatus {
    pub vhost: ShortStr,
    pub name: ShortStr,
    pub durable: bool,
    pub exclusive: bool,
    pub auto_delete: bool,
    pub arguments: FieldTable,
    /// The policy that counts for it.
    pub policy: Option<ShortStr>,
    /// The operator policy that counts for it.
    pub operator_policy: Option<ShortStr>,
    /// The rules of both policies.
    pub effective: FieldTable,
    /// Its rules as arguments: its own, under the policies.
    pub in_force: FieldTable,
    pub consumers: u64,
    /// It hands nothing out: an operator says so.
    pub paused: bool,
    pub counts: Counts,
    /// The message that has waited longest of those that are ready.
    pub oldest: Option<Position>,
    /// When that came, or a little earlier.
    pub oldest_came: Option<Timestamp>,
    /// What went through it.
    pub traffic: Traffic,
    /// And lately.
    pub recent: Recent,
    /// When something happened in it last; `None` if nothing has since the start.
    pub moved: Option<Timestamp>,
    /// Of a queue that deduplicates.
    pub deduplication: Option<DeduplicationStatus>,
}

/// What a queue that deduplicates does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeduplicationStatus {
    /// How many messages it remembers.
    pub remembered: u64,
    /// How many messages it was sent since the start that it knew already: they did not land in it.
    pub duplicates: u64,
}

/// How many messages of a queue are in which state; together they are all that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting to be delivered.
    pub ready: u64,
    /// Delivered and not settled.
    pub unacked: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// Waiting for an operator.
    pub parked: u64,
    /// On their way to the dead letters, or back from there.
    pub leaving: u64,
}

impl Counts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.ready + self.unacked + self.delayed + self.parked + self.leaving
    }

    /// Those of another queue, too.
    pub const fn include(&mut self, other: &Self) {
        self.ready += other.ready;
        self.unacked += other.unacked;
        self.delayed += other.delayed;
        self.parked += other.parked;
        self.leaving += other.leaving;
    }
}

/// The states that are looked at one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting to be delivered, by position.
    Ready,
    /// Delivered and not settled, by position.
    Unacked,
    /// Waiting for their time, by that time.
    Delayed,
    /// Waiting for an operator, by position.
    Parked,
    /// On their way to the dead letters, or back from there, by position.
    Leaving,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ready,
        Self::Unacked,
        Self::Delayed,
        Self::Parked,
        Self::Leaving,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unacked => "unacked",
            Self::Delayed => "delayed",
            Self::Parked => "parked",
            Self::Leaving => "leaving",
        }
    }
}

/// A place in a list of messages: behind the message with this position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Where the list is in the order of times: the time. Else zero.
    pub due: Timestamp,
    /// Its position.
    pub position: Position,
}

/// Some messages of a queue in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of the list.
    pub messages: Vec<MessageStatus>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Cursor>,
    /// Where the list ended when this was asked: what is behind it came later.
    pub until: Cursor,
}

/// Where a message is, and how often it was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageStatus {
    /// Its position: it keeps it for as long as it lives.
    pub position: Position,
    /// Its priority, as far as the queue knows priorities.
    pub priority: u8,
    /// How often it was handed out in vain, as far as is known.
    pub attempts: Attempts,
    /// It may have been handed out before.
    pub redelivered: bool,
    /// Where it is.
    pub stands: Stands,
}

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It waits to be delivered.
    Ready,
    /// Somebody has it.
    Unacked(Holder),
    /// It waits for its time.
    Delayed {
        /// When that comes.
        due: Timestamp,
    },
    /// It is out of attempts, or no queue takes it as a dead letter.
    Parked {
        /// The word of `x-death` for it.
        why: &'static str,
        /// Since when.
        since: Timestamp,
    },
    /// It is on its way to the dead letters, with the word of `x-death`; or `redriven`, on its way back from there.
    Leaving(&'static str),
}

impl MessageStatus {
    /// Where the list goes on behind it.
    pub fn cursor(&self) -> Cursor {
        let due = match self.stands {
            Stands::Delayed { due } => due,
            _ => Timestamp(0),
        };
        Cursor {
            due,
            position: self.position,
        }
    }

    /// Why it is parked, if it is: in the word of `x-death`.
    pub const fn parked_because(&self) -> Option<&'static str> {
        match self.stands {
            Stands::Parked { why, .. } => Some(why),
            _ => None,
        }
    }
}

impl Stands {
    /// The word for it.
    pub const fn state(&self) -> State {
        match self {
            Self::Ready => State::Ready,
            Self::Unacked(_) => State::Unacked,
            Self::Delayed { .. } => State::Delayed,
            Self::Parked { .. } => State::Parked,
            Self::Leaving(_) => State::Leaving,
        }
    }
}

/// Who has an unacked message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// On which connection.
    pub connection: ConnectionId,
    /// Whose connection it is.
    pub user: ShortStr,
    /// On which channel.
    pub channel: ChannelNumber,
    /// Which consumer; `None` for basic.get, and where the consumer was cancelled since.
    pub consumer_tag: Option<ShortStr>,
    /// The delivery tag.
    pub tag: DeliveryTag,
    /// When the attempt is given up.
    pub due: Option<Timestamp>,
}
