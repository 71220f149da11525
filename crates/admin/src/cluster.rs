//! `/api/landfall/cluster`: who is a member, who owns what, how ZooKeeper and the database are doing, and what operators
//! may ask for.

mod attention;

use crate::answer::Failure;
use crate::endpoints::Api;
use crate::node::Answered;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

/// The cluster, as one member of it knows it.
pub trait Cluster: Send + Sync {
    /// This node's name, and who is a member.
    fn members(&self) -> (String, Vec<MemberStatus>);

    /// Everything; the database is asked, for a few seconds at the most.
    fn status(&self) -> Answered<'_, ClusterStatus>;

    /// Asks the controller for something; returns when it has been noted.
    fn request(&self, wanted: Wanted) -> Answered<'_, Result<(), RequestRefused>>;
}

/// What operators ask the controller for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A node is to give its shards to the others, and to get none.
    Drain(String),
    /// It may have shards again.
    Resume(String),
    /// The shards are to be spread evenly now.
    Rebalance,
}

/// Why it was not noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestRefused {
    /// No member has that name.
    NoSuchNode(String),
    /// ZooKeeper does not answer; to ask again is harmless.
    Silent(String),
}

/// Everything about a cluster, as one member of it knows it.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// The node that says it.
    pub me: String,
    /// Who is there.
    pub members: Vec<MemberStatus>,
    /// The node that decides who owns what.
    pub controller: Option<String>,
    /// Every shard, in order.
    pub shards: Vec<ShardStatus>,
    /// What the controller has been asked for and has not done yet.
    pub requests: Vec<Wanted>,
    /// How ZooKeeper is doing.
    pub zookeeper: ZooKeeperStatus,
    /// How the database is doing; of several each, in their order.
    pub databases: Vec<DatabaseStatus>,
}

/// A member.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// Its name.
    pub node: String,
    /// The number of this run of it.
    pub run: u64,
    /// When the run began, in milliseconds of Unix time.
    pub since: u64,
    /// Where clients find it.
    pub amqp: String,
    /// Where other nodes find it.
    pub inner: String,
    /// Where its HTTP API is.
    pub admin: String,
    /// The version of its program.
    pub program: String,
    /// The newest format that it reads.
    pub format: u32,
    /// The newest protocol between nodes that it speaks.
    pub protocol: u32,
    /// Whether it is to give its shards away.
    pub draining: bool,
    /// Whether it reaches the database.
    pub reaches_database: bool,
    /// Why it is given nothing though it is well.
    pub misfit: Option<String>,
}

impl MemberStatus {
    /// Whether it is given shards.
    pub fn is_ready(&self) -> bool {
        self.reaches_database && !self.draining
    }

    fn state(&self) -> &'static str {
        match (self.reaches_database, self.draining) {
            (false, _) => "without database",
            (true, true) => "draining",
            (true, false) => "active",
        }
    }
}

/// A shard: who is to own it, and who does. Owners are a node's name, a dot and the number of its run.
#[derive(Clone, Debug)]
pub struct ShardStatus {
    /// Which.
    pub shard: u32,
    /// The place of the database that has it, from 0.
    pub database: usize,
    /// Who is to own it.
    pub owner: Option<String>,
    /// With which epoch.
    pub epoch: u64,
    /// Who has taken it in the database and with which epoch, if the database answers.
    pub taken: Option<(String, u64)>,
}

/// What is so about a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardState {
    /// Its owner has it.
    Served,
    /// Its owner has not taken it yet.
    Moving,
    /// Nobody who is there is to own it.
    Abandoned,
    /// The database does not say.
    Unknown,
}

/// How ZooKeeper is doing.
#[derive(Clone, Debug)]
pub struct ZooKeeperStatus {
    /// Where it is.
    pub hosts: Vec<String>,
    /// Since when it has been silent.
    pub silent: Option<Duration>,
    /// Until when this node may deliver without hearing of it again.
    pub lease: Option<Duration>,
}

/// How the database is doing.
#[derive(Clone, Debug)]
pub struct DatabaseStatus {
    /// The servers that may be it.
    pub hosts: Vec<String>,
    /// What it says; or why it does not.
    pub health: Result<DatabaseHealth, String>,
}

/// What the database says.
#[derive(Clone, Debug, Default)]
pub struct DatabaseHealth {
    /// The server that takes writes, where it tells.
    pub primary: Option<String>,
    /// Its version.
    pub version: String,
    /// Its copies.
    pub standbys: Vec<StandbyStatus>,
    /// Why nothing should be confirmed on its word.
    pub objections: Vec<String>,
}

/// A copy of the database.
#[derive(Clone, Debug)]
pub struct StandbyStatus {
    /// The name under which it copies.
    pub name: String,
    /// Where it is.
    pub address: Option<String>,
    /// `streaming` where it has all but the last moment.
    pub state: String,
    /// Whether commits wait for it: PostgreSQL's words.
    pub sync: String,
    /// How far behind it is.
    pub lag: Option<Duration>,
}

impl ClusterStatus {
    /// What is so about a shard.
    pub fn state_of(&self, shard: &ShardStatus) -> ShardState {
        let is_there = |owner: &String| {
            let mut members = self.members.iter();
            members.any(|one| *owner == format!("{}.{}", one.node, one.run))
        };
        let Some(owner) = shard.owner.as_ref().filter(|owner| is_there(owner)) else {
            return ShardState::Abandoned;
        };
        match &shard.taken {
            None => ShardState::Unknown,
            Some((by, epoch)) if by == owner && *epoch == shard.epoch => ShardState::Served,
            Some(_) => ShardState::Moving,
        }
    }

    /// Whether all shards are served, as far as anybody knows.
    pub fn is_serving(&self) -> bool {
        let mut shards = self.shards.iter();
        !self.shards.is_empty() && shards.all(|one| self.state_of(one) == ShardState::Served)
    }

    fn shape(&self) -> Value {
        json!({
            "node": self.me,
            "serving": self.is_serving(),
            "attention": attention::needed(self),
            "controller": self.controller,
            "members": self.members.iter().map(member).collect::<Value>(),
            "shards": self.shards.iter().map(|one| self.shard(one)).collect::<Value>(),
            "requests": self.requests.iter().map(request).collect::<Value>(),
            "zookeeper": {
                "hosts": self.zookeeper.hosts,
                "state": if self.zookeeper.silent.is_some() { "silent" } else { "connected" },
                "silent_seconds": self.zookeeper.silent.map(|time| time.as_secs()),
                "lease_ms": self.zookeeper.lease.map(|time| time.as_millis()),
            },
            "databases": self.databases.iter().map(database).collect::<Value>(),
        })
    }

    fn shard(&self, one: &ShardStatus) -> Value {
        let (taken_by, taken_epoch) = one.taken.clone().unzip();
        json!({
            "shard": one.shard,
            "database": one.database,
            "state": match self.state_of(one) {
                ShardState::Served => "served",
                ShardState::Moving => "moving",
                ShardState::Abandoned => "abandoned",
                ShardState::Unknown => "unknown",
            },
            "owner": one.owner.as_deref().map(node_of),
            "epoch": one.epoch,
            "taken_by": taken_by.as_deref().map(node_of),
            "taken_epoch": taken_epoch,
        })
    }
}

/// The node in the name of one of its runs.
fn node_of(owner: &str) -> &str {
    owner.rsplit_once('.').map_or(owner, |(node, _)| node)
}

fn member(one: &MemberStatus) -> Value {
    json!({
        "node": one.node,
        "run": one.run,
        "since": one.since,
        "state": one.state(),
        "amqp": one.amqp,
        "inner": one.inner,
        "admin": one.admin,
        "program": one.program,
        "format": one.format,
        "protocol": one.protocol,
    })
}

fn request(one: &Wanted) -> Value {
    match one {
        Wanted::Drain(node) => json!({"request": "drain", "node": node}),
        Wanted::Resume(node) => json!({"request": "resume", "node": node}),
        Wanted::Rebalance => json!({"request": "rebalance"}),
    }
}

fn database(status: &DatabaseStatus) -> Value {
    let mut shown = json!({"hosts": status.hosts});
    match &status.health {
        Err(why) => {
            shown["state"] = "silent".into();
            shown["reason"] = why.as_str().into();
        }
        Ok(health) => {
            shown["state"] = "connected".into();
            shown["primary"] = json!(health.primary);
            shown["version"] = health.version.as_str().into();
            shown["standbys"] = health.standbys.iter().map(standby).collect();
            shown["objections"] = json!(health.objections);
        }
    }
    shown
}

fn standby(one: &StandbyStatus) -> Value {
    json!({
        "name": one.name,
        "address": one.address,
        "state": one.state,
        "sync": one.sync,
        "lag_ms": one.lag.map(|lag| lag.as_millis()),
    })
}

/// The cluster, or 404 where there is none.
fn cluster(api: &Api) -> Result<&dyn Cluster, Failure> {
    let none = || Failure::Missing("this server is no member of a cluster".to_owned());
    api.node().cluster().ok_or_else(none)
}

pub(crate) async fn status(State(api): State<Api>) -> Result<Json<Value>, Failure> {
    Ok(Json(cluster(&api)?.status().await.shape()))
}

async fn ask(api: &Api, wanted: Wanted) -> Result<StatusCode, Failure> {
    let noted = cluster(api)?.request(wanted).await;
    noted.map_err(|why| match why {
        RequestRefused::NoSuchNode(node) => {
            Failure::Missing(format!("no member of the cluster is called '{node}'"))
        }
        RequestRefused::Silent(why) => Failure::Silent(why),
    })?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn drain(
    State(api): State<Api>,
    Path(node): Path<String>,
) -> Result<StatusCode, Failure> {
    ask(&api, Wanted::Drain(node)).await
}

pub(crate) async fn resume(
    State(api): State<Api>,
    Path(node): Path<String>,
) -> Result<StatusCode, Failure> {
    ask(&api, Wanted::Resume(node)).await
}

pub(crate) async fn rebalance(State(api): State<Api>) -> Result<StatusCode, Failure> {
    ask(&api, Wanted::Rebalance).await
}
