//! The lab's ZooKeeper: an ensemble of three, each on a machine of its own.

use super::host::Host;
use super::network::Network;
use super::patience::until;
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// ZooKeeper itself, and something that takes its log.
const CLASSES: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar";
const NAMES: [&str; 3] = ["zk-1", "zk-2", "zk-3"];
const PORT: u16 = 2181;
/// It may take so long to start.
const START_MAX: Duration = Duration::from_secs(60);

/// Three servers.
pub(super) struct Ensemble {
    pub(super) servers: Vec<Host>,
}

impl Ensemble {
    /// Starts them.
    pub(super) fn start(network: &Network, lab: &Path) -> Result<Self> {
        let servers = NAMES.map(|name| Host::new(name, network, lab));
        let servers = servers.into_iter().collect::<Result<Vec<Host>>>()?;
        let mut all = String::new();
        for (server, number) in servers.iter().zip(1..) {
            all += &format!("server.{number}={}:2888:3888\n", server.address);
        }
        let mut ensemble = Self { servers };
        for (server, number) in ensemble.servers.iter().zip(1..) {
            prepare(server, number, &all).context("cannot prepare ZooKeeper")?;
        }
        for at in 0..NAMES.len() {
            ensemble.launch(at)?;
        }
        ensemble.wait()?;
        Ok(ensemble)
    }

    /// The hosts, as in an address.
    pub(super) fn hosts(&self) -> Vec<String> {
        let hosts = self.servers.iter();
        hosts.map(|one| format!("{}:{PORT}", one.address)).collect()
    }

    /// Starts one that does not run.
    pub(super) fn launch(&mut self, at: usize) -> Result<()> {
        let server = &mut self.servers[at];
        let mut java = server.command("java");
        // Small and quick to start: three of them share the machine with all the rest.
        java.args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        java.args([
            "-XX:CICompilerCount=1",
            "-Dzookeeper.forceSync=yes",
            "-cp",
            CLASSES,
        ]);
        java.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain");
        java.arg(server.home.join("zoo.cfg"));
        server.spawn(java)
    }

    /// Starts those that do not run, and waits until all serve.
    pub(super) fn resume(&mut self) -> Result<()> {
        for at in 0..self.servers.len() {
            if !self.servers[at].is_running() {
                self.launch(at)?;
            }
        }
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        until("all ZooKeepers serve", START_MAX, || self.is_whole())
    }

    /// Whether all of them serve.
    pub(super) fn is_whole(&self) -> bool {
        self.servers.iter().all(|server| mode(server).is_some())
    }

    /// Which one leads.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |server: &Host| mode(server).is_some_and(|mode| mode == "leader");
        self.servers.iter().position(leads)
    }

    /// Forgets all that stopped servers were told.
    pub(super) fn wipe(&mut self) -> Result<()> {
        for server in &self.servers {
            anyhow::ensure!(!server.is_running(), "a running server is not wiped");
            let data = server.home.join("data/version-2");
            std::fs::remove_dir_all(data).context("cannot wipe ZooKeeper")?;
        }
        Ok(())
    }
}

/// A session lasts 5 s at most: Patroni asks for more than that, and its time to fail over follows from what it gets.
fn prepare(server: &Host, number: usize, all: &str) -> Result<()> {
    let data = server.home.join("data");
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("myid"), number.to_string())?;
    let settings = format!(
        "tickTime=500\ninitLimit=20\nsyncLimit=4\ndataDir={}\nclientPort={PORT}\nclientPortAddress={}\n\
         admin.enableServer=false\n4lw.commands.whitelist=srvr\nminSessionTimeout=1000\n\
         maxSessionTimeout=5000\nmaxClientCnxns=0\n{all}",
        data.display(),
        server.address,
    );
    Ok(std::fs::write(server.home.join("zoo.cfg"), settings)?)
}

/// Whether it leads or follows; none while it does not serve.
fn mode(server: &Host) -> Option<String> {
    let second = Duration::from_secs(1);
    let address = SocketAddr::from((server.address, PORT));
    let mut stream = TcpStream::connect_timeout(&address, second).ok()?;
    stream.set_read_timeout(Some(second)).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let mode = { answer.lines() }.find_map(|line| line.strip_prefix("Mode: "))?;
    Some(mode.to_owned())
}
