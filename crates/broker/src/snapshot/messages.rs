//! Messages of a queue in one state, page by page.

use super::{Cursor, Holder, MessageStatus, Page, Stands, State};
use crate::Broker;
use crate::backlog::Ready;
use crate::connection::Connection;
use crate::copies::Taken;
use crate::journey::Errand;
use crate::parked::ParkedMessage;
use crate::queue::Queue;
use crate::unacked::Unsettled;
use model::record::Attempts;
use model::{ChannelNumber, ConnectionId, Position, QueueId, Timestamp};
use std::collections::BTreeMap;

/// The most messages of a page.
pub(crate) const PAGE_MAX: usize = 1000;

impl Broker {
    /// At most `most` messages of a queue that are in a state, behind a place in the list of them.
    pub(crate) fn messages(&self, id: QueueId, state: State, after: Cursor, most: usize) -> Page {
        let most = most.min(PAGE_MAX);
        let queue = &self.queues[&id];
        let landed = self.landing.landed();
        let after = Cursor {
            position: after.position.min(landed),
            ..after
        };
        let messages = match state {
            State::Ready => {
                let page = queue.backlog.page(after.position, landed, most);
                page.iter().map(|one| waiting(one, Stands::Ready)).collect()
            }
            State::Delayed => {
                let page = queue
                    .delayed
                    .page((after.due, after.position), landed, most);
                let shown = |(due, one): &(_, _)| waiting(one, Stands::Delayed { due: *due });
                page.iter().map(shown).collect()
            }
            State::Parked => {
                let parked = queue.parked.from(after.position.next());
                parked.take(most).map(parked_message).collect()
            }
            State::Unacked => self.unacked(id, after.position, most),
            State::Leaving => self.leaving(queue, after.position, most),
        };
        let last = messages.last().filter(|_| messages.len() == most);
        Page {
            next: last.map(MessageStatus::cursor),
            messages,
            until: Cursor {
                due: match state {
                    State::Delayed => queue.delayed.latest(),
                    _ => Timestamp(0),
                },
                position: landed,
            },
        }
    }

    /// Channels know what they have in the order of its tags: all of it is looked at, and the first are kept.
    fn unacked(&self, id: QueueId, after: Position, most: usize) -> Vec<MessageStatus> {
        let vhost = self.queues[&id].vhost;
        let mut first = First::new(most);
        let connections = self.connections.iter();
        for (at, connection) in connections.filter(|(_, of)| of.vhost == vhost) {
            for (number, channel) in &connection.channels {
                let entries = channel.unacked.entries_of(id);
                for entry in entries.filter(|entry| entry.position > after) {
                    first.keep(entry.position, || {
                        self.held(entry, *at, connection, *number)
                    });
                }
            }
        }
        first.kept.into_values().collect()
    }

    fn leaving(&self, queue: &Queue, after: Position, most: usize) -> Vec<MessageStatus> {
        let mut first = First::new(most);
        let leaving = |position, why| MessageStatus {
            position,
            priority: 0,
            attempts: Attempts::NONE,
            redelivered: true,
            stands: Stands::Leaving(why),
        };
        for (reason, run) in queue.dying.runs() {
            let behind = run.first.max(after.next().0)..run.end();
            for position in behind.map(Position).take(most) {
                first.keep(position, || leaving(position, reason.word()));
            }
        }
        let why = match self.copies.errand() {
            Errand::Move => "moved",
            Errand::Redrive | Errand::DeadLetter(_) => "redriven",
        };
        let copied = self.copies.of(queue.definition.id).map(Taken::position);
        for position in copied.filter(|position| *position > after) {
            first.keep(position, || leaving(position, why));
        }
        first.kept.into_values().collect()
    }

    fn held(
        &self,
        entry: &Unsettled,
        connection: ConnectionId,
        of: &Connection,
        channel: ChannelNumber,
    ) -> MessageStatus {
        let consumer = entry.consumer.and_then(|id| self.consumers.get(&id));
        MessageStatus {
            position: entry.position,
            priority: entry.priority,
            attempts: entry.attempts,
            redelivered: entry.attempts != Attempts::NONE,
            stands: Stands::Unacked(Holder {
                connection,
                user: of.user.clone(),
                channel,
                consumer_tag: consumer.map(|consumer| consumer.tag.clone()),
                tag: entry.tag,
                due: entry.due,
            }),
        }
    }
}

fn waiting(ready: &Ready, stands: Stands) -> MessageStatus {
    MessageStatus {
        position: ready.position,
        priority: ready.priority,
        attempts: ready.attempts,
        redelivered: ready.redelivered,
        stands,
    }
}

impl From<&Ready> for MessageStatus {
    fn from(ready: &Ready) -> Self {
        waiting(ready, Stands::Ready)
    }
}

fn parked_message(parked: ParkedMessage) -> MessageStatus {
    MessageStatus {
        position: parked.position,
        priority: parked.priority,
        attempts: parked.attempts,
        redelivered: true,
        stands: Stands::Parked {
            why: parked.why.word(),
            since: parked.at,
        },
    }
}

/// The first of many that come in any order, in the memory of so many.
struct First {
    kept: BTreeMap<Position, MessageStatus>,
    most: usize,
}

impl First {
    fn new(most: usize) -> Self {
        Self {
            kept: BTreeMap::new(),
            most,
        }
    }

    fn keep(&mut self, position: Position, message: impl FnOnce() -> MessageStatus) {
        let is_full = self.kept.len() >= self.most;
        if is_full
            && self
                .kept
                .keys()
                .next_back()
                .is_none_or(|last| *last < position)
        {
            return;
        }
        self.kept.insert(position, message());
        if is_full {
            self.kept.pop_last();
        }
    }
}
