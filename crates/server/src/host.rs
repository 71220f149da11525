//! Who serves a client that comes in: of each shard a node, and which shard it is follows from the virtual host that the
//! client wants to enter.

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

/// Who serves which shard. Clones are the same.
#[derive(Clone)]
pub struct Hosts {
    each: Arc<[watch::Receiver<Host>]>,
    /// Who speaks with clients before anybody knows to which shard they want; `None` where there is but one.
    front: Option<Arc<Front>>,
}

impl Hosts {
    /// There is one shard.
    pub fn of_one(host: watch::Receiver<Host>) -> Self {
        Self {
            each: Arc::new([host]),
            front: None,
        }
    }

    /// There are so many, in their order.
    pub fn of_all(each: Vec<watch::Receiver<Host>>, front: Arc<Front>) -> Self {
        let front = (each.len() > 1).then_some(front);
        Self {
            each: each.into(),
            front,
        }
    }

    /// Who serves a shard, now and later.
    pub(crate) fn of(&self, shard: u32) -> Option<watch::Receiver<Host>> {
        self.each.get(shard as usize).cloned()
    }

    /// Who speaks with clients where there are several shards.
    pub(crate) fn front(&self) -> Option<Arc<Front>> {
        self.front.clone()
    }

    /// The shard that has a virtual host.
    pub(crate) fn shard_of(&self, vhost: &str) -> u32 {
        broker::shard_of(vhost, self.each.len() as u32)
    }
}

/// Waits for somebody; `None` if nobody comes.
pub(crate) async fn wait(host: &mut watch::Receiver<Host>) -> Option<Host> {
    let somebody = host.wait_for(|host| !matches!(host, Host::Nobody));
    let waited = tokio::time::timeout(PATIENCE, somebody).await;
    Some(waited.ok()?.ok()?.clone())
}
