//! Definitions: declare-ok after landing, equivalence, exclusive and auto-delete, refusals with RabbitMQ's texts.

use super::script::{check, check_with, limits};
use expect_test::expect;
use model::{DeclareMismatch, Limits};

#[test]
fn answers_wait_until_the_definitions_they_speak_of_have_landed() {
    check(
        "connect 1
         connect 2
         1.1 open
         2.1 open
         1.1 declare q durable
         2.1 declare q passive
         2.1 qos 5
         landed
         2.1 declare q durable",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            2.1 open
                2.1 channel.open-ok
            1.1 declare q durable
                land #2 queue 1 q
            2.1 declare q passive
            2.1 qos 5
            landed
                1.1 queue.declare-ok q 0 0
                2.1 queue.declare-ok q 0 0
                2.1 basic.qos-ok
            2.1 declare q durable
                2.1 queue.declare-ok q 0 0
        "#]],
    );
}

#[test]
fn a_queue_declared_otherwise_is_refused() {
    check(
        "connect 1
         1.1 open
         1.1 declare q durable x-message-ttl=5
         landed
         1.1 declare q durable x-message-ttl=5 x-queue-type:classic unknown:thing
         1.1 declare q x-message-ttl=5
         1.2 open
         1.2 declare q durable x-message-ttl=6
         1.3 open
         1.3 declare q durable
         1.4 open
         1.4 declare q durable x-queue-type:quorum x-message-ttl=5
         1.5 open
         1.5 declare amq.mine
         1.6 open
         1.6 declare none passive
         1.7 open
         1.7 get -",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-message-ttl=5
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare q durable x-message-ttl=5 x-queue-type:classic unknown:thing
                1.1 queue.declare-ok q 0 0
            1.1 declare q x-message-ttl=5
                1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true' (50, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 declare q durable x-message-ttl=6
                1.2 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '6' but current is '5' (50, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 declare q durable
                1.3 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '5' of type 'signedint' (50, 10)
            1.4 open
                1.4 channel.open-ok
            1.4 declare q durable x-queue-type:quorum x-message-ttl=5
                1.4 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic' (50, 10)
            1.5 open
                1.5 channel.open-ok
            1.5 declare amq.mine
                1.5 channel.close 403 ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*' (50, 10)
            1.6 open
                1.6 channel.open-ok
            1.6 declare none passive
                1.6 channel.close 404 NOT_FOUND - no queue 'none' in vhost '/' (50, 10)
            1.7 open
                1.7 channel.open-ok
            1.7 get -
                1.7 channel.close 404 NOT_FOUND - no previously declared queue (60, 70)
        "#]],
    );
}

#[test]
fn exclusive_queues_belong_to_their_connection() {
    check(
        "connect 1
         connect 2
         1.1 open
         2.1 open
         1.1 declare - exclusive
         landed
         1.1 declare q exclusive
         landed
         1.1 declare q exclusive
         2.1 declare q passive
         1.1 declare q
         close 1
         landed
         2.1 open
         2.1 declare q passive
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            2.1 open
                2.1 channel.open-ok
            1.1 declare - exclusive
                land #2 queue 1 amq.gen-e71894b1b5034fb7000001
            landed
                1.1 queue.declare-ok amq.gen-e71894b1b5034fb7000001 0 0
            1.1 declare q exclusive
                land #3 queue 2 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare q exclusive
                1.1 queue.declare-ok q 0 0
            2.1 declare q passive
                2.1 channel.close 405 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration. (50, 10)
            1.1 declare q
                1.1 channel.close 405 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration. (50, 10)
            close 1
                land #4 no queue 1
                land #5 no queue 2
            landed
            2.1 open
                2.1 channel.open-ok
            2.1 declare q passive
                2.1 channel.close 404 NOT_FOUND - no queue 'q' in vhost '/' (50, 10)
            landed
        "#]],
    );
}

#[test]
fn deleting_takes_messages_bindings_and_consumers_along() {
    check(
        "connect 1
         connect 2
         1.1 open
         2.1 open
         1.1 exchange x direct auto-delete
         landed
         1.1 declare q
         landed
         1.1 bind q x k
         1.1 publish x k 1
         1.1 publish x k 2
         landed
         2.1 qos 1
         2.1 consume q c
         1.1 delete q if-unused
         1.2 open
         1.2 delete q if-empty
         1.3 open
         1.3 delete q
         landed
         2.1 ack 1
         1.3 delete q
         1.3 publish x k 3",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            2.1 open
                2.1 channel.open-ok
            1.1 exchange x direct auto-delete
                land #2 exchange x direct
            landed
                1.1 exchange.declare-ok
            1.1 declare q
                land #3 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 bind q x k
                land #4 bound x -k-> Queue(QueueId(1))
            1.1 publish x k 1
                land #5 message 1 for [1]
            1.1 publish x k 2
                land #6 message 2 for [1]
            landed
                1.1 queue.bind-ok
            2.1 qos 1
                2.1 basic.qos-ok
            2.1 consume q c
                2.1 basic.consume-ok c
                2.1 deliver to c [1] #5
            1.1 delete q if-unused
                1.1 channel.close 406 PRECONDITION_FAILED - queue 'q' in vhost '/' in use (50, 40)
            1.2 open
                1.2 channel.open-ok
            1.2 delete q if-empty
                1.2 channel.close 406 PRECONDITION_FAILED - queue 'q' in vhost '/' not empty (50, 40)
            1.3 open
                1.3 channel.open-ok
            1.3 delete q
                land #7 dropped in 1: #5+2
                land #8 no queue 1
                land #9 no exchange x
            landed
                1.3 queue.delete-ok 1
                2.1 basic.cancel c
            2.1 ack 1
            1.3 delete q
                1.3 queue.delete-ok 0
            1.3 publish x k 3
                1.3 channel.close 404 NOT_FOUND - no exchange 'x' in vhost '/' (60, 40)
        "#]],
    );
}

#[test]
fn auto_delete_queues_go_with_their_last_consumer() {
    check(
        "connect 1
         1.1 open
         1.1 declare q auto-delete
         landed
         1.1 consume q a
         1.1 consume q b
         1.1 cancel a
         1.1 cancel b
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q auto-delete
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 consume q a
                1.1 basic.consume-ok a
            1.1 consume q b
                1.1 basic.consume-ok b
            1.1 cancel a
                1.1 basic.cancel-ok
            1.1 cancel b
                land #3 no queue 1
            landed
                1.1 basic.cancel-ok
        "#]],
    );
}

#[test]
fn a_node_that_says_farewell_takes_no_auto_delete_queue_along() {
    check(
        "connect 1
         1.1 open
         1.1 declare q auto-delete durable
         1.1 publish - q a
         landed
         1.1 consume q a
         farewell
         close 1
         stop
         crash
         connect 2
         2.1 open
         2.1 consume q b
         2.1 cancel b
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q auto-delete durable
                land #2 queue 1 q
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 queue.declare-ok q 0 0
            1.1 consume q a
                1.1 basic.consume-ok a
                1.1 deliver to a [1] #3
            farewell
            close 1
                land #4 waiting in 1: 3 ready (failed 0, lost 1)
            stop
                land #5 stopped
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 consume q b
                2.1 basic.consume-ok b
                2.1 deliver to b [1] #3 redelivered after 0
            2.1 cancel b
                land #4 dropped in 1: #3+1
                land #5 no queue 1
            landed
                2.1 basic.cancel-ok
        "#]],
    );
}

#[test]
fn exchanges_are_refused_with_the_texts_that_clients_know() {
    check(
        "connect 1
         1.1 open
         1.1 exchange amq.direct direct durable
         1.1 exchange - direct
         1.2 open
         1.2 exchange amq.mine direct
         1.3 open
         1.3 exchange x nonsense
         1.4 open
         1.4 exchange none direct passive
         1.5 open
         1.5 exchange amq.topic direct durable
         1.6 open
         1.6 delete-exchange amq.topic
         1.7 open
         1.7 bind none amq.topic k
         1.8 open
         1.8 declare q
         1.8 bind q none k
         1.9 open
         1.9 bind q - k
         1.10 open
         1.10 bind q amq.headers - x-match:some
         1.11 open
         1.11 exchange x direct
         1.11 bind q x k
         1.11 delete-exchange x if-unused
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange amq.direct direct durable
                1.1 exchange.declare-ok
            1.1 exchange - direct
                1.1 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (40, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 exchange amq.mine direct
                1.2 channel.close 403 ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*' (40, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange x nonsense
                1.3 channel.close 406 PRECONDITION_FAILED - unknown exchange type 'nonsense' (40, 10)
            1.4 open
                1.4 channel.open-ok
            1.4 exchange none direct passive
                1.4 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (40, 10)
            1.5 open
                1.5 channel.open-ok
            1.5 exchange amq.topic direct durable
                1.5 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': received 'direct' but current is 'topic' (40, 10)
            1.6 open
                1.6 channel.open-ok
            1.6 delete-exchange amq.topic
                1.6 channel.close 403 ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed (40, 20)
            1.7 open
                1.7 channel.open-ok
            1.7 bind none amq.topic k
                1.7 channel.close 404 NOT_FOUND - no queue 'none' in vhost '/' (50, 20)
            1.8 open
                1.8 channel.open-ok
            1.8 declare q
                land #2 queue 1 q
            1.8 bind q none k
                1.8 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (50, 20)
            1.9 open
                1.9 channel.open-ok
            1.9 bind q - k
                1.9 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (50, 20)
            1.10 open
                1.10 channel.open-ok
            1.10 bind q amq.headers - x-match:some
                1.10 channel.close 406 PRECONDITION_FAILED - Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x (50, 20)
            1.11 open
                1.11 channel.open-ok
            1.11 exchange x direct
                land #3 exchange x direct
            1.11 bind q x k
                land #4 bound x -k-> Queue(QueueId(1))
            1.11 delete-exchange x if-unused
                1.11 channel.close 406 PRECONDITION_FAILED - exchange 'x' in vhost '/' in use (40, 20)
            landed
        "#]],
    );
}

#[test]
fn purge_takes_what_is_ready() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q 1
         1.1 publish - q 2
         1.1 publish - q 3
         landed
         1.1 get q
         1.1 purge q
         landed
         1.1 unbind q amq.direct k
         1.1 nack 1 requeue
         1.1 declare q passive",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 publish - q 1
                land #3 message 1 for [1]
            1.1 publish - q 2
                land #4 message 2 for [1]
            1.1 publish - q 3
                land #5 message 3 for [1]
            landed
                1.1 queue.declare-ok q 0 0
            1.1 get q
                1.1 get-ok [1] #3, 2 more
            1.1 purge q
                land #6 dropped in 1: #4+2
            landed
                1.1 queue.purge-ok 2
            1.1 unbind q amq.direct k
                1.1 queue.unbind-ok
            1.1 nack 1 requeue
                land #7 waiting in 1: 3 ready (failed 1, lost 0)
            1.1 declare q passive
                1.1 queue.declare-ok q 1 0
        "#]],
    );
}

#[test]
fn where_that_is_wanted_a_queue_declared_otherwise_stays_as_it_is() {
    check_with(
        Limits {
            declare_mismatch: DeclareMismatch::Keep,
            ..limits()
        },
        "connect 1
         1.1 open
         1.1 declare q durable x-max-length=1
         landed
         1.1 declare q x-max-length=9 x-max-priority=3
         1.1 publish - q a
         1.1 publish - q b
         landed
         1.1 declare q x-max-length=-1",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-max-length=1
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare q x-max-length=9 x-max-priority=3
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            landed
                land #5 dropped in 1: #3+1
            1.1 declare q x-max-length=-1
                1.1 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'q' in vhost '/': expected an integer of at least 0, got the value '-1' of type 'signedint' (50, 10)
        "#]],
    );
}

#[test]
fn where_that_is_wanted_a_queue_declared_otherwise_is_changed_for_good() {
    check_with(
        Limits {
            declare_mismatch: DeclareMismatch::Update,
            ..limits()
        },
        "connect 1
         1.1 open
         1.1 declare q durable x-max-length=3
         landed
         1.1 publish - q a
         1.1 publish - q b
         landed
         1.1 declare q durable x-max-length=1
         landed
         1.1 declare q durable x-max-length=1
         crash
         connect 2
         2.1 open
         2.1 publish - q c
         landed
         2.1 declare q durable
         landed
         2.1 publish - q d
         landed
         2.1 declare q durable x-max-priority=3
         2.2 open
         2.2 declare q x-max-length=1",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-max-length=3
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            landed
            1.1 declare q durable x-max-length=1
                land #5 queue 1 q
                land #6 dropped in 1: #3+1
            landed
                1.1 queue.declare-ok q 2 0
            1.1 declare q durable x-max-length=1
                1.1 queue.declare-ok q 1 0
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish - q c
                land #7 message c for [1]
            landed
                land #8 dropped in 1: #4+1
            2.1 declare q durable
                land #9 queue 1 q
            landed
                2.1 queue.declare-ok q 1 0
            2.1 publish - q d
                land #10 message d for [1]
            landed
            2.1 declare q durable x-max-priority=3
                2.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue 'q' in vhost '/': received the value '3' of type 'signedint' but current is none (50, 10)
            2.2 open
                2.2 channel.open-ok
            2.2 declare q x-max-length=1
                2.2 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true' (50, 10)
        "#]],
    );
}
