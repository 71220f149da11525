//! The types of exchanges: how each of them keeps its bindings.

use super::hash::HashBindings;
use super::headers::HeaderBindings;
use super::topic::TopicTree;
use model::record::Destination;
use model::{FieldTable, ShortStr};
use std::collections::HashMap;

/// How an exchange finds destinations.
#[derive(Debug)]
pub(super) enum Kind {
    /// The destinations of each key, in order.
    Direct(HashMap<ShortStr, Vec<Destination>>),
    Fanout,
    Topic(TopicTree),
    Headers(HeaderBindings),
    ConsistentHash(HashBindings),
}

impl Kind {
    /// The type of that name, without bindings.
    pub(super) fn new(name: &str, arguments: &FieldTable) -> Result<Self, String> {
        Ok(match name {
            "direct" => Self::Direct(HashMap::new()),
            "fanout" => Self::Fanout,
            "topic" => Self::Topic(TopicTree::default()),
            "headers" => Self::Headers(HeaderBindings::default()),
            "x-consistent-hash" => Self::ConsistentHash(HashBindings::new(arguments)?),
            unknown => return Err(format!("unknown exchange type '{unknown}'")),
        })
    }

    pub(super) fn add(
        &mut self,
        destination: &Destination,
        key: &ShortStr,
        arguments: &FieldTable,
    ) {
        match self {
            Self::Direct(keys) => {
                let bound = keys.entry(key.clone()).or_default();
                // Bindings that differ only in their arguments are one for routing.
                if let Err(at) = bound.binary_search(destination) {
                    bound.insert(at, destination.clone());
                }
            }
            Self::Fanout => {}
            Self::Topic(tree) => tree.add(key, destination),
            Self::Headers(bindings) => bindings.add(destination, arguments),
            Self::ConsistentHash(bindings) => bindings.add(key, destination),
        }
    }

    pub(super) fn remove(
        &mut self,
        destination: &Destination,
        key: &ShortStr,
        arguments: &FieldTable,
    ) {
        match self {
            Self::Direct(keys) => {
                if let Some(bound) = keys.get_mut(key) {
                    bound.retain(|other| other != destination);
                    if bound.is_empty() {
                        keys.remove(key);
                    }
                }
            }
            Self::Fanout => {}
            Self::Topic(tree) => tree.remove(key, destination),
            Self::Headers(bindings) => bindings.remove(destination, arguments),
            Self::ConsistentHash(bindings) => bindings.remove(key, destination),
        }
    }
}
