//! What a client asks of its channel: qos, recover, cancel, confirms.

use super::script::check;
use expect_test::expect;

#[test]
fn what_nobody_implements_closes_the_connection() {
    check(
        "connect 1
         1.1 open
         1.1 qos 1 size
         connect 2
         2.1 open
         2.1 recover no-requeue
         connect 3
         3.1 open
         3.1 recover-async no-requeue",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 qos 1 size
                1 connection.close 540 NOT_IMPLEMENTED - prefetch_size!=0 (1)
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 recover no-requeue
                2 connection.close 540 NOT_IMPLEMENTED - requeue=false
            connect 3
                3.0 connection.open-ok
            3.1 open
                3.1 channel.open-ok
            3.1 recover-async no-requeue
                3 connection.close 540 NOT_IMPLEMENTED - requeue=false
        "#]],
    );
}

#[test]
fn recover_brings_everything_unacked_again_and_its_async_form_is_not_answered() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q a
         1.1 publish - q b
         1.1 publish - q c
         landed
         1.1 recover
         1.1 get q
         1.1 consume q c
         1.1 ack 2
         1.1 recover
         1.1 recover-async
         1.1 ack 3",
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
            1.1 recover
                1.1 basic.recover-ok
            1.1 get q
                1.1 get-ok [1] #3, 2 more
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [2] #4
                1.1 deliver to c [3] #5
            1.1 ack 2
                land #6 settled in 1: #4+1
            1.1 recover
                1.1 basic.recover-ok
                1.1 deliver to c [4] #3 redelivered after 1
                1.1 deliver to c [5] #5 redelivered after 1
                land #7 waiting in 1: 3 ready (failed 1, lost 0), 5 ready (failed 1, lost 0)
            1.1 recover-async
                1.1 deliver to c [6] #3 redelivered after 2
                1.1 deliver to c [7] #5 redelivered after 2
                land #8 waiting in 1: 3 ready (failed 2, lost 0), 5 ready (failed 2, lost 0)
            1.1 ack 3
                1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 3 (60, 80)
                land #9 waiting in 1: 3 ready (failed 2, lost 1), 5 ready (failed 2, lost 1)
        "#]],
    );
}

#[test]
fn a_prefetch_count_raised_counts_for_consumers_that_are_there() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q a
         1.1 publish - q b
         1.1 publish - q c
         landed
         1.1 qos 1
         1.1 consume q c
         1.1 qos 2
         1.1 qos 0",
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
            1.1 qos 1
                1.1 basic.qos-ok
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #3
            1.1 qos 2
                1.1 basic.qos-ok
                1.1 deliver to c [2] #4
            1.1 qos 0
                1.1 basic.qos-ok
                1.1 deliver to c [3] #5
        "#]],
    );
}

#[test]
fn cancelling_what_is_not_there_is_fine_and_nothing_comes_after_cancel_ok() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         landed
         1.1 cancel none
         1.1 consume q c
         1.1 publish - q a
         1.1 cancel c
         landed
         1.1 consume q c
         1.1 consume none c
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
            1.1 cancel none
                1.1 basic.cancel-ok
            1.1 consume q c
                1.1 basic.consume-ok c
            1.1 publish - q a
                land #3 message a for [1]
            1.1 cancel c
                1.1 basic.cancel-ok
            landed
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #3
            1.1 consume none c
                1 connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 'c'
                land #4 waiting in 1: 3 ready (failed 0, lost 1)
            landed
        "#]],
    );
}

#[test]
fn confirms_may_be_asked_for_twice_and_without_an_answer() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         landed
         1.1 publish - q a
         1.1 confirm no-wait
         1.1 publish - q b
         1.1 confirm
         1.1 publish - q c
         1.1 publish - none d mandatory
         landed
         1.1 publish none k e
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
            1.1 publish - q a
                land #3 message a for [1]
            1.1 confirm no-wait
            1.1 publish - q b
                land #4 message b for [1]
            1.1 confirm
                1.1 confirm.select-ok
            1.1 publish - q c
                land #5 message c for [1]
            1.1 publish - none d mandatory
                1.1 return d ( none)
            landed
                1.1 confirm up to 3
            1.1 publish none k e
                1.1 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (60, 40)
            landed
        "#]],
    );
}

#[test]
fn a_channel_is_opened_again_behind_what_the_one_before_it_still_waits_for() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 close
        1.1 open
        1.1 declare r
        landed
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 close
            1.1 open
            1.1 declare r
            landed
                1.1 queue.declare-ok q 0 0
                1.1 channel.close-ok
                1.1 channel.open-ok
                land #3 queue 2 r
            landed
                1.1 queue.declare-ok r 0 0
        "#]],
    );
}
