//! All machines of the lab together.

use super::network::Network;
use super::nodes::Nodes;
use super::patroni::{Databases, ensure_reachable};
use super::zookeeper::Ensemble;
use super::{interrupt, nodes};
use crate::install;
use crate::shell::{Scratch, cargo, run, target_dir};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// Everything may take so long to be whole again when a fault is over.
const WHOLE_AFTER: Duration = Duration::from_secs(120);

/// Three ZooKeepers, three PostgreSQLs, three nodes. Dropped, they end in that order's reverse.
pub(super) struct Lab {
    /// One in each database of the nodes.
    pub(super) shards: u8,
    pub(super) nodes: Nodes,
    pub(super) databases: Databases,
    pub(super) zookeeper: Ensemble,
    pub(super) network: Network,
    scratch: Option<Scratch>,
}

/// How the nodes' program was built.
#[derive(Clone, Copy)]
pub(super) enum Build {
    /// As for users: pauses are theirs.
    Release,
    /// As for other tests: it is there already.
    Debug,
}

impl Build {
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
        }
    }

    /// Makes sure that it is there.
    pub(super) fn make(self) -> Result<()> {
        let mut build = cargo(&["build", "--package", "landfall-server"]);
        if matches!(self, Self::Release) {
            build.arg("--release");
        }
        run(&mut build)
    }
}

/// A virtual host of the second of two shards.
pub(super) const SECOND_VHOST: &str = "shop";

impl Lab {
    /// Starts all of it.
    pub(super) fn start(build: Build, next_program: Option<&Path>, count: u8) -> Result<Self> {
        let patroni = install::patroni()?;
        let scratch = Scratch::new("cluster-lab")?;
        ensure_reachable(&patroni)?;
        ensure_reachable(scratch.path())?;
        let network = Network::here();
        let began = Instant::now();
        let zookeeper = Ensemble::start(&network, scratch.path())?;
        let hosts = zookeeper.hosts();
        let databases = Databases::start(&network, scratch.path(), &hosts, patroni)?;
        let program = target_dir().join(build.folder()).join("landfall");
        let url = databases.url(count);
        let next = next_program.map_or_else(|| program.clone(), Path::to_path_buf);
        let programs = [program, next];
        let nodes = Nodes::start(&network, scratch.path(), programs, &hosts, &url)?;
        if count > 1 {
            nodes.make_vhost(SECOND_VHOST)?;
        }
        println!("the lab is up after {:.1} s", began.elapsed().as_secs_f64());
        Ok(Self {
            shards: count,
            nodes,
            databases,
            zookeeper,
            network,
            scratch: Some(scratch),
        })
    }

    /// The node that owns the queues, of several shards those of the first.
    pub(super) fn owner(&self) -> Result<usize> {
        Ok(self.ownership()?.0)
    }

    /// The same, with the number of its ownership.
    pub(super) fn ownership(&self) -> Result<(usize, u64)> {
        self.nodes.owner().context("no node serves")
    }

    /// The machine of PostgreSQL's primary.
    pub(super) fn primary(&self) -> Result<usize> {
        let mut primary = None;
        super::patience::until("Patroni knows a primary", WHOLE_AFTER, || {
            primary = self.databases.primary();
            primary.is_some()
        })?;
        primary.context("there is one")
    }

    /// Lets time pass, and watches over the nodes.
    pub(super) fn pass(&mut self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            if interrupt::came() {
                bail!("interrupted");
            }
            self.nodes.tend()?;
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
        Ok(())
    }

    /// Waits until it is so, and watches over the nodes.
    pub(super) fn pass_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let began = Instant::now();
        while !is_so(self) {
            anyhow::ensure!(
                began.elapsed() < limit,
                "after {limit:?} it is not so that {what}"
            );
            self.pass(Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// Starts what does not run, and waits until all machines do what they are there for.
    pub(super) fn mend(&mut self) -> Result<()> {
        self.zookeeper.resume()?;
        self.databases.resume()?;
        self.nodes.resume()?;
        self.pass_until("everything is whole again", WHOLE_AFTER, |lab| {
            lab.zookeeper.is_whole() && lab.databases.is_whole() && lab.nodes.is_whole()
        })
    }

    /// How long the log of each node is.
    pub(super) fn log_lengths(&self) -> Vec<usize> {
        let all = self.nodes.servers.iter();
        all.map(super::host::Host::log_length).collect()
    }

    /// What the nodes said since their logs were so long: for whoever looks into a failure.
    pub(super) fn said_since(&self, lengths: &[usize]) -> String {
        let all = self.nodes.servers.iter().zip(lengths);
        let said =
            all.map(|(node, length)| format!("{}:\n{}", node.name, node.said_since(*length)));
        said.collect()
    }

    /// Leaves the folder with all logs where it is, and says where.
    pub(super) fn keep(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            println!(
                "the logs of all machines are in {}",
                scratch.path().display()
            );
            std::mem::forget(scratch);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // PostgreSQL's standbys would elect one another while the others end, and machines that are paused do not
        // hear that they are to end.
        let nodes = &mut self.nodes.servers;
        let all = nodes.iter_mut().chain(&mut self.databases.servers);
        for host in all.chain(&mut self.zookeeper.servers) {
            // The end of the run removes what may be left.
            let _ = host.kill();
        }
        if self.databases.have_disks {
            for server in &self.databases.servers {
                let mut umount = crate::shell::command("umount", &[]);
                crate::shell::succeeds(umount.arg(server.home.join("disk")));
            }
        }
    }
}

/// ZooKeeper's time-out of a node, for who compares pauses with it.
pub(super) const SESSION: Duration = nodes::SESSION;
