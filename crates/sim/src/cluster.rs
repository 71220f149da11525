//! A cluster in the simulator: three nodes, a database and a ZooKeeper, and everything that may go wrong between them.
//!
//! Real are the broker, the clients' state machines, and what decides in `cluster`: the controller and its planner, the
//! assignment, the lease, and what became of an append whose outcome is unknown. Told again here, because the real ones
//! wait on sockets, are the database's statements and ZooKeeper's answers (models), a node's session (`membership`,
//! `roll`, `election`), its line to the database (`line`) and the rules by which it takes, holds and lets go of the shard
//! (`holding`, `serving`).
//!
//! The ledger follows whoever owns the shard by the last commit that cannot be taken back. Whoever owned it before may
//! hand out for a while what it had, within its lease; but it lands nothing and confirms nothing that had not landed.

mod clients;
mod database;
mod election;
mod ensemble;
mod faults;
mod holding;
mod line;
mod link;
mod membership;
mod node;
mod plant;
mod question;
mod roll;
mod serving;
mod stir;
mod trouble;
mod world;
mod zookeeper;

pub use plant::ClusterPlant;
pub use trouble::{Trouble, Troubles};

use crate::Violation;
use crate::plan::SECOND;

/// A member may be silent for so long before its shard goes to others.
const SESSION: u64 = 6 * SECOND;

/// What came of a run of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterReport {
    /// What was wrong, if something was.
    pub violation: Option<Violation>,
    /// All inputs and effects in one number.
    pub hash: u64,
    /// How long it would have taken, in microseconds.
    pub time: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages of which the sender was told that they had landed.
    pub confirmed: u64,
    /// How often an owner handed out a message.
    pub deliveries: u64,
    /// How often a node did that was not the owner any more.
    pub duplicates: u64,
    /// How often the shard was taken.
    pub takes: u64,
    /// How often a process started.
    pub starts: u64,
    /// How long nobody owned and served the shard, in microseconds.
    pub unserved: u64,
    /// What went wrong.
    pub troubles: Troubles,
}

/// Runs a seed. With `told`, everything that happens is printed.
pub fn run_cluster(seed: u64, plant: Option<ClusterPlant>, told: bool) -> ClusterReport {
    let run = || world::World::new(seed, plant, told).run();
    crate::or_panic(run).unwrap_or_else(|violation| ClusterReport {
        violation: Some(violation),
        ..ClusterReport::default()
    })
}
