//! Coming, coming back, and being refused.

use crate::ensemble::shared;
use crate::node::{Node, Role};
use crate::scene::{PATIENCE, SESSION, Scene, controller_first, even, moved, shards_of};
use std::time::{Duration, Instant};
use zookeeper_client::{Client, Error};

/// The hardest case: it is the controller, and its candidacy is left behind too.
#[test]
fn a_member_that_is_restarted_quickly_is_not_taken_for_its_former_life() {
    let scene = Scene::new(shared());
    let (controller, _other) = controller_first(scene.nodes(&["a", "b"]));
    let before = scene.taken();
    let name = controller.name.clone();
    let its = shards_of(&before, &name);
    let former = controller.said().me;
    controller.kill();
    let began = Instant::now();
    let again = scene.node(&name);
    // Sooner than ZooKeeper would notice the death.
    scene.wait_until("with the new run", SESSION, |taken| {
        even(taken, &["a", "b"]) && taken.iter().all(|one| one.owner != former)
    });
    let took = began.elapsed();
    println!("a restarted controller had its shards again after {took:?}");
    let after = scene.taken();
    assert_eq!(
        moved(&before, &after),
        its,
        "they came back to the same node"
    );
    assert!(
        its.iter()
            .all(|shard| after[*shard].epoch > before[*shard].epoch)
    );
    // When the former session ends at last, it takes nothing with it.
    std::thread::sleep(SESSION + Duration::from_millis(500));
    assert_eq!(scene.taken(), after);
    let said = again.said();
    assert_eq!((said.members.len(), said.mine), (2, its.len()));
}

#[test]
fn a_process_that_wakes_up_after_its_successor_started_is_told_so_and_disturbs_nobody() {
    let scene = Scene::new(shared());
    let nodes = scene.nodes(&["a", "b"]);
    nodes[0].pause();
    let successor = scene.node("a");
    let new = successor
        .wait(PATIENCE, "a member", |said| said.mine > 0)
        .me;
    scene.wait_until("with the new run", PATIENCE, |taken| {
        even(taken, &["a", "b"])
            && shards_of(taken, "a")
                .iter()
                .all(|at| taken[*at].owner == new)
    });
    let before = scene.taken();
    nodes[0].revive();
    let old = nodes[0].said().me;
    let refusal = format!(
        "{new} has joined under this node's name after {old}: two processes cannot be one node"
    );
    let said = nodes[0].wait(PATIENCE, "refused", |said| said.zookeeper == refusal);
    assert!(!said.may_deliver);
    std::thread::sleep(SESSION);
    assert_eq!(scene.taken(), before);
    assert_eq!(successor.said().zookeeper, "connected");
}

#[test]
fn a_node_with_another_clusters_database_is_refused_with_both_names() {
    let scene = Scene::new(shared());
    let nodes = scene.nodes(&["a"]);
    let before = scene.taken();
    let mut role = scene.role("b");
    let ours = std::mem::replace(&mut role.cluster, "another".to_owned());
    let said = Node::start(&role).wait(PATIENCE, "refused", |said| {
        !matches!(&*said.zookeeper, "" | "silent" | "connected")
    });
    let path = role.zookeeper.split_once('/').expect("it has a path").1;
    let refusal = format!(
        "ZooKeeper holds the cluster {ours} of 64 shards at /{path}/id, the database is that of \
         cluster another of 64 shards: correct the address of one of them, or choose another path \
         below ZooKeeper's hosts"
    );
    assert_eq!(said.zookeeper, refusal);
    assert_eq!(nodes[0].said().members.len(), 1);
    assert_eq!(scene.taken(), before);
}

#[test]
fn every_node_hears_of_new_definitions_and_of_old_ones_nobody() {
    let scene = Scene::new(shared());
    let mut nodes = scene.nodes(&["a", "b"]);
    let all_hear = |nodes: &[Node], version| {
        for node in nodes {
            node.wait(PATIENCE, "told", |said| said.definitions == version);
        }
    };
    nodes[0].order("announce 7");
    all_hear(&nodes, 7);
    nodes[1].order("announce 5");
    nodes[1].wait(PATIENCE, "answered", |said| {
        said.request.as_deref() == Some("done")
    });
    nodes[1].order("announce 8");
    all_hear(&nodes, 8);
    let (data, stat) = scene.ask(async |client| client.get_data("/definitions").await);
    assert_eq!(
        (&*data, stat.version),
        (&b"8"[..], 2),
        "5 was never written"
    );
}

#[test]
fn with_a_login_nobody_else_reads_or_joins() {
    let scene = Scene::new(shared());
    let mut role = scene.role("a");
    // What is above it would be closed to the other tests.
    role.zookeeper = format!("{}/with-a-login", shared().hosts());
    role.password = Some("right".to_owned());
    let node = Node::start(&role);
    scene.wait_until("with a", PATIENCE, |taken| even(taken, &["a"]));
    let read = scene.ask(async |_| {
        let anybody = Client::connect(&role.zookeeper).await?;
        Ok(anybody.get_data("/assignment").await.map(|_| ()))
    });
    assert_eq!(read, Err(Error::NoAuth));
    let stranger = Role {
        node: "b".to_owned(),
        password: Some("wrong".to_owned()),
        ..role
    };
    let said = Node::start(&stranger).wait(PATIENCE, "refused", |said| {
        said.zookeeper
            .starts_with("ZooKeeper does not let this node in")
    });
    assert!(!said.may_deliver);
    assert_eq!(node.said().members.len(), 1);
}
