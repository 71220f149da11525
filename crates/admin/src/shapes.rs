//! What the broker hands out as JSON, with RabbitMQ's names of the fields.

use crate::{fields, moments, rates};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use broker::snapshot::QueueStatus;
use broker::{NamedBinding, NamedExchange, NamedQueue};
use model::record::{
    ExchangeDefinition, Hashing, PermissionDefinition, PolicyDefinition, TopicPermissionDefinition,
    UserDefinition, VhostDefinition,
};
use model::{FieldTable, ShortStr, Value};
use serde_json::{Map, Value as Json, json};

/// The exchanges that every virtual host has from its first moment: name, type, internal.
const PREDECLARED: [(&str, &str, bool); 7] = [
    ("", "direct", false),
    ("amq.direct", "direct", false),
    ("amq.fanout", "fanout", false),
    ("amq.headers", "headers", false),
    ("amq.match", "headers", false),
    ("amq.rabbitmq.trace", "topic", true),
    ("amq.topic", "topic", false),
];

/// Names as a list.
pub(crate) fn names(names: &[ShortStr]) -> Json {
    names.iter().map(ShortStr::as_str).collect()
}

/// A user.
pub(crate) fn user(user: &UserDefinition) -> Json {
    json!({
        "name": user.name.as_str(),
        "password_hash": password_hash(user),
        "hashing_algorithm": user.hashing.name(),
        "tags": names(&user.tags),
        "limits": user_limits(user),
    })
}

/// RabbitMQ's are octets; a slow one is text by itself.
fn password_hash(user: &UserDefinition) -> String {
    match user.hashing {
        Hashing::Argon2id => String::from_utf8_lossy(&user.password_hash).into_owned(),
        Hashing::Sha256 | Hashing::Sha512 | Hashing::Md5 => STANDARD.encode(&user.password_hash),
    }
}

/// A user's limits, as far as there are any.
pub(crate) fn user_limits(user: &UserDefinition) -> Json {
    limits([
        ("max-connections", user.max_connections),
        ("max-channels", user.max_channels),
    ])
}

/// A virtual host's limits, as far as there are any.
pub(crate) fn vhost_limits(vhost: &VhostDefinition) -> Json {
    limits([
        ("max-connections", vhost.max_connections),
        ("max-queues", vhost.max_queues),
    ])
}

fn limits(limits: [(&str, Option<u64>); 2]) -> Json {
    let set = limits
        .into_iter()
        .filter_map(|(name, limit)| Some((name.to_owned(), limit?.into())));
    Json::Object(set.collect())
}

/// A virtual host's description in all the places where tools look for it.
pub(crate) fn vhost(vhost: &VhostDefinition) -> Json {
    let mut metadata = Map::new();
    metadata.insert("description".into(), vhost.description.clone().into());
    metadata.insert("tags".into(), names(&vhost.tags));
    let mut shape = metadata.clone();
    if !vhost.default_queue_type.is_empty() {
        let name = Json::from(vhost.default_queue_type.as_str());
        metadata.insert("default_queue_type".into(), name.clone());
        shape.insert("default_queue_type".into(), name);
    }
    shape.insert("name".into(), vhost.name.as_str().into());
    shape.insert("metadata".into(), metadata.into());
    shape.insert("tracing".into(), vhost.tracing.into());
    shape.into()
}

/// What a user may do.
pub(crate) fn permission(permission: &PermissionDefinition) -> Json {
    json!({
        "user": permission.user.as_str(),
        "vhost": permission.vhost.as_str(),
        "configure": permission.configure,
        "write": permission.write,
        "read": permission.read,
    })
}

/// Which routing keys a user may use.
pub(crate) fn topic_permission(permission: &TopicPermissionDefinition) -> Json {
    json!({
        "user": permission.user.as_str(),
        "vhost": permission.vhost.as_str(),
        "exchange": permission.exchange.as_str(),
        "write": permission.write,
        "read": permission.read,
    })
}

/// A policy.
pub(crate) fn policy(policy: &PolicyDefinition) -> Json {
    json!({
        "vhost": policy.vhost.as_str(),
        "name": policy.name.as_str(),
        "pattern": policy.pattern,
        "apply-to": policy.apply_to.as_str(),
        "priority": policy.priority,
        "definition": fields::to_json(&policy.definition),
    })
}

/// A queue.
pub(crate) fn queue(queue: &NamedQueue) -> Json {
    json!({
        "name": queue.name.as_str(),
        "vhost": queue.vhost.as_str(),
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "exclusive": false,
        "arguments": fields::to_json(&queue.arguments),
        "type": queue_type(&queue.arguments),
    })
}

/// A queue of a node, how much is in it, and what goes through it.
pub(crate) fn queue_status(queue: &QueueStatus, node: &str) -> Json {
    let counts = &queue.counts;
    let mut shape = json!({
        "name": queue.name.as_str(),
        "vhost": queue.vhost.as_str(),
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "exclusive": queue.exclusive,
        "arguments": fields::to_json(&queue.arguments),
        "type": queue_type(&queue.arguments),
        "policy": queue.policy.as_deref(),
        "operator_policy": queue.operator_policy.as_deref(),
        "effective_policy_definition": fields::to_json(&queue.effective),
        "delivery_limit": delivery_limit(queue),
        "state": "running",
        "node": node,
        "consumers": queue.consumers,
        "landfall_paused": queue.paused,
        "messages_delayed": counts.delayed,
        "messages_parked": counts.parked,
        "messages_leaving": counts.leaving,
        "message_stats": rates::message_stats_of_queue(&queue.traffic, &queue.recent),
    });
    if let Some(shape) = shape.as_object_mut() {
        let counts = [counts.total(), counts.ready, counts.unacked];
        rates::messages(shape, counts, &queue.recent);
        if let Some(idle_since) = queue.moved.and_then(moments::written_like_rabbitmq) {
            shape.insert("idle_since".to_owned(), idle_since.into());
        }
    }
    shape
}

/// How often its messages may come back, in the words that NServiceBus looks for.
fn delivery_limit(queue: &QueueStatus) -> Json {
    let limit = queue.in_force.get("x-delivery-limit");
    let limit = limit.and_then(Value::as_integer);
    limit.map_or_else(|| "unlimited".into(), Json::from)
}

/// The type that a queue was declared with.
pub(crate) fn queue_type(arguments: &FieldTable) -> &str {
    let declared = arguments.get("x-queue-type").and_then(Value::as_str);
    declared.unwrap_or("classic")
}

/// An exchange.
pub(crate) fn exchange(vhost: &str, exchange: &ExchangeDefinition) -> Json {
    json!({
        "name": exchange.name.as_str(),
        "vhost": vhost,
        "type": exchange.kind.as_str(),
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": fields::to_json(&exchange.arguments),
    })
}

/// The exchanges that were there before anybody declared one.
pub(crate) fn predeclared(vhost: &ShortStr) -> impl Iterator<Item = NamedExchange> {
    PREDECLARED
        .into_iter()
        .map(|(name, kind, internal)| NamedExchange {
            vhost: vhost.clone(),
            definition: ExchangeDefinition {
                name: ShortStr::from_static(name),
                kind: ShortStr::from_static(kind),
                durable: true,
                auto_delete: false,
                internal,
                arguments: FieldTable::new(),
            },
        })
}

/// A binding.
pub(crate) fn binding(binding: &NamedBinding) -> Json {
    json!({
        "source": binding.source.as_str(),
        "vhost": binding.vhost.as_str(),
        "destination": binding.destination.as_str(),
        "destination_type": if binding.to_exchange { "exchange" } else { "queue" },
        "routing_key": binding.routing_key.as_str(),
        "arguments": fields::to_json(&binding.arguments),
    })
}

/// The binding that every queue has to the default exchange.
pub(crate) fn default_binding(queue: &NamedQueue) -> NamedBinding {
    NamedBinding {
        vhost: queue.vhost.clone(),
        source: ShortStr::empty(),
        destination: queue.name.clone(),
        to_exchange: false,
        routing_key: queue.name.clone(),
        arguments: FieldTable::new(),
    }
}

/// A text as a part of a path.
pub(crate) fn path_part(text: &str) -> String {
    let coded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    });
    coded.collect()
}

/// How a binding is called among those between the same two: its routing key, and where there are arguments a
/// digest of them.
pub(crate) fn properties_key(binding: &NamedBinding) -> String {
    // RabbitMQ writes the key as a part of a path.
    let key = path_part(&binding.routing_key);
    if !binding.arguments.is_empty() {
        // FNV-1a: the same on every machine and for ever.
        let digest = (binding.arguments.as_bytes().iter()).fold(0x811c_9dc5_u32, |digest, byte| {
            (digest ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        });
        format!("{key}~{}", URL_SAFE_NO_PAD.encode(digest.to_be_bytes()))
    } else if key.is_empty() {
        "~".to_owned()
    } else {
        key
    }
}
