//! Transactions: held until the commit, answered when all has landed, given up with the channel.

use super::script::check;
use expect_test::expect;

#[test]
fn commit_ok_leaves_when_publishes_and_acks_have_landed() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q a
         landed
         1.1 tx
         1.1 get q
         1.1 publish - q b
         1.1 publish - q c
         1.1 ack 1
         landed
         1.1 commit
         landed 4
         landed
         1.1 get q
         1.1 ack 2
         1.1 commit
         1.2 open
         1.2 declare q passive
         landed
         1.1 commit
         crash
         connect 2
         2.1 open
         2.1 get q
         2.1 get q",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 queue.declare-ok q 0 0
            1.1 tx
                1.1 tx.select-ok
            1.1 get q
                1.1 get-ok [1] #3, 0 more
            1.1 publish - q b
            1.1 publish - q c
            1.1 ack 1
            landed
            1.1 commit
                land #4 message b for [1]
                land #5 message c for [1]
                land #6 settled in 1: #3+1
            landed 4
            landed
                1.1 tx.commit-ok
            1.1 get q
                1.1 get-ok [2] #4, 1 more
            1.1 ack 2
            1.1 commit
                land #7 settled in 1: #4+1
            1.2 open
                1.2 channel.open-ok
            1.2 declare q passive
                1.2 queue.declare-ok q 1 0
            landed
                1.1 tx.commit-ok
            1.1 commit
                1.1 tx.commit-ok
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 get q
                2.1 get-ok [1] #5 redelivered after 0, 0 more
            2.1 get q
                2.1 basic.get-empty
        "#]],
    );
}

#[test]
fn rollback_forgets_publishes_and_gives_acks_back_to_the_client() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q a
         1.1 publish - q b
         1.1 publish - q c
         landed
         1.1 tx
         1.1 get q
         1.1 get q
         1.1 get q
         1.1 publish - q d
         1.1 ack 2
         1.1 nack 3 multiple
         1.1 ack 2
         1.2 open
         1.2 tx
         1.2 get q
         1.2 get q
         1.2 get q
         1.2 publish - q d
         1.2 ack 2
         1.2 nack 3 multiple
         1.2 recover
         1.2 rollback
         1.2 ack 2
         1.2 recover
         1.2 get q
         1.2 commit
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
                1.1 queue.declare-ok q 0 0
            1.1 tx
                1.1 tx.select-ok
            1.1 get q
                1.1 get-ok [1] #3, 2 more
            1.1 get q
                1.1 get-ok [2] #4, 1 more
            1.1 get q
                1.1 get-ok [3] #5, 0 more
            1.1 publish - q d
            1.1 ack 2
            1.1 nack 3 multiple
            1.1 ack 2
                1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 2 (60, 80)
                land #6 waiting in 1: 3 ready (failed 0, lost 1), 4 ready (failed 0, lost 1), 5 ready (failed 0, lost 1)
            1.2 open
                1.2 channel.open-ok
            1.2 tx
                1.2 tx.select-ok
            1.2 get q
                1.2 get-ok [1] #3 redelivered after 1 (1 lost), 2 more
            1.2 get q
                1.2 get-ok [2] #4 redelivered after 1 (1 lost), 1 more
            1.2 get q
                1.2 get-ok [3] #5 redelivered after 1 (1 lost), 0 more
            1.2 publish - q d
            1.2 ack 2
            1.2 nack 3 multiple
            1.2 recover
                1.2 basic.recover-ok
            1.2 rollback
                1.2 tx.rollback-ok
            1.2 ack 2
            1.2 recover
                1.2 basic.recover-ok
                land #7 waiting in 1: 3 ready (failed 1, lost 1), 5 ready (failed 1, lost 1)
            1.2 get q
                1.2 get-ok [4] #3 redelivered after 2 (1 lost), 1 more
            1.2 commit
                land #8 settled in 1: #4+1
            landed
                1.2 tx.commit-ok
        "#]],
    );
}

#[test]
fn rejects_and_requeues_wait_for_the_commit_and_prefetch_with_them() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q a
         1.1 publish - q b
         1.1 publish - q c
         1.1 publish - q d
         landed
         1.1 tx
         1.1 qos 2
         1.1 consume q c
         1.1 reject 1
         1.1 nack 2 requeue
         1.1 commit
         landed
         1.1 qos 2 global
         1.1 ack 0 multiple
         1.1 rollback
         1.1 ack 0 multiple
         1.1 commit
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            1.1 publish - q d
                land #6 message d for [1]
            landed
                1.1 queue.declare-ok q 0 0
            1.1 tx
                1.1 tx.select-ok
            1.1 qos 2
                1.1 basic.qos-ok
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #3
                1.1 deliver to c [2] #4
            1.1 reject 1
            1.1 nack 2 requeue
            1.1 commit
                land #7 waiting in 1: 4 ready (failed 1, lost 0)
                land #8 dropped in 1: #3+1
            landed
                1.1 tx.commit-ok
                1.1 deliver to c [3] #4 redelivered after 1
                1.1 deliver to c [4] #5
            1.1 qos 2 global
                1.1 basic.qos-ok
            1.1 ack 0 multiple
            1.1 rollback
                1.1 tx.rollback-ok
            1.1 ack 0 multiple
            1.1 commit
                land #9 settled in 1: #4+2
            landed
                1.1 tx.commit-ok
                1.1 deliver to c [5] #6
        "#]],
    );
}

#[test]
fn a_publish_is_checked_and_routed_when_it_comes_and_returned_at_the_commit() {
    check(
        "connect 1
         1.1 open
         1.1 exchange x fanout
         1.1 declare q no-wait
         1.1 declare gone no-wait
         landed
         1.1 tx
         1.1 publish x k a mandatory
         1.1 publish - q b
         1.1 publish - gone c mandatory
         1.1 bind q x -
         1.1 delete gone
         landed
         1.1 commit
         landed
         1.1 publish none k a
         1.2 open
         1.2 tx
         1.2 publish amq.rabbitmq.trace k a
         1.3 open
         1.3 tx
         1.3 ack 7
         1.4 open
         1.4 tx
         1.4 publish - q d
         1.4 close
         1.4 open
         1.4 get q",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange x fanout
                land #2 exchange x fanout
            1.1 declare q no-wait
            1.1 declare gone no-wait
            landed
                1.1 exchange.declare-ok
                land #3 queue 1 q
                land #4 queue 2 gone
            1.1 tx
            1.1 publish x k a mandatory
            1.1 publish - q b
            1.1 publish - gone c mandatory
            1.1 bind q x -
                land #5 bound x --> Queue(QueueId(1))
            1.1 delete gone
            landed
                1.1 tx.select-ok
                1.1 queue.bind-ok
                land #6 no queue 2
            1.1 commit
                1.1 return a (x k)
                land #7 message b for [1]
                1.1 return c ( gone)
            landed
                1.1 queue.delete-ok 0
                1.1 tx.commit-ok
            1.1 publish none k a
                1.1 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (60, 40)
            1.2 open
                1.2 channel.open-ok
            1.2 tx
                1.2 tx.select-ok
            1.2 publish amq.rabbitmq.trace k a
                1.2 channel.close 403 ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/' (60, 40)
            1.3 open
                1.3 channel.open-ok
            1.3 tx
                1.3 tx.select-ok
            1.3 ack 7
                1.3 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 7 (60, 80)
            1.4 open
                1.4 channel.open-ok
            1.4 tx
                1.4 tx.select-ok
            1.4 publish - q d
            1.4 close
                1.4 channel.close-ok
            1.4 open
                1.4 channel.open-ok
            1.4 get q
                1.4 get-ok [1] #7, 0 more
        "#]],
    );
}

#[test]
fn a_repeat_in_a_transaction_lands_once_and_is_committed_no_sooner_than_the_original() {
    check(
        "connect 1
         1.1 open
         1.2 open
         1.1 declare q
         landed
         1.1 tx
         1.2 publish - q a id=p:1
         1.1 publish - q a id=p:1
         1.1 commit
         landed
         1.1 publish - q b id=p:2
         1.1 publish - q b id=p:2
         1.2 publish - q b id=p:2
         1.1 commit
         landed
         1.1 publish - q c id=p:3
         1.1 publish - q c id=p:3
         1.1 commit
         landed
         1.1 commit",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.2 open
                1.2 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 tx
                1.1 tx.select-ok
            1.2 publish - q a id=p:1
                land #3 message a for [1]
            1.1 publish - q a id=p:1
            1.1 commit
            landed
                1.1 tx.commit-ok
            1.1 publish - q b id=p:2
            1.1 publish - q b id=p:2
            1.2 publish - q b id=p:2
                land #4 message b for [1]
            1.1 commit
            landed
                1.1 tx.commit-ok
            1.1 publish - q c id=p:3
            1.1 publish - q c id=p:3
            1.1 commit
                land #5 message c for [1]
            landed
                1.1 tx.commit-ok
            1.1 commit
                1.1 tx.commit-ok
        "#]],
    );
}

#[test]
fn confirms_and_transactions_do_not_mix() {
    check(
        "connect 1
         1.1 open
         1.1 tx
         1.1 tx
         1.1 confirm
         1.2 open
         1.2 confirm
         1.2 tx
         1.3 open
         1.3 commit
         1.4 open
         1.4 rollback",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 tx
                1.1 tx.select-ok
            1.1 tx
                1.1 tx.select-ok
            1.1 confirm
                1.1 channel.close 406 PRECONDITION_FAILED - cannot switch from tx to confirm mode (85, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 confirm
                1.2 confirm.select-ok
            1.2 tx
                1.2 channel.close 406 PRECONDITION_FAILED - cannot switch from confirm to tx mode (90, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 commit
                1.3 channel.close 406 PRECONDITION_FAILED - channel is not transactional (90, 20)
            1.4 open
                1.4 channel.open-ok
            1.4 rollback
                1.4 channel.close 406 PRECONDITION_FAILED - channel is not transactional (90, 30)
        "#]],
    );
}

#[test]
fn open_transactions_share_a_limit() {
    check(
        "connect 1
         1.1 open
         1.1 declare q no-wait
         1.1 tx
         1.2 open
         1.2 tx
         1.1 publish - q a
         1.1 publish - q b
         1.2 publish - q c
         1.2 publish - q d
         1.2 open
         1.2 tx
         1.2 publish - q e
         1.1 rollback
         1.2 publish - q f
         1.2 publish - q g
         1.2 publish - q h
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q no-wait
                land #2 queue 1 q
            1.1 tx
            1.2 open
                1.2 channel.open-ok
            1.2 tx
            1.1 publish - q a
            1.1 publish - q b
            1.2 publish - q c
            1.2 publish - q d
                1.2 channel.close 406 PRECONDITION_FAILED - transaction too large: all that are open may hold 1000 bytes (60, 40)
            1.2 open
                1.2 channel.open-ok
            1.2 tx
            1.2 publish - q e
            1.1 rollback
            1.2 publish - q f
            1.2 publish - q g
            1.2 publish - q h
                1.2 channel.close 406 PRECONDITION_FAILED - transaction too large: all that are open may hold 1000 bytes (60, 40)
            landed
                1.1 tx.select-ok
                1.1 tx.rollback-ok
        "#]],
    );
}

#[test]
fn a_commit_that_a_full_queue_refuses_is_not_answered_with_commit_ok() {
    check(
        "connect 1
         1.1 open
         1.1 declare q no-wait x-max-length=1 x-overflow:reject-publish
         1.1 declare free no-wait
         1.1 tx
         1.1 publish - q a
         1.1 commit
         landed
         1.1 get q
         1.1 publish - q b
         1.1 publish - q c
         1.1 publish - free d
         1.1 ack 1
         1.1 commit
         landed
         1.2 open
         1.2 get q
         1.2 get q
         1.2 get free",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q no-wait x-max-length=1 x-overflow:reject-publish
                land #2 queue 1 q
            1.1 declare free no-wait
                land #3 queue 2 free
            1.1 tx
            1.1 publish - q a
            1.1 commit
                land #4 message a for [1]
            landed
                1.1 tx.select-ok
                1.1 tx.commit-ok
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            1.1 publish - q b
            1.1 publish - q c
            1.1 publish - free d
            1.1 ack 1
            1.1 commit
                land #5 message b for [1]
                land #6 message d for [2]
                land #7 settled in 1: #4+1
                1.1 channel.close 406 PRECONDITION_FAILED - partial tx completion (90, 20)
            landed
            1.2 open
                1.2 channel.open-ok
            1.2 get q
                1.2 get-ok [1] #5, 0 more
            1.2 get q
                1.2 basic.get-empty
            1.2 get free
                1.2 get-ok [2] #6, 0 more
        "#]],
    );
}
