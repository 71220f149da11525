//! A client of this node whose queues another node owns: this end speaks the protocol with the client, and passes on what
//! it does and hears. When the owner dies, or another node takes over, the client keeps its connection and its channels: it
//! only waits (`session`).

mod answers;
mod channel;
mod conversation;
mod numbers;
mod owner;
mod session;
mod unconfirmed;
mod unreached;
mod way;

#[cfg(test)]
mod tests;

use crate::clock::Clock;
use crate::host::Hosts;
use crate::listen::Visitor;
use crate::relay::Secret;
use crate::unfinished::Unfinished;
use conversation::Bridge;
use model::{ConnectionId, FieldTable, Limits};
use numbers::Numbers;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::watch;
use tracing::info;
use unreached::Unreached;

/// How long a client that goes may take to hear it, and an owner to hear what the client did before it went.
const GOODBYE_MAX: Duration = Duration::from_secs(5);

/// What all clients that are passed on share.
pub struct Front {
    limits: Limits,
    server_properties: FieldTable,
    clock: Clock,
    unfinished: Arc<Unfinished>,
    numbers: Arc<Numbers>,
    /// What is held for clients, of all of them.
    held: AtomicUsize,
    /// Of each shard.
    unreached: Box<[Unreached]>,
    /// What only nodes of the cluster know.
    secret: Secret,
    /// Where this node itself listens to nodes.
    own: Arc<str>,
    /// True when the node stops.
    leaving: watch::Sender<bool>,
}

impl Front {
    /// The front of a node that other nodes find at `own`. `run` tells this run of it from all others. Of each of so many
    /// `shards` an owner that has died is replaced within `replaced_within`.
    pub fn new(
        limits: &Limits,
        server_properties: FieldTable,
        clock: Clock,
        secret: Secret,
        own: &str,
        run: u128,
        (shards, replaced_within): (u32, Duration),
    ) -> Arc<Self> {
        Arc::new(Self {
            limits: limits.clone(),
            server_properties,
            clock,
            unfinished: Unfinished::new(limits.unfinished_bytes_max),
            numbers: Arc::new(Numbers::new(run)),
            held: AtomicUsize::new(0),
            unreached: (0..shards)
                .map(|_| Unreached::new(replaced_within))
                .collect(),
            secret,
            own: own.into(),
            leaving: watch::Sender::new(false),
        })
    }

    /// Tells all clients that the node stops, and waits until they have gone, but not for long.
    pub async fn leave(&self) {
        self.leaving.send_replace(true);
        // Each client that is passed on listens.
        let _ = tokio::time::timeout(GOODBYE_MAX, self.leaving.closed()).await;
    }
}

/// Serves one client, for as long as it stays.
pub(crate) async fn serve(front: Arc<Front>, id: ConnectionId, visitor: Visitor, hosts: Hosts) {
    let Visitor {
        mut socket,
        peer,
        external,
    } = visitor;
    let Some(host) = hosts.of(0) else {
        return;
    };
    let bridge = Bridge::new(&front, id, peer, external, (hosts, host));
    let reason = bridge.converse(&mut socket).await;
    info!(connection = %id, %peer, reason, "a client that was passed on has left");
    socket.linger().await;
}

/// What is held for a client, in the sum over all of them.
struct Held<'a> {
    all: &'a AtomicUsize,
    own: usize,
}

impl Held<'_> {
    fn set(&mut self, bytes: usize) {
        self.all.fetch_add(bytes, Relaxed);
        self.all
            .fetch_sub(std::mem::replace(&mut self.own, bytes), Relaxed);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}
