//! Shards that move, and those that do not: death, drain, a lost database, balance.

use crate::ensemble::shared;
use crate::scene::{PATIENCE, SESSION, Scene, controller_first, count, even, moved, shards_of};
use std::time::Duration;

#[test]
fn the_shards_of_a_killed_member_move_within_its_session_and_a_second() {
    let scene = Scene::new(shared());
    let (controller, mut others) = controller_first(scene.nodes(&["a", "b", "c"]));
    let before = scene.taken();
    let victim = others.remove(0);
    let lost = shards_of(&before, &victim.name);
    let survivors = [&*controller.name, &*others[0].name];
    victim.kill();
    let limit = SESSION + Duration::from_secs(1);
    let took = scene.wait_until("with the survivors", limit, |taken| even(taken, &survivors));
    println!(
        "{} shards of a killed member were taken after {took:?}",
        lost.len()
    );
    let after = scene.taken();
    assert_eq!(moved(&before, &after), lost, "only those of the dead move");
    for shard in lost {
        assert!(after[shard].epoch > before[shard].epoch);
    }
}

#[test]
fn a_drained_member_gives_all_it_has_and_nothing_else_moves() {
    let scene = Scene::new(shared());
    let mut nodes = scene.nodes(&["a", "b", "c"]);
    let before = scene.taken();
    let its = shards_of(&before, "a");
    // From any node; here from one that it is not about.
    nodes[2].order("drain a");
    let took = scene.wait_until("with b and c", PATIENCE, |taken| even(taken, &["b", "c"]));
    println!("a member of {} shards was drained in {took:?}", its.len());
    assert_eq!(moved(&before, &scene.taken()), its);
    nodes[0].wait(PATIENCE, "draining", |said| said.draining && said.mine == 0);
    let requests = scene.ask(async |client| client.list_children("/requests").await);
    assert_eq!(requests, [""; 0], "what was asked for has been done");

    // It leaves without being missed, and when it is started again it waits for its part.
    nodes[0].order("leave");
    nodes[0].wait(PATIENCE, "gone", |said| said.zookeeper == "left");
    nodes[1].wait(PATIENCE, "one of two", |said| said.members.len() == 2);
    let quiet = scene.taken();
    let _again = scene.node("a");
    nodes[1].wait(PATIENCE, "one of three", |said| said.members.len() == 3);
    std::thread::sleep(SESSION * 2);
    assert_eq!(scene.taken(), quiet);
    nodes[1].order("rebalance");
    scene.wait_until("shared evenly", PATIENCE, |taken| {
        even(taken, &["a", "b", "c"])
    });
    assert_eq!(
        moved(&quiet, &scene.taken()).len(),
        count(&scene.taken(), "a")
    );
}

#[test]
fn a_drained_member_that_is_to_stay_is_given_shards_again() {
    let scene = Scene::new(shared());
    let mut nodes = scene.nodes(&["a", "b"]);
    nodes[1].order("drain a");
    scene.wait_until("with b", PATIENCE, |taken| even(taken, &["b"]));
    nodes[0].wait(PATIENCE, "draining", |said| said.draining);
    nodes[1].order("resume a");
    nodes[0].wait(PATIENCE, "active", |said| !said.draining);
    nodes[0].order("rebalance");
    scene.wait_until("shared evenly", PATIENCE, |taken| even(taken, &["a", "b"]));
}

#[test]
fn a_request_for_a_node_that_is_not_there_is_refused_with_its_name() {
    let scene = Scene::new(shared());
    let mut nodes = scene.nodes(&["a"]);
    nodes[0].order("drain nobody");
    let said = nodes[0].wait(PATIENCE, "answered", |said| said.request.is_some());
    let refusal = "no member of the cluster is called nobody";
    assert_eq!(said.request.as_deref(), Some(refusal));
}

#[test]
fn a_member_that_misses_the_database_loses_its_shards_to_those_who_have_it() {
    let scene = Scene::new(shared());
    let mut nodes = scene.nodes(&["a", "b"]);
    nodes[0].order("without database");
    scene.wait_until("with b", PATIENCE, |taken| even(taken, &["b"]));
    nodes[0].order("with database");
    for node in &nodes {
        node.wait(PATIENCE, "knowing that a is back", |said| said.ready == 2);
    }
    nodes[0].order("rebalance");
    scene.wait_until("shared evenly", PATIENCE, |taken| even(taken, &["a", "b"]));
}
