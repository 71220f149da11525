//! A running server by itself: a shard, listeners, and the tasks between them.

use crate::attending::Asked;
use crate::clock::Clock;
use crate::config::Config;
use crate::host::{Host, Hosts};
use crate::http::{self, Doors};
use crate::lease::Lease;
use crate::listen::{Door, Entry};
use crate::node::{self, Stopping, ThisNode};
use crate::tenure::{FAREWELL_MAX, Tenure};
use admin::Served;
use admin::node::Node;
use broker::Broker;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What a server is put together from.
pub struct Parts {
    /// The store, opened.
    pub store: Box<dyn Store>,
    /// What recovery found in it.
    pub broker: Broker,
    /// How long that took.
    pub recovery: Duration,
    /// Where clients come in.
    pub listeners: Vec<Entry<TcpListener>>,
    /// Where operators' tools come in.
    pub doors: Doors,
    /// The time.
    pub clock: Clock,
}

/// Serves clients until `asked_to_stop`, then ends in order: clients are told, what is in flight lands, the
/// store is closed.
///
/// # Errors
/// If something does not land or what had landed cannot be read. Clients were told nothing since, and the
/// process must end (promise P7).
pub async fn run(
    config: &Config,
    parts: Parts,
    asked_to_stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut tenure = Tenure::begin(
        config,
        parts.store,
        parts.broker,
        parts.clock,
        Lease::for_ever(),
    )?;
    tenure.house.instruments.recovered(parts.recovery);
    let listeners = node::listeners(&parts.listeners, &parts.doors, None);
    let (_asked, asked) = watch::channel(Asked::Here(tenure.operator.clone()));
    let stopping = Stopping::default();
    let node = ThisNode::new(config, listeners, Arc::new([asked]), stopping.clone(), None);
    let operations = node.operations();
    let served = admin::router(tenure.operator.clone(), Arc::new(node), about(config));
    let hosts = config.admin_hosts.clone();
    let api = admin::entrance(served.api, hosts.clone(), operations);
    http::serve(parts.doors, Served { api, ..served }, &hosts)?;
    let (_host, served) = watch::channel(Host::Here(tenure.house.clone()));
    let door = Door::new(Hosts::of_one(served), config.limits.connections_max);
    let accepting = accept(&door, parts.listeners);
    let ended = tokio::select! {
        ended = tenure.ended() => ended,
        () = asked_to_stop => {
            stopping.begin();
            for listener in &accepting {
                listener.abort();
            }
            tenure.stop(FAREWELL_MAX);
            tenure.ended().await
        }
    };
    Ok(ended??)
}

/// Lets clients in.
pub(crate) fn accept(door: &Arc<Door>, entries: Vec<Entry<TcpListener>>) -> Vec<AbortHandle> {
    let each = entries.into_iter();
    each.map(|entry| tokio::spawn(door.clone().accept(entry)).abort_handle())
        .collect()
}

/// What the HTTP API says about the server.
pub(crate) fn about(config: &Config) -> admin::About {
    admin::About {
        product: config.product.clone(),
        version: env!("CARGO_PKG_VERSION"),
        cluster_name: config.cluster_name.clone(),
        oauth: config.oauth.as_ref().map(|said| admin::Oauth {
            resource_id: said.resource_server_id.clone(),
            issuer: said.issuer.clone(),
        }),
    }
}
