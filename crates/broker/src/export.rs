//! All definitions as one value, by name.

use crate::Broker;
use crate::definitions::{Definitions, NamedBinding, NamedExchange, NamedQueue};
use crate::route::{Exchange, Vhost};
use model::record::Destination;

impl Broker {
    pub(crate) fn export(&self) -> Definitions {
        let mut all = Definitions {
            users: self.access.users.values().cloned().collect(),
            permissions: self.access.permissions.values().cloned().collect(),
            topic_permissions: self.access.topic_permissions.values().cloned().collect(),
            policies: self.policies.definitions().cloned().collect(),
            operator_policies: self.policies.operators_definitions().cloned().collect(),
            ..Definitions::default()
        };
        for (_, vhost) in self.all_vhosts() {
            all.vhosts.extend(vhost.definition.clone());
            self.export_queues(vhost, &mut all);
            let exchanges = vhost.exchanges.values();
            for exchange in exchanges {
                self.export_exchange(vhost, exchange, &mut all);
            }
        }
        all.vhosts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all.queues
            .sort_unstable_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
        all.exchanges.sort_unstable_by(|a, b| {
            (&a.vhost, &a.definition.name).cmp(&(&b.vhost, &b.definition.name))
        });
        all.bindings.sort_unstable();
        all
    }

    fn export_queues(&self, vhost: &Vhost, all: &mut Definitions) {
        let queues = vhost.queues.values().map(|id| &self.queues[id].definition);
        let lasting = queues.filter(|queue| !queue.exclusive);
        all.queues.extend(lasting.map(|queue| NamedQueue {
            vhost: vhost.name.clone(),
            name: queue.name.clone(),
            durable: queue.durable,
            auto_delete: queue.auto_delete,
            arguments: queue.arguments.clone(),
        }));
    }

    fn export_exchange(&self, vhost: &Vhost, exchange: &Exchange, all: &mut Definitions) {
        if !exchange.predeclared {
            all.exchanges.push(NamedExchange {
                vhost: vhost.name.clone(),
                definition: exchange.definition.clone(),
            });
        }
        for (destination, routing_key, arguments) in exchange.bindings() {
            let (destination, to_exchange) = match destination {
                Destination::Exchange(name) => (name.clone(), true),
                Destination::Queue(id) => {
                    let queue = &self.queues[id].definition;
                    if queue.exclusive {
                        continue;
                    }
                    (queue.name.clone(), false)
                }
            };
            all.bindings.push(NamedBinding {
                vhost: vhost.name.clone(),
                source: exchange.definition.name.clone(),
                destination,
                to_exchange,
                routing_key: routing_key.clone(),
                arguments: arguments.clone(),
            });
        }
    }
}
