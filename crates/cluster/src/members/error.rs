//! What can go wrong, by what is to be done about it.

use super::member::{BadName, MemberId};

/// Why a node cannot be, or remain, a member: somebody has to change something. Whatever passes by itself (silence,
/// lost connections, an expired session) is no error but a state of the view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// The options cannot be used: correct them.
    #[error("{0}")]
    Options(String),
    /// ZooKeeper's tree belongs to another cluster than the database: one of the two addresses is wrong. Going on would
    /// have two clusters own shards of one database.
    #[error(
        "ZooKeeper holds the cluster {theirs} at {place}, the database is that of cluster {ours}: \
         correct the address of one of them, or choose another path below ZooKeeper's hosts"
    )]
    OtherCluster {
        /// The path in ZooKeeper.
        place: String,
        /// What stands there.
        theirs: String,
        /// What the database says.
        ours: String,
    },
    /// Another process runs under this node's name: give each node a name of its own, or stop one of them.
    #[error(
        "{other} has joined under this node's name after {me}: two processes cannot be one node"
    )]
    Superseded {
        /// This run.
        me: MemberId,
        /// The one that came after it.
        other: MemberId,
    },
    /// ZooKeeper refuses the login or its rights: correct the name and password, or the znode's access list.
    #[error("ZooKeeper does not let this node in: {0}")]
    Login(String),
    /// What stands in a znode cannot be read.
    #[error("cannot read {path} in ZooKeeper: {why}")]
    Unreadable {
        /// Which znode.
        path: String,
        /// Whether this program is too old for it, or it is damaged.
        why: Unreadable,
    },
}

/// Why the contents of a znode cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A newer program wrote it: this one has to be upgraded.
    #[error("it has format {found}, this program knows formats up to {known}: upgrade it")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that this program reads.
        known: u32,
    },
    /// Nobody wrote this who knows what belongs there. Deleted, it is made again from what the database knows.
    #[error("it is not what belongs there ({0}); deleted, it is made again")]
    Damaged(String),
}

/// Why a request was not left for the controller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No member runs under this node's name.
    #[error("no member of the cluster is called {0}")]
    NoSuchNode(String),
    /// ZooKeeper does not answer now; the request may have been left or not, and to ask again is harmless.
    #[error("ZooKeeper does not answer: {0}")]
    Silent(String),
}

impl From<BadName> for MembersError {
    fn from(name: BadName) -> Self {
        Self::Options(name.to_string())
    }
}
