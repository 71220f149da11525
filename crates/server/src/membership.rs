//! The cluster as this member knows it, for operators: what ZooKeeper told, what the database says, and the way to ask for
//! something.

use crate::config::Member as Configured;
use crate::relay;
use admin::cluster::{
    Cluster, ClusterStatus, DatabaseHealth, DatabaseStatus, MemberStatus, RequestRefused,
    ShardStatus, StandbyStatus, Wanted, ZooKeeperStatus,
};
use admin::node::Answered;
use cluster::members::{self, Member, Request, RequestError, Requests, State, View, ZooKeeper};
use cluster::{Database, DatabaseError, Databases, Health, Ownership};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// The database has so long to say how it is doing.
const DATABASE_MAX: Duration = Duration::from_secs(3);

/// The cluster as this member knows it.
pub(crate) struct Membership {
    zookeeper: Vec<String>,
    view: watch::Receiver<View>,
    requests: Requests,
    databases: Databases,
    /// One question at a time: of a database that does not answer more would wait for ever.
    asking: Arc<Semaphore>,
}

impl Membership {
    pub(crate) fn new(
        configured: &Configured,
        view: watch::Receiver<View>,
        requests: Requests,
        databases: Databases,
    ) -> Self {
        let hosts = configured.zookeeper.split('/').next().unwrap_or_default();
        Self {
            zookeeper: hosts.split(',').map(str::to_owned).collect(),
            view,
            requests,
            databases,
            asking: Arc::new(Semaphore::new(1)),
        }
    }

    /// Why no client should come to this node, though another may serve.
    pub(crate) fn objection(&self) -> Option<String> {
        let view = self.view.borrow();
        match (&view.zookeeper, view.state) {
            (ZooKeeper::Ended(why), _) => Some(why.to_string()),
            (ZooKeeper::Left, _) => Some("this node has left the cluster".to_owned()),
            (_, State::Draining) => Some("this node is drained".to_owned()),
            _ => {
                let shards = 0..self.databases.shards();
                let servers = shards.filter_map(|shard| view.server(shard));
                let mut others = servers.filter(|server| server.id != view.me);
                others.find_map(|server| members::other_protocol(relay::VERSION.into(), server))
            }
        }
    }

    /// What each database says of itself, and of who has which shard.
    async fn ask_databases(&self) -> Vec<Asked> {
        let turn = self.asking.clone().acquire_owned();
        let late = || format!("no answer within {DATABASE_MAX:?}");
        let by = tokio::time::Instant::now() + DATABASE_MAX;
        let Ok(turn) = tokio::time::timeout_at(by, turn).await else {
            return { self.databases.each().iter() }
                .map(|_| Err(late()))
                .collect();
        };
        let turn = Arc::new(turn);
        let asking = self.databases.each().iter().map(|database| {
            let (database, turn) = (database.clone(), turn.clone());
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                ask(&database).map_err(|error| error.to_string())
            })
        });
        let asking: Vec<_> = asking.collect();
        let mut all = Vec::new();
        for asked in asking {
            let answered = tokio::time::timeout_at(by, asked).await;
            all.push(match answered {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(late()),
            });
        }
        all
    }

    async fn everything(&self) -> ClusterStatus {
        let asked = self.ask_databases().await;
        let view = self.view.borrow();
        let databases = self.databases.each().iter().zip(&asked);
        let databases = databases.map(|(database, asked)| DatabaseStatus {
            hosts: database.hosts(),
            health: { asked.as_ref() }
                .map(|(health, _)| shown(health))
                .map_err(Clone::clone),
        });
        ClusterStatus {
            me: view.me.node().to_owned(),
            members: members(&view),
            controller: { view.controller.as_ref() }.map(|one| one.node().to_owned()),
            shards: self.shards(&view, &asked),
            requests: view.requests.iter().map(wanted).collect(),
            zookeeper: ZooKeeperStatus {
                hosts: self.zookeeper.clone(),
                silent: silent(&view),
                lease: { view.lease.good_until() }
                    .map(|until| until.saturating_duration_since(Instant::now())),
            },
            databases: databases.collect(),
        }
    }

    fn shards(&self, view: &View, asked: &[Asked]) -> Vec<ShardStatus> {
        let assignment = view.assignment.iter();
        let holdings = assignment.flat_map(|assignment| assignment.shards());
        let shard = |(shard, holding): (u32, &members::Holding)| {
            let database = self.databases.place(shard);
            let owners = asked.get(database).and_then(|asked| asked.as_ref().ok());
            let taken = owners.and_then(|(_, owners)| owners.get(shard as usize));
            ShardStatus {
                shard,
                database,
                owner: holding.owner.as_ref().map(ToString::to_string),
                epoch: holding.epoch,
                taken: taken.map(|taken| (taken.owner.clone(), taken.epoch)),
            }
        };
        (0..).zip(holdings).map(shard).collect()
    }
}

/// What one database answers.
type Asked = Result<(Health, Vec<Ownership>), String>;

fn ask(database: &Database) -> Result<(Health, Vec<Ownership>), DatabaseError> {
    Ok((database.health()?, database.owners()?))
}

impl Cluster for Membership {
    fn members(&self) -> (String, Vec<MemberStatus>) {
        let view = self.view.borrow();
        (view.me.node().to_owned(), members(&view))
    }

    fn status(&self) -> Answered<'_, ClusterStatus> {
        Box::pin(self.everything())
    }

    fn request(&self, wanted: Wanted) -> Answered<'_, Result<(), RequestRefused>> {
        Box::pin(async move {
            let asked = match &wanted {
                Wanted::Drain(node) => self.requests.drain(node).await,
                Wanted::Resume(node) => self.requests.resume(node).await,
                Wanted::Rebalance => self.requests.rebalance().await,
            };
            asked.map_err(|error| match error {
                RequestError::NoSuchNode(node) => RequestRefused::NoSuchNode(node),
                silent @ RequestError::Silent(_) => RequestRefused::Silent(silent.to_string()),
            })
        })
    }
}

fn silent(view: &View) -> Option<Duration> {
    match view.zookeeper {
        ZooKeeper::SilentSince(since) => Some(since.elapsed()),
        _ => None,
    }
}

fn members(view: &View) -> Vec<MemberStatus> {
    let all = view.members.iter();
    all.map(|one| MemberStatus {
        misfit: members::misfit(one, &view.members),
        ..member(one)
    })
    .collect()
}

fn member(one: &Member) -> MemberStatus {
    let about = &one.about;
    MemberStatus {
        node: one.id.node().to_owned(),
        run: one.id.incarnation(),
        // A run is numbered by the microsecond in which it began.
        since: one.id.incarnation() / 1000,
        amqp: about.amqp.clone(),
        inner: about.node.clone(),
        admin: about.admin.clone(),
        program: about.program.clone(),
        format: about.format,
        protocol: about.protocol,
        draining: about.state == State::Draining,
        reaches_database: about.database_ok,
        misfit: None,
    }
}

fn wanted(request: &Request) -> Wanted {
    match request {
        Request::Drain { node } => Wanted::Drain(node.clone()),
        Request::Resume { node } => Wanted::Resume(node.clone()),
        Request::Rebalance => Wanted::Rebalance,
    }
}

fn shown(health: &Health) -> DatabaseHealth {
    let standbys = health.standbys.iter().map(|standby| StandbyStatus {
        name: standby.name.clone(),
        address: standby.address.clone(),
        state: standby.state.clone(),
        sync: standby.sync.clone(),
        lag: standby.lag,
    });
    DatabaseHealth {
        primary: health.primary.clone(),
        version: health.version.clone(),
        standbys: standbys.collect(),
        objections: health.objections.clone(),
    }
}
