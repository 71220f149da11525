//! `landfall try`: a whole cluster of its own, which goes without a trace.

use crate::harness::raw::Raw;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than it takes: machines under test are busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// A node, as the table tells of it.
struct Node {
    process: Pid,
    address: SocketAddr,
    api: String,
}

fn node(line: &str) -> Option<Node> {
    let mut fields = line.split_whitespace();
    fields.next()?.strip_prefix("node-")?;
    let process = Pid::from_raw(fields.next()?.parse().ok()?)?;
    let address = fields.next()?.strip_prefix("amqp://")?.parse().ok()?;
    let api = fields.next()?.to_owned();
    Some(Node {
        process,
        address,
        api,
    })
}

fn start(dir: &std::path::Path) -> (Child, Vec<Node>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(["try", "--dir"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let stdout = child.stdout.take().expect("standard output is a pipe");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let mut nodes = Vec::new();
    for line in lines.by_ref() {
        nodes.extend(node(&line));
        if line.contains("Ctrl-C") {
            break;
        }
    }
    // What it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    (child, nodes)
}

/// The node that owns the queues, by its number, as a node says that is asked.
fn owner(api: &str) -> Option<usize> {
    let status = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(["cluster", "status", "--json", "--admin-url", api])
        .output()
        .expect("the binary can be started");
    let said: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
    let shard = &said["shards"][0];
    let served = shard["state"] == "served";
    let name = shard["owner"].as_str().filter(|_| served)?;
    name.strip_prefix("node-")?.parse().ok()
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not so: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_cluster_to_try_out_survives_a_node_and_goes_when_it_is_told() {
    let scratch = tempfile::tempdir().expect("a scratch directory can be made");
    let (mut cluster, nodes) = start(&scratch.path().join("all"));
    assert_eq!(nodes.len(), 3);
    let first = wait_for("somebody serves", || owner(&nodes[0].api)) - 1;
    let other = (first + 1) % 3;

    let mut sender = Raw::with_channel(nodes[other].address);
    sender.declare("first");
    sender.confirm_select();
    sender.publish("first", b"hello");
    sender.frame();
    kill_process(nodes[first].process, Signal::KILL).expect("it runs");
    let next = wait_for("another node serves", || {
        owner(&nodes[other].api).filter(|now| *now != first + 1)
    });
    let mut receiver = Raw::with_channel(nodes[next - 1].address);
    assert_eq!(receiver.get("first").1, b"hello");

    let pid = Pid::from_child(&cluster);
    kill_process(pid, Signal::TERM).expect("it runs");
    let ended = wait_for("it ends", || {
        cluster.try_wait().expect("it can be waited for")
    });
    assert!(ended.success(), "{ended}");
    for node in &nodes {
        assert!(test_kill_process(node.process).is_err(), "no node is left");
    }
    let place = scratch.path().join("all/postgresql/data/postmaster.pid");
    assert!(!place.exists(), "PostgreSQL has ended in order");
}
