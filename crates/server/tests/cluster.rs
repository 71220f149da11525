//! Three nodes with a real ZooKeeper and a real PostgreSQL: clients connect to any of them, and whatever becomes of the
//! owner, nothing confirmed is lost, nothing is invented, nothing lands twice.

mod moving;
mod nodes;
mod operating;
mod spreading;
mod tokens;

use crate::crash::ledger::{Drain, Load, check};
use crate::harness::Landfall;
use crate::harness::raw::{CHANNEL, Raw};
use model::Method;
use nodes::Cluster;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
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

/// Waits until the server has confirmed these, and nothing else is said.
fn confirmed(raw: &mut Raw, numbers: RangeInclusive<u64>) {
    let mut awaited: BTreeSet<u64> = numbers.collect();
    while let Some(first) = awaited.first().copied() {
        let Method::BasicAck(ack) = raw.method(CHANNEL) else {
            panic!("a confirm was expected");
        };
        let first = if ack.multiple {
            first
        } else {
            ack.delivery_tag.0
        };
        awaited.retain(|number| !(first..=ack.delivery_tag.0).contains(number));
    }
}

/// Clients of a node that is not the owner see what becomes of the owner as a pause. Returns the owner that was.
fn stay(cluster: &mut Cluster, queue: &str, end: impl FnOnce(Landfall)) -> usize {
    let (owner, epoch) = cluster.owner_above(0);
    let other = cluster.nodes[(owner + 1) % 3].address;
    let mut sender = Raw::with_channel(other);
    sender.declare(queue);
    sender.confirm_select();
    sender.publish(queue, b"1");
    confirmed(&mut sender, 1..=1);
    let mut receiver = Raw::with_channel(other);
    receiver.consume(queue, false);
    let (first, body) = receiver.delivery();
    assert_eq!((first.delivery_tag.0, first.redelivered), (1, false));
    assert_eq!(body, b"1");
    let mut exclusive = Raw::with_channel(other);
    exclusive.declare_exclusive("mine");
    let mut without_confirms = Raw::with_channel(other);

    let began = Instant::now();
    end(cluster.nodes[owner].running.take().expect("it runs"));
    for number in 2..=20 {
        sender.publish(queue, number.to_string().as_bytes());
    }
    without_confirms.publish(queue, b"21");
    // What the last owner delivered cannot be settled any more: it comes again.
    receiver.ack(first.delivery_tag);
    confirmed(&mut sender, 2..=20);
    println!("{queue}: confirmed after {:?}", began.elapsed());
    let mut bodies = Vec::new();
    for tag in 2..=22 {
        let (delivery, body) = receiver.delivery();
        assert_eq!(delivery.delivery_tag.0, tag, "tags go on");
        assert_eq!(delivery.redelivered, body == b"1");
        receiver.ack(delivery.delivery_tag);
        bodies.push(String::from_utf8(body).expect("a number"));
    }
    // The last one has another sender.
    let behind = bodies
        .iter()
        .position(|body| body == "21")
        .expect("it landed");
    bodies.remove(behind);
    let sent: Vec<String> = (1..=20).map(|number| number.to_string()).collect();
    assert_eq!(bodies, sent, "in order, each once");
    let (code, text) = exclusive.closed_with();
    assert_eq!(code, 320);
    assert!(text.contains("exclusive queues"), "{text}");
    cluster.owner_above(epoch);
    assert_eq!(sender.ready(queue), 0);
    owner
}

#[test]
fn clients_of_other_nodes_stay_when_the_owner_goes() {
    let mut cluster = Cluster::start();
    let owner = stay(&mut cluster, "killed", Landfall::kill);
    cluster.nodes[owner].resume();
    stay(&mut cluster, "stopped", |leaving| {
        assert!(leaving.terminate().success())
    });
}
