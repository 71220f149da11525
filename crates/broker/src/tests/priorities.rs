//! Priorities of messages and of consumers.

use super::script::check;
use expect_test::expect;

#[test]
fn higher_messages_first_and_none_above_the_queue_s_most() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-priority=5
        landed
        1.1 publish - q plain
        1.1 publish - q high priority=5
        1.1 publish - q middle priority=3
        1.1 publish - q higher priority=200
        landed
        1.1 get q
        1.1 get q
        1.1 nack 1 requeue
        1.1 get q
        1.1 get q
        1.1 get q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-priority=5
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q plain
                land #3 message plain for [1]
            1.1 publish - q high priority=5
                land #4 message high for [1]
            1.1 publish - q middle priority=3
                land #5 message middle for [1]
            1.1 publish - q higher priority=200
                land #6 message higher for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #4, 3 more
            1.1 get q
                1.1 get-ok [2] #6, 2 more
            1.1 nack 1 requeue
                land #7 waiting in 1: 4 ready (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [3] #4 redelivered after 1, 2 more
            1.1 get q
                1.1 get-ok [4] #5, 1 more
            1.1 get q
                1.1 get-ok [5] #3, 0 more
        "#]],
    );
}

#[test]
fn a_queue_without_priorities_keeps_its_order() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 publish - q a
        1.1 publish - q b priority=9
        landed
        1.1 get q
        1.1 get q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b priority=9
                land #4 message b for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 1 more
            1.1 get q
                1.1 get-ok [2] #4, 0 more
        "#]],
    );
}

#[test]
fn priorities_survive() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q durable x-max-priority=9
        landed
        1.1 publish - q a
        1.1 publish - q b priority=2
        1.1 publish - q c priority=7
        landed
        crash
        connect 1
        1.1 open
        1.1 get q
        1.1 get q
        1.1 get q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-max-priority=9
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b priority=2
                land #4 message b for [1]
            1.1 publish - q c priority=7
                land #5 message c for [1]
            landed
            crash
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 get q
                1.1 get-ok [1] #5 redelivered after 0, 2 more
            1.1 get q
                1.1 get-ok [2] #4 redelivered after 0, 1 more
            1.1 get q
                1.1 get-ok [3] #3 redelivered after 0, 0 more
        "#]],
    );
}

#[test]
fn consumers_of_a_higher_priority_are_served_first_while_they_have_room() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 qos 1
        1.1 consume q low
        1.1 consume q high x-priority=10
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        landed
        1.1 ack 1
        landed
        1.1 ack 2
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 qos 1
            1.1 consume q low
            1.1 consume q high x-priority=10
            landed
                1.1 queue.declare-ok q 0 0
                1.1 basic.qos-ok
                1.1 basic.consume-ok low
                1.1 basic.consume-ok high
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
                1.1 deliver to high [1] #3
                1.1 deliver to low [2] #4
            1.1 ack 1
                1.1 deliver to high [3] #5
                land #6 settled in 1: #3+1
            landed
            1.1 ack 2
                land #7 settled in 1: #4+1
        "#]],
    );
}

#[test]
fn wrong_priorities_are_refused() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-priority=256
        1.2 open
        1.2 declare q
        landed
        1.2 consume q c x-priority:high
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-priority=256
                1.1 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' in vhost '/': expected an integer from 0 to 255, got the value '256' of type 'signedint' (50, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 declare q
                land #2 queue 1 q
            landed
                1.2 queue.declare-ok q 0 0
            1.2 consume q c x-priority:high
                1.2 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-priority' for consumer 'c' of queue 'q' in vhost '/': expected an integer from -2147483648 to 2147483647, got the value 'high' of type 'longstr' (60, 20)
        "#]],
    );
}
