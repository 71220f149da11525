//! What can befall a cluster: how each fault begins, how long it stays, how it ends, and what must be seen of it.

use super::lab::{Lab, SESSION};
use super::network::Network;
use super::patience::Chance;
use super::two;
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use std::time::Duration;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Fault {
    /// The node that owns the queues: kill -9
    OwnerKilled,
    /// Another node: kill -9
    NodeKilled,
    /// The owner is asked to stop
    OwnerStopped,
    /// All nodes are asked to stop and started again, one after the other, the owner last
    RollingRestart,
    /// The owner stands still for longer than its session, and goes on
    OwnerPaused,
    /// The owner and ZooKeeper do not hear each other; everybody else does
    OwnerOffZookeeper,
    /// The owner and PostgreSQL do not hear each other
    OwnerOffDatabase,
    /// The owner and the other nodes do not hear each other
    OwnerOffNodes,
    /// The cable of the owner's machine
    OwnerUnplugged,
    /// The ZooKeeper that leads: kill -9
    ZookeeperLeaderKilled,
    /// Two of three ZooKeepers are gone for a minute
    ZookeeperQuorumLost,
    /// All ZooKeepers are killed and come back without any data
    ZookeeperWiped,
    /// All that runs on the machine of PostgreSQL's primary: kill -9
    PrimaryKilled,
    /// The primary's PostgreSQL alone: kill -9
    PostgresKilled,
    /// The cable of the primary's machine
    PrimaryUnplugged,
    /// PostgreSQL's primary is restarted
    PrimaryRestarted,
    /// The primary's disk is full
    PrimaryFull,
    /// The primary's machine gets a fifth of its time
    PrimarySlow,
    /// The cables of both standbys
    StandbysUnplugged,
    /// Commits that wait for a standby are cancelled on the server, and the primary dies before any standby had them
    CommitCancelled,
    /// Two of the others, drawn by the seed
    TwoAtOnce,
}

/// Who is to serve while the fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody else: there is no reason to.
    Same,
    /// Another node, by the end of it.
    Another,
    /// Whoever can.
    Any,
}

/// What a fault left behind, to be put right.
pub(super) struct Damage {
    pub(super) fault: Fault,
    /// Which of three, where it struck one.
    pub(super) victim: usize,
    /// How long the nodes' logs were when it began.
    log_lengths: Vec<usize>,
    /// The second, where two came at once.
    pub(super) second: Option<Box<Damage>>,
}

/// What a fault needs of the machine that plays the lab.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    Cables,
    Disks,
}

/// A killed or paused node is replaced within its session, and a second.
const REPLACED: Duration = Duration::from_millis(SESSION.as_millis() as u64 + 1000);
/// Patroni fails over within its session of 5 s, and Landfall follows within a second.
const FAILED_OVER: Duration = Duration::from_secs(6);
/// A node that has not reached the database for 10 s says so, and another has the queues a few seconds later.
const UNREACHED: Duration = Duration::from_secs(15);
/// Clients of a node that does not reach the owner are told to go after one and a half sessions and a second.
const SENT_AWAY: Duration = Duration::from_millis(SESSION.as_millis() as u64 * 3 / 2 + 2000);
/// What nobody should see at all.
const NOTHING_SEEN: Duration = Duration::from_secs(1);
/// What is said by a node that the database refuses.
const REFUSED: &str = "another node owns the shard";

impl Fault {
    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What publishers may see of it at most.
    pub(super) fn goal(self) -> Option<Duration> {
        match self {
            Self::OwnerKilled
            | Self::OwnerPaused
            | Self::OwnerOffZookeeper
            | Self::OwnerUnplugged => Some(REPLACED),
            Self::PrimaryKilled | Self::PostgresKilled => Some(FAILED_OVER),
            Self::OwnerOffDatabase => Some(UNREACHED),
            Self::OwnerOffNodes => Some(SENT_AWAY),
            Self::NodeKilled | Self::ZookeeperLeaderKilled | Self::ZookeeperQuorumLost => {
                Some(NOTHING_SEEN)
            }
            _ => None,
        }
    }

    pub(super) fn needs(self) -> Needs {
        match self {
            Self::OwnerOffZookeeper
            | Self::OwnerOffDatabase
            | Self::OwnerOffNodes
            | Self::OwnerUnplugged
            | Self::PrimaryUnplugged
            | Self::StandbysUnplugged
            | Self::CommitCancelled => Needs::Cables,
            Self::PrimaryFull => Needs::Disks,
            _ => Needs::Nothing,
        }
    }

    /// Whether it can be done there.
    pub(super) fn is_possible(self, network: &Network) -> bool {
        // Only where there are namespaces does each machine have a cable, and a disk.
        self.needs() == Needs::Nothing || network.can_be_cut()
    }

    /// How long it stays.
    pub(super) fn lasts(self) -> Duration {
        match self {
            Self::OwnerPaused | Self::OwnerOffZookeeper | Self::OwnerKilled => {
                SESSION + Duration::from_secs(4)
            }
            Self::OwnerUnplugged => SESSION + Duration::from_secs(8),
            Self::OwnerOffDatabase => UNREACHED + Duration::from_secs(15),
            Self::ZookeeperQuorumLost => Duration::from_secs(60),
            Self::NodeKilled | Self::CommitCancelled => Duration::from_secs(5),
            Self::OwnerStopped | Self::RollingRestart => Duration::from_secs(1),
            Self::ZookeeperLeaderKilled | Self::PrimaryRestarted | Self::PrimarySlow => {
                Duration::from_secs(5)
            }
            Self::StandbysUnplugged => Duration::from_secs(8),
            Self::OwnerOffNodes | Self::PrimaryFull | Self::ZookeeperWiped => {
                Duration::from_secs(15)
            }
            Self::PrimaryKilled | Self::PostgresKilled | Self::PrimaryUnplugged => {
                Duration::from_secs(12)
            }
            Self::TwoAtOnce => Duration::from_secs(14),
        }
    }

    /// Who is to serve in the end.
    pub(super) fn owner(self) -> Owner {
        match self {
            Self::OwnerKilled
            | Self::OwnerStopped
            | Self::OwnerPaused
            | Self::OwnerOffZookeeper
            | Self::OwnerOffDatabase
            | Self::OwnerUnplugged => Owner::Another,
            Self::NodeKilled | Self::ZookeeperLeaderKilled | Self::ZookeeperQuorumLost => {
                Owner::Same
            }
            _ => Owner::Any,
        }
    }

    /// Lets it happen.
    pub(super) fn begin(self, lab: &mut Lab, chance: &mut Chance) -> Result<Damage> {
        let log_lengths = lab.log_lengths();
        let mut second = None;
        let victim = match self {
            Self::TwoAtOnce => {
                let (one, other) = two::begin(lab, chance)?;
                second = Some(Box::new(other));
                return Ok(Damage { second, ..one });
            }
            Self::OwnerKilled | Self::NodeKilled | Self::OwnerStopped | Self::OwnerPaused => {
                self.begin_node(lab, chance)?
            }
            Self::RollingRestart => restart_all(lab)?,
            Self::OwnerOffZookeeper
            | Self::OwnerOffDatabase
            | Self::OwnerOffNodes
            | Self::OwnerUnplugged => self.begin_partition(lab)?,
            Self::ZookeeperLeaderKilled | Self::ZookeeperQuorumLost | Self::ZookeeperWiped => {
                self.begin_zookeeper(lab)?
            }
            _ => self.begin_database(lab)?,
        };
        Ok(Damage {
            fault: self,
            victim,
            log_lengths,
            second,
        })
    }

    fn begin_node(self, lab: &mut Lab, chance: &mut Chance) -> Result<usize> {
        let owner = lab.owner()?;
        match self {
            Self::OwnerPaused => lab.nodes.servers[owner].pause(),
            Self::OwnerStopped => lab.nodes.stop(owner)?,
            Self::NodeKilled => {
                let other = (owner + 1 + chance.below(2)) % 3;
                lab.nodes.kill(other)?;
                return Ok(other);
            }
            _ => lab.nodes.kill(owner)?,
        }
        Ok(owner)
    }

    fn begin_partition(self, lab: &mut Lab) -> Result<usize> {
        let owner = lab.owner()?;
        let name = lab.nodes.servers[owner].name;
        if self == Self::OwnerUnplugged {
            lab.network.cut(name)?;
            return Ok(owner);
        }
        for other in self.others(lab, owner) {
            lab.network.part(name, other)?;
        }
        Ok(owner)
    }

    /// From whom the owner is parted.
    fn others(self, lab: &Lab, owner: usize) -> Vec<&'static str> {
        let servers = match self {
            Self::OwnerOffZookeeper => &lab.zookeeper.servers,
            Self::OwnerOffDatabase => &lab.databases.servers,
            _ => &lab.nodes.servers,
        };
        let own = lab.nodes.servers[owner].name;
        let names = servers.iter().map(|server| server.name);
        names.filter(|name| *name != own).collect()
    }

    fn begin_zookeeper(self, lab: &mut Lab) -> Result<usize> {
        let leader = lab.zookeeper.leader().context("no ZooKeeper leads")?;
        let servers = &mut lab.zookeeper.servers;
        servers[leader].kill()?;
        match self {
            Self::ZookeeperQuorumLost => servers[(leader + 1) % 3].kill()?,
            Self::ZookeeperWiped => {
                servers[(leader + 1) % 3].kill()?;
                servers[(leader + 2) % 3].kill()?;
                lab.zookeeper.wipe()?;
                lab.zookeeper.resume()?;
            }
            _ => {}
        }
        Ok(leader)
    }

    fn begin_database(self, lab: &mut Lab) -> Result<usize> {
        let primary = lab.primary()?;
        let name = lab.databases.servers[primary].name;
        match self {
            Self::PrimaryKilled => lab.databases.servers[primary].kill()?,
            Self::PostgresKilled => lab.databases.kill_postgres(primary)?,
            Self::PrimaryUnplugged => lab.network.cut(name)?,
            Self::PrimaryRestarted => lab.databases.restart(primary)?,
            Self::PrimaryFull => lab.databases.fill(primary)?,
            Self::PrimarySlow => slow_down(lab, primary)?,
            Self::StandbysUnplugged => {
                for standby in standbys(lab, primary) {
                    lab.network.cut(standby)?;
                }
            }
            _ => cancel_a_commit(lab, primary)?,
        }
        Ok(primary)
    }
}

impl Damage {
    /// Puts right what does not do so by itself. What was killed is started again by who mends the lab.
    pub(super) fn end(&self, lab: &mut Lab) -> Result<()> {
        if let Some(second) = &self.second {
            second.end(lab)?;
        }
        let victim = self.victim;
        match self.fault {
            Fault::OwnerPaused => {
                let length = self.log_lengths[victim];
                lab.nodes.servers[victim].resume();
                let refused = "the database refuses the node that was paused, and it says so";
                lab.pass_until(refused, Duration::from_secs(30), |lab| {
                    lab.nodes.servers[victim]
                        .said_since(length)
                        .contains(REFUSED)
                })?;
            }
            Fault::OwnerOffZookeeper | Fault::OwnerOffDatabase | Fault::OwnerOffNodes => {
                let name = lab.nodes.servers[victim].name;
                for other in self.fault.others(lab, victim) {
                    lab.network.join(name, other)?;
                }
            }
            Fault::OwnerUnplugged => lab.network.plug(lab.nodes.servers[victim].name)?,
            Fault::PrimaryUnplugged => lab.network.plug(lab.databases.servers[victim].name)?,
            Fault::PrimaryFull => lab.databases.empty(victim)?,
            Fault::ZookeeperWiped => lab.databases.restart_patronis()?,
            Fault::StandbysUnplugged => {
                for standby in standbys(lab, victim) {
                    lab.network.plug(standby)?;
                }
            }
            Fault::CommitCancelled => {
                let name = lab.databases.servers[victim].name;
                for standby in standbys(lab, victim) {
                    lab.network.join(name, standby)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A node that was started is given so long until its clients are served.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// One node at a time, and the next when that one serves clients again.
fn restart_all(lab: &mut Lab) -> Result<usize> {
    let owner = lab.owner()?;
    lab.nodes.change_program();
    for at in [(owner + 1) % 3, (owner + 2) % 3, owner] {
        lab.nodes.stop(at)?;
        lab.nodes.launch(at)?;
        lab.pass_until("a restarted node serves clients", READY_WITHIN, |lab| {
            lab.nodes.is_ready(at)
        })?;
    }
    Ok(owner)
}

fn standbys(lab: &Lab, primary: usize) -> Vec<&'static str> {
    let servers = lab.databases.servers.iter().enumerate();
    let others = servers.filter(|(at, _)| *at != primary);
    others.map(|(_, server)| server.name).collect()
}

/// For ten seconds the machine gets a fifth of the time.
fn slow_down(lab: &mut Lab, primary: usize) -> Result<()> {
    for _ in 0..40 {
        lab.databases.servers[primary].pause();
        let paused = lab.pass(Duration::from_millis(200));
        lab.databases.servers[primary].resume();
        paused?;
        lab.pass(Duration::from_millis(50))?;
    }
    Ok(())
}

/// So long after its cables PostgreSQL takes the standbys for gone, and then Patroni would not fail over.
const STANDBYS_COUNT: Duration = Duration::from_millis(2500);

/// The standbys hear nothing any more; what waits for them is told that it has committed, with a warning; then the
/// primary dies, and what it alone had is gone. Whoever took the warning for a success has lost messages.
fn cancel_a_commit(lab: &mut Lab, primary: usize) -> Result<()> {
    const CANCEL: &str = "select count(pg_cancel_backend(pid)) from pg_stat_activity \
         where wait_event = 'SyncRep' and usename = 'landfall'";
    let name = lab.databases.servers[primary].name;
    for standby in standbys(lab, primary) {
        lab.network.part(name, standby)?;
    }
    let mut cancelled = 0;
    lab.pass_until("a commit waits for a standby", STANDBYS_COUNT, |lab| {
        let told = lab.databases.sql(primary, CANCEL).unwrap_or_default();
        cancelled = told.parse().unwrap_or(0);
        cancelled > 0
    })?;
    ensure!(cancelled > 0, "nothing was cancelled");
    // Long enough for the node to hear it.
    lab.pass(Duration::from_millis(200))?;
    lab.databases.servers[primary].kill()
}
