//! `landfall serve` as a member of a cluster: it serves while it owns the shard, and passes clients on to the owner while
//! another node does.
//!
//! ZooKeeper says who is to own it. That is a hint: to own it is to have taken it in the database under a higher epoch
//! than all before, and from then on nothing of an earlier owner lands (promise P8). An owner that hears of its successor
//! from the database hangs up on its clients: what it had not confirmed they send again, what they had not acknowledged
//! they get again.

use crate::attending::{Asked, Attending};
use crate::bridge::Front;
use crate::clock::Clock;
use crate::config::{Config, Member};
use crate::holding::{Node, Told};
use crate::host::Host;
use crate::http::{self, Doors};
use crate::joining::{about, join, open_database};
use crate::listen::{Door, Entry};
use crate::membership::Membership;
use crate::node::{self, Stopping, ThisNode};
use crate::passing::{Passing, pass_on, recognise};
use crate::relay::{self, Secret};
use crate::{login, reach, server};
use admin::Served;
use admin::node::Node as _;
use axum::middleware::from_fn_with_state;
use cluster::members::State;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

/// The one shard that a cluster has.
pub const SHARD: u32 = 0;

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
    let (database, identity) = open_database(member).await?;
    let secret = Secret(identity.secret);
    let about = about(member, &entrances)?;
    let front = Front::new(
        &config.limits,
        login::server_properties(config),
        clock,
        secret,
        &about.node,
        Uuid::new_v4().as_u128(),
        member.session_timeout * 3 / 2 + REPLACED_MAX,
    );
    let (members, view) = join(member, about, &database, &identity)?;
    let (host, hosts) = watch::channel(Host::Nobody);
    let (asked, attending) = watch::channel(Asked::Nobody);
    let stopping = Stopping::default();
    let around = Around {
        clients: &entrances.clients,
        nodes: &entrances.nodes,
        asked: attending,
        stopping: stopping.clone(),
        membership: Membership::new(member, view.clone(), members.requests(), database.clone()),
        secret,
    };
    serve_api(config, entrances.doors, around)?;
    let door = Door::new(hosts, config.limits.connections_max);
    let passed_on = tokio::spawn(relay::accept(entrances.nodes, secret, door.clone()));
    let accepting = server::accept(&door, entrances.clients);
    let mut node = Node::new(
        config,
        database.clone(),
        &members,
        view,
        front.clone(),
        clock,
        Told { host, asked },
    );
    let ended = tokio::select! {
        ended = node.live() => ended,
        never = reach::watch(&database, &members) => match never {},
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
    asked: watch::Receiver<Asked>,
    stopping: Stopping,
    membership: Membership,
    secret: Secret,
}

/// Answers operators, or has the owner answer them.
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
    let passing = Passing {
        asked: asked.clone(),
        secret,
    };
    let operations = node.operations();
    let operator = Arc::new(Attending { asked, secret });
    let served = admin::router(operator, Arc::new(node), server::about(config));
    // From the inside to the outside: what is another's to answer, who comes in, and who is a node.
    let api = (served.api).layer(from_fn_with_state(passing.clone(), pass_on));
    let hosts = &config.admin_hosts;
    let api = admin::entrance(api, hosts.clone(), operations);
    let api = api.layer(from_fn_with_state(passing, recognise));
    http::serve(doors, Served { api, ..served }, hosts)
}
