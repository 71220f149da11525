//! Policies: kept, exported, imported, and which one counts for a name.

use crate::pattern::Pattern;
use model::record::PolicyDefinition;
use model::{Definition, ShortStr};
use std::collections::BTreeMap;

/// All policies, by virtual host and name.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) known: BTreeMap<(ShortStr, ShortStr), PolicyDefinition>,
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

impl Policies {
    /// Takes in what was defined of policies; other definitions are nothing to it.
    pub(crate) fn learn(&mut self, definition: &Definition) {
        match definition {
            Definition::PolicyMade(made) => {
                let made = PolicyDefinition {
                    vhost: made.vhost.detached(),
                    name: made.name.detached(),
                    apply_to: made.apply_to.detached(),
                    definition: made.definition.detached(),
                    ..made.clone()
                };
                let of = (made.vhost.clone(), made.name.clone());
                self.known.insert(of, made);
            }
            Definition::PolicyRemoved { vhost, name } => {
                self.known.remove(&(vhost.clone(), name.clone()));
            }
            Definition::VhostRemoved { vhost } => {
                self.known.retain(|(of, _), _| of != vhost);
            }
            _ => {}
        }
    }

    /// Everything, so that it can be told again.
    pub(crate) fn all(&self) -> impl Iterator<Item = Definition> {
        self.known.values().cloned().map(Definition::PolicyMade)
    }
}

/// What is wrong with a policy, if anything is.
pub(crate) fn check(policy: &PolicyDefinition) -> Result<(), String> {
    Pattern::new(&policy.pattern)?;
    if APPLY_TO.contains(&policy.apply_to.as_str()) {
        Ok(())
    } else {
        Err(format!(
            "apply-to of policy '{}' is '{}'; it must be one of {}",
            policy.name,
            policy.apply_to,
            APPLY_TO.join(", ")
        ))
    }
}
