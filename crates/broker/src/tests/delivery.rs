//! Delivery and settling: fairness, prefetch, order, give-backs, tags.

use super::script::check;
use expect_test::expect;

#[test]
fn consumers_take_turns_as_far_as_they_have_room() {
    check(
        "connect 1
         1.1 open
         1.2 open
         1.1 declare q
         landed
         1.1 qos 1
         1.1 consume q a
         1.2 qos 2
         1.2 consume q b
         1.1 publish - q 1
         1.1 publish - q 2
         1.1 publish - q 3
         1.1 publish - q 4
         1.1 publish - q 5
         landed
         1.2 ack 2 multiple
         1.1 ack 1",
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
            1.1 qos 1
                1.1 basic.qos-ok
            1.1 consume q a
                1.1 basic.consume-ok a
            1.2 qos 2
                1.2 basic.qos-ok
            1.2 consume q b
                1.2 basic.consume-ok b
            1.1 publish - q 1
                land #3 message 1 for [1]
            1.1 publish - q 2
                land #4 message 2 for [1]
            1.1 publish - q 3
                land #5 message 3 for [1]
            1.1 publish - q 4
                land #6 message 4 for [1]
            1.1 publish - q 5
                land #7 message 5 for [1]
            landed
                1.1 deliver to a [1] #3
                1.2 deliver to b [1] #4
                1.2 deliver to b [2] #5
            1.2 ack 2 multiple
                1.2 deliver to b [3] #6
                1.2 deliver to b [4] #7
                land #8 settled in 1: #4+2
            1.1 ack 1
                land #9 settled in 1: #3+1
        "#]],
    );
}

#[test]
fn a_limit_for_the_channel_is_shared_and_changes_at_once() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         landed
         1.1 qos 2 global
         1.1 consume q a
         1.1 consume q b
         1.1 publish - q 1
         1.1 publish - q 2
         1.1 publish - q 3
         1.1 publish - q 4
         landed
         1.1 ack 2
         1.1 qos 3 global",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 qos 2 global
                1.1 basic.qos-ok
            1.1 consume q a
                1.1 basic.consume-ok a
            1.1 consume q b
                1.1 basic.consume-ok b
            1.1 publish - q 1
                land #3 message 1 for [1]
            1.1 publish - q 2
                land #4 message 2 for [1]
            1.1 publish - q 3
                land #5 message 3 for [1]
            1.1 publish - q 4
                land #6 message 4 for [1]
            landed
                1.1 deliver to a [1] #3
                1.1 deliver to b [2] #4
            1.1 ack 2
                1.1 deliver to a [3] #5
                land #7 settled in 1: #4+1
            1.1 qos 3 global
                1.1 basic.qos-ok
                1.1 deliver to a [4] #6
        "#]],
    );
}

#[test]
fn what_comes_back_returns_to_its_place() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q 1
         1.1 publish - q 2
         1.1 publish - q 3
         landed
         1.1 get q
         1.1 get q
         1.1 nack 1 requeue
         1.1 get q
         1.1 reject 3
         1.1 close
         1.2 open
         1.2 get q
         1.2 get q
         1.2 recover
         1.2 get q
         1.2 nack 0 multiple
         1.2 get q
         1.2 get q",
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
            1.1 get q
                1.1 get-ok [2] #4, 1 more
            1.1 nack 1 requeue
                land #6 waiting in 1: 3 ready (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [3] #3 redelivered after 1, 1 more
            1.1 reject 3
                land #7 dropped in 1: #3+1
            1.1 close
                1.1 channel.close-ok
                land #8 waiting in 1: 4 ready (failed 0, lost 1)
            1.2 open
                1.2 channel.open-ok
            1.2 get q
                1.2 get-ok [1] #4 redelivered after 1 (1 lost), 1 more
            1.2 get q
                1.2 get-ok [2] #5, 0 more
            1.2 recover
                1.2 basic.recover-ok
                land #9 waiting in 1: 4 ready (failed 1, lost 1), 5 ready (failed 1, lost 0)
            1.2 get q
                1.2 get-ok [3] #4 redelivered after 2 (1 lost), 1 more
            1.2 nack 0 multiple
                land #10 dropped in 1: #4+1
            1.2 get q
                1.2 get-ok [4] #5 redelivered after 1, 0 more
            1.2 get q
                1.2 basic.get-empty
        "#]],
    );
}

#[test]
fn a_tag_settles_once() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q 1
         1.1 publish - q 2
         landed
         1.1 get q
         1.1 get q
         1.1 ack 1
         1.1 ack 1
         1.2 open
         1.2 get q no-ack
         1.2 ack 1
         1.3 open
         1.3 ack 0 multiple
         1.3 ack 7 multiple",
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
            landed
                1.1 queue.declare-ok q 0 0
            1.1 get q
                1.1 get-ok [1] #3, 1 more
            1.1 get q
                1.1 get-ok [2] #4, 0 more
            1.1 ack 1
                land #5 settled in 1: #3+1
            1.1 ack 1
                1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60, 80)
                land #6 waiting in 1: 4 ready (failed 0, lost 1)
            1.2 open
                1.2 channel.open-ok
            1.2 get q no-ack
                1.2 get-ok [1] #4 redelivered after 1 (1 lost), 0 more
            1.2 ack 1
                1.2 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60, 80)
                land #7 waiting in 1: 4 ready (failed 0, lost 2)
            1.3 open
                1.3 channel.open-ok
            1.3 ack 0 multiple
            1.3 ack 7 multiple
                1.3 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 7 (60, 80)
        "#]],
    );
}

#[test]
fn without_acks_being_written_settles() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q 1
         1.1 publish - q 2
         landed
         1.1 consume q c no-ack
         written 1 settled 1
         close 1
         connect 2
         2.1 open
         2.1 get q",
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
            landed
                1.1 queue.declare-ok q 0 0
            1.1 consume q c no-ack
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #3
                1.1 deliver to c [2] #4
            written 1 settled 1
                land #5 settled in 1: #3+1
            close 1
                land #6 waiting in 1: 4 ready (failed 0, lost 1)
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 get q
                2.1 get-ok [1] #4 redelivered after 1 (1 lost), 0 more
        "#]],
    );
}

#[test]
fn a_dead_connection_gives_back_what_it_did_not_acknowledge() {
    check(
        "connect 1
         connect 2
         1.1 open
         2.1 open
         1.1 declare q
         landed
         1.1 consume q a
         2.1 publish - q 1
         2.1 publish - q 2
         landed
         1.1 ack 1
         2.1 consume q b
         close 1",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            2.1 open
                2.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 consume q a
                1.1 basic.consume-ok a
            2.1 publish - q 1
                land #3 message 1 for [1]
            2.1 publish - q 2
                land #4 message 2 for [1]
            landed
                1.1 deliver to a [1] #3
                1.1 deliver to a [2] #4
            1.1 ack 1
                land #5 settled in 1: #3+1
            2.1 consume q b
                2.1 basic.consume-ok b
            close 1
                2.1 deliver to b [1] #4 redelivered after 1 (1 lost)
                land #6 waiting in 1: 4 ready (failed 0, lost 1)
        "#]],
    );
}

#[test]
fn asking_for_a_queue_on_the_channel_of_a_publish_waits_until_it_has_landed() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         landed
         1.1 publish - q 1
         1.1 declare q passive
         1.1 get q
         1.1 ack 1
         1.1 close
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q 1
                land #3 message 1 for [1]
            1.1 declare q passive
            1.1 get q
            1.1 ack 1
            1.1 close
            landed
                1.1 queue.declare-ok q 1 0
                1.1 get-ok [1] #3, 0 more
                1.1 channel.close-ok
                land #4 settled in 1: #3+1
        "#]],
    );
}

#[test]
fn what_waits_for_landing_is_counted() {
    check(
        "connect 1
         1.1 open
         waiting
         1.1 declare q
         waiting
         landed
         waiting
         1.1 publish - q 1
         1.1 get q
         1.1 publish - q 2
         waiting
         landed
         waiting
         1.1 get q
         waiting
         close 1
         waiting",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            waiting
                none
            1.1 declare q
                land #2 queue 1 q
            waiting
                some
            landed
                1.1 queue.declare-ok q 0 0
            waiting
                none
            1.1 publish - q 1
                land #3 message 1 for [1]
            1.1 get q
            1.1 publish - q 2
            waiting
                some
            landed
                1.1 get-ok [1] #3, 0 more
                land #4 message 2 for [1]
            waiting
                none
            1.1 get q
            waiting
                some
            close 1
                land #5 waiting in 1: 3 ready (failed 0, lost 1)
            waiting
                none
        "#]],
    );
}

#[test]
fn cancelled_consumers_keep_what_they_were_handed() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q 1
         1.1 publish - q 2
         landed
         1.1 qos 1
         1.1 consume q c
         1.1 cancel c
         1.1 cancel unknown
         1.1 ack 1
         1.1 consume q -
         1.1 consume q c exclusive
         1.2 open
         1.2 consume q d exclusive",
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
            landed
                1.1 queue.declare-ok q 0 0
            1.1 qos 1
                1.1 basic.qos-ok
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #3
            1.1 cancel c
                1.1 basic.cancel-ok
            1.1 cancel unknown
                1.1 basic.cancel-ok
            1.1 ack 1
                land #5 settled in 1: #3+1
            1.1 consume q -
                1.1 basic.consume-ok amq.ctag-509b3463d01d7ad8000002
                1.1 deliver to amq.ctag-509b3463d01d7ad8000002 [2] #4
            1.1 consume q c exclusive
                1.1 channel.close 403 ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use (60, 20)
                land #6 waiting in 1: 4 ready (failed 0, lost 1)
            1.2 open
                1.2 channel.open-ok
            1.2 consume q d exclusive
                1.2 basic.consume-ok d
                1.2 deliver to d [1] #4 redelivered after 1 (1 lost)
        "#]],
    );
}
