//! The controller: it dies, it is paused, it loses its election; and nothing that it does afterwards counts.

use crate::ensemble::shared;
use crate::scene::{PATIENCE, SESSION, Scene, controller_first, even, moved, shards_of};
use std::time::Duration;
use zookeeper_client::Client;

#[test]
fn another_takes_over_from_a_killed_controller() {
    let scene = Scene::new(shared());
    let (controller, others) = controller_first(scene.nodes(&["a", "b", "c"]));
    let before = scene.taken();
    let lost = shards_of(&before, &controller.name);
    let dead = controller.said().me;
    controller.kill();
    let survivors = [&*others[0].name, &*others[1].name];
    let limit = SESSION + Duration::from_secs(1);
    let took = scene.wait_until("with the survivors", limit, |taken| even(taken, &survivors));
    println!("the shards of a killed controller were taken after {took:?}");
    assert_eq!(moved(&before, &scene.taken()), lost);
    others[0].wait(PATIENCE, "ruled by another", |said| {
        said.controller.as_ref().is_some_and(|name| *name != dead)
    });
}

/// It is stopped after it asked the database and before it writes, and wakes up when others have ruled for a while.
#[test]
fn a_controller_that_was_paused_writes_nothing_when_it_wakes_up() {
    let scene = Scene::new(shared());
    let (controller, mut others) = controller_first(scene.nodes(&["a", "b", "c"]));
    let gate = scene.gate(&controller.name);
    std::fs::write(&gate, "").expect("a file can be written");
    let victim = others.remove(0);
    victim.kill();
    // It sees that one is gone, and asks the database.
    controller.wait(PATIENCE, "one of two", |said| said.members.len() == 2);
    controller.pause();
    let survivor = &others[0];
    scene.wait_until("with the survivor", PATIENCE, |taken| {
        even(taken, &[&survivor.name])
    });
    let (written, stat) = scene.assignment();
    let before = scene.taken();
    std::fs::remove_file(&gate).expect("it was written");
    controller.revive();
    survivor.wait(PATIENCE, "one of two again", |said| said.members.len() == 2);
    std::thread::sleep(SESSION);
    let (now, stat_now) = scene.assignment();
    assert_eq!((now, stat_now.mzxid), (written, stat.mzxid), "nobody wrote");
    assert_eq!(scene.taken(), before);
    let said = controller.wait(PATIENCE, "back", |said| said.zookeeper == "connected");
    assert_eq!(said.mine, 0);
}

/// Nobody else has written, and its session is alive: only the check of its candidacy can refuse it.
#[test]
fn zookeeper_refuses_what_one_writes_who_is_not_elected_any_more() {
    let scene = Scene::new(shared());
    let (controller, mut others) = controller_first(scene.nodes(&["a", "b", "c"]));
    let victim = others.remove(0);
    let next = &others[0];
    let gates = [scene.gate(&controller.name), scene.gate(&next.name)];
    for gate in &gates {
        std::fs::write(gate, "").expect("a file can be written");
    }
    victim.kill();
    controller.wait(PATIENCE, "one of two", |said| said.members.len() == 2);
    let (written, stat) = scene.assignment();
    let gone = controller.said().me;
    scene.ask(async |client| remove_candidate(client, &gone).await);
    let name = next.said().me;
    next.wait(PATIENCE, "elected", |said| {
        said.controller.as_ref() == Some(&name)
    });
    // Now it gets its answer from the database, and writes.
    std::fs::remove_file(&gates[0]).expect("it was written");
    std::thread::sleep(Duration::from_millis(700));
    let (now, stat_now) = scene.assignment();
    assert_eq!((now, stat_now.mzxid), (written, stat.mzxid), "nobody wrote");
    std::fs::remove_file(&gates[1]).expect("it was written");
    let both = [&*controller.name, &*next.name];
    scene.wait_until("with both", PATIENCE, |taken| even(taken, &both));
}

async fn remove_candidate(client: &Client, member: &str) -> Result<(), zookeeper_client::Error> {
    for name in client.list_children("/controller").await? {
        let path = format!("/controller/{name}");
        let (data, stat) = client.get_data(&path).await?;
        if data == member.as_bytes() {
            client.delete(&path, Some(stat.version)).await?;
        }
    }
    Ok(())
}
