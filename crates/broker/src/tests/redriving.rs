//! Redrive: dead letters go back where they died; and messages that nobody wants any more.

use super::script::check;
use expect_test::expect;

/// The copy lands before the original ends (promise P2): at a crash between them the message is in both queues.
#[test]
fn a_dead_letter_goes_back_as_it_was_sent() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead
        1.1 exchange e direct
        1.1 bind q e k
        landed
        1.1 publish e k a header:tenant=blue expiration=60000
        landed
        1.1 get q
        1.1 reject 1
        fetched
        landed
        operator messages / dead ready
        operator redrive / dead ready 7
        operator messages / dead leaving
        1.1 get dead
        fetched
        landed 9
        crash
        operator messages / dead ready
        operator messages / q ready
        operator redrive / dead ready 7
        fetched
        landed
        operator messages / dead ready
        operator messages / q ready
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            1.1 declare dead
            1.1 exchange e direct
            1.1 bind q e k
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
                land #4 exchange e direct
                land #5 bound e -k-> Queue(QueueId(1))
            1.1 publish e k a header:tenant=blue expiration=60000
                land #6 message a for [1] header tenant
            landed
                1.1 queue.declare-ok dead 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
            1.1 get q
                1.1 get-ok [1] #6, 0 more
            1.1 reject 1
                fetch #6 of queue 1
            fetched
                land #7 message a for [2] header tenant, dead: rejected in q 1 times, no expiration
                land #8 dead-lettered in 1: #6+1
            landed
            operator messages / dead ready
                operator: messages, #8 has landed
                    #7 ready
            operator redrive / dead ready 7
                fetch #7 of queue 2
            operator messages / dead leaving
                operator: messages, #8 has landed
                    #7 leaving: redriven again
            1.1 get dead
                1.1 basic.get-empty
            fetched
                land #9 message a for [1] header tenant
                land #10 redriven in 2: #7+1
            landed 9
            crash
            operator messages / dead ready
                operator: messages, #9 has landed
                    #7 ready again
            operator messages / q ready
                operator: messages, #9 has landed
                    #9 ready again
            operator redrive / dead ready 7
                fetch #7 of queue 2
            fetched
                land #10 message a for [1] header tenant
                land #11 redriven in 2: #7+1
            landed
                operator: done with 1
            operator messages / dead ready
                operator: messages, #11 has landed
            operator messages / q ready
                operator: messages, #11 has landed
                    #9 ready again
                    #10 ready
        "#]],
    );
}

#[test]
fn what_cannot_go_back_returns_to_its_place() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare gone x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead x-max-priority=5
        landed
        1.1 publish - gone a
        1.1 publish - dead b priority=3
        1.1 publish - dead c
        landed
        1.1 get gone
        1.1 reject 1
        fetched
        1.1 delete gone
        landed
        1.1 get dead
        1.1 nack 2 requeue
        1.1 get dead
        operator messages / dead ready
        operator redrive / dead ready 5 6 7 0 99
        fetched
        landed
        1.1 nack 3 requeue
        operator messages / dead ready
        operator redrive / none ready 1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare gone x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 gone
            1.1 declare dead x-max-priority=5
            landed
                1.1 queue.declare-ok gone 0 0
                land #3 queue 2 dead
            1.1 publish - gone a
                land #4 message a for [1]
            1.1 publish - dead b priority=3
                land #5 message b for [2]
            1.1 publish - dead c
                land #6 message c for [2]
            landed
                1.1 queue.declare-ok dead 0 0
            1.1 get gone
                1.1 get-ok [1] #4, 0 more
            1.1 reject 1
                fetch #4 of queue 1
            fetched
                land #7 message a for [2], dead: rejected in gone 1 times, no expiration
                land #8 dead-lettered in 1: #4+1
            1.1 delete gone
                land #9 no queue 1
            landed
                1.1 queue.delete-ok 0
            1.1 get dead
                1.1 get-ok [2] #5, 2 more
            1.1 nack 2 requeue
                land #10 waiting in 2: 5 ready (failed 1, lost 0)
            1.1 get dead
                1.1 get-ok [3] #5 redelivered after 1, 2 more
            operator messages / dead ready
                operator: messages, #9 has landed
                    #6 ready
                    #7 ready
            operator redrive / dead ready 5 6 7 0 99
                fetch #6 of queue 2
                fetch #7 of queue 2
            fetched
            landed
                operator: done with 0
                    #5 stayed: it does not wait there any more
                    #0 stayed: it does not wait there any more
                    #99 stayed: it does not wait there any more
                    #6 stayed: it did not die
                    #7 stayed: its queue 'gone' is not there any more
            1.1 nack 3 requeue
                land #11 waiting in 2: 5 ready (failed 2, lost 0)
            operator messages / dead ready
                operator: messages, #10 has landed
                    #5 ready again, failed 2, lost 0, priority 3
                    #6 ready
                    #7 ready
            operator redrive / none ready 1
                operator: not found: no queue 'none' in vhost '/'
        "#]],
    );
}

#[test]
fn a_queue_that_is_deleted_takes_what_is_being_redriven_with_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead
        landed
        1.1 publish - q a
        1.1 publish - q b
        landed
        1.1 get q
        1.1 get q
        1.1 nack 2 multiple
        fetched
        landed
        operator redrive / dead ready 6 7
        1.1 delete dead
        fetched
        landed
        crash
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            1.1 declare dead
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
            1.1 publish - q a
                land #4 message a for [1]
            1.1 publish - q b
                land #5 message b for [1]
            landed
                1.1 queue.declare-ok dead 0 0
            1.1 get q
                1.1 get-ok [1] #4, 1 more
            1.1 get q
                1.1 get-ok [2] #5, 0 more
            1.1 nack 2 multiple
                fetch #4 of queue 1
                fetch #5 of queue 1
            fetched
                land #6 message a for [2], dead: rejected in q 1 times, no expiration
                land #7 message b for [2], dead: rejected in q 1 times, no expiration
                land #8 dead-lettered in 1: #4+2
            landed
            operator redrive / dead ready 6 7
                fetch #6 of queue 2
                fetch #7 of queue 2
            1.1 delete dead
                land #9 dropped in 2: #6+2
                land #10 no queue 2
            fetched
            landed
                1.1 queue.delete-ok 0
                operator: done with 0
                    #6 stayed: it does not wait there any more
                    #7 stayed: it does not wait there any more
            crash
        "#]],
    );
}

#[test]
fn what_was_never_delivered_is_not_marked_by_a_redrive_that_failed() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 publish - q a
        landed
        operator redrive / q ready 3
        stop
        landed
        crash
        connect 1
        1.1 open
        1.1 get q
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
            1.1 publish - q a
                land #3 message a for [1]
            landed
            operator redrive / q ready 3
                fetch #3 of queue 1
            stop
                land #4 stopped
            landed
            crash
                land #5 delivered in 0: 
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 get q
                1.1 get-ok [1] #3, 0 more
        "#]],
    );
}

#[test]
fn messages_that_wait_are_cancelled_and_the_answer_waits_for_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        1.1 publish - q d
        landed
        1.1 get q
        operator cancel / q ready 3 5 6 5
        operator messages / q ready
        crash
        operator messages / q ready
        operator cancel / q ready 5
        landed
        operator cancel / q unacked 3
        operator cancel / none ready 3
        crash
        operator messages / q ready
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
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            1.1 publish - q d
                land #6 message d for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 3 more
            operator cancel / q ready 3 5 6 5
                land #7 dropped in 1: #5+2
            operator messages / q ready
            crash
            operator messages / q ready
                operator: messages, #6 has landed
                    #3 ready again
                    #4 ready again
                    #5 ready again
                    #6 ready again
            operator cancel / q ready 5
                land #7 dropped in 1: #5+1
            landed
                operator: done with 1
            operator cancel / q unacked 3
                operator: invalid: only messages that wait can be chosen
            operator cancel / none ready 3
                operator: not found: no queue 'none' in vhost '/'
            crash
            operator messages / q ready
                operator: messages, #7 has landed
                    #3 ready again
                    #4 ready again
                    #6 ready again
        "#]],
    );
}

#[test]
fn a_parked_message_is_ready_again_in_its_place_as_if_it_had_never_been_delivered() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-delivery-limit=1
        landed
        1.1 publish - q a expiration=5000
        1.1 publish - q b
        landed
        1.1 get q
        1.1 nack 1 requeue
        1.1 get q
        1.1 nack 2 requeue
        landed
        operator messages / q parked
        operator redrive / q parked 3 4
        landed
        operator messages / q ready
        at 9000
        1.1 get q
        1.1 nack 3 requeue
        1.1 get q
        1.1 nack 4 requeue
        landed
        crash
        operator messages / q parked
        operator redrive / q parked 3
        landed
        crash
        operator messages / q parked
        operator messages / q ready
        operator redrive / q delayed 3
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-delivery-limit=1
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a expiration=5000
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 1 more
            1.1 nack 1 requeue
                land #5 waiting in 1: 3 ready (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [2] #3 redelivered after 1, 1 more
            1.1 nack 2 requeue
                land #6 waiting in 1: 3 parked at 1000, delivery_limit (failed 2, lost 0)
            landed
            operator messages / q parked
                operator: messages, #6 has landed
                    #3 parked since 1000: delivery_limit again, failed 2, lost 0
            operator redrive / q parked 3 4
                land #7 waiting in 1: 3 ready
            landed
                operator: done with 1
                    #4 stayed: it does not wait there any more
            operator messages / q ready
                operator: messages, #7 has landed
                    #3 ready again
                    #4 ready
            at 9000
            1.1 get q
                1.1 get-ok [3] #3 redelivered after 0, 1 more
            1.1 nack 3 requeue
                land #8 waiting in 1: 3 ready (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [4] #3 redelivered after 1, 1 more
            1.1 nack 4 requeue
                land #9 waiting in 1: 3 parked at 9000, delivery_limit (failed 2, lost 0)
            landed
            crash
            operator messages / q parked
                operator: messages, #9 has landed
                    #3 parked since 9000: delivery_limit again, failed 2, lost 0
            operator redrive / q parked 3
                land #10 waiting in 1: 3 ready
            landed
                operator: done with 1
            crash
            operator messages / q parked
                operator: messages, #10 has landed
            operator messages / q ready
                operator: messages, #10 has landed
                    #3 ready again
                    #4 ready again
            operator redrive / q delayed 3
                operator: invalid: only parked messages and dead letters that are ready can be redriven
        "#]],
    );
}

#[test]
fn a_delayed_message_is_fired_or_cancelled_before_its_time() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-delayed-retry-type:all x-delayed-retry-min=60000 x-delayed-retry-jitter=0
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        landed
        1.1 get q
        1.1 get q
        1.1 get q
        1.1 nack 1 requeue
        at 2000
        1.1 nack 2 requeue
        1.1 nack 3 requeue
        landed
        operator messages / q delayed
        operator messages / q delayed most=1
        operator messages / q delayed most=1 after=3 due=61000
        operator fire / q delayed 4 9
        operator cancel / q delayed 5
        landed
        operator messages / q delayed
        operator messages / q ready
        crash
        operator messages / q delayed
        operator messages / q ready
        operator fire / q ready 4
        at 61000
        operator messages / q ready
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-delayed-retry-type:all x-delayed-retry-min=60000 x-delayed-retry-jitter=0
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 2 more
            1.1 get q
                1.1 get-ok [2] #4, 1 more
            1.1 get q
                1.1 get-ok [3] #5, 0 more
            1.1 nack 1 requeue
                land #6 waiting in 1: 3 delayed until 61000 (failed 1, lost 0)
            at 2000
            1.1 nack 2 requeue
                land #7 waiting in 1: 4 delayed until 62000 (failed 1, lost 0)
            1.1 nack 3 requeue
                land #8 waiting in 1: 5 delayed until 62000 (failed 1, lost 0)
            landed
            operator messages / q delayed
                operator: messages, #8 has landed
                    #3 delayed until 61000 again, failed 1, lost 0
                    #4 delayed until 62000 again, failed 1, lost 0
                    #5 delayed until 62000 again, failed 1, lost 0
            operator messages / q delayed most=1
                operator: messages, #8 has landed
                    #3 delayed until 61000 again, failed 1, lost 0
                    more after=3 due=61000
            operator messages / q delayed most=1 after=3 due=61000
                operator: messages, #8 has landed
                    #4 delayed until 62000 again, failed 1, lost 0
                    more after=4 due=62000
            operator fire / q delayed 4 9
                land #9 waiting in 1: 4 ready (failed 1, lost 0)
            operator cancel / q delayed 5
                land #10 dropped in 1: #5+1
            landed
                operator: done with 1
                    #9 stayed: it does not wait there any more
                operator: done with 1
            operator messages / q delayed
                operator: messages, #10 has landed
                    #3 delayed until 61000 again, failed 1, lost 0
            operator messages / q ready
                operator: messages, #10 has landed
                    #4 ready again, failed 1, lost 0
            crash
            operator messages / q delayed
                operator: messages, #10 has landed
                    #3 delayed until 61000 again, failed 1, lost 0
            operator messages / q ready
                operator: messages, #10 has landed
                    #4 ready again, failed 1, lost 0
            operator fire / q ready 4
                operator: invalid: only delayed messages wait for their time
            at 61000
            operator messages / q ready
                operator: messages, #10 has landed
                    #3 ready again, failed 1, lost 0
                    #4 ready again, failed 1, lost 0
        "#]],
    );
}

#[test]
fn what_an_operator_made_ready_stays_so_over_checkpoints_and_restarts() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare later x-delivery-delay=100000 x-message-ttl=5000
        1.1 declare short x-delivery-limit=0 x-message-ttl=5000
        landed
        1.1 publish - later a
        1.1 publish - short b
        landed
        1.1 get short
        1.1 nack 1 requeue
        landed
        operator fire / later delayed 4
        operator redrive / short parked 5
        landed
        checkpoint
        landed
        operator messages / later ready
        stop
        landed
        crash
        at 90000
        operator messages / later ready
        operator messages / short ready
        connect 1
        1.1 open
        1.1 get later
        1.1 get short
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare later x-delivery-delay=100000 x-message-ttl=5000
                land #2 queue 1 later
            1.1 declare short x-delivery-limit=0 x-message-ttl=5000
            landed
                1.1 queue.declare-ok later 0 0
                land #3 queue 2 short
            1.1 publish - later a
                land #4 message a for [1], due 101000
            1.1 publish - short b
                land #5 message b for [2]
            landed
                1.1 queue.declare-ok short 0 0
            1.1 get short
                1.1 get-ok [1] #5, 0 more
            1.1 nack 1 requeue
                land #6 waiting in 2: 5 parked at 1000, delivery_limit (failed 1, lost 0)
            landed
            operator fire / later delayed 4
                land #7 waiting in 1: 4 ready
            operator redrive / short parked 5
                land #8 waiting in 2: 5 ready
            landed
                operator: done with 1
                operator: done with 1
            checkpoint
                land #9 user guest ["administrator"]
                land #10 permission of guest in /: .* .* .*
                land #11 vhost /
                land #12 queue 1 later
                land #13 counted 1: 1 in, [0, 0, 0, 0, 0, 0] out
                land #14 queue 2 short
                land #15 counted 2: 1 in, [0, 0, 0, 0, 0, 0] out
                land #16 waiting in 1: 4 ready
                land #17 waiting in 2: 5 ready
                land #18 checkpoint from #9, next queue 3
            landed
            operator messages / later ready
                operator: messages, #18 has landed
                    #4 ready
            stop
                land #19 delivered in 2: #5+1
                land #20 stopped
            landed
            crash
                land #21 delivered in 0: 
            at 90000
            operator messages / later ready
                operator: messages, #20 has landed
                    #4 ready
            operator messages / short ready
                operator: messages, #20 has landed
                    #5 ready again
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 get later
                1.1 get-ok [1] #4, 0 more
            1.1 get short
                1.1 get-ok [2] #5 redelivered after 0, 0 more
        "#]],
    );
}

#[test]
fn no_rule_of_its_queue_keeps_a_redriven_message_waiting_or_away() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead x-message-deduplication=true x-delivery-delay=500 x-max-length=1 x-overflow:reject-publish
        1.1 declare dead
        landed
        1.1 publish - q a header:x-deduplication-header=one
        landed
        at 1600
        1.1 get q
        1.1 reject 1
        fetched
        landed
        1.1 publish - q b header:x-deduplication-header=two
        landed
        operator messages / dead ready
        operator redrive / dead ready 5
        fetched
        landed
        operator messages / q ready
        operator messages / q delayed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead x-message-deduplication=true x-delivery-delay=500 x-max-length=1 x-overflow:reject-publish
                land #2 queue 1 q
            1.1 declare dead
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
            1.1 publish - q a header:x-deduplication-header=one
                land #4 message a for [1], due 1500, remembered in 1
            landed
                1.1 queue.declare-ok dead 0 0
            at 1600
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            1.1 reject 1
                fetch #4 of queue 1
            fetched
                land #5 message a for [2], dead: rejected in q 1 times, no expiration
                land #6 dead-lettered in 1: #4+1
            landed
            1.1 publish - q b header:x-deduplication-header=two
                land #7 message b for [1], due 2100, remembered in 1
            landed
            operator messages / dead ready
                operator: messages, #7 has landed
                    #5 ready
            operator redrive / dead ready 5
                fetch #5 of queue 2
            fetched
                land #8 message a for [1]
                land #9 redriven in 2: #5+1
            landed
                operator: done with 1
            operator messages / q ready
                operator: messages, #9 has landed
                    #8 ready
            operator messages / q delayed
                operator: messages, #9 has landed
                    #7 delayed until 2100
        "#]],
    );
}
