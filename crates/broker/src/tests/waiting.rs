//! Messages that wait for their time: restarts, limits, time to live, and many at once.

use super::script::{Heart, check};
use expect_test::expect;

#[test]
fn a_delay_goes_on_after_a_restart_and_what_was_due_by_then_may_have_been_delivered() {
    let script = "
        connect 1
        1.1 open
        1.1 declare q
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        landed
        1.1 publish later - a delay=100
        1.1 publish later - b delay=200
        1.1 publish later - c delay=300
        1.1 publish later - d delay=100
        landed
        at 1150
        1.1 get q
        1.1 ack 1
        landed
        END
        connect 1
        1.1 open
        1.1 consume q c
        at 1200
        at 1300
        ";
    check(
        &script.replace("END", "crash"),
        expect![[r#"
        connect 1
            1.0 connection.open-ok
        1.1 open
            1.1 channel.open-ok
        1.1 declare q
            land #2 queue 1 q
        1.1 exchange later x-delayed-message x-delayed-type:fanout
            land #3 exchange later x-delayed-message
        landed
            1.1 queue.declare-ok q 0 0
            1.1 exchange.declare-ok
        1.1 bind q later -
            land #4 bound later --> Queue(QueueId(1))
        landed
            1.1 queue.bind-ok
        1.1 publish later - a delay=100
            land #5 message a for [1], due 1100 x-delay I32(-100)
        1.1 publish later - b delay=200
            land #6 message b for [1], due 1200 x-delay I32(-200)
        1.1 publish later - c delay=300
            land #7 message c for [1], due 1300 x-delay I32(-300)
        1.1 publish later - d delay=100
            land #8 message d for [1], due 1100 x-delay I32(-100)
        landed
        at 1150
        1.1 get q
            1.1 get-ok [1] #5, 1 more
        1.1 ack 1
            land #9 settled in 1: #5+1
        landed
        crash
        connect 1
            1.0 connection.open-ok
        1.1 open
            1.1 channel.open-ok
        1.1 consume q c
            1.1 basic.consume-ok c
            1.1 deliver to c [1] #8 redelivered after 0
        at 1200
            1.1 deliver to c [2] #6
        at 1300
            1.1 deliver to c [3] #7
    "#]],
    );
    check(
        &script.replace("END", "stop\nlanded\ncrash"),
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 exchange later x-delayed-message x-delayed-type:fanout
                land #3 exchange later x-delayed-message
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
            1.1 bind q later -
                land #4 bound later --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 publish later - a delay=100
                land #5 message a for [1], due 1100 x-delay I32(-100)
            1.1 publish later - b delay=200
                land #6 message b for [1], due 1200 x-delay I32(-200)
            1.1 publish later - c delay=300
                land #7 message c for [1], due 1300 x-delay I32(-300)
            1.1 publish later - d delay=100
                land #8 message d for [1], due 1100 x-delay I32(-100)
            landed
            at 1150
            1.1 get q
                1.1 get-ok [1] #5, 1 more
            1.1 ack 1
                land #9 settled in 1: #5+1
            landed
            stop
                land #10 stopped
            landed
            crash
                land #11 delivered in 0: 
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #8
            at 1200
                1.1 deliver to c [2] #6
            at 1300
                1.1 deliver to c [3] #7
        "#]],
    );
}

#[test]
fn what_is_delayed_is_purged_and_deleted_with_its_queue() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-length=1
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        landed
        1.1 publish later - a delay=100
        1.1 publish later - b delay=200
        1.1 publish later - c
        landed
        1.1 purge q
        landed
        wakes
        1.1 publish later - d delay=100
        landed
        1.1 delete q if-empty
        1.2 open
        1.2 delete q
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-length=1
                land #2 queue 1 q
            1.1 exchange later x-delayed-message x-delayed-type:fanout
                land #3 exchange later x-delayed-message
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
            1.1 bind q later -
                land #4 bound later --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 publish later - a delay=100
                land #5 message a for [1], due 1100 x-delay I32(-100)
            1.1 publish later - b delay=200
                land #6 message b for [1], due 1200 x-delay I32(-200)
            1.1 publish later - c
                land #7 message c for [1]
            landed
            1.1 purge q
                land #8 dropped in 1: #5+3
            landed
                1.1 queue.purge-ok 3
            wakes
                1100
            1.1 publish later - d delay=100
                land #9 message d for [1], due 1100 x-delay I32(-100)
            landed
            1.1 delete q if-empty
                1.1 channel.close 406 PRECONDITION_FAILED - queue 'q' in vhost '/' not empty (50, 40)
            1.2 open
                1.2 channel.open-ok
            1.2 delete q
                land #10 dropped in 1: #9+1
                land #11 no queue 1
            landed
                1.2 queue.delete-ok 0
        "#]],
    );
}

#[test]
fn the_length_counts_when_the_delay_is_over() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare drops x-max-length=2
        1.1 declare refuses x-max-length=1 x-overflow:reject-publish
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind drops later -
        1.1 bind refuses later -
        landed
        1.1 publish later - a delay=100
        1.1 publish later - b delay=100
        1.1 publish later - c delay=100
        landed
        at 1100
        1.1 declare drops passive
        1.1 declare refuses passive
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare drops x-max-length=2
                land #2 queue 1 drops
            1.1 declare refuses x-max-length=1 x-overflow:reject-publish
            1.1 exchange later x-delayed-message x-delayed-type:fanout
            landed
                1.1 queue.declare-ok drops 0 0
                land #3 queue 2 refuses
                land #4 exchange later x-delayed-message
            1.1 bind drops later -
                land #5 bound later --> Queue(QueueId(1))
            1.1 bind refuses later -
                land #6 bound later --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok refuses 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish later - a delay=100
                land #7 message a for [1, 2], due 1100 x-delay I32(-100)
            1.1 publish later - b delay=100
                land #8 message b for [1, 2], due 1100 x-delay I32(-100)
            1.1 publish later - c delay=100
                land #9 message c for [1, 2], due 1100 x-delay I32(-100)
            landed
                1.1 confirm up to 3
            at 1100
                land #10 dropped in 1: #7+1
            1.1 declare drops passive
                1.1 queue.declare-ok drops 2 0
            1.1 declare refuses passive
                1.1 queue.declare-ok refuses 3 0
        "#]],
    );
}

#[test]
fn time_to_live_begins_when_the_delay_ends_and_does_not_begin_anew() {
    let script = "
        connect 1
        1.1 open
        1.1 declare q x-message-ttl=50
        1.1 declare r
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        1.1 bind r later -
        landed
        1.1 publish later - a delay=100
        1.1 publish later - b delay=100 expiration=20
        1.1 publish later - c
        landed
        at 1090
        at 1110
        1.1 get q
        END
        at 1130
        at 1149
        at 1150
        at 1160
        ";
    check(
        &script.replace("END", "1.1 nack 1 requeue"),
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-ttl=50
                land #2 queue 1 q
            1.1 declare r
            1.1 exchange later x-delayed-message x-delayed-type:fanout
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 r
                land #4 exchange later x-delayed-message
            1.1 bind q later -
                land #5 bound later --> Queue(QueueId(1))
            1.1 bind r later -
                land #6 bound later --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok r 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish later - a delay=100
                land #7 message a for [1, 2], due 1100 x-delay I32(-100)
            1.1 publish later - b delay=100 expiration=20
                land #8 message b for [1, 2], due 1100 x-delay I32(-100)
            1.1 publish later - c
                land #9 message c for [1, 2]
            landed
            at 1090
                land #10 expired in 1: #9+1
            at 1110
            1.1 get q
                1.1 get-ok [1] #7, 1 more
            1.1 nack 1 requeue
                land #11 waiting in 1: 7 ready (failed 1, lost 0)
            at 1130
                land #12 expired in 1: #8+1
                land #13 expired in 2: #8+1
            at 1149
            at 1150
            at 1160
                land #14 expired in 1: #7+1
        "#]],
    );
    let restarted = "1.1 nack 1 requeue\nlanded\ncrash";
    check(
        &script.replace("END", restarted),
        expect![[r#"
        connect 1
            1.0 connection.open-ok
        1.1 open
            1.1 channel.open-ok
        1.1 declare q x-message-ttl=50
            land #2 queue 1 q
        1.1 declare r
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
            1.1 queue.declare-ok q 0 0
            land #3 queue 2 r
            land #4 exchange later x-delayed-message
        1.1 bind q later -
            land #5 bound later --> Queue(QueueId(1))
        1.1 bind r later -
            land #6 bound later --> Queue(QueueId(2))
        landed
            1.1 queue.declare-ok r 0 0
            1.1 exchange.declare-ok
            1.1 queue.bind-ok
            1.1 queue.bind-ok
        1.1 publish later - a delay=100
            land #7 message a for [1, 2], due 1100 x-delay I32(-100)
        1.1 publish later - b delay=100 expiration=20
            land #8 message b for [1, 2], due 1100 x-delay I32(-100)
        1.1 publish later - c
            land #9 message c for [1, 2]
        landed
        at 1090
            land #10 expired in 1: #9+1
        at 1110
        1.1 get q
            1.1 get-ok [1] #7, 1 more
        1.1 nack 1 requeue
            land #11 waiting in 1: 7 ready (failed 1, lost 0)
        landed
        crash
        at 1130
            land #12 expired in 1: #8+1
            land #13 expired in 2: #8+1
        at 1149
        at 1150
            land #14 expired in 1: #7+1
        at 1160
    "#]],
    );
    check(
        &script.replace("END", "crash"),
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-ttl=50
                land #2 queue 1 q
            1.1 declare r
            1.1 exchange later x-delayed-message x-delayed-type:fanout
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 r
                land #4 exchange later x-delayed-message
            1.1 bind q later -
                land #5 bound later --> Queue(QueueId(1))
            1.1 bind r later -
                land #6 bound later --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok r 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish later - a delay=100
                land #7 message a for [1, 2], due 1100 x-delay I32(-100)
            1.1 publish later - b delay=100 expiration=20
                land #8 message b for [1, 2], due 1100 x-delay I32(-100)
            1.1 publish later - c
                land #9 message c for [1, 2]
            landed
            at 1090
                land #10 expired in 1: #9+1
            at 1110
            1.1 get q
                1.1 get-ok [1] #7, 1 more
            crash
                land #10 expired in 1: #9+1
            at 1130
                land #11 expired in 1: #8+1
                land #12 expired in 2: #8+1
            at 1149
            at 1150
                land #13 expired in 1: #7+1
            at 1160
        "#]],
    );
}

#[test]
fn the_delay_of_a_transaction_begins_with_its_commit() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        landed
        1.1 tx
        1.1 publish later - a delay=100
        at 1500
        1.1 commit
        landed
        wakes
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 exchange later x-delayed-message x-delayed-type:fanout
                land #3 exchange later x-delayed-message
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
            1.1 bind q later -
                land #4 bound later --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 tx
                1.1 tx.select-ok
            1.1 publish later - a delay=100
            at 1500
            1.1 commit
                land #5 message a for [1], due 1600 x-delay I32(-100)
            landed
                1.1 tx.commit-ok
            wakes
                1600
        "#]],
    );
}

#[test]
fn dead_letters_are_put_off_by_the_exchange_that_they_go_through() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange:later
        1.1 declare dead
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind dead later -
        landed
        1.1 publish - q a delay=100
        landed
        1.1 get q
        1.1 reject 1
        fetched
        landed
        at 1100
        1.1 get dead
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-dead-letter-exchange:later
                land #2 queue 1 q
            1.1 declare dead
            1.1 exchange later x-delayed-message x-delayed-type:fanout
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
                land #4 exchange later x-delayed-message
            1.1 bind dead later -
                land #5 bound later --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok dead 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
            1.1 publish - q a delay=100
                land #6 message a for [1] x-delay I64(100)
            landed
            1.1 get q
                1.1 get-ok [1] #6, 0 more
            1.1 reject 1
                fetch #6 of queue 1
            fetched
                land #7 message a for [2], due 1100 x-delay I32(-100), dead: rejected in q 1 times, no expiration
                land #8 dead-lettered in 1: #6+1
            landed
            at 1100
            1.1 get dead
                1.1 get-ok [2] #7, 0 more
        "#]],
    );
}

#[test]
fn ten_thousand_that_are_due_at_once_come_in_some_turns_and_in_order() {
    let mut heart = Heart::new(super::script::limits());
    for line in [
        "connect 1",
        "1.1 open",
        "1.1 declare q x-delivery-delay=500",
        "landed",
        "1.1 consume q c no-ack",
    ] {
        heart.run(line);
    }
    for _ in 0..10_000 {
        heart.run("1.1 publish - q a");
    }
    heart.run("landed");
    assert!(heart.run("at 1499").is_empty());
    let mut delivered = Vec::new();
    let mut most = 0;
    while delivered.len() < 10_000 {
        for line in ["at 1500", "written 1 10000"] {
            let lines = heart.run(line);
            most = most.max(lines.len());
            delivered.extend(lines);
        }
    }
    assert!(most < 3_000, "{most} in one turn");
    for (number, line) in delivered.iter().enumerate() {
        let position = format!("#{}", 3 + number);
        assert!(line.ends_with(&position), "{line}");
    }
    assert_eq!(heart.run("at 2000"), Vec::<String>::new());
}
