//! This process as operators and their probes see it: whether its loop turns, whether clients are served, where it listens.

use crate::attending::{Asked, There};
use crate::config::Config;
use crate::http::Doors;
use crate::listen::Entry;
use crate::membership::Membership;
use crate::operations::OperationFiles;
use admin::cluster::Cluster;
use admin::node::{Answered, Listener, Node, NodeStatus, Vitals};
use admin::operations::Operations;
use admin::settings::Setting;
use rustix::process::{Resource, getrlimit};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tracing::warn;

/// The loop tells so often that it turns.
const BEAT: Duration = Duration::from_secs(1);
/// One that has not for so long is taken for stuck: nothing that it does takes a tenth of it.
const STUCK: Duration = Duration::from_secs(30);
/// The node that owns what clients want has so long to accept a connection.
const REACH_MAX: Duration = Duration::from_secs(1);
/// Whether it did counts for so long, however many ask.
const REACHED_COUNTS: Duration = Duration::from_secs(1);

/// This process beside its shard.
pub(crate) struct ThisNode {
    name: String,
    began: Instant,
    memory_limit: u64,
    /// Where messages are kept on this machine, and how much room publishers leave there.
    disk: Option<(PathBuf, u64)>,
    listeners: Vec<Listener>,
    pulse: Pulse,
    stopping: Stopping,
    /// Who has which shard.
    asked: Arc<[watch::Receiver<Asked>]>,
    membership: Option<Membership>,
    operations: Arc<OperationFiles>,
    settings: Vec<Setting>,
    /// When owners were tried last, and whether they could be reached. There are no more than nodes.
    reached: Mutex<HashMap<Arc<str>, (Instant, bool)>>,
}

impl ThisNode {
    /// Begins to feel the pulse of the runtime that it is called on.
    pub(crate) fn new(
        config: &Config,
        listeners: Vec<Listener>,
        asked: Arc<[watch::Receiver<Asked>]>,
        stopping: Stopping,
        membership: Option<Membership>,
    ) -> Self {
        let member = config.member.as_ref();
        let name = member.map_or(&config.cluster_name, |member| &member.node);
        Self {
            name: name.clone(),
            began: Instant::now(),
            memory_limit: config.memory_limit.bytes(),
            disk: member
                .is_none()
                .then(|| (config.data_dir.clone(), config.disk_free_limit)),
            listeners,
            pulse: Pulse::begin(),
            stopping,
            asked,
            membership,
            operations: Arc::new(OperationFiles::new(config.data_dir.join("operations"))),
            settings: config.settings.clone(),
            reached: Mutex::default(),
        }
    }

    async fn is_served(&self) -> Result<(), String> {
        if self.stopping.is_so() {
            return Err("this node is stopping".to_owned());
        }
        if let Some(why) = self.membership.as_ref().and_then(Membership::objection) {
            return Err(why);
        }
        for asked in &*self.asked {
            let there = match &*asked.borrow() {
                Asked::Here(_) => continue,
                Asked::Nobody => {
                    return Err("no node of the cluster serves at the moment".to_owned());
                }
                Asked::There(there) => there.clone(),
            };
            if !self.reaches(&there).await {
                // Whoever asks for that need not be known, and is not told where the others are.
                return Err("the node that serves cannot be reached".to_owned());
            }
        }
        Ok(())
    }

    async fn reaches(&self, there: &There) -> bool {
        let mut reached = self.reached.lock().await;
        if let Some((at, reached)) = reached.get(&there.node)
            && at.elapsed() < REACHED_COUNTS
        {
            return *reached;
        }
        let connected = tokio::time::timeout(REACH_MAX, TcpStream::connect(&*there.node)).await;
        let answer = matches!(connected, Ok(Ok(_)));
        if !answer && reached.get(&there.node).is_none_or(|(_, reached)| *reached) {
            warn!(
                node = &*there.node,
                "the node that serves cannot be reached"
            );
        }
        reached.insert(there.node.clone(), (Instant::now(), answer));
        answer
    }
}

impl Node for ThisNode {
    fn status(&self) -> NodeStatus {
        NodeStatus {
            name: self.name.clone(),
            uptime: self.began.elapsed(),
            process: std::process::id(),
            files: (open_files(), files_max()),
            listeners: self.listeners.clone(),
        }
    }

    fn vitals(&self) -> Vitals {
        let (mut memory_short, mut disk_short) = (false, false);
        for asked in &*self.asked {
            if let Asked::Here(operator) = &*asked.borrow() {
                memory_short |= operator.alarms().memory();
                disk_short |= operator.alarms().disk();
            }
        }
        let disk = self.disk.as_ref();
        Vitals {
            memory: (memory_used(), self.memory_limit),
            disk: disk.and_then(|(dir, limit)| Some((free(dir)?, *limit))),
            memory_short,
            disk_short,
        }
    }

    fn is_alive(&self) -> bool {
        self.pulse.beats()
    }

    fn readiness(&self) -> Answered<'_, Result<(), String>> {
        Box::pin(self.is_served())
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        let membership = self.membership.as_ref();
        membership.map(|membership| membership as &dyn Cluster)
    }

    fn operations(&self) -> Option<Arc<dyn Operations>> {
        Some(self.operations.clone())
    }

    fn journal_bytes(&self) -> Option<u64> {
        let (dir, _) = self.disk.as_ref()?;
        let files = std::fs::read_dir(dir.join("segments")).ok()?;
        let sizes = files.map(|file| Ok::<_, std::io::Error>(file?.metadata()?.blocks() * 512));
        // A segment may go meanwhile.
        Some(sizes.map(Result::unwrap_or_default).sum())
    }

    fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

/// Whether the process has been asked to stop. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// It has been.
    pub(crate) fn begin(&self) {
        self.0.store(true, Relaxed);
    }

    fn is_so(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Whether a runtime's loop turns.
struct Pulse {
    began: Instant,
    /// The last beat, in milliseconds since then.
    beat: Arc<AtomicU64>,
}

impl Pulse {
    fn begin() -> Self {
        let (began, beat) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let told = beat.clone();
        tokio::spawn(async move {
            loop {
                told.store(millis(began.elapsed()), Relaxed);
                tokio::time::sleep(BEAT).await;
            }
        });
        Self { began, beat }
    }

    fn beats(&self) -> bool {
        let last = Duration::from_millis(self.beat.load(Relaxed));
        self.began.elapsed() < last + STUCK
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Where the process listens.
pub(crate) fn listeners(
    clients: &[Entry<TcpListener>],
    doors: &Doors,
    nodes: Option<&TcpListener>,
) -> Vec<Listener> {
    let protocol = |plain, encrypted, tls: bool| if tls { encrypted } else { plain };
    let clients = clients.iter().map(|one| {
        let protocol = protocol("amqp", "amqp/ssl", one.tls.is_some());
        (protocol, one.listener.local_addr())
    });
    let operators = doors.operators.iter().map(|one| {
        let protocol = protocol("http", "https", one.tls.is_some());
        (protocol, one.listener.local_addr())
    });
    let metrics = doors.metrics.iter();
    let metrics = metrics.map(|one| ("http/prometheus", one.local_addr()));
    let nodes = nodes.iter().map(|one| ("clustering", one.local_addr()));
    let all = clients.chain(operators).chain(metrics).chain(nodes);
    all.filter_map(|(protocol, address): (_, std::io::Result<SocketAddr>)| {
        let address = address.ok()?;
        Some(Listener { protocol, address })
    })
    .collect()
}

fn open_files() -> u64 {
    let files = std::fs::read_dir("/proc/self/fd").map(Iterator::count);
    // The listing itself was one of them.
    files.map_or(0, |count| count.saturating_sub(1) as u64)
}

fn files_max() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The room that a directory's disk has for this process, in bytes.
fn free(dir: &Path) -> Option<u64> {
    let numbers = rustix::fs::statvfs(dir).ok()?;
    Some(numbers.f_bavail.saturating_mul(numbers.f_frsize))
}

fn memory_used() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_u64) * rustix::param::page_size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_does_not_turn_is_noticed() {
        let pulse = Pulse::begin();
        tokio::task::yield_now().await;
        assert!(pulse.beats());
        let stuck = Pulse {
            began: Instant::now()
                .checked_sub(STUCK)
                .expect("the machine has been up for longer"),
            beat: Arc::default(),
        };
        assert!(!stuck.beats());
    }
}
