//! Deduplication: what a queue knows does not land in it again, and its publisher need not know.

use super::script::{check, check_with};
use expect_test::expect;
use model::Limits;

#[test]
fn what_a_queue_knows_is_confirmed_no_sooner_than_the_original_landed_and_does_not_land_again() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-deduplication=true
        landed
        1.1 confirm
        1.2 open
        1.2 confirm
        landed
        1.1 publish - q a header:x-deduplication-header=1
        1.1 publish - q b header:x-deduplication-header=1
        1.2 publish - q b header:x-deduplication-header=1
        1.1 publish - q c header:x-deduplication-header=2
        1.1 publish - q d
        1.1 publish - q e
        landed 3
        landed
        1.1 publish - q f header:x-deduplication-header=1 mandatory
        1.1 get q no-ack
        1.1 publish - q g header:x-deduplication-header=1
        1.1 purge q
        landed
        1.1 publish - q h header:x-deduplication-header=2
        operator queues
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-deduplication=true
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 confirm
                1.1 confirm.select-ok
            1.2 open
                1.2 channel.open-ok
            1.2 confirm
                1.2 confirm.select-ok
            landed
            1.1 publish - q a header:x-deduplication-header=1
                land #3 message a for [1], remembered in 1
            1.1 publish - q b header:x-deduplication-header=1
            1.2 publish - q b header:x-deduplication-header=1
            1.1 publish - q c header:x-deduplication-header=2
                land #4 message c for [1], remembered in 1
            1.1 publish - q d
                land #5 message d for [1]
            1.1 publish - q e
                land #6 message e for [1]
            landed 3
                1.1 confirm up to 2
                1.2 confirm 1
            landed
                1.1 confirm up to 5
            1.1 publish - q f header:x-deduplication-header=1 mandatory
                1.1 confirm 6
            1.1 get q no-ack
                1.1 get-ok [1] #3, 3 more
            1.1 publish - q g header:x-deduplication-header=1
                1.1 confirm 7
            1.1 purge q
                land #7 dropped in 1: #4+3
            landed
                1.1 queue.purge-ok 3
            1.1 publish - q h header:x-deduplication-header=2
                1.1 confirm 8
            operator queues
                operator: queues
                    q in /: 0 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest none, policy -, rules ["x-message-deduplication"], remembers 2 and knew 5
        "#]],
    );
}

#[test]
fn it_is_never_on_unless_it_is_asked_for() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-cache-size=10
        landed
        1.1 publish - q a header:x-deduplication-header=1 message-id=1
        1.1 publish - q b header:x-deduplication-header=1 message-id=1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-cache-size=10
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a header:x-deduplication-header=1 message-id=1
                land #3 message a for [1]
            1.1 publish - q b header:x-deduplication-header=1 message-id=1
                land #4 message b for [1]
        "#]],
    );
}

#[test]
fn messages_are_told_apart_by_the_header_or_property_that_the_owner_names() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare h x-message-deduplication=true x-deduplication-header:order
        landed
        1.1 declare p x-message-deduplication=true x-deduplication-property:message_id
        landed
        1.1 declare b x-message-deduplication=true x-deduplication-property:message_id x-deduplication-header:order
        landed
        1.1 declare wrong x-message-deduplication=true x-deduplication-property:order
        landed
        1.1 open
        1.1 exchange all fanout
        landed
        1.1 bind h all -
        landed
        1.1 bind p all -
        landed
        1.1 bind b all -
        landed
        1.1 publish all - a header:order=1 message-id=1
        1.1 publish all - b header:order=1 message-id=2
        1.1 publish all - c header:order=2 message-id=1
        1.1 publish all - d message-id=2
        1.1 publish all - e message-id=2
        1.1 publish all - f header:x-deduplication-header=1
        1.1 publish all - g header:x-deduplication-header=1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare h x-message-deduplication=true x-deduplication-header:order
                land #2 queue 1 h
            landed
                1.1 queue.declare-ok h 0 0
            1.1 declare p x-message-deduplication=true x-deduplication-property:message_id
                land #3 queue 2 p
            landed
                1.1 queue.declare-ok p 0 0
            1.1 declare b x-message-deduplication=true x-deduplication-property:message_id x-deduplication-header:order
                land #4 queue 3 b
            landed
                1.1 queue.declare-ok b 0 0
            1.1 declare wrong x-message-deduplication=true x-deduplication-property:order
                1.1 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-deduplication-property' for queue 'wrong' in vhost '/': expected one of message_id, got the value 'order' of type 'longstr' (50, 10)
            landed
            1.1 open
                1.1 channel.open-ok
            1.1 exchange all fanout
                land #5 exchange all fanout
            landed
                1.1 exchange.declare-ok
            1.1 bind h all -
                land #6 bound all --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 bind p all -
                land #7 bound all --> Queue(QueueId(2))
            landed
                1.1 queue.bind-ok
            1.1 bind b all -
                land #8 bound all --> Queue(QueueId(3))
            landed
                1.1 queue.bind-ok
            1.1 publish all - a header:order=1 message-id=1
                land #9 message a for [1, 2, 3] header order, remembered in 1, remembered in 2, remembered in 3
            1.1 publish all - b header:order=1 message-id=2
                land #10 message b for [2] header order, remembered in 2
            1.1 publish all - c header:order=2 message-id=1
                land #11 message c for [1, 3] header order, remembered in 1, remembered in 3
            1.1 publish all - d message-id=2
                land #12 message d for [1, 3], remembered in 3
            1.1 publish all - e message-id=2
                land #13 message e for [1]
            1.1 publish all - f header:x-deduplication-header=1
                land #14 message f for [1, 2, 3]
            1.1 publish all - g header:x-deduplication-header=1
                land #15 message g for [1, 2, 3]
        "#]],
    );
}

#[test]
fn each_queue_decides_for_itself() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare one x-message-deduplication=true
        landed
        1.1 declare all
        landed
        1.1 exchange x fanout
        landed
        1.1 bind one x -
        landed
        1.1 bind all x -
        landed
        1.1 confirm
        landed
        1.1 publish - one a header:x-deduplication-header=1
        1.1 publish x - b header:x-deduplication-header=1
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare one x-message-deduplication=true
                land #2 queue 1 one
            landed
                1.1 queue.declare-ok one 0 0
            1.1 declare all
                land #3 queue 2 all
            landed
                1.1 queue.declare-ok all 0 0
            1.1 exchange x fanout
                land #4 exchange x fanout
            landed
                1.1 exchange.declare-ok
            1.1 bind one x -
                land #5 bound x --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 bind all x -
                land #6 bound x --> Queue(QueueId(2))
            landed
                1.1 queue.bind-ok
            1.1 confirm
                1.1 confirm.select-ok
            landed
            1.1 publish - one a header:x-deduplication-header=1
                land #7 message a for [1], remembered in 1
            1.1 publish x - b header:x-deduplication-header=1
                land #8 message b for [2]
            landed
                1.1 confirm up to 2
        "#]],
    );
}

#[test]
fn so_many_are_remembered_for_so_long() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-deduplication=true x-cache-size=2 x-cache-ttl=100
        landed
        1.1 publish - q a header:x-deduplication-header=1
        at 1099
        1.1 publish - q b header:x-deduplication-header=1
        1.1 publish - q c header:x-deduplication-header=2
        at 1100
        1.1 publish - q d header:x-deduplication-header=1
        1.1 publish - q e header:x-deduplication-header=3
        1.1 publish - q f header:x-deduplication-header=2
        1.1 publish - q g header:x-deduplication-header=3
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-deduplication=true x-cache-size=2 x-cache-ttl=100
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a header:x-deduplication-header=1
                land #3 message a for [1], remembered in 1 until 1100
            at 1099
            1.1 publish - q b header:x-deduplication-header=1
            1.1 publish - q c header:x-deduplication-header=2
                land #4 message c for [1], remembered in 1 until 1199
            at 1100
            1.1 publish - q d header:x-deduplication-header=1
                land #5 message d for [1], remembered in 1 until 1200
            1.1 publish - q e header:x-deduplication-header=3
                land #6 message e for [1], remembered in 1 until 1200
            1.1 publish - q f header:x-deduplication-header=2
                land #7 message f for [1], remembered in 1 until 1200
            1.1 publish - q g header:x-deduplication-header=3
        "#]],
    );
}

#[test]
fn the_window_outlives_the_message_and_a_restart() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-deduplication=true x-cache-ttl=1000
        landed
        1.1 publish - q a header:x-deduplication-header=1
        landed
        1.1 publish - q b header:x-deduplication-header=2
        crash
        connect 1
        1.1 open
        1.1 confirm
        1.1 publish - q a header:x-deduplication-header=1
        1.1 publish - q b header:x-deduplication-header=2
        landed
        1.1 get q no-ack
        1.1 get q no-ack
        checkpoint
        landed
        at 1999
        crash
        connect 1
        1.1 open
        1.1 publish - q a header:x-deduplication-header=1
        at 2000
        1.1 publish - q a header:x-deduplication-header=1
        checkpoint
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-deduplication=true x-cache-ttl=1000
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a header:x-deduplication-header=1
                land #3 message a for [1], remembered in 1 until 2000
            landed
            1.1 publish - q b header:x-deduplication-header=2
                land #4 message b for [1], remembered in 1 until 2000
            crash
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 publish - q a header:x-deduplication-header=1
                1.1 confirm 1
            1.1 publish - q b header:x-deduplication-header=2
                land #4 message b for [1], remembered in 1 until 2000
            landed
                1.1 confirm 2
            1.1 get q no-ack
                1.1 get-ok [1] #3 redelivered after 0, 1 more
            1.1 get q no-ack
                1.1 get-ok [2] #4, 0 more
            checkpoint
                land #5 user guest ["administrator"]
                land #6 permission of guest in /: .* .* .*
                land #7 vhost /
                land #8 queue 1 q
                land #9 counted 1: 2 in, [0, 0, 0, 0, 0, 0] out
                land #10 remembered in 1: #3 until 2000, #4 until 2000
                land #11 checkpoint from #5, next queue 2
            landed
            at 1999
            crash
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 publish - q a header:x-deduplication-header=1
            at 2000
            1.1 publish - q a header:x-deduplication-header=1
                land #12 message a for [1], remembered in 1 until 3000
            checkpoint
                land #13 user guest ["administrator"]
                land #14 permission of guest in /: .* .* .*
                land #15 vhost /
                land #16 queue 1 q
                land #17 counted 1: 3 in, [0, 0, 0, 0, 0, 0] out
                land #18 remembered in 1: #12 until 3000
                land #19 checkpoint from #13, next queue 2
        "#]],
    );
}

#[test]
fn what_all_queues_are_to_remember_is_limited() {
    let limits = Limits {
        deduplication_max: 10,
        ..Limits::default()
    };
    check_with(
        limits,
        "
        connect 1
        1.1 open
        1.1 declare a x-message-deduplication=true x-cache-size=6
        landed
        1.1 declare b x-message-deduplication=true x-cache-size=5
        landed
        1.1 open
        1.1 declare a x-message-deduplication=true x-cache-size=6
        landed
        1.1 declare b x-message-deduplication=true x-cache-size=4
        landed
        1.1 delete a
        landed
        1.1 declare c x-message-deduplication=true x-cache-size=5
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare a x-message-deduplication=true x-cache-size=6
                land #2 queue 1 a
            landed
                1.1 queue.declare-ok a 0 0
            1.1 declare b x-message-deduplication=true x-cache-size=5
                1.1 channel.close 406 PRECONDITION_FAILED - cannot declare queue 'b' in vhost '/': deduplication limit in node (10) is reached: 6 are taken and 5 are asked for (50, 10)
            landed
            1.1 open
                1.1 channel.open-ok
            1.1 declare a x-message-deduplication=true x-cache-size=6
                1.1 queue.declare-ok a 0 0
            landed
            1.1 declare b x-message-deduplication=true x-cache-size=4
                land #3 queue 2 b
            landed
                1.1 queue.declare-ok b 0 0
            1.1 delete a
                land #4 no queue 1
            landed
                1.1 queue.delete-ok 0
            1.1 declare c x-message-deduplication=true x-cache-size=5
                land #5 queue 3 c
            landed
                1.1 queue.declare-ok c 0 0
        "#]],
    );
}
