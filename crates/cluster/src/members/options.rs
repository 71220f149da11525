//! How a node becomes a member.

use super::controller::Pace;
use super::error::MembersError;
use super::member::About;
use std::fmt;
use std::time::Duration;

/// Below this the tree is made where the address names no path: an ensemble often has other users.
const USUAL_ROOT: &str = "/landfall";

/// How a node becomes a member.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where ZooKeeper is: `zk1:2181,zk2:2181,zk3:2181/path`. The path is made where it is missing; without one it is
    /// `/landfall`. With the feature `tls`, a host may be written `tcp+tls://zk1:2281`.
    pub zookeeper: String,
    /// The name of this node, which no other has.
    pub node: String,
    /// What it says of itself when it joins.
    pub about: About,
    /// Which cluster the database belongs to.
    pub cluster: String,
    /// How many shards the database has.
    pub shards: u32,
    /// So long may this node be silent before its shards go to others. ZooKeeper allows 2 to 20 of its own ticks. The
    /// pace depends on it: [`Pace::new`].
    pub session: Duration,
    /// Who this node is for ZooKeeper. With a login nobody else may read or change what it makes.
    pub login: Option<Login>,
    /// Whom this node believes to be ZooKeeper, and how it proves who it is itself. The process has to have chosen rustls's
    /// provider of cryptography before, where more than one is linked.
    #[cfg(feature = "tls")]
    pub tls: Option<super::TlsOptions>,
    /// How hasty it is when it is elected.
    pub pace: Pace,
}

impl Options {
    /// The defaults: a session of 6 seconds, no login.
    pub fn new(
        zookeeper: impl Into<String>,
        node: impl Into<String>,
        about: About,
        cluster: impl Into<String>,
        shards: u32,
    ) -> Self {
        let session = Duration::from_secs(6);
        Self {
            zookeeper: zookeeper.into(),
            node: node.into(),
            about,
            cluster: cluster.into(),
            shards,
            session,
            login: None,
            #[cfg(feature = "tls")]
            tls: None,
            pace: Pace::new(session),
        }
    }
}

/// A name and a password that ZooKeeper knows a node by (its scheme `digest`).
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name; no colon in it.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Options are logged.
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// An address of ZooKeeper, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// The hosts, as the client's library takes them.
    pub(super) hosts: String,
    /// The path below which everything is.
    pub(super) root: String,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, MembersError> {
        let refused =
            |why: &str| MembersError::Options(format!("the address `{text}` of ZooKeeper {why}"));
        // A scheme has slashes of its own.
        let begin = text.rfind("://").map_or(0, |at| at + "://".len());
        let (hosts, root) = match text[begin..].find('/') {
            Some(at) => text.split_at(begin + at),
            None => (text, USUAL_ROOT),
        };
        if hosts.is_empty() || hosts.split(',').any(str::is_empty) {
            return Err(refused("names no host, or an empty one"));
        }
        let root = root.trim_end_matches('/');
        let parts = root.split('/').skip(1);
        if root.is_empty() || { parts }.any(|part| matches!(part, "" | "." | "..")) {
            return Err(refused(
                "has a path that cannot be one; without a path it is `/landfall`",
            ));
        }
        Ok(Self {
            hosts: hosts.to_owned(),
            root: root.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_hosts_and_a_path() {
        for (text, hosts, root) in [
            ("zk1", "zk1", "/landfall"),
            ("zk1:2181,zk2:2181/mq", "zk1:2181,zk2:2181", "/mq"),
            ("zk1,zk2/a/b/", "zk1,zk2", "/a/b"),
            (
                "tcp+tls://zk1:2281,tcp+tls://[::1]:2281/mq",
                "tcp+tls://zk1:2281,tcp+tls://[::1]:2281",
                "/mq",
            ),
            ("tcp+tls://zk1", "tcp+tls://zk1", "/landfall"),
        ] {
            let address = Address::parse(text).expect("a good address");
            assert_eq!((&*address.hosts, &*address.root), (hosts, root), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_with_its_text() {
        for text in ["", "/mq", "zk1,,zk2", "zk1/", "zk1/a//b", "zk1/../a"] {
            let refused = Address::parse(text).expect_err(text).to_string();
            assert!(refused.contains(&format!("`{text}`")), "{refused}");
        }
    }

    #[test]
    fn a_password_is_not_logged() {
        let login = Login {
            user: "landfall".to_owned(),
            password: "hunter2".to_owned(),
        };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
