//! The lab's Landfall: three nodes, each on a machine of its own, and whoever watches over them.

use super::host::Host;
use super::network::Network;
use super::patience::until;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["node-1", "node-2", "node-3"];
const PORT: u16 = 5672;
const START_MAX: Duration = Duration::from_secs(60);
/// ZooKeeper gives a silent node up after this.
pub(super) const SESSION: Duration = Duration::from_secs(4);
/// A node that ended by itself is started again after this, as a service is.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Three nodes.
pub(super) struct Nodes {
    pub(super) servers: Vec<Host>,
    /// What is started, and what is started after the next rolling restart.
    program: PathBuf,
    next_program: PathBuf,
    options: Vec<String>,
    /// When those ended that ended by themselves.
    fallen: Vec<(usize, Instant)>,
    /// Which did so, and the last that they said.
    pub(super) ended: Vec<String>,
}

/// guest:guest
const GUEST: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

impl Nodes {
    /// Starts them and waits until one serves.
    pub(super) fn start(
        network: &Network,
        lab: &Path,
        [program, next_program]: [PathBuf; 2],
        zookeeper: &[String],
        database: &str,
    ) -> Result<Self> {
        let servers = NAMES.map(|name| Host::new(name, network, lab));
        let session = format!("{}s", SESSION.as_secs());
        let zookeeper = format!("{}/landfall", zookeeper.join(","));
        let options = [
            ("--zookeeper", zookeeper.as_str()),
            ("--database", database),
            ("--require-standby", "true"),
            ("--zookeeper-timeout", &session),
            // Clients come from another machine here.
            ("--loopback-users", "nobody"),
        ];
        let options =
            { options.into_iter() }.flat_map(|(name, value)| [name.to_owned(), value.to_owned()]);
        let mut nodes = Self {
            servers: servers.into_iter().collect::<Result<_>>()?,
            program,
            next_program,
            options: options.collect(),
            fallen: Vec::new(),
            ended: Vec::new(),
        };
        for at in 0..NAMES.len() {
            nodes.launch(at)?;
        }
        until("a node serves", START_MAX, || nodes.owner().is_some())?;
        nodes.wait()?;
        Ok(nodes)
    }

    /// Starts one that does not run.
    pub(super) fn launch(&mut self, at: usize) -> Result<()> {
        let server = &mut self.servers[at];
        let mut landfall = server.command(&self.program);
        let address = server.address;
        landfall.args(["serve", "--node-name", server.name]);
        landfall.args(["--listen", &format!("{address}:{PORT}")]);
        landfall.args(["--node-listen", &format!("{address}:25672")]);
        landfall.args(["--admin-listen", &format!("{address}:15672")]);
        landfall.arg("--data-dir").arg(server.home.join("data"));
        landfall.args(&self.options);
        server.spawn(landfall)
    }

    /// Where clients find them.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.servers.iter();
        all.map(|one| SocketAddr::from((one.address, PORT)))
            .collect()
    }

    /// Who serves: the node that said last that it does, with the number of its ownership.
    pub(super) fn owner(&self) -> Option<(usize, u64)> {
        let nodes = self.servers.iter().enumerate();
        let serving = nodes.filter_map(|(at, node)| Some((at, served_under(&node.said())?)));
        serving.max_by_key(|(_, epoch)| *epoch)
    }

    /// How many messages are in a queue, by the owner's HTTP API.
    pub(super) fn waiting(&self, owner: usize, vhost: &str, queue: &str) -> Result<u64> {
        let address = self.servers[owner].address;
        let vhost = vhost.replace('/', "%2F");
        let url = format!("http://{address}:15672/api/queues/{vhost}/{queue}");
        let asked = ureq::get(url).header("Authorization", GUEST);
        let mut answer = asked.call().context("the HTTP API does not answer")?;
        let told: serde_json::Value = { answer.body_mut().read_json() }.context("not JSON")?;
        told["messages"]
            .as_u64()
            .with_context(|| format!("the HTTP API says {told}"))
    }

    /// Makes a virtual host, by the first node.
    pub(super) fn make_vhost(&self, name: &str) -> Result<()> {
        let address = self.servers[0].address;
        let url = format!("http://{address}:15672/api/vhosts/{name}");
        let asked = ureq::put(url).header("Authorization", GUEST);
        asked.send("{}").context("the virtual host is not made")?;
        Ok(())
    }

    /// From now on the other program is started.
    pub(super) fn change_program(&mut self) {
        std::mem::swap(&mut self.program, &mut self.next_program);
    }

    /// Whether clients of a node are served.
    pub(super) fn is_ready(&self, at: usize) -> bool {
        let address = self.servers[at].address;
        ureq::get(format!("http://{address}:15672/healthz/ready"))
            .call()
            .is_ok()
    }

    /// Kills one. It stays down until it is launched again.
    pub(super) fn kill(&mut self, at: usize) -> Result<()> {
        self.servers[at].kill()
    }

    /// Asks one to stop and waits until it has.
    pub(super) fn stop(&mut self, at: usize) -> Result<()> {
        let server = &mut self.servers[at];
        server.terminate();
        let mut status = None;
        until("a node that was asked to stop ends", START_MAX, || {
            status = status.or_else(|| server.ended());
            status.is_some()
        })?;
        let status = status.context("it has ended")?;
        anyhow::ensure!(status.success(), "asked to stop, it ended with {status}");
        Ok(())
    }

    /// Starts again what ended by itself, as whoever watches over services does.
    pub(super) fn tend(&mut self) -> Result<()> {
        for (at, server) in self.servers.iter_mut().enumerate() {
            if let Some(status) = server.ended() {
                let said = server.said();
                let last = said.lines().last().unwrap_or_default();
                self.ended
                    .push(format!("{}: {status}: {last}", server.name));
                self.fallen.push((at, Instant::now()));
            }
        }
        let (due, rest) = std::mem::take(&mut self.fallen)
            .into_iter()
            .partition(|(_, since)| since.elapsed() > RESTART_AFTER);
        self.fallen = rest;
        let due: Vec<(usize, Instant)> = due;
        for (at, _) in due {
            if !self.servers[at].is_running() {
                self.launch(at)?;
            }
        }
        Ok(())
    }

    /// Starts those that do not run, and waits until clients can come to each of them.
    pub(super) fn resume(&mut self) -> Result<()> {
        self.fallen.clear();
        for at in 0..self.servers.len() {
            if !self.servers[at].is_running() {
                self.launch(at)?;
            }
        }
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let began = Instant::now();
        while !self.is_whole() {
            anyhow::ensure!(
                began.elapsed() < START_MAX,
                "not all nodes take connections"
            );
            self.tend()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether all of them take connections.
    pub(super) fn is_whole(&self) -> bool {
        let second = Duration::from_secs(1);
        let answers = |address| std::net::TcpStream::connect_timeout(address, second).is_ok();
        self.addresses().iter().all(answers)
    }
}

/// The epoch under which a node served last, by its log.
fn served_under(log: &str) -> Option<u64> {
    let mut lines = log.lines().rev();
    let said = lines.find_map(|line| {
        let (_, said) = line.split_once(" serving epoch=")?;
        // An older program has but one shard, and does not say which.
        let of_first = !said.contains("shard=") || said.contains("shard=0");
        of_first.then_some(said)
    })?;
    said.split_whitespace().next()?.parse().ok()
}
