//! Coming back: a broker is rebuilt from the records of its lane.
//!
//! The records may begin in the middle of the story, because what nobody needs was reclaimed: a message may be
//! told before its queue is, a settling without its message. So they are collected first and put together at
//! the end. What a record says of a queue's messages holds whatever the order: once settled is settled.

mod remembered;

use crate::Broker;
use crate::access::Access;
use crate::calendar::Calendar;
use crate::found::Found;
use crate::landing::Landing;
use crate::policy::Policies;
use crate::publishers::Publishers;
use crate::queue::Queue;
use crate::relearned::Relearned;
use crate::route::{Exchange, Vhost, VhostIndex};
use crate::share::Share;
use model::record::{
    BindingDefinition, Destination, ExchangeDefinition, MessageHead, QueueDefinition,
    VhostDefinition,
};
use model::{Definition, Limits, Position, QueueId, Record, Run, ShortStr, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Collects the records of a lane.
#[derive(Debug)]
pub struct Recovery {
    limits: Limits,
    last: Position,
    next_queue: QueueId,
    /// The last record was that of a clean stop.
    stopped: bool,
    /// Counts definitions, to know which came later.
    told: u64,
    /// `None` where one was removed.
    vhosts: Vec<Option<VhostDefinition>>,
    /// Up to where what was told of virtual hosts that were removed then counts for nothing.
    vhosts_removed: HashMap<ShortStr, Position>,
    /// Neither a virtual host nor a checkpoint was told: nobody has used this lane.
    fresh: bool,
    share: Share,
    access: Access,
    policies: Policies,
    exchanges: BTreeMap<(ShortStr, ShortStr), ExchangeDefinition>,
    exchanges_removed: HashMap<(ShortStr, ShortStr), u64>,
    queues: BTreeMap<QueueId, (VhostIndex, QueueDefinition)>,
    bindings: BTreeMap<BindingDefinition, u64>,
    publishers: Publishers,
    messages: FxHashMap<QueueId, Found>,
    /// Queues that hand nothing out.
    paused: BTreeSet<QueueId>,
    remembered: Relearned,
    calendar: Calendar,
}

impl Recovery {
    /// Nothing is known yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            last: Position::NONE,
            next_queue: QueueId(1),
            stopped: false,
            told: 0,
            vhosts: Vec::new(),
            vhosts_removed: HashMap::new(),
            fresh: true,
            share: Share::default(),
            access: Access::default(),
            policies: Policies::default(),
            exchanges: BTreeMap::new(),
            exchanges_removed: HashMap::new(),
            queues: BTreeMap::new(),
            bindings: BTreeMap::new(),
            publishers: Publishers::new(limits),
            messages: FxHashMap::default(),
            paused: BTreeSet::new(),
            remembered: Relearned::new(limits),
            calendar: Calendar::default(),
        }
    }

    /// The same, of a shard among others. One that follows another's directory lets nobody in before it does.
    pub fn of_share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// Takes in one record, in the order that the store tells them. A message that was relocated comes with
    /// its old position, perhaps a second time.
    pub fn apply(&mut self, position: Position, record: Record) {
        // A message that was relocated after the stop is told behind it, and stands before it all the same.
        if position >= self.last {
            self.last = position;
            self.stopped = matches!(record, Record::Stopped);
        }
        match record {
            Record::Message(message) => self.know(
                Run {
                    first: position.0,
                    count: 1,
                },
                &MessageHead::of(&message),
            ),
            Record::Settled(queue, how, runs) => self.messages_of(queue).settle(how, &runs),
            Record::Waiting(queue, all) => self.messages_of(queue).tell_waiting(&all),
            Record::Remembered(queue, all) => {
                for (position, message) in all {
                    self.remember(queue, position, message);
                }
            }
            Record::Delivered(queue, runs) => self.messages_of(queue).delivered.insert_all(&runs),
            Record::Definition(definition) => self.definition(position, definition),
            Record::Checkpoint { next_queue, .. } => {
                self.fresh = false;
                self.next_queue = self.next_queue.max(next_queue)
            }
            Record::Stopped => {}
        }
    }

    /// Takes in messages of neighbouring positions by what their records say without the bodies.
    pub fn know(&mut self, run: Run, head: &MessageHead) {
        let last = Position(run.end() - 1);
        self.calendar.note(Position(run.first), head.arrival.came);
        if last > self.last {
            self.last = last;
            self.stopped = false;
        }
        for &queue in &head.queues {
            self.messages_of(queue).note(run, &head.arrival);
            self.next_queue = self.next_queue.max(QueueId(queue.0 + 1));
        }
        let first = Position(run.first);
        for (queue, fingerprint) in &head.fingerprints {
            self.remember(*queue, first, *fingerprint);
        }
        let removed = |vhost| self.vhosts_removed.get(vhost).copied();
        if let Some(publishing) = &head.publisher
            && removed(&publishing.vhost).is_none_or(|removed| first > removed)
        {
            let vhost = self.vhost(&publishing.vhost);
            let landed = Run {
                first: publishing.id.0,
                count: run.count,
            };
            let landed = [landed].into_iter().collect();
            self.publishers.learn(vhost, &publishing.publisher, &landed);
        }
    }

    /// The broker as it was. Exclusive queues end with their connections, so those that are left from before
    /// go now; what is to land about it is among the effects, and should have landed before anybody is served.
    pub fn finish(mut self, now: Timestamp) -> Broker {
        let mut broker = Broker::empty(&self.limits);
        broker.share = self.share;
        broker.landing = Landing::recovered(self.last);
        broker.next_queue = self.next_queue;
        let vhosts = self.vhosts.iter().cloned();
        broker.vhosts = vhosts
            .map(|vhost| vhost.map_or_else(Vhost::gone, Vhost::new))
            .collect();
        broker.access = std::mem::take(&mut self.access);
        broker.policies = std::mem::take(&mut self.policies);
        self.restore_queues(&mut broker, now);
        self.restore_exchanges(&mut broker);
        for index in 0..broker.vhosts.len() {
            broker.renew_alternates(VhostIndex(index));
        }
        self.restore_bindings(&mut broker);
        broker.count_bindings();
        broker.publishers = self.publishers;
        broker.calendar = self.calendar;
        broker.calendar.begin(self.last);
        if self.fresh && !self.share.follows() {
            broker.furnish();
        }
        if self.stopped {
            broker.tell_started();
        }
        let exclusive = broker
            .queues
            .values()
            .filter(|queue| queue.definition.exclusive);
        let mut exclusive: Vec<QueueId> = exclusive.map(|queue| queue.definition.id).collect();
        exclusive.sort_unstable();
        for queue in exclusive {
            broker.remove_queue(queue);
        }
        broker.look_at_all();
        broker
    }

    fn definition(&mut self, position: Position, definition: Definition) {
        self.told += 1;
        self.access.learn(&definition);
        self.policies.learn(&definition);
        match definition {
            Definition::VhostMade(vhost) => {
                self.fresh = false;
                let index = self.vhost(&vhost.name);
                self.vhosts[index.0] = Some(vhost.detached());
            }
            Definition::VhostRemoved { vhost } => self.vhost_removed(position, &vhost),
            Definition::ExchangeMade { vhost, exchange } => {
                self.vhost(&vhost);
                let exchange = ExchangeDefinition {
                    name: exchange.name.detached(),
                    kind: exchange.kind.detached(),
                    arguments: exchange.arguments.detached(),
                    ..exchange
                };
                self.exchanges
                    .insert((vhost.detached(), exchange.name.clone()), exchange);
            }
            Definition::ExchangeRemoved { vhost, exchange } => {
                self.exchanges.remove(&(vhost.clone(), exchange.clone()));
                self.exchanges_removed
                    .insert((vhost.detached(), exchange.detached()), self.told);
            }
            Definition::QueueMade { vhost, queue } => {
                self.next_queue = self.next_queue.max(QueueId(queue.id.0 + 1));
                let vhost = self.vhost(&vhost);
                let queue = QueueDefinition {
                    name: queue.name.detached(),
                    arguments: queue.arguments.detached(),
                    ..queue
                };
                self.queues.insert(queue.id, (vhost, queue));
            }
            Definition::QueueRemoved { queue } => {
                self.next_queue = self.next_queue.max(QueueId(queue.0 + 1));
                self.queues.remove(&queue);
                self.messages.remove(&queue);
                self.paused.remove(&queue);
                self.remembered.take(queue);
            }
            Definition::QueuePaused {
                queue,
                paused: true,
            } => {
                self.paused.insert(queue);
            }
            Definition::QueuePaused {
                queue,
                paused: false,
            } => {
                self.paused.remove(&queue);
            }
            Definition::Bound(binding) => {
                self.vhost(&binding.vhost);
                let binding = BindingDefinition {
                    vhost: binding.vhost.detached(),
                    source: binding.source.detached(),
                    destination: match binding.destination {
                        Destination::Exchange(name) => Destination::Exchange(name.detached()),
                        queue @ Destination::Queue(_) => queue,
                    },
                    routing_key: binding.routing_key.detached(),
                    arguments: binding.arguments.detached(),
                };
                self.bindings.insert(binding, self.told);
            }
            Definition::Unbound(binding) => {
                self.bindings.remove(&binding);
            }
            Definition::PublisherLanded {
                vhost,
                publisher,
                landed,
            } => {
                let vhost = self.vhost(&vhost);
                self.publishers.learn(vhost, &publisher, &landed);
            }
            Definition::QueueCounted { queue, tally } => {
                self.messages_of(queue).count_from(position, tally);
            }
            // `Access` and `Policies` have learned these.
            Definition::UserMade(_)
            | Definition::UserRemoved { .. }
            | Definition::PermissionMade(_)
            | Definition::PermissionRemoved { .. }
            | Definition::TopicPermissionMade(_)
            | Definition::TopicPermissionRemoved { .. }
            | Definition::PolicyMade(_)
            | Definition::PolicyRemoved { .. }
            | Definition::OperatorPolicyMade(_)
            | Definition::OperatorPolicyRemoved { .. } => {}
        }
    }

    /// All that was told of it so far is forgotten: one of the same name, made again, begins empty.
    fn vhost_removed(&mut self, position: Position, name: &ShortStr) {
        self.fresh = false;
        let index = self.vhost(name);
        self.vhosts[index.0] = None;
        self.publishers.forget_vhost(index);
        self.vhosts_removed.insert(name.detached(), position);
        self.exchanges.retain(|(vhost, _), _| vhost != name);
        self.bindings.retain(|binding, _| binding.vhost != *name);
        let queues = self.queues.extract_if(.., |_, (vhost, _)| *vhost == index);
        for (queue, _) in queues {
            self.messages.remove(&queue);
            self.remembered.take(queue);
        }
    }

    fn restore_queues(&mut self, broker: &mut Broker, now: Timestamp) {
        for (id, (vhost, definition)) in std::mem::take(&mut self.queues) {
            broker.vhosts[vhost.0]
                .queues
                .insert(definition.name.clone(), id);
            let rules = broker.rules_of(vhost, &definition);
            let mut queue = Queue::new(vhost, definition, now);
            queue.rules = rules.into();
            if self.paused.remove(&id) {
                broker.paused.insert(id);
            }
            if let Some(messages) = self.messages.remove(&id) {
                messages.restore(&mut queue, now, self.stopped);
            }
            broker.add_queue(queue);
            if let Some(window) = self.remembered.take(id) {
                broker.deduplication.restore(id, window);
            }
        }
    }

    fn restore_exchanges(&mut self, broker: &mut Broker) {
        for ((vhost, name), definition) in std::mem::take(&mut self.exchanges) {
            let vhost = self.vhost(&vhost);
            let exchange =
                Exchange::new(definition).expect("only exchanges of known kinds were declared");
            broker.vhosts[vhost.0].exchanges.insert(name, exchange);
        }
    }

    /// A binding counts if both its ends are there and were not removed after it was made.
    fn restore_bindings(&mut self, broker: &mut Broker) {
        for (binding, told) in std::mem::take(&mut self.bindings) {
            let vhost = self.vhost(&binding.vhost);
            let vhost = &mut broker.vhosts[vhost.0];
            let removed_since = |exchange: &ShortStr| {
                let removed = self
                    .exchanges_removed
                    .get(&(binding.vhost.clone(), exchange.clone()));
                removed.is_some_and(|removed| *removed > told)
            };
            let destination_is_there = match &binding.destination {
                Destination::Queue(queue) => broker.queues.contains_key(queue),
                Destination::Exchange(name) => {
                    vhost.exchanges.contains_key(name) && !removed_since(name)
                }
            };
            if let Some(source) = vhost.exchanges.get_mut(&binding.source)
                && destination_is_there
                && !removed_since(&binding.source)
            {
                source.bind(
                    &binding.destination,
                    &binding.routing_key,
                    &binding.arguments,
                );
            }
        }
    }

    /// The virtual host of that name; they keep their order.
    fn vhost(&mut self, name: &ShortStr) -> VhostIndex {
        let at = self
            .vhosts
            .iter()
            .position(|vhost| vhost.as_ref().is_some_and(|vhost| vhost.name == *name))
            .unwrap_or_else(|| {
                let vhost = Some(VhostDefinition::new(name.detached()));
                match self.vhosts.iter().position(Option::is_none) {
                    Some(at) => {
                        self.vhosts[at] = vhost;
                        at
                    }
                    None => {
                        self.vhosts.push(vhost);
                        self.vhosts.len() - 1
                    }
                }
            });
        VhostIndex(at)
    }

    fn messages_of(&mut self, queue: QueueId) -> &mut Found {
        self.messages.entry(queue).or_default()
    }
}
