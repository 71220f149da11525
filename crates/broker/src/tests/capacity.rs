//! Limits on what clients declare, and on what they do not settle.

use super::script::check_with;
use expect_test::expect;
use model::Limits;

#[test]
fn no_more_queues_than_the_limit_and_a_deleted_one_makes_room() {
    let limits = Limits {
        queues_max: 2,
        ..Limits::default()
    };
    check_with(
        limits,
        "
        connect 1
        1.1 open
        1.2 open
        1.1 declare a
        landed
        1.1 declare b
        landed
        1.2 declare c
        1.1 declare a
        1.1 delete b
        landed
        1.1 declare c
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.2 open
                1.2 channel.open-ok
            1.1 declare a
                land #2 queue 1 a
            landed
                1.1 queue.declare-ok a 0 0
            1.1 declare b
                land #3 queue 2 b
            landed
                1.1 queue.declare-ok b 0 0
            1.2 declare c
                1.2 channel.close 406 PRECONDITION_FAILED - cannot declare queue 'c' in vhost '/': queue limit in node (2) is reached (50, 10)
            1.1 declare a
                1.1 queue.declare-ok a 0 0
            1.1 delete b
                land #4 no queue 2
            landed
                1.1 queue.delete-ok 0
            1.1 declare c
                land #5 queue 3 c
            landed
                1.1 queue.declare-ok c 0 0
        "#]],
    );
}

#[test]
fn no_more_exchanges_than_the_limit() {
    let limits = Limits {
        exchanges_max: 1,
        ..Limits::default()
    };
    check_with(
        limits,
        "
        connect 1
        1.1 open
        1.1 exchange x fanout
        landed
        1.1 exchange x fanout
        1.1 exchange y fanout
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange x fanout
                land #2 exchange x fanout
            landed
                1.1 exchange.declare-ok
            1.1 exchange x fanout
                1.1 exchange.declare-ok
            1.1 exchange y fanout
                1.1 channel.close 406 PRECONDITION_FAILED - cannot declare exchange 'y' in vhost '/': exchange limit in node (1) is reached (40, 10)
        "#]],
    );
}

#[test]
fn no_more_bindings_than_the_limit_whatever_removed_them_and_after_a_crash() {
    let limits = Limits {
        bindings_max: 2,
        ..Limits::default()
    };
    check_with(
        limits,
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 declare r
        landed
        1.1 bind q amq.direct a
        1.1 bind r amq.direct b
        1.1 unbind q amq.direct a
        1.1 bind q amq.direct c
        landed
        1.1 delete r
        landed
        1.1 bind q amq.direct d
        landed
        crash
        connect 2
        2.1 open
        2.1 bind q amq.direct d
        2.1 bind q amq.direct e
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
            1.1 declare r
                land #3 queue 2 r
            landed
                1.1 queue.declare-ok r 0 0
            1.1 bind q amq.direct a
                land #4 bound amq.direct -a-> Queue(QueueId(1))
            1.1 bind r amq.direct b
                land #5 bound amq.direct -b-> Queue(QueueId(2))
            1.1 unbind q amq.direct a
                land #6 unbound amq.direct -a-> Queue(QueueId(1))
            1.1 bind q amq.direct c
                land #7 bound amq.direct -c-> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 queue.unbind-ok
                1.1 queue.bind-ok
            1.1 delete r
                land #8 no queue 2
            landed
                1.1 queue.delete-ok 0
            1.1 bind q amq.direct d
                land #9 bound amq.direct -d-> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 bind q amq.direct d
                2.1 queue.bind-ok
            2.1 bind q amq.direct e
                2.1 channel.close 406 PRECONDITION_FAILED - cannot bind to exchange 'amq.direct' in vhost '/': binding limit in node (2) is reached (50, 20)
        "#]],
    );
}

#[test]
fn a_channel_that_settles_nothing_gets_nothing_more_and_other_channels_do() {
    let limits = Limits {
        unacked_max: 2,
        ..Limits::default()
    };
    check_with(
        limits,
        "
        connect 1
        1.1 open
        1.2 open
        1.1 declare q
        1.1 declare r
        landed
        1.1 consume q c
        1.1 consume r d
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        1.1 publish - r e
        landed
        1.1 cancel c
        1.1 ack 1
        1.2 get q
        1.1 get r
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.2 open
                1.2 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 declare r
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 r
            1.1 consume q c
            1.1 consume r d
            1.1 publish - q a
                land #4 message a for [1]
            1.1 publish - q b
                land #5 message b for [1]
            1.1 publish - q c
                land #6 message c for [1]
            1.1 publish - r e
                land #7 message e for [2]
            landed
                1.1 queue.declare-ok r 0 0
                1.1 basic.consume-ok c
                1.1 basic.consume-ok d
                1.1 deliver to c [1] #4
                1.1 deliver to c [2] #5
            1.1 cancel c
                1.1 basic.cancel-ok
            1.1 ack 1
                1.1 deliver to d [3] #7
                land #8 settled in 1: #4+1
            1.2 get q
                1.2 get-ok [1] #6, 0 more
            1.1 get r
                1.1 channel.close 406 PRECONDITION_FAILED - unacknowledged message limit of a channel (2) is reached (60, 70)
                land #9 waiting in 1: 5 ready (failed 0, lost 1)
                land #10 waiting in 2: 7 ready (failed 0, lost 1)
        "#]],
    );
}

#[test]
fn what_a_cancelled_consumer_settles_makes_room_for_the_others_of_its_channel() {
    check_with(
        Limits::default(),
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 qos 1 global
        1.1 consume q c
        1.1 consume q d
        1.1 publish - q a
        1.1 publish - q b
        landed
        1.1 cancel c
        1.1 ack 1
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
            1.1 qos 1 global
                1.1 basic.qos-ok
            1.1 consume q c
                1.1 basic.consume-ok c
            1.1 consume q d
                1.1 basic.consume-ok d
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            landed
                1.1 deliver to c [1] #3
            1.1 cancel c
                1.1 basic.cancel-ok
            1.1 ack 1
                1.1 deliver to d [2] #4
                land #5 settled in 1: #3+1
        "#]],
    );
}
