//! Routing: exchanges, their bindings, and which queues a message goes to. No queues inside, only their ids.

mod hash;
mod headers;
mod kind;
mod targets;
mod topic;

use crate::traffic::Passed;
use kind::Kind;
use model::record::{Destination, ExchangeDefinition, VhostDefinition};
use model::{FieldTable, Properties, QueueId, ShortStr, Value};
use smallvec::{SmallVec, smallvec};
use std::collections::{BTreeMap, HashMap};
pub(crate) use targets::Targets;

/// Where a virtual host stands in the broker's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VhostIndex(pub(crate) usize);

/// A virtual host: a world of names of its own.
#[derive(Debug)]
pub(crate) struct Vhost {
    pub(crate) name: ShortStr,
    /// What operators said of it. `None` once it was removed: its place waits for another then.
    pub(crate) definition: Option<VhostDefinition>,
    pub(crate) queues: HashMap<ShortStr, QueueId>,
    pub(crate) exchanges: HashMap<ShortStr, Exchange>,
    /// What went through the default exchange.
    pub(crate) default_passed: Passed,
}

/// An exchange and the bindings that start at it.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) definition: ExchangeDefinition,
    /// Every virtual host has it; it is no definition that lands.
    pub(crate) predeclared: bool,
    bindings: BTreeMap<Destination, Vec<(ShortStr, FieldTable)>>,
    /// How many they are.
    binding_count: usize,
    kind: Kind,
    /// It puts messages off for as long as they say.
    delays: bool,
    /// Where messages go that it finds nothing for.
    alternate: Option<ShortStr>,
    /// It had a binding: the last one's leaving deletes an auto-delete exchange.
    pub(crate) was_bound: bool,
    /// What went through it.
    pub(crate) passed: Passed,
}

/// Queues, each once.
pub(crate) type Queues = SmallVec<[QueueId; 2]>;

/// Exchanges on a message's way.
type Exchanges<'a> = SmallVec<[&'a Exchange; 4]>;

/// The type of exchanges that put messages off, and the argument that says how they route.
const DELAYED_TYPE: (&str, &str) = ("x-delayed-message", "x-delayed-type");

/// Exchanges that every virtual host has, and their kinds.
const PREDECLARED: [(&str, &str); 6] = [
    ("amq.direct", "direct"),
    ("amq.fanout", "fanout"),
    ("amq.topic", "topic"),
    ("amq.headers", "headers"),
    ("amq.match", "headers"),
    ("amq.rabbitmq.trace", "topic"),
];

impl Vhost {
    /// A virtual host with the exchanges that every client expects.
    pub(crate) fn new(definition: VhostDefinition) -> Self {
        let exchanges = PREDECLARED.map(|(name, kind)| {
            let name = ShortStr::from_static(name);
            let definition = ExchangeDefinition {
                name: name.clone(),
                kind: ShortStr::from_static(kind),
                durable: true,
                auto_delete: false,
                internal: name == "amq.rabbitmq.trace",
                arguments: FieldTable::new(),
            };
            let mut exchange = Exchange::new(definition).expect("the kind is known");
            exchange.predeclared = true;
            (name, exchange)
        });
        Self {
            name: definition.name.clone(),
            definition: Some(definition),
            queues: HashMap::new(),
            exchanges: exchanges.into(),
            default_passed: Passed::default(),
        }
    }

    /// The place of a virtual host that was removed.
    pub(crate) fn gone() -> Self {
        Self {
            name: ShortStr::empty(),
            definition: None,
            queues: HashMap::new(),
            exchanges: HashMap::new(),
            default_passed: Passed::default(),
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.definition.is_some()
    }

    /// What went through an exchange; an empty name stands for the default one.
    pub(crate) fn passed_mut(&mut self, name: &ShortStr) -> Option<&mut Passed> {
        if name.is_empty() {
            return Some(&mut self.default_passed);
        }
        let exchange = self.exchanges.get_mut(name);
        exchange.map(|exchange| &mut exchange.passed)
    }

    /// How many exchanges somebody declared.
    pub(crate) fn declared_exchanges(&self) -> usize {
        self.exchanges.len().saturating_sub(PREDECLARED.len())
    }

    /// The queues for a message that enters at `exchange` and asks to be put off for `delay` milliseconds.
    pub(crate) fn route(
        &self,
        exchange: &Exchange,
        routing_keys: &[&[u8]],
        properties: &Properties,
        delay: Option<u64>,
    ) -> Targets {
        let message = (routing_keys, properties);
        let mut entered: SmallVec<[&ShortStr; 4]> = smallvec![&exchange.definition.name];
        let first = smallvec![exchange];
        let Some(delay) = delay else {
            return self.walk(first, &mut entered, message, None).into();
        };
        let mut put_off = Exchanges::new();
        let at_once = self.walk(first, &mut entered, message, Some(&mut put_off));
        let mut later = self.walk(put_off, &mut entered, message, None);
        later.retain(|queue| !at_once.contains(queue));
        Targets {
            at_once,
            later,
            delay,
        }
    }

    /// The queues that exchanges lead to, except by those that put the message off: these are collected, where that
    /// is asked for. An exchange that finds nothing passes on to its alternate. Each is entered once, so that
    /// bindings and alternates in a circle end.
    fn walk<'a>(
        &'a self,
        mut ahead: Exchanges<'a>,
        entered: &mut SmallVec<[&'a ShortStr; 4]>,
        (routing_keys, properties): (&[&[u8]], &Properties),
        mut put_off: Option<&mut Exchanges<'a>>,
    ) -> Queues {
        let mut queues = Queues::new();
        while let Some(exchange) = ahead.pop() {
            if exchange.delays
                && let Some(put_off) = &mut put_off
            {
                put_off.push(exchange);
                continue;
            }
            let mut enter = |name| {
                if !entered.contains(&name) {
                    entered.push(name);
                    ahead.extend(self.exchanges.get(name));
                }
            };
            let mut found_none = true;
            exchange.for_each(routing_keys, properties, |destination| {
                found_none = false;
                match destination {
                    Destination::Queue(queue) => {
                        // Where there are more than a few there are often many: fewer steps to grow in.
                        if queues.len() == queues.capacity() {
                            queues.reserve(queues.len().max(16));
                        }
                        queues.push(*queue);
                    }
                    Destination::Exchange(name) => enter(name),
                }
            });
            if found_none && let Some(alternate) = &exchange.alternate {
                enter(alternate);
            }
        }
        if queues.len() > 1 {
            queues.sort_unstable();
            queues.dedup();
        }
        queues
    }

    /// The queues for a message at the default exchange: those of the routing keys' names.
    pub(crate) fn named(&self, routing_keys: &[&[u8]]) -> Queues {
        let named = routing_keys.iter().filter_map(|key| self.queues.get(*key));
        let mut queues: Queues = named.copied().collect();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// Removes every binding that leads to `destination`; names the exchanges that lost their last one by it.
    pub(crate) fn unbind_all(&mut self, destination: &Destination) -> Vec<ShortStr> {
        let mut left_unbound = Vec::new();
        for (name, exchange) in &mut self.exchanges {
            let Some(keys) = exchange.bindings.remove(destination) else {
                continue;
            };
            exchange.binding_count -= keys.len();
            for (key, arguments) in keys {
                exchange.kind.remove(destination, &key, &arguments);
            }
            if exchange.bindings.is_empty() {
                left_unbound.push(name.clone());
            }
        }
        left_unbound.sort_unstable();
        left_unbound
    }
}

impl Exchange {
    /// An exchange without bindings, or what is wrong with the definition.
    pub(crate) fn new(definition: ExchangeDefinition) -> Result<Self, String> {
        let (delayed, argument) = DELAYED_TYPE;
        let delays = definition.kind == delayed;
        let kind = if delays {
            let kind = definition.arguments.get(argument).and_then(Value::as_str);
            kind.filter(|kind| *kind != delayed).ok_or_else(|| {
                format!("Invalid argument, '{argument}' must be an existing exchange type")
            })?
        } else {
            &definition.kind
        };
        let kind = Kind::new(kind, &definition.arguments)?;
        let alternate = alternate_in(&definition.arguments);
        Ok(Self {
            definition,
            alternate,
            predeclared: false,
            bindings: BTreeMap::new(),
            binding_count: 0,
            kind,
            delays,
            was_bound: false,
            passed: Passed::default(),
        })
    }

    /// A policy counts for it from now on, or none does. What was asked for when it was declared stays.
    pub(crate) fn follow(&mut self, policy: Option<&FieldTable>) {
        let own = alternate_in(&self.definition.arguments);
        self.alternate = own.or_else(|| policy.and_then(alternate_in));
    }

    /// Whether there is this binding.
    pub(crate) fn has(
        &self,
        destination: &Destination,
        key: &ShortStr,
        arguments: &FieldTable,
    ) -> bool {
        let bound = self.bindings.get(destination);
        bound.is_some_and(|bound| bound.iter().any(|(a, b)| a == key && b == arguments))
    }

    /// Adds a binding; false if it was there.
    pub(crate) fn bind(
        &mut self,
        destination: &Destination,
        key: &ShortStr,
        arguments: &FieldTable,
    ) -> bool {
        if self.has(destination, key, arguments) {
            return false;
        }
        let bound = self.bindings.entry(destination.clone()).or_default();
        bound.push((key.clone(), arguments.clone()));
        self.binding_count += 1;
        self.kind.add(destination, key, arguments);
        self.was_bound = true;
        true
    }

    /// Removes a binding; false if there was none.
    pub(crate) fn unbind(
        &mut self,
        destination: &Destination,
        key: &ShortStr,
        arguments: &FieldTable,
    ) -> bool {
        let Some(bound) = self.bindings.get_mut(destination) else {
            return false;
        };
        let Some(at) = bound.iter().position(|(a, b)| a == key && b == arguments) else {
            return false;
        };
        bound.swap_remove(at);
        self.binding_count -= 1;
        if bound.is_empty() {
            self.bindings.remove(destination);
        }
        self.kind.remove(destination, key, arguments);
        true
    }

    /// What is wrong with a binding that would start here.
    pub(crate) fn check_binding(&self, key: &str, arguments: &FieldTable) -> Result<(), String> {
        match &self.kind {
            Kind::Headers(_) => headers::check(arguments),
            Kind::ConsistentHash(_) => hash::check_weight(key),
            Kind::Direct(_) | Kind::Fanout | Kind::Topic(_) => Ok(()),
        }
    }

    pub(crate) fn is_bound(&self) -> bool {
        !self.bindings.is_empty()
    }

    pub(crate) fn binding_count(&self) -> usize {
        self.binding_count
    }

    /// All bindings, by destination.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = (&Destination, &ShortStr, &FieldTable)> {
        self.bindings.iter().flat_map(|(destination, bound)| {
            bound
                .iter()
                .map(move |(key, arguments)| (destination, key, arguments))
        })
    }

    fn for_each<'a>(
        &'a self,
        routing_keys: &[&[u8]],
        properties: &Properties,
        mut found: impl FnMut(&'a Destination),
    ) {
        match &self.kind {
            Kind::Direct(bound) => {
                let bound = routing_keys.iter().filter_map(|key| bound.get(*key));
                bound.flatten().for_each(found);
            }
            Kind::Fanout => self.bindings.keys().for_each(found),
            Kind::Topic(tree) => {
                for key in routing_keys {
                    tree.for_each(key, &mut found);
                }
            }
            Kind::Headers(bindings) => bindings.for_each(properties, found),
            Kind::ConsistentHash(bindings) => {
                let destination = bindings.find(routing_keys, properties);
                destination.into_iter().for_each(found);
            }
        }
    }
}

/// The alternate exchange that a table names: arguments and policies have one word for it.
fn alternate_in(table: &FieldTable) -> Option<ShortStr> {
    let name = table.get("alternate-exchange")?.as_str()?;
    ShortStr::try_from(name).ok()
}
