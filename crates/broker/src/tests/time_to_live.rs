//! Time to live: of messages, of all messages of a queue, and of queues.

use super::script::check;
use expect_test::expect;

#[test]
fn a_queue_s_time_to_live_takes_the_oldest_and_leaves_the_rest() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-ttl=100
        landed
        1.1 publish - q a
        at 1050
        1.1 publish - q b
        landed
        wakes
        at 1100
        wakes
        1.1 declare q passive
        at 1150
        landed
        wakes
        1.1 declare q passive
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-ttl=100
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            at 1050
            1.1 publish - q b
                land #4 message b for [1]
            landed
            wakes
                1100
            at 1100
                land #5 expired in 1: #3+1
            wakes
                1150
            1.1 declare q passive
                1.1 queue.declare-ok q 1 0
            at 1150
                land #6 expired in 1: #4+1
            landed
            wakes
                never
            1.1 declare q passive
                1.1 queue.declare-ok q 0 0
        "#]],
    );
}

#[test]
fn a_message_s_own_time_counts_anywhere_in_the_queue() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-ttl=500
        landed
        1.1 publish - q keep
        1.1 publish - q go expiration=10
        1.1 publish - q longer expiration=9000
        landed
        at 1010
        1.1 get q
        1.1 get q
        at 1500
        1.1 get q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-ttl=500
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q keep
                land #3 message keep for [1]
            1.1 publish - q go expiration=10
                land #4 message go for [1]
            1.1 publish - q longer expiration=9000
                land #5 message longer for [1]
            landed
            at 1010
                land #6 expired in 1: #4+1
            1.1 get q
                1.1 get-ok [1] #3, 1 more
            1.1 get q
                1.1 get-ok [2] #5, 0 more
            at 1500
            1.1 get q
                1.1 basic.get-empty
        "#]],
    );
}

#[test]
fn nothing_waits_where_the_time_is_zero_but_a_consumer_that_is_there_gets_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-ttl=0
        landed
        1.1 publish - q gone
        landed
        landed
        1.1 consume q c
        1.1 publish - q seen
        at 1090
        landed
        1.1 ack 1
        landed
        wakes
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-ttl=0
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q gone
                land #3 message gone for [1]
            landed
                land #4 expired in 1: #3+1
            landed
            1.1 consume q c
                1.1 basic.consume-ok c
            1.1 publish - q seen
                land #5 message seen for [1]
            at 1090
            landed
                1.1 deliver to c [1] #5
            1.1 ack 1
                land #6 settled in 1: #5+1
            landed
            wakes
                1803195
        "#]],
    );
}

#[test]
fn what_comes_back_too_late_is_gone() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 publish - q a expiration=50
        landed
        1.1 get q
        at 1049
        wakes
        at 1060
        1.1 nack 1 requeue
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
            1.1 publish - q a expiration=50
                land #3 message a for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 0 more
            at 1049
            wakes
                1050
            at 1060
            1.1 nack 1 requeue
                land #4 waiting in 1: 3 ready (failed 1, lost 0)
                land #5 expired in 1: #3+1
            1.1 get q
                1.1 basic.get-empty
        "#]],
    );
}

#[test]
fn time_passes_while_the_node_is_down() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q durable x-message-ttl=100
        1.1 declare plain durable
        landed
        1.1 publish - q old
        1.1 publish - plain old expiration=100
        1.1 publish - plain stays
        at 1090
        1.1 publish - q young
        landed
        at 1105
        crash
        connect 1
        1.1 open
        1.1 get q
        1.1 get plain
        1.1 get plain
        at 1190
        wakes
        at 1191
        wakes
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-message-ttl=100
                land #2 queue 1 q
            1.1 declare plain durable
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 plain
            1.1 publish - q old
                land #4 message old for [1]
            1.1 publish - plain old expiration=100
                land #5 message old for [2]
            1.1 publish - plain stays
                land #6 message stays for [2]
            at 1090
            1.1 publish - q young
                land #7 message young for [1]
            landed
                1.1 queue.declare-ok plain 0 0
            at 1105
                land #8 expired in 1: #4+1
                land #9 expired in 2: #5+1
            crash
                land #8 expired in 1: #4+1
                land #9 expired in 2: #5+1
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 get q
                1.1 get-ok [1] #7 redelivered after 0, 0 more
            1.1 get plain
                1.1 get-ok [2] #6 redelivered after 0, 0 more
            1.1 get plain
                1.1 basic.get-empty
            at 1190
            wakes
                1803195
            at 1191
            wakes
                1803195
        "#]],
    );
}

#[test]
fn a_queue_goes_when_nobody_uses_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-expires=100
        1.1 declare other x-expires=100
        landed
        landed
        wakes
        at 1060
        1.1 get q
        1.1 consume other c
        at 1100
        wakes
        at 1159
        wakes
        at 1160
        wakes
        at 1170
        1.1 cancel c
        wakes
        at 1270
        1.1 declare other passive
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-expires=100
                land #2 queue 1 q
            1.1 declare other x-expires=100
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 other
            landed
                1.1 queue.declare-ok other 0 0
            wakes
                1100
            at 1060
            1.1 get q
                1.1 basic.get-empty
            1.1 consume other c
                1.1 basic.consume-ok c
            at 1100
            wakes
                1160
            at 1159
            wakes
                1160
            at 1160
                land #4 no queue 1
            wakes
                never
            at 1170
            1.1 cancel c
            wakes
                1270
            at 1270
                land #5 no queue 2
            1.1 declare other passive
        "#]],
    );
}
