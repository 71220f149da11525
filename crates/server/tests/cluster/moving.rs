//! The shard moves while clients of another node are at work: they see a pause, and nothing else.
//!
//! `LANDFALL_MOVES` and `LANDFALL_BACKLOG` say how often it moves and how many messages wait in it, to measure the pause.

use super::nodes::Cluster;
use super::{confirmed, wait_until};
use crate::admin::landfall_with;
use crate::harness::raw::Raw;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

fn number(name: &str, usual: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(usual, |text| text.parse().expect("a number"))
}

/// A client that does one thing after the other, and the longest that one took since it was last asked.
struct Flow {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    longest: Arc<AtomicU64>,
    work: JoinHandle<()>,
}

impl Flow {
    fn start(mut once: impl FnMut() + Send + 'static) -> Self {
        let (stop, done, longest) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let (stopped, counted, told) = (stop.clone(), done.clone(), longest.clone());
        let work = spawn(move || {
            while !stopped.load(Relaxed) {
                let began = Instant::now();
                once();
                counted.fetch_add(1, Relaxed);
                told.fetch_max(began.elapsed().as_micros() as u64, Relaxed);
            }
        });
        Self {
            stop,
            done,
            longest,
            work,
        }
    }

    fn take_longest(&self) -> Duration {
        Duration::from_micros(self.longest.swap(0, Relaxed))
    }

    /// Waits until it has gone on.
    fn goes_on(&self) {
        let before = self.done.load(Relaxed);
        wait_until("it goes on", || self.done.load(Relaxed) > before + 20);
    }

    fn finish(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.work.join().expect("it saw nothing that it should not");
        self.done.load(Relaxed)
    }
}

/// Publishes one message after the other, each when the one before is confirmed.
fn publisher(address: SocketAddr) -> Flow {
    let mut raw = Raw::with_channel(address);
    raw.confirm_select();
    let mut last = 0;
    Flow::start(move || {
        last += 1;
        raw.publish("flow", last.to_string().as_bytes());
        confirmed(&mut raw, last..=last);
    })
}

/// Receives them, and sees that they come in order, each once unless it is marked.
fn consumer(address: SocketAddr, last: Arc<AtomicU64>) -> Flow {
    let mut raw = Raw::with_channel(address);
    raw.consume("flow", false);
    Flow::start(move || {
        let (delivery, body) = raw.delivery();
        let body = String::from_utf8(body).expect("a number");
        let number: u64 = body.parse().expect("a number");
        let before = last.fetch_max(number, Relaxed);
        assert!(
            number == before + 1 || number <= before && delivery.redelivered,
            "{before} {number}"
        );
        raw.ack(delivery.delivery_tag);
    })
}

/// What an operator asks for while the owner changes may be refused for a moment.
#[track_caller]
fn insist(cluster: &Cluster, api: &str, arguments: &[&str]) {
    let began = Instant::now();
    loop {
        let output = landfall_with(api, arguments, "");
        if output.status.success() {
            return;
        }
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let patient = began.elapsed() < Duration::from_secs(10);
        assert!(patient, "{complaint}{}", cluster.logs());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn fill(address: SocketAddr, messages: u64) {
    const AT_A_TIME: u64 = 1000;
    let mut raw = Raw::with_channel(address);
    raw.declare("backlog");
    raw.declare("flow");
    raw.confirm_select();
    let body = [b'x'; 100];
    let mut first = 1;
    while first <= messages {
        let last = messages.min(first + AT_A_TIME - 1);
        (first..=last).for_each(|_| raw.publish("backlog", &body));
        confirmed(&mut raw, first..=last);
        first = last + 1;
    }
}

#[test]
fn a_shard_that_moves_is_a_short_pause_for_clients_of_other_nodes() {
    let (moves, backlog) = (
        number("LANDFALL_MOVES", 4),
        number("LANDFALL_BACKLOG", 2000),
    );
    let cluster = Cluster::start();
    let (owner, _) = cluster.owner_above(0);
    // One node owns nothing throughout: the clients are there.
    let watcher = (owner + 1) % 3;
    let name = |at: usize| cluster.nodes[at].name.as_str();
    let api = cluster.nodes[watcher].api();
    insist(&cluster, api, &["cluster", "drain", name(watcher)]);
    let address = cluster.nodes[watcher].address;
    fill(address, backlog);
    let last = Arc::new(AtomicU64::new(0));
    let (sender, receiver) = (publisher(address), consumer(address, last.clone()));
    let (mut pauses, mut silences) = (Vec::new(), Vec::new());
    let mut at = owner;
    for _ in 0..moves {
        sender.goes_on();
        receiver.goes_on();
        sender.take_longest();
        receiver.take_longest();
        insist(&cluster, api, &["cluster", "drain", name(at)]);
        sender.goes_on();
        receiver.goes_on();
        pauses.push(sender.take_longest());
        silences.push(receiver.take_longest());
        insist(&cluster, api, &["cluster", "drain", name(at), "--cancel"]);
        at = 3 - at - watcher;
        sleep(Duration::from_millis(200));
    }
    let sent = sender.finish();
    wait_until("all has come", || last.load(Relaxed) >= sent);
    for (who, all) in [("publisher", &mut pauses), ("consumer", &mut silences)] {
        all.sort_unstable();
        let (middle, most) = (all[all.len() / 2], all[all.len() - 1]);
        println!(
            "{moves} moves with {backlog} messages waiting: the {who} waited {middle:?}, {most:?} at the most"
        );
        // Far more than it takes, as machines under test are busy, and less than any time-out.
        assert!(most < Duration::from_secs(4), "{}", cluster.logs());
    }
    let mut asked = Raw::with_channel(address);
    assert_eq!(u64::from(asked.ready("backlog")), backlog);
    // It is told to stop, and waits for one more.
    receiver.stop.store(true, Relaxed);
    asked.publish("flow", (sent + 1).to_string().as_bytes());
    receiver.finish();
}
