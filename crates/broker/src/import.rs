//! Definitions from another server, or from an export: checked as a whole, then made.

use crate::arguments::{Declaration, Of};
use crate::command::CommandRefused;
use crate::definitions::{Definitions, NamedBinding};
use crate::operate::{check_permission, check_topic_permission, check_user, check_vhost};
use crate::route::{Exchange, Vhost};
use crate::{Broker, operator_policy, policy};
use model::record::{Destination, QueueDefinition, VhostDefinition};
use model::{FieldTable, MethodId, ShortStr, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet};

impl Broker {
    /// Makes everything, or refuses everything.
    pub(crate) fn import(
        &mut self,
        now: Timestamp,
        definitions: &Definitions,
    ) -> Result<(), CommandRefused> {
        self.check_import(definitions)?;
        for vhost in &definitions.vhosts {
            self.put_vhost(vhost);
        }
        for user in &definitions.users {
            self.put_user(user.clone());
        }
        for permission in &definitions.permissions {
            self.put_permission(permission.clone());
        }
        for permission in &definitions.topic_permissions {
            self.put_topic_permission(permission.clone());
        }
        for made in &definitions.policies {
            self.put_policy(made.clone());
        }
        for made in &definitions.operator_policies {
            self.put_operator_policy(made.clone());
        }
        // Once for all: each looks at every queue.
        let policies = definitions.policies.iter();
        let vhosts = policies
            .chain(&definitions.operator_policies)
            .map(|made| &made.vhost);
        for vhost in vhosts.collect::<BTreeSet<_>>() {
            self.renew_rules(now, vhost);
        }
        self.import_exchanges(definitions);
        self.import_queues(now, definitions);
        for binding in &definitions.bindings {
            self.import_binding(binding);
        }
        Ok(())
    }

    fn import_exchanges(&mut self, definitions: &Definitions) {
        for made in &definitions.exchanges {
            let index = self.vhost_named(&made.vhost).expect("checked before");
            let definition = &made.definition;
            let known = &self.vhosts[index.0].exchanges;
            if !definition.name.is_empty() && !known.contains_key(&definition.name) {
                let exchange = Exchange::new(definition.clone()).expect("checked before");
                self.add_exchange(index, exchange);
            }
        }
    }

    fn import_queues(&mut self, now: Timestamp, definitions: &Definitions) {
        for made in &definitions.queues {
            let index = self.vhost_named(&made.vhost).expect("checked before");
            if !self.vhosts[index.0].queues.contains_key(&made.name) {
                let definition = QueueDefinition {
                    id: self.next_queue,
                    name: made.name.detached(),
                    durable: made.durable,
                    exclusive: false,
                    auto_delete: made.auto_delete,
                    arguments: made.arguments.detached(),
                };
                self.make_queue_of(now, index, definition, None);
            }
        }
    }

    fn import_binding(&mut self, binding: &NamedBinding) {
        // To the default exchange every queue is bound anyway.
        if binding.source.is_empty() {
            return;
        }
        let index = self.vhost_named(&binding.vhost).expect("checked before");
        let destination = if binding.to_exchange {
            Destination::Exchange(binding.destination.detached())
        } else {
            Destination::Queue(self.vhosts[index.0].queues[&binding.destination])
        };
        let (key, arguments) = (binding.routing_key.detached(), binding.arguments.detached());
        self.add_binding(index, &binding.source, destination, key, arguments);
    }

    pub(crate) fn check_import(&self, definitions: &Definitions) -> Result<(), CommandRefused> {
        definitions.vhosts.iter().try_for_each(check_vhost)?;
        definitions.users.iter().try_for_each(check_user)?;
        let here = self.all_vhosts().map(|(_, vhost)| &vhost.name);
        let vhosts: HashSet<&ShortStr> = here
            .chain(definitions.vhosts.iter().map(|vhost| &vhost.name))
            .collect();
        let users = self.access.users.keys();
        let users: HashSet<&ShortStr> = users
            .chain(definitions.users.iter().map(|user| &user.name))
            .collect();
        let in_vhost = |vhost: &ShortStr, what: &str| match vhosts.contains(vhost) {
            true => Ok(()),
            false => Err(invalid(format!("{what}: no vhost '{vhost}'"))),
        };
        let of_user = |user: &ShortStr, what: &str| match users.contains(user) {
            true => Ok(()),
            false => Err(invalid(format!("{what}: no user '{user}'"))),
        };
        for made in &definitions.permissions {
            check_permission(made)?;
            of_user(&made.user, "permission")?;
            in_vhost(&made.vhost, "permission")?;
        }
        for made in &definitions.topic_permissions {
            check_topic_permission(made)?;
            of_user(&made.user, "topic permission")?;
            in_vhost(&made.vhost, "topic permission")?;
        }
        let in_vhost = |vhost: &ShortStr, what: &str| match self.share.has(vhost) {
            true => in_vhost(vhost, what),
            false => Err(invalid(format!(
                "{what}: another shard has vhost '{vhost}'"
            ))),
        };
        for made in &definitions.policies {
            policy::check(made).map_err(invalid)?;
            in_vhost(&made.vhost, &format!("policy '{}'", made.name))?;
        }
        for made in &definitions.operator_policies {
            operator_policy::check(made).map_err(invalid)?;
            in_vhost(&made.vhost, &format!("operator policy '{}'", made.name))?;
        }
        for made in &definitions.queues {
            let what = format!("queue '{}' in vhost '{}'", made.name, made.vhost);
            in_vhost(&made.vhost, &what)?;
            check_arguments(Of::Queue, &what, &made.arguments)?;
            if made.name.is_empty() {
                return Err(invalid("a queue must have a name".to_owned()));
            }
        }
        for made in &definitions.exchanges {
            let name = &made.definition.name;
            let what = format!("exchange '{name}' in vhost '{}'", made.vhost);
            in_vhost(&made.vhost, &what)?;
            check_arguments(Of::Exchange, &what, &made.definition.arguments)?;
            Exchange::new(made.definition.clone())
                .map_err(|why| invalid(format!("{what}: {why}")))?;
        }
        self.check_bindings(definitions, &in_vhost)
    }

    fn check_bindings(
        &self,
        definitions: &Definitions,
        in_vhost: &dyn Fn(&ShortStr, &str) -> Result<(), CommandRefused>,
    ) -> Result<(), CommandRefused> {
        let queues = definitions.queues.iter();
        let queues: HashSet<_> = queues.map(|made| (&made.vhost, &made.name)).collect();
        let exchanges = definitions.exchanges.iter();
        let exchanges: HashMap<_, _> = exchanges
            .map(|made| ((&made.vhost, &made.definition.name), &made.definition))
            .collect();
        let predeclared = Vhost::new(VhostDefinition::default());
        for made in &definitions.bindings {
            let (source, destination) = (&made.source, &made.destination);
            let what = format!("binding of '{source}' to '{destination}'");
            in_vhost(&made.vhost, &what)?;
            if source.is_empty() {
                continue;
            }
            let here = self.vhost_named(&made.vhost);
            let here = here.map_or(&predeclared, |index| &self.vhosts[index.0]);
            let exchange = |name: &ShortStr| {
                let known = here.exchanges.get(name).map(|one| &one.definition);
                known.or_else(|| exchanges.get(&(&made.vhost, name)).copied())
            };
            let Some(definition) = exchange(source) else {
                return Err(invalid(format!("{what}: no exchange '{source}'")));
            };
            let leads_somewhere = if made.to_exchange {
                exchange(destination).is_some()
            } else {
                here.queues.contains_key(destination)
                    || queues.contains(&(&made.vhost, destination))
            };
            if !leads_somewhere {
                return Err(invalid(format!("{what}: no such destination")));
            }
            Exchange::new(definition.clone())
                .and_then(|source| source.check_binding(&made.routing_key, &made.arguments))
                .map_err(|why| invalid(format!("{what}: {why}")))?;
        }
        Ok(())
    }
}

fn check_arguments(of: Of, what: &str, arguments: &FieldTable) -> Result<(), CommandRefused> {
    let method = MethodId::default();
    let declaration = Declaration { of, what, method };
    let checked = declaration.check(arguments);
    checked.map_err(|refusal| invalid(refusal.to_string()))
}

fn invalid(text: String) -> CommandRefused {
    CommandRefused::Invalid(text)
}
