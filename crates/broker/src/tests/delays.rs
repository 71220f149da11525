//! Delay: by exchanges and by queues, and what it reaches.

use super::script::check;
use expect_test::expect;

#[test]
fn an_exchange_puts_off_what_asks_for_it_and_it_is_in_its_queue_at_once() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare q
        1.1 exchange later x-delayed-message x-delayed-type:topic
        landed
        1.1 bind q later a.*
        landed
        1.1 publish later a.b slow delay=500
        1.1 publish later a.b quick delay=100
        1.1 publish later a.b now
        1.1 publish later b.b nowhere delay=100 mandatory
        landed
        1.1 declare q passive
        wakes
        1.1 consume q c
        at 1099
        at 1100
        wakes
        at 1499
        at 1510
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 exchange later x-delayed-message x-delayed-type:topic
                land #3 exchange later x-delayed-message
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
            1.1 bind q later a.*
                land #4 bound later -a.*-> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 publish later a.b slow delay=500
                land #5 message slow for [1], due 1500 x-delay I32(-500)
            1.1 publish later a.b quick delay=100
                land #6 message quick for [1], due 1100 x-delay I32(-100)
            1.1 publish later a.b now
                land #7 message now for [1]
            1.1 publish later b.b nowhere delay=100 mandatory
                1.1 return nowhere (later b.b) x-delay I64(100)
            landed
                1.1 confirm up to 4
            1.1 declare q passive
                1.1 queue.declare-ok q 1 0
            wakes
                1100
            1.1 consume q c
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #7
            at 1099
            at 1100
                1.1 deliver to c [2] #6
            wakes
                1500
            at 1499
            at 1510
                1.1 deliver to c [3] #5
        "#]],
    );
}

#[test]
fn what_is_due_at_once_keeps_its_order_and_what_was_published_first_goes_first() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-priority=5
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        landed
        1.1 publish later - a delay=200
        1.1 publish later - b delay=100
        1.1 publish later - c delay=200 priority=3
        1.1 publish later - d
        1.1 publish later - e delay=200
        landed
        at 1250
        1.1 get q
        1.1 get q
        1.1 get q
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
            1.1 exchange later x-delayed-message x-delayed-type:fanout
                land #3 exchange later x-delayed-message
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
            1.1 bind q later -
                land #4 bound later --> Queue(QueueId(1))
            landed
                1.1 queue.bind-ok
            1.1 publish later - a delay=200
                land #5 message a for [1], due 1200 x-delay I32(-200)
            1.1 publish later - b delay=100
                land #6 message b for [1], due 1100 x-delay I32(-100)
            1.1 publish later - c delay=200 priority=3
                land #7 message c for [1], due 1200 x-delay I32(-200)
            1.1 publish later - d
                land #8 message d for [1]
            1.1 publish later - e delay=200
                land #9 message e for [1], due 1200 x-delay I32(-200)
            landed
            at 1250
            1.1 get q
                1.1 get-ok [1] #7, 4 more
            1.1 get q
                1.1 get-ok [2] #5, 3 more
            1.1 get q
                1.1 get-ok [3] #6, 2 more
            1.1 get q
                1.1 get-ok [4] #8, 1 more
            1.1 get q
                1.1 get-ok [5] #9, 0 more
            1.1 get q
                1.1 basic.get-empty
        "#]],
    );
}

#[test]
fn nothing_is_delivered_before_it_has_landed_however_short_its_delay() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        landed
        1.1 consume q c
        1.1 publish later - a delay=5
        at 1010
        wakes
        1.2 open
        1.2 purge q
        landed
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
            1.1 consume q c
                1.1 basic.consume-ok c
            1.1 publish later - a delay=5
                land #5 message a for [1], due 1005 x-delay I32(-5)
            at 1010
            wakes
                never
            1.2 open
                1.2 channel.open-ok
            1.2 purge q
                1.2 queue.purge-ok 0
            landed
                1.1 deliver to c [1] #5
        "#]],
    );
}

#[test]
fn a_type_is_named_and_known_and_routes_as_it_does_alone() {
    check(
        "
        connect 1
        1.1 open
        1.1 exchange later x-delayed-message
        1.2 open
        1.2 exchange later x-delayed-message x-delayed-type:odd
        1.3 open
        1.3 exchange later x-delayed-message x-delayed-type:x-delayed-message
        1.4 open
        1.4 exchange later x-delayed-message x-delayed-type:direct
        1.4 declare q
        1.4 declare r
        landed
        1.4 bind q later a
        1.4 bind r later b
        landed
        1.4 publish later b two delay=100
        1.4 publish later a soon header:x-delay=soon
        1.4 publish later a text header:x-delay=100
        1.4 publish later a none delay=0
        1.4 publish later a past delay=-100
        1.4 publish later a years delay=315576000000
        crash
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange later x-delayed-message
                1.1 channel.close 406 PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type (40, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 exchange later x-delayed-message x-delayed-type:odd
                1.2 channel.close 406 PRECONDITION_FAILED - unknown exchange type 'odd' (40, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange later x-delayed-message x-delayed-type:x-delayed-message
                1.3 channel.close 406 PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type (40, 10)
            1.4 open
                1.4 channel.open-ok
            1.4 exchange later x-delayed-message x-delayed-type:direct
                land #2 exchange later x-delayed-message
            1.4 declare q
            1.4 declare r
            landed
                1.4 exchange.declare-ok
                land #3 queue 1 q
            1.4 bind q later a
            1.4 bind r later b
            landed
                1.4 queue.declare-ok q 0 0
                land #4 queue 2 r
                land #5 bound later -a-> Queue(QueueId(1))
                land #6 bound later -b-> Queue(QueueId(2))
            1.4 publish later b two delay=100
                land #7 message two for [2], due 1100 x-delay I32(-100)
            1.4 publish later a soon header:x-delay=soon
                land #8 message soon for [1] x-delay Str([115, 111, 111, 110])
            1.4 publish later a text header:x-delay=100
                land #9 message text for [1], due 1100 x-delay I32(-100)
            1.4 publish later a none delay=0
                land #10 message none for [1] x-delay I64(0)
            1.4 publish later a past delay=-100
                land #11 message past for [1] x-delay I64(-100)
            1.4 publish later a years delay=315576000000
                land #12 message years for [1], due 315576001000 x-delay I64(-315576000000)
            crash
        "#]],
    );
}

#[test]
fn a_queue_that_is_reached_past_the_delay_too_takes_the_message_at_once() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare both
        1.1 declare late
        1.1 declare spare
        1.1 exchange all fanout
        1.1 exchange unrouted fanout
        1.1 exchange later x-delayed-message x-delayed-type:direct alternate-exchange:unrouted
        landed
        1.1 bind both all -
        1.1 bind both later k
        1.1 bind late later k
        1.1 bind spare unrouted -
        1.1 bind-exchange later all -
        landed
        1.1 publish all k a delay=100 id=p:1
        1.1 publish all other b delay=100
        1.1 publish all k c
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare both
                land #2 queue 1 both
            1.1 declare late
            1.1 declare spare
            1.1 exchange all fanout
            1.1 exchange unrouted fanout
            1.1 exchange later x-delayed-message x-delayed-type:direct alternate-exchange:unrouted
            landed
                1.1 queue.declare-ok both 0 0
                land #3 queue 2 late
            1.1 bind both all -
            1.1 bind both later k
            1.1 bind late later k
            1.1 bind spare unrouted -
            1.1 bind-exchange later all -
            landed
                1.1 queue.declare-ok late 0 0
                land #4 queue 3 spare
                land #5 exchange all fanout
                land #6 exchange unrouted fanout
                land #7 exchange later x-delayed-message
                land #8 bound all --> Queue(QueueId(1))
                land #9 bound later -k-> Queue(QueueId(1))
                land #10 bound later -k-> Queue(QueueId(2))
                land #11 bound unrouted --> Queue(QueueId(3))
                land #12 bound all --> Exchange("later")
            1.1 publish all k a delay=100 id=p:1
                land #13 message a for [1] x-delay I64(100)
                land #14 message a for [2], due 1100 x-delay I32(-100)
            1.1 publish all other b delay=100
                land #15 message b for [1] x-delay I64(100)
                land #16 message b for [3], due 1100 x-delay I32(-100)
            1.1 publish all k c
                land #17 message c for [1, 2]
        "#]],
    );
}

#[test]
fn a_queue_puts_off_all_that_comes_and_the_later_time_counts() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-delivery-delay=300
        1.1 declare plain
        1.1 exchange later x-delayed-message x-delayed-type:fanout
        landed
        1.1 bind q later -
        1.1 bind plain later -
        landed
        1.1 publish - q a
        1.1 publish later - b delay=100
        1.1 publish later - c delay=900
        operator policy / slow ^plain queues delivery-delay=50
        1.1 publish - plain d
        landed
        operator no-policy / slow
        1.1 publish - plain e
        landed
        1.1 consume plain p
        1.1 consume q c
        at 1050
        at 1100
        at 1300
        at 1900
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-delivery-delay=300
                land #2 queue 1 q
            1.1 declare plain
            1.1 exchange later x-delayed-message x-delayed-type:fanout
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 plain
                land #4 exchange later x-delayed-message
            1.1 bind q later -
                land #5 bound later --> Queue(QueueId(1))
            1.1 bind plain later -
                land #6 bound later --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok plain 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish - q a
                land #7 message a for [1], due 1300
            1.1 publish later - b delay=100
                land #8 message b for [2], due 1100 x-delay I32(-100)
                land #9 message b for [1], due 1300 x-delay I32(-100)
            1.1 publish later - c delay=900
                land #10 message c for [1, 2], due 1900 x-delay I32(-900)
            operator policy / slow ^plain queues delivery-delay=50
                land #11 policy slow in / for queues ^plain
            1.1 publish - plain d
                land #12 message d for [2], due 1050
            landed
                operator: made
            operator no-policy / slow
                land #13 no policy slow in /
            1.1 publish - plain e
                land #14 message e for [2]
            landed
                operator: done
            1.1 consume plain p
                1.1 basic.consume-ok p
                1.1 deliver to p [1] #14
            1.1 consume q c
                1.1 basic.consume-ok c
            at 1050
                1.1 deliver to p [2] #12
            at 1100
                1.1 deliver to p [3] #8
            at 1300
                1.1 deliver to c [4] #7
                1.1 deliver to c [5] #9
            at 1900
                1.1 deliver to c [6] #10
                1.1 deliver to p [7] #10
        "#]],
    );
}
