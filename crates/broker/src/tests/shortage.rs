//! P9: too little disk or memory makes publishers wait, and nobody else.

use super::script::{Heart, check, limits};
use crate::shortage::UNACKED_WHEN_SHORT;
use expect_test::expect;

#[test]
fn publishers_wait_until_there_is_enough_of_everything_and_are_told_what_is_short() {
    check(
        "connect 1
         connect 2
         1.1 open
         2.1 open
         1.1 declare q
         1.1 publish - q a
         landed
         memory short
         room no
         2.1 get q
         2.1 ack 1
         2.1 publish - q b
         memory enough
         room yes",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            2.1 open
                2.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 queue.declare-ok q 0 0
            memory short
                1 block: low on memory
            room no
            2.1 get q
                2.1 get-ok [1] #3, 0 more
            2.1 ack 1
                land #4 settled in 1: #3+1
            2.1 publish - q b
                2 block: low on memory & disk
                land #5 message b for [1]
            memory enough
            room yes
                1 unblock
                2 unblock
        "#]],
    );
}

#[test]
fn a_consumer_without_a_prefetch_gets_what_it_can_work_on_while_memory_is_short() {
    let mut heart = Heart::new(limits());
    let delivered = |shown: Vec<String>| {
        let deliveries = shown.iter().filter(|line| line.contains(" deliver to "));
        deliveries.count() as u32
    };
    for line in ["connect 1", "1.1 open", "1.1 declare q", "landed"] {
        heart.run(line);
    }
    for _ in 0..UNACKED_WHEN_SHORT + 10 {
        heart.run("1.1 publish - q a");
    }
    heart.run("memory short");
    heart.run("1.1 consume q c");
    assert_eq!(delivered(heart.run("landed")), UNACKED_WHEN_SHORT);
    assert_eq!(delivered(heart.run("1.1 ack 1")), 1);
    assert_eq!(delivered(heart.run("memory enough")), 9);
}
