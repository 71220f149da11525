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
use crate::host::{Host, Peer};
use crate::joining::{about, join, open_database};
use crate::lease::Lease;
use crate::listen::Door;
use crate::membership::Membership;
use crate::node::{self, Stopping, ThisNode};
use crate::ownership::{self, Claimed, Holder};
use crate::passing::{Passing, pass_on};
use crate::relay::{self, Secret};
use crate::shard::ShardFailure;
use crate::tenure::Tenure;
use crate::{http, login, passing, server};
use anyhow::{Context, bail};
use axum::middleware::from_fn_with_state;
use cluster::members::{self, Standing, State, View, ZooKeeper};
use cluster::{Database, DatabaseError};
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

/// The one shard that a cluster has.
pub const SHARD: u32 = 0;

/// A node that stops waits so long for others to take over what it has.
const HANDED_OVER_MAX: Duration = Duration::from_secs(10);

/// Clients of a shard that goes to another node have so long to leave.
const FAREWELL_MAX: Duration = Duration::from_secs(6);

/// Where a member can be reached.
pub struct Entrances {
    /// By clients.
    pub clients: Vec<TcpListener>,
    /// By other nodes.
    pub nodes: TcpListener,
    /// By operators' tools.
    pub operators: Vec<StdListener>,
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
    );
    let (members, view) = join(member, about, &database, &identity)?;
    let (host, hosts) = watch::channel(Host::Nobody);
    let (asked, attending) = watch::channel(Asked::Nobody);
    let stopping = Stopping::default();
    let listeners = node::listeners(
        &entrances.clients,
        &entrances.operators,
        Some(&entrances.nodes),
    );
    let requests = members.requests();
    let membership = Membership::new(member, view.clone(), requests, database.clone());
    let this_node = ThisNode::new(
        config,
        listeners,
        attending.clone(),
        stopping.clone(),
        Some(membership),
    );
    let passing = Passing {
        asked: attending.clone(),
        secret,
    };
    let operator = Attending {
        asked: attending,
        secret,
    };
    let api = admin::router(
        Arc::new(operator),
        Arc::new(this_node),
        server::about(config),
    );
    let api = api.layer(from_fn_with_state(passing, pass_on));
    http::serve(entrances.operators, api)?;
    let door = Door::new(hosts, config.limits.connections_max);
    let passed_on = tokio::spawn(relay::accept(entrances.nodes, secret, door.clone()));
    let accepting = server::accept(&door, entrances.clients);
    let mut node = Node {
        config,
        database,
        front: front.clone(),
        clock,
        view,
        host,
        asked,
        holding: Holding::Nothing,
        over: 0,
    };
    let ended = tokio::select! {
        ended = node.live() => ended,
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
    members.leave().await;
    ended.and(stopped)
}

/// What the node has of the shard.
enum Holding {
    Nothing,
    /// It is being taken.
    Taking(u64, JoinHandle<Result<Claimed, DatabaseError>>),
    /// It is served under this epoch.
    Serving(u64, Tenure, Holder),
    /// It is not to be served here any more: clients are told, and what is in flight ends.
    Leaving {
        tenure: Tenure,
        /// Until it has left it keeps the lease.
        _holder: Holder,
        until: Instant,
    },
}

struct Node<'a> {
    config: &'a Config,
    database: Database,
    front: Arc<Front>,
    clock: Clock,
    view: watch::Receiver<View>,
    host: watch::Sender<Host>,
    asked: watch::Sender<Asked>,
    holding: Holding,
    /// Up to here epochs are over: what an assignment that is not new says of them is not true any more.
    over: u64,
}

/// What a node waited for.
enum Happened {
    Changed,
    Taken(Result<Claimed, DatabaseError>),
    Ended(Result<(), ShardFailure>),
}

impl Node<'_> {
    /// Owns what it is to own, until this node can be no member any more.
    async fn live(&mut self) -> anyhow::Result<()> {
        loop {
            self.step().await?;
        }
    }

    async fn step(&mut self) -> anyhow::Result<()> {
        self.follow()?;
        match self.happens().await? {
            Happened::Changed => Ok(()),
            Happened::Taken(taken) => self.taken(taken),
            Happened::Ended(ended) => self.lost(ended),
        }
    }

    /// Goes on until another node has what this one had, or there is nothing to hand over, or nobody to take it.
    async fn hand_over(&mut self) -> anyhow::Result<()> {
        while self.is_to_own().is_some() && self.has_heir() {
            self.step().await?;
        }
        Ok(())
    }

    async fn happens(&mut self) -> anyhow::Result<Happened> {
        let changed = self.view.changed();
        Ok(match &mut self.holding {
            Holding::Nothing => {
                changed.await.context("the thread of ZooKeeper ended")?;
                Happened::Changed
            }
            Holding::Taking(_, taking) => tokio::select! {
                taken = taking => Happened::Taken(taken.context("taking the shard panicked")?),
                changed = changed => {
                    changed.context("the thread of ZooKeeper ended")?;
                    Happened::Changed
                }
            },
            Holding::Serving(_, tenure, holder) => tokio::select! {
                ended = tenure.ended() => Happened::Ended(ended?),
                () = holder.lost() => {
                    tenure.abandon();
                    Happened::Ended(Ok(()))
                }
                changed = changed => {
                    changed.context("the thread of ZooKeeper ended")?;
                    Happened::Changed
                }
            },
            Holding::Leaving { tenure, until, .. } => tokio::select! {
                ended = tenure.ended() => Happened::Ended(ended?),
                () = tokio::time::sleep_until(*until) => {
                    tenure.abandon();
                    Happened::Ended(Ok(()))
                }
            },
        })
    }

    /// Whether another member could own the shard.
    fn has_heir(&self) -> bool {
        let view = self.view.borrow();
        let ready = |one: &members::Member| one.about.standing() == Standing::Ready;
        view.members
            .iter()
            .any(|one| one.id != view.me && ready(one))
    }

    /// The epoch with which this node is to own the shard.
    fn is_to_own(&self) -> Option<u64> {
        let view = self.view.borrow();
        let mine = view.mine().find(|(shard, _)| *shard == SHARD);
        mine.map(|(_, epoch)| epoch)
            .filter(|epoch| *epoch > self.over)
    }

    /// Does what the assignment says.
    fn follow(&mut self) -> anyhow::Result<()> {
        if let ZooKeeper::Ended(why) = &self.view.borrow_and_update().zookeeper {
            bail!("this node is no member of the cluster any more: {why}");
        }
        match (&self.holding, self.is_to_own()) {
            (Holding::Nothing, Some(epoch)) => self.take(epoch),
            (Holding::Nothing, None) => {}
            // If it was given to somebody else meanwhile it is let go of when it is there.
            (Holding::Taking(..), _) => {}
            (Holding::Serving(under, ..), Some(epoch)) if *under == epoch => {}
            (Holding::Serving(..), _) => self.let_go(),
            (Holding::Leaving { .. }, _) => {}
        }
        self.tell();
        Ok(())
    }

    fn take(&mut self, epoch: u64) {
        let owner = self.view.borrow().me.to_string();
        info!(epoch, "taking the shard");
        let claim = ownership::claim(owner, epoch, self.config.memory_limit.cache_bytes());
        let (database, limits) = (self.database.clone(), self.config.limits.clone());
        let clock = self.clock;
        let taking =
            tokio::task::spawn_blocking(move || ownership::take(&database, claim, &limits, clock));
        self.holding = Holding::Taking(epoch, taking);
    }

    fn taken(&mut self, taken: Result<Claimed, DatabaseError>) -> anyhow::Result<()> {
        let Holding::Taking(epoch, _) = std::mem::replace(&mut self.holding, Holding::Nothing)
        else {
            return Ok(());
        };
        let Claimed { store, broker } = match taken {
            Ok(claimed) => claimed,
            Err(error @ DatabaseError::Fenced { .. }) => {
                warn!(%error, "another node was given the shard meanwhile");
                self.over = self.over.max(epoch);
                return Ok(());
            }
            Err(error) => return Err(error).context("cannot take the shard"),
        };
        let lease = Lease::until(self.clock.now());
        let database = self.database.clone();
        let holder = Holder::begin(
            lease.clone(),
            self.view.clone(),
            database,
            epoch,
            self.clock,
        );
        let tenure = Tenure::begin(self.config, store, *broker, self.clock, lease)?;
        info!(epoch, "serving");
        self.holding = Holding::Serving(epoch, tenure, holder);
        Ok(())
    }

    /// The shard's loop has ended.
    fn lost(&mut self, ended: Result<(), ShardFailure>) -> anyhow::Result<()> {
        let held = std::mem::replace(&mut self.holding, Holding::Nothing);
        if let Holding::Serving(epoch, ..) = held {
            self.over = self.over.max(epoch);
        }
        match ended {
            Ok(()) => {
                info!("let go of the shard");
                Ok(())
            }
            Err(failure) if ownership::is_fenced(&failure) => {
                warn!(%failure, "another node owns the shard now: hanging up on its clients");
                Ok(())
            }
            Err(failure) => Err(failure).context("the shard cannot go on"),
        }
    }

    /// Another node is to own the shard, or this one stops. Clients are told, and find it elsewhere.
    fn let_go(&mut self) {
        let holding = std::mem::replace(&mut self.holding, Holding::Nothing);
        if let Holding::Serving(epoch, tenure, holder) = holding {
            info!(epoch, "letting go of the shard");
            tenure.stop();
            self.holding = Holding::Leaving {
                tenure,
                _holder: holder,
                until: Instant::now() + FAREWELL_MAX,
            };
        }
    }

    /// Tells clients and operators who serves.
    fn tell(&self) {
        let view = self.view.borrow();
        let (host, asked) = match (&self.holding, view.owner(SHARD)) {
            (Holding::Serving(_, tenure, _), _) => (
                Host::Here(tenure.house.clone()),
                Asked::Here(tenure.operator.clone()),
            ),
            (_, Some(owner)) if owner.id != view.me => (
                Host::There(Peer {
                    address: owner.about.node.as_str().into(),
                    front: self.front.clone(),
                }),
                Asked::There(passing::there(&owner.about.admin, &owner.about.node)),
            ),
            _ => (Host::Nobody, Asked::Nobody),
        };
        // Whoever waits for a change is not woken by each answer of ZooKeeper.
        self.host.send_if_modified(|before| {
            let changed = !before.is_same(&host);
            *before = host;
            changed
        });
        self.asked.send_replace(asked);
    }

    /// Ends what there still is, in order, and no later than clients have to leave. Until then the lease is kept: a shard
    /// without one would wait for it.
    async fn stop(&mut self) -> anyhow::Result<()> {
        self.let_go();
        while matches!(self.holding, Holding::Leaving { .. }) {
            if let Happened::Ended(ended) = self.happens().await? {
                self.lost(ended)?;
            }
        }
        Ok(())
    }
}
