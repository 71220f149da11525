//! Who serves a client that comes in.

use crate::bridge::Front;
use crate::connection::House;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A client that comes while nobody serves waits so long: a shard that moves is soon served again, and a client that is
/// refused at once would only come back at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// Another node.
#[derive(Clone)]
pub struct Peer {
    /// Where it listens to other nodes: host and port.
    pub address: Arc<str>,
    /// What speaks with it for clients of this node.
    pub front: Arc<Front>,
}

/// Who serves clients at the moment.
#[derive(Clone)]
pub enum Host {
    /// This node.
    Here(Arc<House>),
    /// Another node of the cluster.
    There(Peer),
    /// Nobody.
    Nobody,
}

impl Host {
    /// Whether a client is served by the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(one), Self::Here(other)) => Arc::ptr_eq(one, other),
            (Self::There(one), Self::There(other)) => one.address == other.address,
            (Self::Nobody, Self::Nobody) => true,
            _ => false,
        }
    }
}

/// Waits for somebody; `None` if nobody comes.
pub(crate) async fn wait(host: &mut watch::Receiver<Host>) -> Option<Host> {
    let somebody = host.wait_for(|host| !matches!(host, Host::Nobody));
    let waited = tokio::time::timeout(PATIENCE, somebody).await;
    Some(waited.ok()?.ok()?.clone())
}
