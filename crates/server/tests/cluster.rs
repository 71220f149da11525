//! Three nodes with a real ZooKeeper and a real PostgreSQL: clients connect to any of them, and whatever becomes of the
//! owner, nothing confirmed is lost, nothing is invented, nothing lands twice.

mod nodes;
mod operating;

use crate::crash::ledger::{Drain, Load, check};
use crate::harness::raw::Raw;
use nodes::Cluster;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// ZooKeeper gives a silent node up after this.
const SESSION: Duration = Duration::from_secs(2);
/// Another node serves so long after that at the latest. Far more than it takes, as below.
const THEN: Duration = Duration::from_secs(4);
/// How long anything may take. Far more than it takes: machines under test are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not so: {what}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn whatever_becomes_of_the_owner_nothing_is_lost() {
    let mut cluster = Cluster::start();
    let (mut owner, mut epoch) = cluster.owner_above(0);
    let addresses = cluster.addresses();
    let sender = Load::start("plain", &addresses);
    let receiver = Drain::start("plain", &addresses, false);
    let once = Load::start("once", &addresses);
    let receiver_once = Drain::start("once", &addresses, true);
    sleep(Duration::from_secs(2));

    for _ in 0..2 {
        let began = Instant::now();
        cluster.nodes[owner].running.take().expect("it runs").kill();
        let (next, above) = cluster.owner_above(epoch);
        let took = began.elapsed();
        println!("killed: another node serves after {took:?}");
        assert!(took < SESSION + THEN, "soon after the session's time-out");
        cluster.nodes[owner].resume();
        (owner, epoch) = (next, above);
        sleep(Duration::from_secs(2));
    }

    let paused = cluster.nodes[owner].running.as_ref().expect("it runs");
    paused.pause();
    let (next, above) = cluster.owner_above(epoch);
    sleep(Duration::from_secs(1));
    let paused = cluster.nodes[owner].running.as_ref().expect("it runs");
    paused.go_on();
    let refused = "another node owns the shard";
    wait_until(refused, || cluster.nodes[owner].log().contains(refused));
    println!("paused: refused by the database when it went on");
    (owner, epoch) = (next, above);
    // One that had just turned to the paused node may still wait for an answer from there.
    let confirmed = || sender.confirmed() + once.confirmed();
    let flows = confirmed();
    wait_until("a sender is back", || confirmed() > flows);

    cluster.zookeeper.stop();
    sleep(SESSION * 2);
    let before = confirmed();
    sleep(SESSION);
    let landed = confirmed() - before;
    cluster.zookeeper.resume();
    println!(
        "without ZooKeeper for longer than the session: {landed} messages landed in {SESSION:?}"
    );
    assert!(landed > 0, "the owner goes on: {}", cluster.logs());
    sleep(SESSION * 2);
    assert_eq!(
        cluster.owner_above(epoch - 1),
        (owner, epoch),
        "it is the same"
    );

    let began = Instant::now();
    let leaving = cluster.nodes[owner].running.take().expect("it runs");
    leaving.ask_to_stop();
    let (next, _) = cluster.owner_above(epoch);
    println!("stopped: another node serves after {:?}", began.elapsed());
    assert_ne!(next, owner);
    assert!(leaving.wait().success());
    cluster.nodes[owner].resume();
    sleep(Duration::from_secs(2));

    for (sent, drain) in [(sender, receiver), (once, receiver_once)] {
        check(&sent.finish(), drain);
    }
    for address in addresses {
        for queue in ["plain", "once"] {
            let left = Raw::with_channel(address).ready(queue);
            assert_eq!(left, 0, "{queue} is empty in the end, whomever one asks");
        }
    }
}
