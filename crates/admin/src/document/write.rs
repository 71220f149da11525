//! Definitions as a document that RabbitMQ imports, too.

use crate::{About, shapes};
use broker::{Definitions, NamedBinding};
use model::record::{PolicyDefinition, VhostDefinition};
use serde_json::{Value as Json, json};
use std::collections::HashSet;

/// Everything that outlives a restart. As with RabbitMQ: of queues and exchanges the durable ones, and the bindings
/// between those.
pub(crate) fn write(definitions: &Definitions, about: &About) -> Json {
    let mut document = topology(definitions, |_| true, |shape| shape);
    document["rabbit_version"] = about.rabbitmq_version().into();
    document["rabbitmq_version"] = about.rabbitmq_version().into();
    document["product_name"] = about.product.clone().into();
    document["product_version"] = about.version.into();
    document["users"] = definitions.users.iter().map(shapes::user).collect();
    document["vhosts"] = definitions.vhosts.iter().map(vhost).collect();
    document["permissions"] = (definitions.permissions.iter())
        .map(shapes::permission)
        .collect();
    document["topic_permissions"] = (definitions.topic_permissions.iter())
        .map(shapes::topic_permission)
        .collect();
    document["global_parameters"] = json!([]);
    document
}

/// What belongs to one virtual host, without its name: so it can be imported into another.
pub(crate) fn write_vhost(definitions: &Definitions, vhost: &str, about: &About) -> Json {
    let mut document = topology(
        definitions,
        |of| of == vhost,
        |mut shape| {
            if let Json::Object(map) = &mut shape {
                map.remove("vhost");
            }
            shape
        },
    );
    document["rabbit_version"] = about.rabbitmq_version().into();
    document
}

fn vhost(vhost: &VhostDefinition) -> Json {
    let mut shape = shapes::vhost(vhost);
    if let Json::Object(map) = &mut shape
        && !vhost.tracing
    {
        // RabbitMQ writes it nowhere, and takes it as an order to trace.
        map.remove("tracing");
    }
    shape
}

fn topology(
    definitions: &Definitions,
    of: impl Fn(&str) -> bool,
    scoped: impl Fn(Json) -> Json,
) -> Json {
    let queues = (definitions.queues.iter()).filter(|queue| of(&queue.vhost) && queue.durable);
    let exchanges = (definitions.exchanges.iter())
        .filter(|exchange| of(&exchange.vhost) && exchange.definition.durable);
    let durable = Durable {
        queues: queues
            .clone()
            .map(|queue| (queue.vhost.as_str(), queue.name.as_str()))
            .collect(),
        exchanges: exchanges
            .clone()
            .map(|exchange| (exchange.vhost.as_str(), exchange.definition.name.as_str()))
            .collect(),
    };
    let bindings = (definitions.bindings.iter())
        .filter(|binding| of(&binding.vhost) && durable.has_both_ends_of(binding));
    let policies = (definitions.policies.iter()).filter(|policy| of(&policy.vhost));
    let limited = (definitions.vhosts.iter()).filter(|vhost| of(&vhost.name));
    let operators = (definitions.operator_policies.iter()).filter(|policy| of(&policy.vhost));
    let parameters = (limited.filter_map(limits_parameter)).chain(operators.map(operator_policy));
    json!({
        "parameters": parameters.map(&scoped).collect::<Json>(),
        "policies": policies.map(shapes::policy).map(&scoped).collect::<Json>(),
        "queues": queues.map(|queue| {
            let mut shape = shapes::queue(queue);
            if let Json::Object(map) = &mut shape {
                map.remove("exclusive");
            }
            scoped(shape)
        }).collect::<Json>(),
        "exchanges": exchanges.map(|exchange| {
            let mut shape = shapes::exchange(&exchange.vhost, &exchange.definition);
            if let Json::Object(map) = &mut shape && !exchange.definition.internal {
                // RabbitMQ never writes it, and understands it.
                map.remove("internal");
            }
            scoped(shape)
        }).collect::<Json>(),
        "bindings": bindings.map(shapes::binding).map(&scoped).collect::<Json>(),
    })
}

/// What is written of queues and exchanges.
struct Durable<'a> {
    queues: HashSet<(&'a str, &'a str)>,
    exchanges: HashSet<(&'a str, &'a str)>,
}

impl Durable<'_> {
    fn has_both_ends_of(&self, binding: &NamedBinding) -> bool {
        let has_exchange = |name: &str| {
            // The predeclared ones are in no document, and everywhere.
            name.starts_with("amq.") || self.exchanges.contains(&(binding.vhost.as_str(), name))
        };
        let destination = binding.destination.as_str();
        has_exchange(&binding.source)
            && if binding.to_exchange {
                has_exchange(destination)
            } else {
                self.queues.contains(&(binding.vhost.as_str(), destination))
            }
    }
}

/// RabbitMQ keeps an operator policy as a parameter.
fn operator_policy(policy: &PolicyDefinition) -> Json {
    let mut value = shapes::policy(policy);
    if let Json::Object(map) = &mut value {
        map.retain(|key, _| key != "name" && key != "vhost");
    }
    json!({
        "component": "operator_policy",
        "name": policy.name.as_str(),
        "vhost": policy.vhost.as_str(),
        "value": value,
    })
}

/// RabbitMQ keeps a virtual host's limits as a parameter of it.
pub(crate) fn limits_parameter(vhost: &VhostDefinition) -> Option<Json> {
    let limits = shapes::vhost_limits(vhost);
    let set = limits.as_object().is_some_and(|limits| !limits.is_empty());
    set.then(|| {
        json!({
            "component": "vhost-limits",
            "name": "limits",
            "vhost": vhost.name.as_str(),
            "value": limits,
        })
    })
}
