//! Deduplication beside the other rules: full queues, transactions, dead letters, delays, policies.

use super::script::check;
use expect_test::expect;

#[test]
fn what_was_refused_is_not_remembered() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare full x-message-deduplication=true x-max-length=1 x-overflow:reject-publish
        landed
        1.1 declare q x-message-deduplication=true
        landed
        1.1 exchange x fanout
        landed
        1.1 bind full x -
        landed
        1.1 bind q x -
        landed
        1.1 confirm
        landed
        1.1 publish - full a header:x-deduplication-header=1
        1.1 publish x - b header:x-deduplication-header=2
        1.1 publish x - c header:x-deduplication-header=1
        1.1 publish x - d header:x-deduplication-header=3 id=p:1
        landed
        1.1 purge full
        landed
        1.1 publish x - b header:x-deduplication-header=2
        1.1 purge full
        landed
        1.1 publish x - d header:x-deduplication-header=3 id=p:1
        landed
        1.1 publish x - d header:x-deduplication-header=3 id=p:1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare full x-message-deduplication=true x-max-length=1 x-overflow:reject-publish
                land #2 queue 1 full
            landed
                1.1 queue.declare-ok full 0 0
            1.1 declare q x-message-deduplication=true
                land #3 queue 2 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 exchange x fanout
                land #4 exchange x fanout
            landed
                1.1 exchange.declare-ok
            1.1 bind full x -
                land #5 bound x --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 bind q x -
                land #6 bound x --> Queue(QueueId(2))
            landed
                1.1 queue.bind-ok
            1.1 confirm
                1.1 confirm.select-ok
            landed
            1.1 publish - full a header:x-deduplication-header=1
                land #7 message a for [1], remembered in 1
            1.1 publish x - b header:x-deduplication-header=2
                land #8 message b for [2], remembered in 2
            1.1 publish x - c header:x-deduplication-header=1
                land #9 message c for [2], remembered in 2
            1.1 publish x - d header:x-deduplication-header=3 id=p:1
            landed
                1.1 confirm 1
                1.1 refuse 2
                1.1 confirm 3
                1.1 refuse 4
            1.1 purge full
                land #10 dropped in 1: #7+1
            landed
                1.1 queue.purge-ok 1
            1.1 publish x - b header:x-deduplication-header=2
                land #11 message b for [1], remembered in 1
            1.1 purge full
            landed
                1.1 confirm 5
                land #12 dropped in 1: #11+1
            1.1 publish x - d header:x-deduplication-header=3 id=p:1
                land #13 message d for [1, 2], remembered in 1, remembered in 2
            landed
                1.1 queue.purge-ok 1
                1.1 confirm 6
            1.1 publish x - d header:x-deduplication-header=3 id=p:1
                1.1 confirm 7
        "#]],
    );
}

#[test]
fn a_transaction_is_decided_at_its_commit() {
    check(
        "
        connect 1
        1.1 open
        1.2 open
        1.1 declare q x-message-deduplication=true
        landed
        1.1 tx
        landed
        1.1 publish - q a header:x-deduplication-header=1
        1.1 rollback
        1.1 publish - q b header:x-deduplication-header=1
        1.1 publish - q c header:x-deduplication-header=1
        1.2 publish - q d header:x-deduplication-header=2
        1.1 commit
        1.1 publish - q e header:x-deduplication-header=2
        1.1 commit
        landed
        1.1 publish - q f header:x-deduplication-header=2
        1.1 commit
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.2 open
                1.2 channel.open-ok
            1.1 declare q x-message-deduplication=true
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 tx
                1.1 tx.select-ok
            landed
            1.1 publish - q a header:x-deduplication-header=1
            1.1 rollback
                1.1 tx.rollback-ok
            1.1 publish - q b header:x-deduplication-header=1
            1.1 publish - q c header:x-deduplication-header=1
            1.2 publish - q d header:x-deduplication-header=2
                land #3 message d for [1], remembered in 1
            1.1 commit
                land #4 message b for [1], remembered in 1
            1.1 publish - q e header:x-deduplication-header=2
            1.1 commit
            landed
                1.1 tx.commit-ok
                1.1 tx.commit-ok
            1.1 publish - q f header:x-deduplication-header=2
            1.1 commit
                1.1 tx.commit-ok
        "#]],
    );
}

#[test]
fn what_comes_from_another_queue_is_no_publish() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-deduplication=true x-dead-letter-exchange: x-dead-letter-routing-key:dead
        landed
        1.1 declare dead x-message-deduplication=true
        landed
        1.1 publish - q a header:x-deduplication-header=1
        1.1 publish - dead b header:x-deduplication-header=1
        landed
        1.1 get q
        1.1 nack 1
        fetched
        landed
        1.1 get q
        1.1 publish - q c header:x-deduplication-header=2
        landed
        1.1 get q
        1.1 nack 2
        fetched
        landed
        1.1 publish - dead d header:x-deduplication-header=2
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-deduplication=true x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare dead x-message-deduplication=true
                land #3 queue 2 dead
            landed
                1.1 queue.declare-ok dead 0 0
            1.1 publish - q a header:x-deduplication-header=1
                land #4 message a for [1], remembered in 1
            1.1 publish - dead b header:x-deduplication-header=1
                land #5 message b for [2], remembered in 2
            landed
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            1.1 nack 1
                fetch #4 of queue 1
            fetched
                land #6 message a for [2], dead: rejected in q 1 times, no expiration
                land #7 dead-lettered in 1: #4+1
            landed
            1.1 get q
                1.1 basic.get-empty
            1.1 publish - q c header:x-deduplication-header=2
                land #8 message c for [1], remembered in 1
            landed
            1.1 get q
                1.1 get-ok [2] #8, 0 more
            1.1 nack 2
                fetch #8 of queue 1
            fetched
                land #9 message c for [2], dead: rejected in q 1 times, no expiration
                land #10 dead-lettered in 1: #8+1
            landed
            1.1 publish - dead d header:x-deduplication-header=2
                land #11 message d for [2], remembered in 2
        "#]],
    );
}

#[test]
fn what_is_put_off_is_known_from_its_publish_on() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-deduplication=true
        landed
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        landed
        1.1 publish later - a header:x-delay=#500 header:x-deduplication-header=1
        1.1 publish later - b header:x-delay=#100 header:x-deduplication-header=1
        1.1 publish - q c header:x-deduplication-header=1
        1.1 publish - q d header:x-deduplication-header=2
        1.1 publish later - e header:x-delay=#100 header:x-deduplication-header=2
        landed
        crash
        connect 1
        1.1 open
        1.1 publish - q f header:x-deduplication-header=1
        at 1500
        1.1 publish - q g header:x-deduplication-header=1
        1.1 get q
        1.1 get q
        1.1 get q
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
            1.1 exchange later x-delayed-message x-delayed-type:fanout
                land #3 exchange later x-delayed-message
            landed
                1.1 exchange.declare-ok
            1.1 bind q later -
                land #4 bound later --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 publish later - a header:x-delay=#500 header:x-deduplication-header=1
                land #5 message a for [1], due 1500 x-delay I32(-500), remembered in 1
            1.1 publish later - b header:x-delay=#100 header:x-deduplication-header=1
            1.1 publish - q c header:x-deduplication-header=1
            1.1 publish - q d header:x-deduplication-header=2
                land #6 message d for [1], remembered in 1
            1.1 publish later - e header:x-delay=#100 header:x-deduplication-header=2
            landed
            crash
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 publish - q f header:x-deduplication-header=1
            at 1500
            1.1 publish - q g header:x-deduplication-header=1
            1.1 get q
                1.1 get-ok [1] #5, 1 more
            1.1 get q
                1.1 get-ok [2] #6 redelivered after 0, 0 more
            1.1 get q
                1.1 basic.get-empty
        "#]],
    );
}

#[test]
fn a_queue_made_again_and_one_by_a_policy_remember_nothing_from_before() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-deduplication=true
        landed
        1.1 publish - q a header:x-deduplication-header=1
        1.1 delete q
        landed
        1.1 declare q
        landed
        1.1 publish - q b header:x-deduplication-header=1
        operator policy / once ^q all message-deduplication=true cache-size=1
        landed
        1.1 publish - q c header:x-deduplication-header=1
        1.1 publish - q d header:x-deduplication-header=1
        1.1 publish - q e header:x-deduplication-header=2
        1.1 publish - q f header:x-deduplication-header=1
        landed
        crash
        connect 1
        1.1 open
        1.1 publish - q g header:x-deduplication-header=1
        operator no-policy / once
        1.1 publish - q h header:x-deduplication-header=1
        checkpoint
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
            1.1 publish - q a header:x-deduplication-header=1
                land #3 message a for [1], remembered in 1
            1.1 delete q
            landed
                land #4 dropped in 1: #3+1
                land #5 no queue 1
            1.1 declare q
            landed
                1.1 queue.delete-ok 1
                land #6 queue 2 q
            1.1 publish - q b header:x-deduplication-header=1
                land #7 message b for [2]
            operator policy / once ^q all message-deduplication=true cache-size=1
                land #8 policy once in / for all ^q
            landed
                1.1 queue.declare-ok q 0 0
                operator: made
            1.1 publish - q c header:x-deduplication-header=1
                land #9 message c for [2], remembered in 2
            1.1 publish - q d header:x-deduplication-header=1
            1.1 publish - q e header:x-deduplication-header=2
                land #10 message e for [2], remembered in 2
            1.1 publish - q f header:x-deduplication-header=1
                land #11 message f for [2], remembered in 2
            landed
            crash
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 publish - q g header:x-deduplication-header=1
            operator no-policy / once
                land #12 no policy once in /
            1.1 publish - q h header:x-deduplication-header=1
                land #13 message h for [2]
            checkpoint
                land #14 user guest ["administrator"]
                land #15 permission of guest in /: .* .* .*
                land #16 vhost /
                land #17 queue 2 q
                land #18 counted 2: 5 in, [0, 0, 0, 0, 0, 0] out
                land #19 checkpoint from #14, next queue 3
        "#]],
    );
}
