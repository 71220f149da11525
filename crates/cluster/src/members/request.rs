//! What operators ask the controller for, from whichever node they are at.
//!
//! A request is a znode that the controller removes when it has been done; so it outlives the controller that it was
//! meant for.

use super::error::Unreadable;
use serde::{Deserialize, Serialize};

/// What the controller is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Give the shards of a node to the others, as if it had said itself that it leaves.
    Drain {
        /// The name that the operator gave the node.
        node: String,
    },
    /// Let a node that drains have shards again.
    Resume {
        /// The name that the operator gave the node.
        node: String,
    },
    /// Spread the shards evenly now, without waiting until the members have been the same for a while.
    Rebalance,
}

impl Request {
    /// The text of its znode.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text is JSON")
    }

    /// Reads the text of its znode.
    ///
    /// # Errors
    /// This program does not know what it wants.
    pub fn decode(data: &[u8]) -> Result<Self, Unreadable> {
        serde_json::from_slice(data).map_err(|error| Unreadable::Damaged(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are frozen: an operator's command may come from another version than the controller's.
    #[test]
    fn the_texts_of_requests() {
        let drain = Request::Drain {
            node: "mq-1".to_owned(),
        };
        let resume = Request::Resume {
            node: "mq-1".to_owned(),
        };
        for (request, text) in [
            (drain, r#"{"drain":{"node":"mq-1"}}"#),
            (resume, r#"{"resume":{"node":"mq-1"}}"#),
            (Request::Rebalance, r#""rebalance""#),
        ] {
            assert_eq!(String::from_utf8_lossy(&request.encode()), text);
            assert_eq!(Request::decode(text.as_bytes()), Ok(request));
        }
    }
}
