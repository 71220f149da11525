//! Publishing: landing before confirming, repeats, routing, returns, refusals.

use super::script::check;
use expect_test::expect;

#[test]
fn nothing_is_confirmed_or_delivered_before_it_has_landed() {
    check(
        "connect 1
         1.1 open
         1.1 declare q durable
         landed
         1.1 confirm
         1.1 consume q c
         1.1 publish - q a
         1.1 publish - q b
         landed 3
         landed
         1.1 ack 2 multiple
         1.1 publish - q c
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 confirm
                1.1 confirm.select-ok
            1.1 consume q c
                1.1 basic.consume-ok c
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            landed 3
                1.1 confirm 1
                1.1 deliver to c [1] #3
            landed
                1.1 confirm 2
                1.1 deliver to c [2] #4
            1.1 ack 2 multiple
                land #5 settled in 1: #3+2
            1.1 publish - q c
                land #6 message c for [1]
            landed
                1.1 confirm 3
                1.1 deliver to c [3] #6
        "#]],
    );
}

#[test]
fn publishes_of_many_turns_are_confirmed_at_once() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 confirm
         1.1 publish - q a
         1.1 publish - q b
         1.1 publish - q c
         landed
         1.1 publish - q d
         1.1 close
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 confirm
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
                1.1 queue.declare-ok q 0 0
                1.1 confirm.select-ok
                1.1 confirm up to 3
            1.1 publish - q d
                land #6 message d for [1]
            1.1 close
            landed
                1.1 confirm 4
                1.1 channel.close-ok
        "#]],
    );
}

#[test]
fn a_repeat_lands_once_and_is_confirmed_no_sooner_than_the_original() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 confirm
         landed
         1.1 publish - q a id=p:1
         1.1 publish - q a id=p:1
         landed
         1.1 publish - q a id=p:1
         1.1 publish - q b id=p:3
         1.1 publish - q b id=p:2
         1.1 publish - q b id=other:3
         crash
         connect 2
         2.1 open
         2.1 confirm
         2.1 publish - q a id=p:1
         2.1 publish - q b id=p:2
         landed
         checkpoint
         2.1 publish - q b id=p:-2",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 confirm
            landed
                1.1 queue.declare-ok q 0 0
                1.1 confirm.select-ok
            1.1 publish - q a id=p:1
                land #3 message a for [1]
            1.1 publish - q a id=p:1
            landed
                1.1 confirm up to 2
            1.1 publish - q a id=p:1
                1.1 confirm 3
            1.1 publish - q b id=p:3
                land #4 message b for [1]
            1.1 publish - q b id=p:2
                land #5 message b for [1]
            1.1 publish - q b id=other:3
                land #6 message b for [1]
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 confirm
                2.1 confirm.select-ok
            2.1 publish - q a id=p:1
                2.1 confirm 1
            2.1 publish - q b id=p:2
                land #4 message b for [1]
            landed
                2.1 confirm 2
            checkpoint
                land #5 user guest ["administrator"]
                land #6 permission of guest in /: .* .* .*
                land #7 vhost /
                land #8 queue 1 q
                land #9 counted 1: 2 in, [0, 0, 0, 0, 0, 0] out
                land #10 publisher p landed #1+2
                land #11 checkpoint from #5, next queue 2
            2.1 publish - q b id=p:-2
                2.1 channel.close 406 PRECONDITION_FAILED - invalid header 'x-publishing-id': expected an integer that is not negative (60, 40)
        "#]],
    );
}

#[test]
fn what_no_queue_takes_is_confirmed_after_it_was_given_back() {
    check(
        "connect 1
         1.1 open
         1.1 confirm
         1.1 publish - nowhere a mandatory
         1.1 publish amq.fanout - b
         1.1 publish none k c",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 publish - nowhere a mandatory
                1.1 return a ( nowhere)
                1.1 confirm 1
            1.1 publish amq.fanout - b
                1.1 confirm 2
            1.1 publish none k c
                1.1 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (60, 40)
        "#]],
    );
}

#[test]
fn one_record_for_all_queues_of_a_fanout() {
    check(
        "connect 1
         1.1 open
         1.1 declare a
         landed
         1.1 declare b
         1.1 bind a amq.fanout -
         1.1 bind a amq.fanout twice
         1.1 bind b amq.fanout -
         landed
         1.1 publish amq.fanout - m
         landed
         1.1 get a
         1.1 get b
         1.1 ack 1
         1.1 get a
         crash
         connect 2
         2.1 open
         2.1 get b",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare a
                land #2 queue 1 a
            landed
                1.1 queue.declare-ok a 0 0
            1.1 declare b
                land #3 queue 2 b
            1.1 bind a amq.fanout -
                land #4 bound amq.fanout --> Queue(QueueId(1))
            1.1 bind a amq.fanout twice
                land #5 bound amq.fanout -twice-> Queue(QueueId(1))
            1.1 bind b amq.fanout -
                land #6 bound amq.fanout --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok b 0 0
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish amq.fanout - m
                land #7 message m for [1, 2]
            landed
            1.1 get a
                1.1 get-ok [1] #7, 0 more
            1.1 get b
                1.1 get-ok [2] #7, 0 more
            1.1 ack 1
                land #8 settled in 1: #7+1
            1.1 get a
                1.1 basic.get-empty
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 get b
                2.1 get-ok [1] #7 redelivered after 0, 0 more
        "#]],
    );
}

#[test]
fn topics_and_exchanges_behind_exchanges() {
    check(
        "connect 1
         1.1 open
         1.1 exchange t topic
         1.1 exchange inner fanout
         landed
         1.1 declare q
         1.1 bind-exchange inner t *.red.#
         1.1 bind-exchange t inner loop
         1.1 bind q inner -
         1.1 bind q t a.#
         landed
         1.1 publish t a.red.x m
         1.1 publish t red m
         1.1 publish t b.red m
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange t topic
                land #2 exchange t topic
            1.1 exchange inner fanout
                land #3 exchange inner fanout
            landed
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
            1.1 declare q
                land #4 queue 1 q
            1.1 bind-exchange inner t *.red.#
                land #5 bound t -*.red.#-> Exchange("inner")
            1.1 bind-exchange t inner loop
                land #6 bound inner -loop-> Exchange("t")
            1.1 bind q inner -
                land #7 bound inner --> Queue(QueueId(1))
            1.1 bind q t a.#
                land #8 bound t -a.#-> Queue(QueueId(1))
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.bind-ok
                1.1 exchange.bind-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish t a.red.x m
                land #9 message m for [1]
            1.1 publish t red m
            1.1 publish t b.red m
                land #10 message m for [1]
            landed
        "#]],
    );
}

#[test]
fn what_cannot_be_published_closes_what_it_must() {
    check(
        "connect 1
         1.1 open
         1.1 exchange in fanout internal
         landed
         1.1 publish in k a
         1.1 publish in k ignored
         1.2 open
         1.2 publish - q a user=somebody
         1.3 open
         1.3 publish - q a user=guest
         1.3 publish - q a immediate
         1.3 publish - q ignored",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange in fanout internal
                land #2 exchange in fanout
            landed
                1.1 exchange.declare-ok
            1.1 publish in k a
                1.1 channel.close 403 ACCESS_REFUSED - cannot publish to internal exchange 'in' in vhost '/' (60, 40)
            1.1 publish in k ignored
            1.2 open
                1.2 channel.open-ok
            1.2 publish - q a user=somebody
                1.2 channel.close 406 PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was 'guest' (60, 40)
            1.3 open
                1.3 channel.open-ok
            1.3 publish - q a user=guest
            1.3 publish - q a immediate
                1 connection.close 540 NOT_IMPLEMENTED - immediate=true
            1.3 publish - q ignored
        "#]],
    );
}

#[test]
fn publishers_are_blocked_while_the_disk_is_nearly_full_and_acks_still_land() {
    check(
        "connect 1
         connect 2
         1.1 open
         2.1 open
         1.1 declare q
         1.1 publish - q a
         landed
         room no
         2.1 get q
         2.1 ack 1
         2.1 publish - q b
         room yes",
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
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 queue.declare-ok q 0 0
            room no
                1 block: low on disk
            2.1 get q
                2.1 get-ok [1] #3, 0 more
            2.1 ack 1
                land #4 settled in 1: #3+1
            2.1 publish - q b
                2 block: low on disk
                land #5 message b for [1]
            room yes
                1 unblock
                2 unblock
        "#]],
    );
}

#[test]
fn who_passes_messages_on_numbers_them_by_where_they_stand() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 confirm
         landed
         1.1 publish - amq.landfall.numbered - id=node:5
         1.1 publish - q five
         1.1 publish - nowhere six
         1.1 publish - q seven id=its-own:1
         1.1 publish - q eight
         1.2 open
         1.2 publish - q not-numbered
         landed
         crash
         connect 2
         2.1 open
         2.1 confirm
         2.1 publish - amq.landfall.numbered - id=node:5
         2.1 publish - q five
         2.1 publish - q six
         2.1 publish - q eight
         2.1 publish - q nine
         2.1 publish - amq.landfall.numbered -",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 confirm
            landed
                1.1 queue.declare-ok q 0 0
                1.1 confirm.select-ok
            1.1 publish - amq.landfall.numbered - id=node:5
                1.1 confirm 1
            1.1 publish - q five
                land #3 message five for [1]
            1.1 publish - nowhere six
            1.1 publish - q seven id=its-own:1
                land #4 message seven for [1]
            1.1 publish - q eight
                land #5 message eight for [1]
            1.2 open
                1.2 channel.open-ok
            1.2 publish - q not-numbered
                land #6 message not-numbered for [1]
            landed
                1.1 confirm up to 5
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 confirm
                2.1 confirm.select-ok
            2.1 publish - amq.landfall.numbered - id=node:5
                2.1 confirm 1
            2.1 publish - q five
                2.1 confirm 2
            2.1 publish - q six
                land #7 message six for [1]
            2.1 publish - q eight
            2.1 publish - q nine
                land #8 message nine for [1]
            2.1 publish - amq.landfall.numbered -
                2.1 channel.close 406 PRECONDITION_FAILED - expected a publisher's id and a publishing id (60, 40)
        "#]],
    );
}
