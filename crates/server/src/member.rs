//! `landfall serve` as a member of a cluster: it serves the shards that it owns, and passes clients on to the owner of a
//! shard that another node has.
//!
//! ZooKeeper says who is to own one. That is a hint: to own it is to have taken it in the database under a higher epoch
//! than all before, and from then on nothing of an earlier owner lands (promise P8). An owner that hears of its successor
//! from the database hangs up on its clients: what it had not confirmed they send again, what they had not acknowledged
//! they get again.

use crate::attending::{Asked, Attending};
use crate::bridge::Front;
use crate::clock::Clock;
use crate::config::{Config, Member};
use crate::following::Directory;
use crate::holding::{Ground, Told};
use crate::holdings::Holdings;
use crate::host::{Host, Hosts};
use crate::http::{self, Doors};
use crate::joining::{about, join, open_databases};
use crate::listen::{Door, Entry};
use crate::membership::Membership;
use crate::node::{self, Stopping, ThisNode};
use crate::passing::{Passing, Recognising, pass_on, recognise};
use crate::relay::{self, Secret};
use crate::spread::{self, Spread};
use crate::{login, reach, server};
use admin::Served;
use admin::node::Node;
use axum::Router;
use axum::middleware::from_fn_with_state;
use cluster::members::State;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

/// One that has died is replaced so long after its session at the most, which ZooKeeper ends in steps.
const REPLACED_MAX: Duration = Duration::from_secs(1);

/// A node that stops waits so long for others to take over what it has.
const HANDED_OVER_MAX: Duration = Duration::from_secs(10);

/// Where a member can be reached.
pub struct Entrances {
    /// By clients.
    pub clients: Vec<Entry<TcpListener>>,
    /// By other nodes.
    pub nodes: TcpListener,
    /// By operators' tools.
    pub doors: Doors,
}

/// Serves, or passes on, until `asked_to_stop`; then hands over what it has.
///
/// # Errors
/// If the database cannot be used, something that landed there cannot be read, or this node cannot be a member.
pub async fn run(
    config: &Config,
    member: &Member,
    entrances: Entrances,
    clock: Clock,
    asked_to_stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (databases, identity) = open_databases(member).await?;
    let shards = databases.shards();
    let secret = Secret(identity.secret);
    let about = about(member, &entrances)?;
    let front = Front::new(
        &config.limits,
        login::server_properties(config),
        clock,
        secret,
        &about.node,
        Uuid::new_v4().as_u128(),
        (shards, member.session_timeout * 3 / 2 + REPLACED_MAX),
    );
    let (members, view) = join(member, about, &databases, &identity)?;
    let (told, hosts, asked) = tell_nobody(shards);
    let directory = Directory::new(asked.clone(), secret);
    let stopping = Stopping::default();
    let around = Around {
        clients: &entrances.clients,
        nodes: &entrances.nodes,
        asked,
        directory: directory.clone(),
        stopping: stopping.clone(),
        membership: Membership::new(member, view.clone(), members.requests(), databases.clone()),
        secret,
    };
    serve_api(config, entrances.doors, around)?;
    let hosts = Hosts::of_all(hosts, front.clone());
    let door = Door::new(hosts, config.limits.connections_max);
    let passed_on = tokio::spawn(relay::accept(entrances.nodes, secret, door.clone()));
    let accepting = server::accept(&door, entrances.clients);
    let ground = Ground {
        config,
        databases: databases.clone(),
        directory,
        front: front.clone(),
        clock,
        view,
    };
    let mut node = Holdings::new(ground, &members, told);
    let ended = tokio::select! {
        ended = node.live() => ended,
        never = reach::watch(&databases, &members) => match never {},
        () = asked_to_stop => {
            stopping.begin();
            for listener in &accepting {
                listener.abort();
            }
            members.set_state(State::Draining);
            let handed_over = tokio::time::timeout(HANDED_OVER_MAX, node.hand_over()).await;
            handed_over.unwrap_or(Ok(()))
        }
    };
    passed_on.abort();
    let (stopped, ()) = tokio::join!(node.stop(), front.leave());
    drop(node);
    members.leave().await;
    ended.and(stopped)
}

/// What the HTTP API needs to know of the node around it.
struct Around<'a> {
    clients: &'a [Entry<TcpListener>],
    nodes: &'a TcpListener,
    asked: Arc<[watch::Receiver<Asked>]>,
    directory: Arc<Directory>,
    stopping: Stopping,
    membership: Membership,
    secret: Secret,
}

/// Of each shard: what is told of it, and who hears that.
type Channels = (
    Vec<Told>,
    Vec<watch::Receiver<Host>>,
    Arc<[watch::Receiver<Asked>]>,
);

fn tell_nobody(shards: u32) -> Channels {
    let (mut told, mut hosts, mut attending) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..shards {
        let (host, served) = watch::channel(Host::Nobody);
        let (asked, attended) = watch::channel(Asked::Nobody);
        told.push(Told { host, asked });
        hosts.push(served);
        attending.push(attended);
    }
    (told, hosts, attending.into())
}

/// Answers operators, or has the owners answer them.
fn serve_api(config: &Config, doors: Doors, around: Around<'_>) -> anyhow::Result<()> {
    let Around { asked, secret, .. } = around;
    let listeners = node::listeners(around.clients, &doors, Some(around.nodes));
    let membership = Some(around.membership);
    let node = ThisNode::new(
        config,
        listeners,
        asked.clone(),
        around.stopping,
        membership,
    );
    let operations = node.operations();
    let node: Arc<dyn Node> = Arc::new(node);
    let of_shard = |asked: &watch::Receiver<Asked>| {
        let asked = asked.clone();
        let passing = Passing {
            asked: asked.clone(),
            secret,
        };
        let operator = Arc::new(Attending { asked, secret });
        let served = admin::router(operator, node.clone(), server::about(config));
        let api = (served.api).layer(from_fn_with_state(passing, pass_on));
        Served { api, ..served }
    };
    let mut each: Vec<Served> = asked.iter().map(of_shard).collect();
    let served = match each.len() {
        1 => each.remove(0),
        _ => {
            let (_nobody, nobody) = watch::channel(Asked::Nobody);
            let node_metrics = of_shard(&nobody).metrics;
            together(each, node_metrics, asked.clone(), around.directory)
        }
    };
    // From the inside to the outside: what is another's to answer, who comes in, and who is a node.
    let hosts = &config.admin_hosts;
    let recognising = Recognising { asked, secret };
    let api = admin::entrance(served.api, hosts.clone(), operations);
    let api = api.layer(from_fn_with_state(recognising, recognise));
    http::serve(doors, Served { api, ..served }, hosts)
}

/// One API of several shards'.
fn together(
    each: Vec<Served>,
    node_metrics: Router,
    asked: Arc<[watch::Receiver<Asked>]>,
    directory: Arc<Directory>,
) -> Served {
    let (mut shards, mut metrics, mut sampling) = (Vec::new(), Vec::new(), Vec::new());
    for served in each {
        shards.push(served.api);
        metrics.push(served.metrics);
        sampling.extend(served.sampling);
    }
    let spread = Arc::new(Spread {
        shards: shards.into(),
        metrics: metrics.into(),
        node_metrics,
        asked,
        directory,
        documents: Semaphore::new(spread::DOCUMENTS),
    });
    Served {
        api: spread::api(spread.clone()),
        metrics: spread::metrics(spread),
        sampling,
    }
}
