//! Limits on what waits in a queue, and what gives way.

use super::script::check;
use expect_test::expect;

#[test]
fn the_oldest_gives_way() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-length=2
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        landed
        1.1 get q
        1.1 publish - q d
        1.1 publish - q e
        landed
        1.1 nack 1 requeue
        1.1 declare q passive
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-length=2
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
                land #6 dropped in 1: #3+1
            1.1 get q
                1.1 get-ok [1] #4, 1 more
            1.1 publish - q d
                land #7 message d for [1]
            1.1 publish - q e
                land #8 message e for [1]
            landed
                land #9 dropped in 1: #5+1
            1.1 nack 1 requeue
                land #10 waiting in 1: 4 ready (failed 1, lost 0)
                land #11 dropped in 1: #4+1
            1.1 declare q passive
                1.1 queue.declare-ok q 2 0
        "#]],
    );
}

#[test]
fn bytes_of_bodies_count() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-length-bytes=10
        landed
        1.1 publish - q 1234567
        1.1 publish - q 123
        1.1 publish - q x
        landed
        1.1 get q
        1.1 declare q passive
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-length-bytes=10
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q 1234567
                land #3 message 1234567 for [1]
            1.1 publish - q 123
                land #4 message 123 for [1]
            1.1 publish - q x
                land #5 message x for [1]
            landed
                land #6 dropped in 1: #3+1
            1.1 get q
                1.1 get-ok [1] #4, 1 more
            1.1 declare q passive
                1.1 queue.declare-ok q 1 0
        "#]],
    );
}

#[test]
fn what_is_handed_out_does_not_count() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-length=1
        landed
        1.1 consume q c
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-length=1
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 consume q c
                1.1 basic.consume-ok c
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
                1.1 deliver to c [1] #3
                1.1 deliver to c [2] #4
                1.1 deliver to c [3] #5
        "#]],
    );
}

#[test]
fn the_new_one_is_refused() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare q x-max-length=1 x-overflow:reject-publish
        1.1 declare free
        landed
        1.1 bind q amq.fanout -
        1.1 bind free amq.fanout -
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        1.1 publish amq.fanout - d
        1.1 publish amq.fanout - e id=p:1
        1.1 publish - free f
        landed
        1.1 purge q
        landed
        1.1 publish amq.fanout - e id=p:1
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare q x-max-length=1 x-overflow:reject-publish
                land #2 queue 1 q
            1.1 declare free
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 free
            1.1 bind q amq.fanout -
                land #4 bound amq.fanout --> Queue(QueueId(1))
            1.1 bind free amq.fanout -
                land #5 bound amq.fanout --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok free 0 0
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish - q a
                land #6 message a for [1]
            1.1 publish - q b
            1.1 publish - q c
            1.1 publish amq.fanout - d
                land #7 message d for [2]
            1.1 publish amq.fanout - e id=p:1
            1.1 publish - free f
                land #8 message f for [2]
            landed
                1.1 confirm 1
                1.1 refuse up to 5
                1.1 confirm 6
            1.1 purge q
                land #9 dropped in 1: #6+1
            landed
                1.1 queue.purge-ok 1
            1.1 publish amq.fanout - e id=p:1
                land #10 message e for [1, 2]
            landed
                1.1 confirm 7
        "#]],
    );
}

#[test]
fn the_limits_hold_after_a_crash() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q durable x-max-length-bytes=10 x-overflow:reject-publish
        landed
        1.1 publish - q 123456789
        1.1 publish - q 12
        landed
        crash
        connect 1
        1.1 open
        1.1 confirm
        1.1 publish - q 3
        1.1 get q
        1.1 publish - q 4
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-max-length-bytes=10 x-overflow:reject-publish
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q 123456789
                land #3 message 123456789 for [1]
            1.1 publish - q 12
                land #4 message 12 for [1]
            landed
            crash
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 publish - q 3
                1.1 refuse 1
            1.1 get q
                1.1 get-ok [1] #3 redelivered after 0, 1 more
            1.1 publish - q 4
                land #5 message 4 for [1]
            landed
                1.1 confirm 2
        "#]],
    );
}

#[test]
fn the_refused_one_is_dead_lettered() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare q x-max-length=1 x-overflow:reject-publish-dlx x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead
        landed
        1.1 publish - q a
        1.1 publish - q b
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare q x-max-length=1 x-overflow:reject-publish-dlx x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            1.1 declare dead
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
            1.1 publish - q a
                land #4 message a for [1]
            1.1 publish - q b
                land #5 message b for [2], dead: maxlen in q 1 times, no expiration
            landed
                1.1 queue.declare-ok dead 0 0
                1.1 confirm 1
                1.1 refuse 2
        "#]],
    );
}

#[test]
fn what_comes_back_to_a_full_queue_at_a_stop_is_dropped_before_the_stop_is_told() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q durable x-max-length=1
        landed
        1.1 publish - q a
        landed
        1.1 get q
        1.1 publish - q b
        landed
        stop
        landed
        crash
        connect 1
        1.1 open
        1.1 get q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-max-length=1
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 0 more
            1.1 publish - q b
                land #4 message b for [1]
            landed
            stop
                land #5 waiting in 1: 3 ready (failed 0, lost 1)
                land #6 dropped in 1: #3+1
                land #7 stopped
            landed
            crash
                land #8 delivered in 0: 
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 get q
                1.1 get-ok [1] #4, 0 more
        "#]],
    );
}

/// A node that passes messages on numbers them, but its client does not send one again that was refused.
#[test]
fn what_a_node_counts_lands_where_there_is_room() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare full x-max-length=1 x-overflow:reject-publish
        1.1 declare empty
        1.1 bind full amq.fanout any
        1.1 bind empty amq.fanout any
        landed
        1.1 publish - amq.landfall.numbered - id=node:1
        1.1 publish - full a
        1.1 publish amq.fanout any b
        1.1 publish amq.fanout any c id=client:1
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare full x-max-length=1 x-overflow:reject-publish
                land #2 queue 1 full
            1.1 declare empty
            1.1 bind full amq.fanout any
            1.1 bind empty amq.fanout any
            landed
                1.1 queue.declare-ok full 0 0
                land #3 queue 2 empty
                land #4 bound amq.fanout -any-> Queue(QueueId(1))
                land #5 bound amq.fanout -any-> Queue(QueueId(2))
            1.1 publish - amq.landfall.numbered - id=node:1
                1.1 confirm 1
            1.1 publish - full a
                land #6 message a for [1]
            1.1 publish amq.fanout any b
                land #7 message b for [2]
            1.1 publish amq.fanout any c id=client:1
            landed
                1.1 queue.declare-ok empty 0 0
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 confirm 2
                1.1 refuse up to 4
        "#]],
    );
}
