//! Deliveries on their way out whose record is gone when their turn comes.

use super::script::{Heart, check};
use expect_test::expect;

#[test]
fn one_that_was_late_on_its_way_and_settled_since_is_nothing() {
    check(
        "connect 1
         1.1 open
         1.1 declare q x-consumer-timeout=100
         1.1 qos 1
         1.1 consume q c
         landed
         1.1 publish - q a
         landed
         at 1100
         at 1200
         1.1 ack 1
         landed
         1.1 undeliverable 2
         1.1 undeliverable 3
         operator audit",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-consumer-timeout=100
                land #2 queue 1 q
            1.1 qos 1
            1.1 consume q c
            landed
                1.1 queue.declare-ok q 0 0
                1.1 basic.qos-ok
                1.1 basic.consume-ok c
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 deliver to c [1] #3
            at 1100
                1.1 deliver to c [2] #3 redelivered after 1
                land #4 waiting in 1: 3 ready (failed 1, lost 0)
            at 1200
                1.1 deliver to c [3] #3 redelivered after 2
                land #5 waiting in 1: 3 ready (failed 2, lost 0)
            1.1 ack 1
                land #6 settled in 1: #3+1
            landed
            1.1 undeliverable 2
            1.1 undeliverable 3
            operator audit
                operator: accounts
                q: 1 in, [1, 0, 0, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
        "#]],
    );
}

/// So many deliveries may be on their way to one connection.
const ROOM: u64 = 2048;

#[test]
fn it_makes_room_for_others() {
    let mut heart = Heart::new(model::Limits::default());
    for line in [
        "connect 1",
        "1.1 open",
        "1.1 declare gone",
        "1.1 declare q",
        "1.1 consume gone c",
        "1.1 consume q d",
        "landed",
    ] {
        heart.run(line);
    }
    for _ in 0..ROOM {
        heart.run("1.1 publish - gone a");
    }
    heart.run("1.1 publish - q b");
    let shown = heart.run("landed");
    let delivered = shown.iter().filter(|effect| effect.contains("deliver"));
    assert_eq!(delivered.count() as u64, ROOM, "there is no room for more");
    heart.run("connect 2");
    heart.run("2.1 open");
    heart.run("2.1 delete gone");
    heart.run("landed");
    let next = heart.run("1.1 undeliverable 1");
    assert!(
        next.iter().any(|effect| effect.contains("deliver to d")),
        "{next:?}"
    );
}
