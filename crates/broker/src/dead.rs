//! Dead letters: what leaves a queue unacknowledged goes through the queue's dead-letter exchange.
//!
//! The copy is asked to land before the original's end is, and records land in the order in which they were
//! asked for: whatever crashes when, the message is in one place or in both (promise P2).
//!
//! One that no queue takes does not go: it is parked, in sight (P2).
//!
//! The broker holds no bodies, so it asks the shell for each message, some at a time.

use crate::death::{self, Death};
use crate::envelope::Envelope;
use crate::journey::{Errand, Event, Origin};
use crate::parked::ParkedMessage;
use crate::queue::Queue;
use crate::route::{Targets, VhostIndex};
use crate::rules::DeadLetter;
use crate::{Broker, Effect};
use model::record::{Attempts, Ending, Reason};
use model::{
    MessageRecord, Position, Properties, Publish, QueueId, Run, Runs, ShortStr, Timestamp,
};
use smallvec::smallvec;
use std::collections::{BTreeMap, VecDeque};

/// The most messages asked of the shell at a time.
const FETCHES_MAX: usize = 256;

/// The messages of one queue on their way to the dead letters: not ready any more, and not gone yet.
#[derive(Debug, Default)]
pub(crate) struct Dying {
    waiting: VecDeque<(Reason, Run)>,
    /// Asked of the shell.
    fetching: BTreeMap<Position, Reason>,
    /// Of those that were handed out in vain: how often.
    attempts: BTreeMap<Position, Attempts>,
    /// Listed among the broker's queues with dying messages.
    listed: bool,
}

impl Dying {
    pub(crate) fn add(&mut self, messages: &Runs, reason: Reason) {
        let runs = messages.as_slice().iter();
        self.waiting.extend(runs.map(|run| (reason, *run)));
    }

    /// Keeps in mind how often one was handed out in vain, in case it is to stay.
    pub(crate) fn remember(&mut self, position: Position, attempts: Attempts) {
        if attempts != Attempts::NONE {
            self.attempts.insert(position, attempts);
        }
    }

    /// Adds everything to a set.
    pub(crate) fn add_to(&self, set: &mut Runs) {
        for (_, run) in &self.waiting {
            set.insert_run(*run);
        }
        for position in self.fetching.keys() {
            set.insert(position.0);
        }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> u64 {
        self.runs().map(|(_, run)| run.count).sum()
    }

    /// All of them, in no order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Reason, Run)> + '_ {
        let one = |(position, reason): (&Position, &Reason)| {
            let (first, count) = (position.0, 1);
            (*reason, Run { first, count })
        };
        let fetching = self.fetching.iter().map(one);
        self.waiting.iter().copied().chain(fetching)
    }

    /// The next message to ask for.
    fn fetch_next(&mut self) -> Option<Position> {
        let (reason, run) = self.waiting.front_mut()?;
        let (position, reason) = (Position(run.first), *reason);
        run.first += 1;
        run.count -= 1;
        if run.count == 0 {
            self.waiting.pop_front();
        }
        self.fetching.insert(position, reason);
        Some(position)
    }
}

/// What became of a message that was to go to the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Sent {
    /// Its copy was asked to land.
    Copied(Position),
    /// No queue takes it, or only one that it came from with nobody's doing.
    NoTarget,
    /// The queue sends nothing there any more.
    NoRule,
}

impl Broker {
    /// Messages leave a queue unacknowledged.
    pub(crate) fn discard(&mut self, id: QueueId, messages: &Runs, reason: Reason) {
        let Some(queue) = self.queues.get_mut(&id).filter(|_| !messages.is_empty()) else {
            return;
        };
        if queue.rules.dead_letter.is_none() {
            if queue.nothing_to_tell() {
                self.settling.push(id);
            }
            queue.settled.insert_all(ending(reason), messages);
            return;
        }
        self.statistics.touch(queue);
        queue.dying.add(messages, reason);
        if !std::mem::replace(&mut queue.dying.listed, true) {
            self.dying.push_back(id);
        }
    }

    /// Asks for the next dying messages, queue by queue in turn.
    pub(crate) fn fetch_dying(&mut self) {
        while self.fetches < FETCHES_MAX
            && let Some(id) = self.dying.pop_front()
        {
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            match queue.dying.fetch_next() {
                None => queue.dying.listed = false,
                Some(position) => {
                    self.fetches += 1;
                    self.dying.push_back(id);
                    let effect = Effect::Fetch {
                        queue: id,
                        position,
                    };
                    self.effects.push_back(effect);
                }
            }
        }
    }

    /// The shell has read a dying message: its copy goes its way, and it leaves its queue.
    pub(crate) fn fetched(
        &mut self,
        now: Timestamp,
        id: QueueId,
        position: Position,
        message: Option<Box<MessageRecord>>,
    ) {
        if let Some(taken) = self.copies.take(id, position) {
            return self.copy_out(now, id, &taken, message.as_deref());
        }
        self.fetches -= 1;
        let Some(queue) = self.queues.get_mut(&id) else {
            // Deleted meanwhile, and its messages with it.
            return;
        };
        let reason = queue.dying.fetching.remove(&position);
        let reason = reason.expect("only dying messages are asked for, each once");
        let attempts = queue.dying.attempts.remove(&position);
        let message = message.expect("a record lives as long as a queue holds its message");
        let priority = message.properties.priority().unwrap_or(0);
        let priority = priority.min(queue.rules.max_priority);
        let message = Publish {
            exchange: message.exchange,
            routing_key: message.routing_key,
            mandatory: false,
            immediate: false,
            properties: message.properties,
            body: message.body,
        };
        let how = match self.dead_letter(now, id, reason, message) {
            Sent::Copied(copy) => {
                self.journey.note(|| Event::Copied {
                    queue: id,
                    position,
                    copy,
                    errand: Errand::DeadLetter(reason),
                });
                Ending::DeadLettered
            }
            Sent::NoRule if reason != Reason::DeliveryLimit => ending(reason),
            Sent::NoRule | Sent::NoTarget => {
                let parked = ParkedMessage {
                    position,
                    why: reason,
                    at: now,
                    attempts: attempts.unwrap_or_default(),
                    priority,
                };
                self.park(id, parked);
                return;
            }
        };
        self.done_with(id, position, how);
    }

    /// Sends a message through its queue's dead-letter exchange.
    pub(crate) fn dead_letter(
        &mut self,
        now: Timestamp,
        from: QueueId,
        reason: Reason,
        message: Publish,
    ) -> Sent {
        let queue = &self.queues[&from];
        let Some(to) = queue.rules.dead_letter.clone() else {
            return Sent::NoRule;
        };
        let (vhost, copy) = (queue.vhost, copy(now, queue, &to, reason, message));
        let mut targets = self.route_dead_letter(vhost, &copy);
        if reason != Reason::Rejected {
            targets.retain(|target| {
                let name = &self.queues[&target].definition.name;
                !death::is_automatic_cycle(&copy.properties, name)
            });
        }
        if targets.is_empty() {
            return Sent::NoTarget;
        }
        let from = (Origin::Server, None);
        Sent::Copied(self.land_in(now, targets.into(), from, None, &copy))
    }

    fn route_dead_letter(&self, vhost: VhostIndex, copy: &Publish) -> Targets {
        let vhost = &self.vhosts[vhost.0];
        let envelope = Envelope::of(&copy.properties);
        let keys = envelope.routing_keys(&copy.routing_key);
        // What is wrong with further keys was refused when the message was published.
        let keys = keys.unwrap_or_else(|_| smallvec![copy.routing_key.as_bytes()]);
        if copy.exchange.is_empty() {
            return vhost.named(&keys).into();
        }
        let exchange = vhost.exchanges.get(&copy.exchange);
        exchange.map_or_else(Targets::default, |exchange| {
            vhost.route(exchange, &keys, &copy.properties, envelope.delay())
        })
    }

    /// A message that is in nobody's hands leaves its queue.
    pub(crate) fn done_with(&mut self, id: QueueId, position: Position, how: Ending) {
        if let Some(queue) = self.queues.get_mut(&id) {
            if queue.nothing_to_tell() {
                self.settling.push(id);
            }
            queue.settled.insert(how, position);
        }
    }
}

/// How messages end that leave for this reason and go nowhere.
fn ending(reason: Reason) -> Ending {
    match reason {
        Reason::Expired => Ending::Expired,
        Reason::Rejected | Reason::MaxLength | Reason::DeliveryLimit => Ending::Dropped,
    }
}

/// The message as it goes to the dead letters.
fn copy(
    now: Timestamp,
    queue: &Queue,
    to: &DeadLetter,
    reason: Reason,
    message: Publish,
) -> Publish {
    let death = Death {
        reason,
        queue: &queue.definition.name,
        exchange: &message.exchange,
        routing_key: &message.routing_key,
        time: now,
        rerouted: to.routing_key.is_some(),
    };
    let properties: Properties = death::told(&message.properties, &death);
    let routing_key: &ShortStr = to.routing_key.as_ref().unwrap_or(&message.routing_key);
    Publish {
        exchange: to.exchange.clone(),
        routing_key: routing_key.clone(),
        properties,
        ..message
    }
}
