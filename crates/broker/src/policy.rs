//! Policies: rules that operators give to all queues or exchanges of certain names. Of those that match a name the
//! one of the highest priority counts, and no other.

use crate::Broker;
use crate::arguments::{ARGUMENTS, Declaration, Of};
use crate::operator_policy::limited;
use crate::pattern::Pattern;
use crate::reply_to::is_reply_name;
use crate::route::{Vhost, VhostIndex};
use crate::rules::Rules;
use model::record::{ExchangeDefinition, PolicyDefinition, QueueDefinition};
use model::{Definition, FieldTable, MethodId, QueueId, ShortStr, TableBuilder, Timestamp, Value};
use std::collections::BTreeMap;

/// All policies.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    known: Known,
    /// Those that limit what the others and the owners of queues say.
    operators: Known,
}

/// Policies by virtual host and name.
type Known = BTreeMap<(ShortStr, ShortStr), Policy>;

#[derive(Debug)]
struct Policy {
    definition: PolicyDefinition,
    pattern: Pattern,
}

/// What `apply-to` may say, with RabbitMQ's words.
const APPLY_TO: &[&str] = &[
    "all",
    "exchanges",
    "queues",
    "classic_queues",
    "quorum_queues",
    "streams",
];

/// Of these rules the stricter one counts where the queue's owner asked for another.
const STRICTER_COUNTS: &[&str] = &["message-ttl", "expires", "max-length", "max-length-bytes"];

/// Of these rules the owner's counts.
const OWNERS_COUNTS: &[&str] = &[
    "overflow",
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "consumer-timeout",
    "delivery-limit",
    "delayed-retry-type",
    "delayed-retry-min",
    "delayed-retry-max",
    "delayed-retry-multiplier",
    "delayed-retry-jitter",
    "message-deduplication",
    "cache-size",
    "cache-ttl",
    "deduplication-header",
    "deduplication-property",
    "delivery-delay",
];

/// These are the owner's alone.
const OWNERS_ONLY: &[&str] = &["max-priority", "single-active-consumer"];

impl Policies {
    /// Takes in what was defined of policies; other definitions are nothing to it.
    pub(crate) fn learn(&mut self, definition: &Definition) {
        match definition {
            Definition::PolicyMade(made) => keep(&mut self.known, made),
            Definition::PolicyRemoved { vhost, name } => {
                self.known.remove(&(vhost.clone(), name.clone()));
            }
            Definition::OperatorPolicyMade(made) => keep(&mut self.operators, made),
            Definition::OperatorPolicyRemoved { vhost, name } => {
                self.operators.remove(&(vhost.clone(), name.clone()));
            }
            Definition::VhostRemoved { vhost } => {
                self.known.retain(|(of, _), _| of != vhost);
                self.operators.retain(|(of, _), _| of != vhost);
            }
            _ => {}
        }
    }

    pub(crate) fn definitions(&self) -> impl Iterator<Item = &PolicyDefinition> {
        self.known.values().map(|policy| &policy.definition)
    }

    pub(crate) fn operators_definitions(&self) -> impl Iterator<Item = &PolicyDefinition> {
        self.operators.values().map(|policy| &policy.definition)
    }

    pub(crate) fn contains(&self, vhost: &ShortStr, name: &ShortStr) -> bool {
        self.known.contains_key(&(vhost.clone(), name.clone()))
    }

    pub(crate) fn contains_operators(&self, vhost: &ShortStr, name: &ShortStr) -> bool {
        self.operators.contains_key(&(vhost.clone(), name.clone()))
    }

    /// What a queue's owner asked for under the policies that count for it, as arguments.
    pub(crate) fn in_force(&self, vhost: &ShortStr, queue: &QueueDefinition) -> FieldTable {
        if is_reply_name(&queue.name) {
            return queue.arguments.clone();
        }
        let asked = match self.of_queue(vhost, queue) {
            Some(policy) => under(&queue.arguments, &policy.definition),
            None => queue.arguments.clone(),
        };
        match self.operators_of_queue(vhost, queue) {
            Some(operators) => limited(&asked, &operators.definition, "x-"),
            None => asked,
        }
    }

    /// The rules that both policies of a queue come to, without what its owner asked for.
    pub(crate) fn effective(&self, vhost: &ShortStr, queue: &QueueDefinition) -> FieldTable {
        let policy = self.of_queue(vhost, queue);
        let rules = policy.map(|policy| policy.definition.clone());
        let rules = rules.unwrap_or_default();
        match self.operators_of_queue(vhost, queue) {
            Some(operators) => limited(&rules, &operators.definition, ""),
            None => rules,
        }
    }

    /// The policy that counts for a queue.
    pub(crate) fn of_queue(
        &self,
        vhost: &ShortStr,
        queue: &QueueDefinition,
    ) -> Option<&PolicyDefinition> {
        matching(&self.known, vhost, &queue.name, &words_for(queue))
    }

    /// The operator policy that counts for a queue.
    pub(crate) fn operators_of_queue(
        &self,
        vhost: &ShortStr,
        queue: &QueueDefinition,
    ) -> Option<&PolicyDefinition> {
        matching(&self.operators, vhost, &queue.name, &words_for(queue))
    }

    /// The policy that counts for an exchange.
    pub(crate) fn of_exchange(
        &self,
        vhost: &ShortStr,
        exchange: &ExchangeDefinition,
    ) -> Option<&PolicyDefinition> {
        matching(&self.known, vhost, &exchange.name, &["all", "exchanges"])
    }
}

fn keep(known: &mut Known, made: &PolicyDefinition) {
    let definition = PolicyDefinition {
        vhost: made.vhost.detached(),
        name: made.name.detached(),
        apply_to: made.apply_to.detached(),
        definition: made.definition.detached(),
        ..made.clone()
    };
    let of = (definition.vhost.clone(), definition.name.clone());
    // Checked before it was kept; one that does not compile matches nothing.
    let pattern = Pattern::new(&definition.pattern).unwrap_or_default();
    let policy = Policy {
        definition,
        pattern,
    };
    known.insert(of, policy);
}

/// What `apply-to` may say of policies that count for a queue.
fn words_for(queue: &QueueDefinition) -> [&'static str; 3] {
    let kind = queue.arguments.get("x-queue-type").and_then(Value::as_str);
    let of_its_kind = match kind {
        Some("quorum") => "quorum_queues",
        Some("stream") => "streams",
        _ => "classic_queues",
    };
    ["all", "queues", of_its_kind]
}

fn matching<'a>(
    known: &'a Known,
    vhost: &ShortStr,
    name: &str,
    apply_to: &[&str],
) -> Option<&'a PolicyDefinition> {
    let of_vhost = known
        .range((vhost.clone(), ShortStr::empty())..)
        .take_while(|((of, _), _)| of == vhost);
    let matching = of_vhost.map(|(_, policy)| policy).filter(|policy| {
        apply_to.contains(&policy.definition.apply_to.as_str()) && policy.pattern.matches(name)
    });
    // Among equals the first name counts, so that every start finds the same.
    let highest = matching.reduce(|best, other| {
        if other.definition.priority > best.definition.priority {
            other
        } else {
            best
        }
    });
    highest.map(|policy| &policy.definition)
}

impl Broker {
    /// The rules of a queue: what its owner asked for, under the policy that counts for it.
    pub(crate) fn rules_of(&self, vhost: VhostIndex, queue: &QueueDefinition) -> Rules {
        Rules::of(&self.in_force(vhost, queue))
    }

    /// The same as arguments.
    pub(crate) fn in_force(&self, vhost: VhostIndex, queue: &QueueDefinition) -> FieldTable {
        self.policies.in_force(&self.vhosts[vhost.0].name, queue)
    }

    /// Policies of a virtual host have changed: its queues and exchanges follow.
    pub(crate) fn renew_rules(&mut self, now: Timestamp, vhost: &ShortStr) {
        let Some(index) = self.vhost_named(vhost) else {
            return;
        };
        let queues = self.vhosts[index.0].queues.values();
        let mut queues: Vec<QueueId> = queues.copied().collect();
        queues.sort_unstable();
        for id in queues {
            self.renew_rules_of(now, index, id);
        }
        self.renew_alternates(index);
    }

    /// What a queue's owner asked for, or its policy, has changed.
    pub(crate) fn renew_rules_of(&mut self, now: Timestamp, index: VhostIndex, id: QueueId) {
        let rules = self.rules_of(index, &self.queues[&id].definition);
        let last = self.landing.last();
        let queue = self.queues.get_mut(&id).expect("whoever asks has seen it");
        if *queue.rules == rules {
            return;
        }
        self.refusing_queues -= usize::from(queue.rules.refuses_publishes());
        self.refusing_queues += usize::from(rules.refuses_publishes());
        self.deduplication
            .follow(id, rules.deduplication.as_deref());
        self.delaying_queues -= usize::from(queue.rules.delivery_delay.is_some());
        self.delaying_queues += usize::from(rules.delivery_delay.is_some());
        queue.change_rules(now, last, rules);
        self.activate(id);
    }

    /// Exchanges pass on what they cannot route to the alternate that they or their policies name.
    pub(crate) fn renew_alternates(&mut self, index: VhostIndex) {
        let Vhost {
            name, exchanges, ..
        } = &mut self.vhosts[index.0];
        for exchange in exchanges.values_mut() {
            let policy = self.policies.of_exchange(name, &exchange.definition);
            exchange.follow(policy.map(|policy| &policy.definition));
        }
    }
}

/// A queue's arguments as if its policy had been asked for with them: those that make rules.
fn under(arguments: &FieldTable, policy: &FieldTable) -> FieldTable {
    let mut table = TableBuilder::new();
    for rule in STRICTER_COUNTS {
        let argument = format!("x-{rule}");
        let both = [arguments.get(&argument), policy.get(rule)];
        let both = both.into_iter().flatten();
        if let Some(number) = both.filter_map(Value::as_integer).min() {
            table = table.field(&argument, Value::I64(number));
        }
    }
    for rule in OWNERS_COUNTS {
        let argument = format!("x-{rule}");
        if let Some(value) = arguments.get(&argument).or(policy.get(rule)) {
            table = table.field(&argument, value);
        }
    }
    for rule in OWNERS_ONLY {
        let argument = format!("x-{rule}");
        if let Some(value) = arguments.get(&argument) {
            table = table.field(&argument, value);
        }
    }
    table.build()
}

/// What is wrong with a policy, if anything is.
pub(crate) fn check(policy: &PolicyDefinition) -> Result<(), String> {
    Pattern::new(&policy.pattern)?;
    if !APPLY_TO.contains(&policy.apply_to.as_str()) {
        return Err(format!(
            "apply-to of policy '{}' is '{}'; it must be one of {}",
            policy.name,
            policy.apply_to,
            APPLY_TO.join(", ")
        ));
    }
    // Rules that nobody knows are kept: some are named too long to be an argument. A key without an exchange is
    // fine: the exchange may be the queue owner's.
    let known = ARGUMENTS.iter().filter(|argument| {
        argument.of == Of::Queue && argument.name != "x-dead-letter-routing-key"
    });
    let arguments = known.fold(TableBuilder::new(), |table, argument| {
        let rule = argument.name.trim_start_matches("x-");
        match policy.definition.get(rule) {
            Some(value) => table.field(argument.name, value),
            None => table,
        }
    });
    let declaration = Declaration {
        of: Of::Queue,
        what: &format!("policy '{}' in vhost '{}'", policy.name, policy.vhost),
        method: MethodId::default(),
    };
    let checked = declaration.check(&arguments.build());
    checked.map_err(|refusal| refusal.to_string())
}
