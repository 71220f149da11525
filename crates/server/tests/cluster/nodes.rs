//! A cluster of the real binary, with a real ZooKeeper and a real PostgreSQL.

use super::{PATIENCE, SESSION};
use crate::harness::postgres::Postgres;
use crate::harness::zookeeper::Ensemble;
use crate::harness::{Landfall, Scratch};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A cluster of three.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) zookeeper: Ensemble,
    pub(crate) postgres: Postgres,
}

pub(crate) struct Node {
    pub(crate) name: String,
    options: Vec<String>,
    scratch: Scratch,
    pub(crate) running: Option<Landfall>,
    pub(crate) address: SocketAddr,
}

impl Node {
    fn start(number: usize, zookeeper: &str, database: &str, more: &[String]) -> Self {
        let name = format!("node-{number}");
        let options: Vec<String> = [
            ("--zookeeper", zookeeper),
            ("--database", database),
            ("--node-name", &name),
            ("--node-listen", "127.0.0.1:0"),
            ("--admin-listen", "127.0.0.1:0"),
            ("--zookeeper-timeout", &format!("{}s", SESSION.as_secs())),
            // The test's database does not sync: programs are killed here, not the machine.
            ("--allow-asynchronous", "true"),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value.to_owned()])
        .chain(more.iter().cloned())
        .collect();
        let scratch = Scratch::new();
        let mut node = Self {
            name,
            options,
            scratch,
            running: None,
            address: ([127, 0, 0, 1], 0).into(),
        };
        node.resume();
        node
    }

    /// Starts it where it was before.
    pub(crate) fn resume(&mut self) {
        let listen = self.address.to_string();
        let mut options = vec!["--listen", listen.as_str()];
        options.extend(self.options.iter().map(String::as_str));
        let running = Landfall::start_with(&self.scratch.data_dir(), &options);
        self.address = running.address();
        self.running = Some(running);
    }

    /// Where its HTTP API is.
    pub(crate) fn api(&self) -> &str {
        self.running.as_ref().expect("it runs").api()
    }

    pub(crate) fn log(&self) -> String {
        let running = self.running.as_ref();
        running.map_or_else(String::new, Landfall::log)
    }

    /// The epoch under which it served last, since its log began.
    pub(crate) fn served_under(&self) -> Option<u64> {
        let log = self.log();
        let line = { log.lines() }
            .rev()
            .find(|line| line.contains(" serving epoch="))?;
        let (_, said) = line.rsplit_once("epoch=")?;
        let epoch = said.split_whitespace().next()?;
        Some(epoch.parse().expect("a number"))
    }
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these options beside.
    pub(crate) fn start_with(more: &[String]) -> Self {
        let postgres = Postgres::start(&["fsync=off"]);
        let database = postgres.address("postgres");
        Self::start_over(postgres, &database, more)
    }

    /// Over two databases; their names, in the order in which they are named.
    pub(crate) fn start_over_two() -> (Self, [String; 2]) {
        let postgres = Postgres::start(&["fsync=off", "max_connections=200"]);
        let names = [postgres.database(), postgres.database()];
        let [first, second] = names.each_ref().map(|name| postgres.address(name));
        let cluster = Self::start_over(postgres, &format!("{first}; {second}"), &[]);
        (cluster, names)
    }

    fn start_over(postgres: Postgres, database: &str, more: &[String]) -> Self {
        let zookeeper = Ensemble::start(1);
        let hosts = zookeeper.hosts();
        let nodes = (1..=3).map(|number| Node::start(number, &hosts, database, more));
        Self {
            nodes: nodes.collect(),
            zookeeper,
            postgres,
        }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// The node that serves under the highest epoch, above this one; and that epoch.
    pub(crate) fn owner_above(&self, epoch: u64) -> (usize, u64) {
        let began = Instant::now();
        loop {
            let nodes = self.nodes.iter().enumerate();
            let serving = nodes.filter_map(|(at, node)| Some((at, node.served_under()?)));
            let owner = serving.max_by_key(|(_, epoch)| *epoch);
            if let Some(owner) = owner.filter(|(_, found)| *found > epoch) {
                return owner;
            }
            assert!(began.elapsed() < PATIENCE, "nobody serves: {}", self.logs());
            sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn logs(&self) -> String {
        let logs = self
            .nodes
            .iter()
            .map(|node| format!("{}:\n{}", node.name, node.log()));
        logs.collect()
    }
}
