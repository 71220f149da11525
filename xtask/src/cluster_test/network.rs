//! Where the lab's machines are: network namespaces on a bridge that leads nowhere else, or, where the system does not
//! allow that, addresses of the loopback. Only the first can be cut.

use crate::shell::{command, run_quietly, succeeds};
use anyhow::{Context, Result, bail};
use std::net::Ipv4Addr;
use std::process::Command;

/// Tells a process of ours that it runs among the lab's machines, and how their names begin.
const INSIDE: &str = "LANDFALL_LAB";
/// Where the bridge is. It has no address, and no machine of the world is reached over it.
const FABRIC: &str = "fabric";
/// Where the clients are, and the process that plays them.
const CLIENTS: &str = "clients";
/// A hardware address that nobody has: what is sent there is lost, and nobody is told.
const NOBODY: &str = "02:00:00:00:00:01";

/// The names of the machines, with the last number of their addresses.
const MACHINES: &[(&str, u8)] = &[
    ("zk-1", 11),
    ("zk-2", 12),
    ("zk-3", 13),
    ("pg-1", 21),
    ("pg-2", 22),
    ("pg-3", 23),
    ("node-1", 31),
    ("node-2", 32),
    ("node-3", 33),
    (CLIENTS, 100),
];

/// What connects the machines.
#[derive(Clone, Debug)]
pub(super) enum Network {
    /// Namespaces whose names begin so.
    Namespaces(String),
    /// Addresses of the loopback, with these two numbers in the middle.
    Loopback(u8, u8),
}

impl Network {
    /// The one that this process is in, or else the loopback.
    pub(super) fn here() -> Self {
        let pid = std::process::id();
        let [_, _, high, low] = pid.to_be_bytes();
        match std::env::var(INSIDE) {
            Ok(prefix) => Self::Namespaces(prefix),
            // 127.0 and 127.255 have meanings of their own.
            Err(_) => Self::Loopback(1 + high % 250, low),
        }
    }

    /// Whether machines can be cut off from each other.
    pub(super) fn can_be_cut(&self) -> bool {
        matches!(self, Self::Namespaces(_))
    }

    /// Where a machine is.
    pub(super) fn address(&self, machine: &str) -> Ipv4Addr {
        let known = MACHINES.iter().find(|(name, _)| *name == machine);
        let (_, last) = *known.expect("a machine of the table");
        match self {
            // A range for measurements of networks: no machine of the world has such an address.
            Self::Namespaces(_) => Ipv4Addr::new(198, 18, 77, last),
            Self::Loopback(high, low) => Ipv4Addr::new(127, *high, *low, last),
        }
    }

    /// From where the machines of the lab come, as PostgreSQL writes it.
    pub(super) fn everybody(&self) -> &'static str {
        match self {
            Self::Namespaces(_) => "198.18.77.0/24",
            Self::Loopback(..) => "127.0.0.0/8",
        }
    }

    /// The namespace of a machine.
    pub(super) fn namespace(&self, machine: &str) -> Option<String> {
        match self {
            Self::Namespaces(prefix) => Some(format!("{prefix}-{machine}")),
            Self::Loopback(..) => None,
        }
    }

    /// Pulls the cable of a machine.
    pub(super) fn cut(&self, machine: &str) -> Result<()> {
        self.cable(machine, "down")
    }

    /// Plugs it in again.
    pub(super) fn plug(&self, machine: &str) -> Result<()> {
        self.cable(machine, "up")
    }

    fn cable(&self, machine: &str, state: &str) -> Result<()> {
        let fabric = self.namespace(FABRIC).context("no network to cut")?;
        let cable = cable_of(machine);
        ip(&["-n", &fabric, "link", "set", &cable, state])
    }

    /// From now on the two hear nothing of each other, and everybody else hears them as before.
    pub(super) fn part(&self, one: &str, other: &str) -> Result<()> {
        for (from, to) in [(one, other), (other, one)] {
            let namespace = self.namespace(from).context("no network to cut")?;
            let to = self.address(to).to_string();
            let neighbour = ["-n", &namespace, "neigh", "replace", &to];
            let wrong = ["lladdr", NOBODY, "dev", "eth0", "nud", "permanent"];
            ip(&[&neighbour[..], &wrong[..]].concat())?;
        }
        Ok(())
    }

    /// They hear each other again.
    pub(super) fn join(&self, one: &str, other: &str) -> Result<()> {
        for (from, to) in [(one, other), (other, one)] {
            let namespace = self.namespace(from).context("no network to cut")?;
            let to = self.address(to).to_string();
            ip(&["-n", &namespace, "neigh", "del", &to, "dev", "eth0"])?;
        }
        Ok(())
    }
}

fn cable_of(machine: &str) -> String {
    format!("v-{machine}")
}

fn ip(arguments: &[&str]) -> Result<()> {
    run_quietly(&mut command("ip", arguments))
}

/// Whether this process is among the lab's machines.
pub(super) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Whether namespaces can be made; if not, why.
pub(super) fn obstacle() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root");
    }
    let probe = format!("lab{}-probe", std::process::id());
    if !succeeds(&mut command("ip", &["netns", "add", &probe])) {
        return Some("the system refuses network namespaces");
    }
    let is_bridged = succeeds(&mut command(
        "ip",
        &["-n", &probe, "link", "add", "br0", "type", "bridge"],
    ));
    remove(&probe);
    (!is_bridged).then_some("the system refuses bridges")
}

/// Makes the machines, runs this program again among them, as the clients, and removes them when it has ended.
pub(super) fn run_inside(arguments: &[String]) -> Result<()> {
    remove_leftovers()?;
    let machines = Machines::make()?;
    let clients = format!("{}-{CLIENTS}", machines.prefix);
    let program = std::env::current_exe().context("which program is this?")?;
    let status = Command::new("ip")
        .args(["netns", "exec", &clients])
        .arg(program)
        .args(arguments)
        .env(INSIDE, &machines.prefix)
        .status()
        .context("cannot run among the machines of the lab")?;
    drop(machines);
    if !status.success() {
        bail!(crate::steps::AlreadyTold);
    }
    Ok(())
}

/// The namespaces. Dropped, they go, with all that runs in them.
struct Machines {
    prefix: String,
}

impl Machines {
    fn make() -> Result<Self> {
        let prefix = format!("lab{}", std::process::id());
        let machines = Self { prefix };
        let network = Network::Namespaces(machines.prefix.clone());
        let fabric = machines.name(FABRIC);
        ip(&["netns", "add", &fabric])?;
        ip(&["-n", &fabric, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &fabric, "link", "set", "br0", "up"])?;
        for (machine, _) in MACHINES {
            let (namespace, cable) = (machines.name(machine), cable_of(machine));
            let address = format!("{}/24", network.address(machine));
            ip(&["netns", "add", &namespace])?;
            let ends = ["type", "veth", "peer", "name", "eth0", "netns", &namespace];
            ip(&[&["-n", &fabric, "link", "add", &cable][..], &ends[..]].concat())?;
            let bridged = ["link", "set", &cable, "master", "br0", "up"];
            ip(&[&["-n", &fabric][..], &bridged[..]].concat())?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", &namespace, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        }
        Ok(machines)
    }

    fn name(&self, machine: &str) -> String {
        format!("{}-{machine}", self.prefix)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for (machine, _) in MACHINES {
            remove(&self.name(machine));
        }
        remove(&self.name(FABRIC));
    }
}

/// The processes of a namespace.
pub(super) fn processes(namespace: &str) -> Vec<i32> {
    let told = command("ip", &["netns", "pids", namespace]).output();
    let told = told.map(|output| output.stdout).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    told.lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect()
}

/// Ends what runs in a namespace, and removes it.
fn remove(namespace: &str) {
    for _ in 0..50 {
        let running = processes(namespace);
        if running.is_empty() {
            break;
        }
        for pid in running {
            super::host::signal(pid, rustix::process::Signal::KILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // If it stays, the next run finds it.
    succeeds(&mut command("ip", &["netns", "del", namespace]));
}

/// Removes what runs that were killed left behind.
fn remove_leftovers() -> Result<()> {
    let told = command("ip", &["netns", "list"]).output();
    let told = told.context("cannot list namespaces")?.stdout;
    for line in String::from_utf8_lossy(&told).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let pid = { name.strip_prefix("lab") }.and_then(|rest| rest.split_once('-'));
        let pid = pid.and_then(|(pid, _)| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()) {
            remove(name);
        }
    }
    Ok(())
}
