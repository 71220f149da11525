//! ZooKeeper goes away, loses its leader, forgets everything: and owners keep what they have.

use crate::ensemble::Ensemble;
use crate::node::Node;
use crate::scene::{PATIENCE, SESSION, Scene, even, moved, shards_of};
use std::time::{Duration, Instant};

const NODES: [&str; 3] = ["a", "b", "c"];

fn wait_for_all(nodes: &[Node], what: &str, zookeeper: &str) {
    for node in nodes {
        node.wait(PATIENCE, what, |said| said.zookeeper == zookeeper);
    }
}

/// First it is away for longer than the sessions last, then it comes back with nothing.
#[test]
fn owners_outlive_an_outage_of_zookeeper_and_epochs_its_memory() {
    let mut ensemble = Ensemble::start(1);
    let scene = Scene::new(&ensemble);
    let nodes = scene.nodes(&NODES);
    let before = scene.taken();
    let sessions = nodes.iter().map(|node| node.said().me).collect::<Vec<_>>();
    ensemble.stop();
    wait_for_all(&nodes, "without ZooKeeper", "silent");
    // By seven fifths the library has given the session up.
    std::thread::sleep(SESSION * 2);
    for node in &nodes {
        assert!(!node.said().may_deliver, "no lease lasts so long");
    }
    ensemble.resume();
    let began = Instant::now();
    for node in &nodes {
        node.wait(PATIENCE, "back", |said| {
            said.zookeeper == "connected" && said.members == sessions && said.may_deliver
        });
    }
    let took = began.elapsed();
    println!("all members were back {took:?} after ZooKeeper");
    // It does not wait for the end of the old sessions, which ZooKeeper still knows.
    assert!(took < SESSION * 3 / 4, "{took:?}");
    // What the old sessions left behind goes, and what gathers has gathered.
    std::thread::sleep(SESSION * 3 / 2);
    assert_eq!(scene.taken(), before, "owners are who they were");
    assert_eq!(nodes[0].said().members, sessions);

    ensemble.stop();
    ensemble.wipe();
    ensemble.resume();
    scene.wait_until("given anew", PATIENCE, |taken| {
        even(taken, &NODES) && moved(&before, taken).len() == before.len()
    });
    let after = scene.taken();
    for (before, after) in before.iter().zip(&after) {
        assert!(
            after.epoch > before.epoch,
            "epochs go on above the database's"
        );
    }
}

#[test]
fn the_death_of_zookeepers_leader_moves_nothing() {
    let mut ensemble = Ensemble::start(3);
    let scene = Scene::new(&ensemble);
    let mut nodes = scene.nodes(&NODES);
    let before = scene.taken();
    ensemble.kill_leader();
    std::thread::sleep(SESSION * 2);
    wait_for_all(&nodes, "with ZooKeeper", "connected");
    for node in &nodes {
        node.wait(PATIENCE, "delivering", |said| {
            said.may_deliver && said.members.len() == 3
        });
    }
    assert_eq!(scene.taken(), before);

    // The two that are left still notice a death.
    let lost = shards_of(&before, "b");
    nodes.remove(1).kill();
    let limit = SESSION + Duration::from_secs(2);
    let took = scene.wait_until("with a and c", limit, |taken| even(taken, &["a", "c"]));
    println!("with two of three ZooKeepers: taken after {took:?}");
    assert_eq!(moved(&before, &scene.taken()), lost);
}
