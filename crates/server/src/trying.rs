//! `landfall try`: a whole cluster on this machine, with a ZooKeeper and a PostgreSQL of its own, to see what it does.

mod child;
mod node;
mod postgres;
mod zookeeper;

use anyhow::{Context, Result, bail, ensure};
use child::Child;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long ZooKeeper, PostgreSQL and the nodes may take to start.
const START_MAX: Duration = Duration::from_secs(90);
/// How often is looked whether they have, and whether they still run.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A socket's path has room for so much of the folder's.
const FOLDER_MAX: usize = 80;

/// The options of `landfall try`.
#[derive(Debug, clap::Args)]
pub struct TryArgs {
    /// Folder for everything, which stays; without one a temporary folder, which goes
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How many nodes
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// How many databases, in one PostgreSQL: a cluster of several is divided into shards
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=9))]
    databases: u8,
}

/// Starts a cluster, and ends it when it is asked to.
///
/// # Errors
/// If something is missing on this machine, or does not start.
pub async fn try_out(args: TryArgs) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot receive signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot receive signals")?;
    let folder = Folder::make(args.dir.clone())?;
    let mut cluster = Cluster::default();
    let started = tokio::select! {
        started = cluster.start(&folder.path, &args) => started,
        _ = interrupt.recv() => bail_quietly(),
        _ = terminate.recv() => bail_quietly(),
    };
    if started.is_ok() {
        cluster.tell(&folder);
        tokio::select! {
            () = cluster.watch() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        say("ending");
    }
    tokio::task::spawn_blocking(move || {
        drop(cluster);
        drop(folder);
    })
    .await
    .context("ending panicked")?;
    started
}

fn bail_quietly() -> Result<()> {
    bail!("interrupted before all had started")
}

fn say(text: &str) {
    use std::io::Write;
    // Where nobody reads any more there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Where everything is.
struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    fn make(wanted: Option<PathBuf>) -> Result<Self> {
        let is_kept = wanted.is_some();
        let path = wanted.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("landfall-try-{}", std::process::id()))
        });
        let is_new = !path.exists();
        let made = if is_kept {
            std::fs::create_dir_all(&path)
        } else {
            // One that is there already is somebody else's.
            std::fs::create_dir(&path)
        };
        made.with_context(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize().context("cannot find the folder")?;
        ensure!(
            path.as_os_str().len() <= FOLDER_MAX,
            "the path {} is too long for the sockets in it: choose a shorter one (--dir)",
            path.display()
        );
        // Another user, as whom PostgreSQL runs, has to come through.
        if is_new {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
                .context("cannot open the folder to PostgreSQL's user")?;
        }
        Ok(Self { path, is_kept })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed from a folder for temporary things is nobody's trouble.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Everything that runs; what comes first ends first.
#[derive(Default)]
struct Cluster {
    nodes: Vec<node::Node>,
    database: Option<Child>,
    zookeeper: Option<Child>,
    /// What another node is told to find both.
    hosts: String,
    address: String,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // All at once, so that nobody waits for another to take over.
        for node in &mut self.nodes {
            node.child.ask_to_end();
        }
        self.nodes.clear();
        self.database = None;
        self.zookeeper = None;
    }
}

impl Cluster {
    async fn start(&mut self, folder: &Path, args: &TryArgs) -> Result<()> {
        // Both are looked for before either is started.
        let java = zookeeper::find()?;
        let programs = postgres::find()?;
        let ports = free_ports(1 + usize::from(args.nodes) * 3)?;
        say("starting ZooKeeper and PostgreSQL");
        let (port, ports) = (ports[0], &ports[1..]);
        self.zookeeper = Some(zookeeper::start(&java, &folder.join("zookeeper"), port)?);
        let postgresql = folder.join("postgresql");
        self.database = Some(postgres::start(&programs, &postgresql)?);
        self.hosts = format!("127.0.0.1:{port}");
        until("ZooKeeper", self.zookeeper.as_ref(), || {
            zookeeper::serves(port)
        })
        .await?;
        until("PostgreSQL", self.database.as_ref(), || {
            postgres::serves(&programs, &postgresql)
        })
        .await?;
        self.address = postgres::databases(&programs, &postgresql, args.databases)?;
        say("starting the nodes");
        for (number, ports) in (1..).zip(ports.chunks(3)) {
            let node = node::start(folder, number, ports, &self.hosts, &self.address)?;
            self.nodes.push(node);
        }
        for node in &self.nodes {
            until(&node.name, Some(&node.child), || node.is_ready()).await?;
        }
        Ok(())
    }

    /// Says where everything is, and what to try next.
    fn tell(&self, folder: &Folder) {
        let rows = self.nodes.iter().map(|node| {
            serde_json::json!({
                "node": node.name,
                "process": node.child.process(),
                "clients": format!("amqp://127.0.0.1:{}", node.amqp),
                "HTTP API": format!("http://127.0.0.1:{}", node.admin),
                "log": node.child.log().display().to_string(),
            })
        });
        let columns = ["node", "process", "clients", "HTTP API", "log"];
        let table = crate::manage::table(&rows.collect(), &columns);
        let (first, last) = (&self.nodes[0], &self.nodes[self.nodes.len() - 1]);
        let (url, other) = (first.amqp, last.amqp);
        let (api, process) = (first.admin, last.child.process());
        say(&format!(
            "{table}\nZooKeeper: {}\nPostgreSQL: {}\nAll is in {}. Try next:\n  \
             landfall cluster status --admin-url http://127.0.0.1:{api}\n  \
             echo 'hello' | landfall send first --url amqp://127.0.0.1:{url}\n  \
             landfall receive first --count 1 --url amqp://127.0.0.1:{other}\n  \
             kill -9 {process}    # and see who owns what a few seconds later\n\
             Ctrl-C ends all of it.",
            self.hosts,
            self.address,
            folder.path.display()
        ));
    }

    /// Says of each that ends that it has; for ever.
    async fn watch(&mut self) {
        let mut ended = Vec::new();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let all = self
                .nodes
                .iter()
                .map(|node| (node.name.as_str(), &node.child));
            let all = all.chain(self.database.iter().map(|child| ("PostgreSQL", child)));
            let all = all.chain(self.zookeeper.iter().map(|child| ("ZooKeeper", child)));
            for (name, child) in all {
                if !child.runs() && !ended.contains(&name.to_owned()) {
                    say(&format!("{name} has ended: {}", child.log().display()));
                    ended.push(name.to_owned());
                }
            }
        }
    }
}

/// Waits until something serves.
async fn until(name: &str, child: Option<&Child>, serves: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !serves() {
        let (runs, log) = match child {
            Some(child) => (child.runs(), child.log().to_owned()),
            None => (false, PathBuf::new()),
        };
        if !runs || began.elapsed() > START_MAX {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(5).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            bail!("{name} does not start; it said:\n{}", last.join("\n"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Ports that nobody uses now.
fn free_ports(number: usize) -> Result<Vec<u16>> {
    let none = "no port is free";
    let listeners = (0..number).map(|_| TcpListener::bind(("127.0.0.1", 0)));
    let listeners: Vec<TcpListener> = listeners.collect::<Result<_, _>>().context(none)?;
    let ports = listeners
        .iter()
        .map(|one| one.local_addr().map(|address| address.port()));
    ports.collect::<Result<_, _>>().context(none)
}
