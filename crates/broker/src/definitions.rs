//! All definitions of a server as one value: what is exported and imported. Things are known by name here, never
//! by number, so that they mean the same on another server.

use model::record::{
    ExchangeDefinition, PermissionDefinition, PolicyDefinition, TopicPermissionDefinition,
    UserDefinition, VhostDefinition,
};
use model::{FieldTable, ShortStr};

/// All definitions, each list in the order of names.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Definitions {
    pub vhosts: Vec<VhostDefinition>,
    pub users: Vec<UserDefinition>,
    pub permissions: Vec<PermissionDefinition>,
    pub topic_permissions: Vec<TopicPermissionDefinition>,
    pub policies: Vec<PolicyDefinition>,
    pub operator_policies: Vec<PolicyDefinition>,
    /// Exclusive queues end with their connections and are left out.
    pub queues: Vec<NamedQueue>,
    /// Those that every virtual host has are left out.
    pub exchanges: Vec<NamedExchange>,
    /// Bindings of exclusive queues are left out.
    pub bindings: Vec<NamedBinding>,
}

/// A queue of a virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct NamedQueue {
    pub vhost: ShortStr,
    pub name: ShortStr,
    pub durable: bool,
    pub auto_delete: bool,
    pub arguments: FieldTable,
}

/// An exchange of a virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedExchange {
    /// The virtual host's name.
    pub vhost: ShortStr,
    /// The exchange itself.
    pub definition: ExchangeDefinition,
}

/// A binding of a virtual host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub struct NamedBinding {
    pub vhost: ShortStr,
    pub source: ShortStr,
    pub destination: ShortStr,
    /// Whether the destination is an exchange; else it is a queue.
    pub to_exchange: bool,
    pub routing_key: ShortStr,
    pub arguments: FieldTable,
}
