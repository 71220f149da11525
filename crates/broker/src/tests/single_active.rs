//! Single active consumer: one gets everything, the next takes over.

use super::script::check;
use expect_test::expect;

#[test]
fn the_next_takes_over_when_the_active_one_goes() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-single-active-consumer=true
        1.1 qos 1
        1.1 consume q first
        1.1 consume q second
        1.1 consume q third x-priority=5
        landed
        1.1 publish - q a
        1.1 publish - q b
        landed
        1.1 cancel first
        1.1 ack 2
        1.1 cancel third
        1.1 ack 1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-single-active-consumer=true
                land #2 queue 1 q
            1.1 qos 1
            1.1 consume q first
            1.1 consume q second
            1.1 consume q third x-priority=5
            landed
                1.1 queue.declare-ok q 0 0
                1.1 basic.qos-ok
                1.1 basic.consume-ok first
                1.1 basic.consume-ok second
                1.1 basic.consume-ok third
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            landed
                1.1 deliver to first [1] #3
            1.1 cancel first
                1.1 basic.cancel-ok
                1.1 deliver to third [2] #4
            1.1 ack 2
                land #5 settled in 1: #4+1
            1.1 cancel third
                1.1 basic.cancel-ok
            1.1 ack 1
                land #6 settled in 1: #3+1
        "#]],
    );
}

#[test]
fn nobody_else_takes_a_message_away() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-single-active-consumer=true
        landed
        1.1 get q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-single-active-consumer=true
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 get q
                1.1 channel.close 405 RESOURCE_LOCKED - queue 'q' in vhost '/'. basic.get operations are not supported by queues with single active consumer (60, 70)
        "#]],
    );
}

#[test]
fn the_queue_of_a_lost_connection_goes_on_with_the_next() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-single-active-consumer=true
        1.1 consume q first
        connect 2
        2.1 open
        2.1 consume q second
        landed
        1.1 publish - q a
        landed
        close 1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-single-active-consumer=true
                land #2 queue 1 q
            1.1 consume q first
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 consume q second
            landed
                1.1 queue.declare-ok q 0 0
                1.1 basic.consume-ok first
                2.1 basic.consume-ok second
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 deliver to first [1] #3
            close 1
                2.1 deliver to second [1] #3 redelivered after 1 (1 lost)
                land #4 waiting in 1: 3 ready (failed 0, lost 1)
        "#]],
    );
}
