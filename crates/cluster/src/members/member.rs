//! Who is a member: the name of one run of a node, and what it says of itself.

use super::error::Unreadable;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The most bytes of a node's name.
const NODE_BYTES_MAX: usize = 64;

/// One run of one node: the name that the operator gave it, and a number that no other run of it has. What a run left
/// behind (its znode until the session ends, its shards in the assignment, its name in the database) is never taken
/// for the next run's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId {
    node: Arc<str>,
    incarnation: u64,
}

impl MemberId {
    /// A run of `node`; later runs have higher numbers.
    ///
    /// # Errors
    /// A name is 1 to 64 letters, digits, `-`, `_` or `.`: it is a part of a path in ZooKeeper.
    pub fn new(node: &str, incarnation: u64) -> Result<Self, BadName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if node.is_empty() || node.len() > NODE_BYTES_MAX || !node.chars().all(allowed) {
            return Err(BadName(node.to_owned()));
        }
        Ok(Self {
            node: node.into(),
            incarnation,
        })
    }

    /// The name that the operator gave the node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The number of this run.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.incarnation)
    }
}

impl FromStr for MemberId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (node, incarnation) = text
            .rsplit_once('.')
            .ok_or_else(|| BadName(text.to_owned()))?;
        let incarnation = incarnation.parse().map_err(|_| BadName(text.to_owned()))?;
        Self::new(node, incarnation)
    }
}

impl TryFrom<String> for MemberId {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<MemberId> for String {
    fn from(id: MemberId) -> Self {
        id.to_string()
    }
}

/// What is no name of a node, or of a run of one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot name a node: 1 to {NODE_BYTES_MAX} letters, digits, hyphens, underscores and dots"
)]
pub struct BadName(pub String);

/// A member of the cluster, as its znode tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which run of which node.
    pub id: MemberId,
    /// What it says of itself.
    pub about: About,
}

/// What a node says of itself. Later versions of Landfall may say more; what one does not know it ignores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Where clients reach it, as `host:port`.
    pub amqp: String,
    /// Where other nodes reach it, as `host:port`.
    pub node: String,
    /// Where its HTTP API is, as `host:port`.
    pub admin: String,
    /// The version of the program.
    pub program: String,
    /// The newest format of records that it reads.
    pub format: u32,
    /// The newest protocol between nodes that it speaks.
    pub protocol: u32,
    /// Whether it wants shards.
    pub state: State,
    /// Whether it reaches the database: who does not can land nothing.
    pub database_ok: bool,
    /// The shards that it serves, with their epochs.
    #[serde(default)]
    pub serving: Vec<(u32, u64)>,
    /// Shards that it is to own, with the epochs, and of which it has read what there was: who serves them may let go.
    #[serde(default)]
    pub prepared: Vec<(u32, u64)>,
}

/// Whether a node wants shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It does.
    Active,
    /// It is about to leave: its shards go to the others, it gets none.
    Draining,
}

/// What a member is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is given shards.
    Ready,
    /// Its shards are given to others, one after the other.
    Draining,
    /// It can do nothing for its shards.
    WithoutDatabase,
}

impl About {
    /// What a node that says this is good for.
    pub fn standing(&self) -> Standing {
        match (self.database_ok, self.state) {
            (false, _) => Standing::WithoutDatabase,
            (true, State::Draining) => Standing::Draining,
            (true, State::Active) => Standing::Ready,
        }
    }

    /// The text of the member's znode.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text, numbers and truths are JSON")
    }

    /// Reads the text of a member's znode.
    ///
    /// # Errors
    /// It lacks what this program needs to know.
    pub fn decode(data: &[u8]) -> Result<Self, Unreadable> {
        serde_json::from_slice(data).map_err(|error| Unreadable::Damaged(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_from_its_text() {
        for text in ["a.1", "mq-1.example.org.1790000000000", "x_y.0"] {
            let id: MemberId = text.parse().expect("a good name");
            assert_eq!(id.to_string(), text);
        }
        let id: MemberId = "mq.example.17".parse().expect("a good name");
        assert_eq!((id.node(), id.incarnation()), ("mq.example", 17));
    }

    #[test]
    fn what_would_break_a_path_is_no_name() {
        let long = format!("{}.1", "n".repeat(NODE_BYTES_MAX + 1));
        for text in ["", "a", ".1", "a.", "a/b.1", "a b.1", "a.-1", "a.x", &long] {
            assert_eq!(
                text.parse::<MemberId>().map(|id| id.to_string()),
                Err(text.parse::<MemberId>().expect_err("refused")),
                "{text}"
            );
        }
    }

    #[test]
    fn what_a_later_version_says_beyond_ours_is_ignored() {
        let text = br#"{"amqp":"a:5672","node":"a:25672","admin":"a:15672","program":"9.0","format":9,"protocol":9,
            "state":"draining","database_ok":true,"weight":3}"#;
        let about = About::decode(text).expect("known fields are enough");
        assert_eq!(about.standing(), Standing::Draining);
        assert_eq!(About::decode(&about.encode()), Ok(about));
    }

    #[test]
    fn without_the_database_it_does_not_matter_what_a_node_wants() {
        let text =
            br#"{"amqp":"a:1","node":"a:3","admin":"a:2","program":"1","format":1,"protocol":1,
            "state":"active","database_ok":false}"#;
        let about = About::decode(text).expect("known fields are enough");
        assert_eq!(about.standing(), Standing::WithoutDatabase);
    }
}
