//! Operator policies: limits that operators set to queues of certain names, whatever their owners and the policies say.
//! Of two numbers the lower one counts; a negative one is no limit.

use crate::command::CommandRefused;
use crate::operate::no_vhost;
use crate::{Broker, policy};
use model::record::PolicyDefinition;
use model::{Definition, FieldTable, ShortStr, TableBuilder, Timestamp, Value};

/// Of these the lower number counts.
const LOWER_COUNTS: &[&str] = &[
    "message-ttl",
    "expires",
    "max-length",
    "max-length-bytes",
    "delivery-limit",
];

/// This is the operator's word.
const OVERFLOW: &str = "overflow";

/// Rules under an operator policy. Their names begin with the prefix: those of arguments do, those of policies do not.
pub(crate) fn limited(rules: &FieldTable, operator: &FieldTable, prefix: &str) -> FieldTable {
    let bare = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let others = rules.iter().filter(|(name, _)| {
        let name = bare(name);
        operator.get(&name).is_none() || !is_limit(&name)
    });
    let mut table = others.fold(TableBuilder::new(), |table, (name, value)| {
        table.field(name, value)
    });
    for rule in LOWER_COUNTS {
        let name = format!("{prefix}{rule}");
        if let Some(most) = operator.get(rule).and_then(Value::as_integer) {
            let own = rules.get(&name).and_then(Value::as_integer);
            let limits = [own, Some(most)].into_iter().flatten();
            let lower = limits.filter(|limit| *limit >= 0).min().unwrap_or(most);
            table = table.field(&name, Value::I64(lower));
        }
    }
    if let Some(overflow) = operator.get(OVERFLOW) {
        table = table.field(&format!("{prefix}{OVERFLOW}"), overflow);
    }
    table.build()
}

fn is_limit(rule: &str) -> bool {
    LOWER_COUNTS.contains(&rule) || rule == OVERFLOW
}

/// What is wrong with an operator policy, if anything is.
pub(crate) fn check(made: &PolicyDefinition) -> Result<(), String> {
    policy::check(made)?;
    match made.definition.iter().find(|(rule, _)| !is_limit(rule)) {
        None => Ok(()),
        Some((rule, _)) => Err(format!(
            "'{rule}' of operator policy '{}' is not recognised; there are {}, {OVERFLOW}",
            made.name,
            LOWER_COUNTS.join(", ")
        )),
    }
}

impl Broker {
    /// The rules of the queues are renewed with it.
    pub(crate) fn set_operator_policy(
        &mut self,
        now: Timestamp,
        made: PolicyDefinition,
    ) -> Result<bool, CommandRefused> {
        check(&made).map_err(CommandRefused::Invalid)?;
        self.own_vhost_named(&made.vhost)
            .ok_or_else(|| no_vhost(&made.vhost))?;
        let vhost = made.vhost.clone();
        let is_new = self.put_operator_policy(made);
        self.renew_rules(now, &vhost);
        Ok(is_new)
    }

    /// Whoever puts them has the rules renewed when all are put.
    pub(crate) fn put_operator_policy(&mut self, made: PolicyDefinition) -> bool {
        let is_new = !self.policies.contains_operators(&made.vhost, &made.name);
        self.define(Definition::OperatorPolicyMade(made));
        is_new
    }

    pub(crate) fn remove_operator_policy(
        &mut self,
        now: Timestamp,
        vhost: ShortStr,
        name: ShortStr,
    ) -> Result<bool, CommandRefused> {
        if !self.policies.contains_operators(&vhost, &name) {
            let text = format!("no operator policy '{name}' in vhost '{vhost}'");
            return Err(CommandRefused::NotFound(text));
        }
        let of = vhost.clone();
        self.define(Definition::OperatorPolicyRemoved { vhost, name });
        self.renew_rules(now, &of);
        Ok(false)
    }
}
