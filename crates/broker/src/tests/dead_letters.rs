//! Dead letters: why, what is told, and in which order things land.

use super::script::check;
use expect_test::expect;

#[test]
fn the_copy_is_asked_to_land_before_the_original_is_gone() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead
        landed
        1.1 publish - q a expiration=100000
        landed
        1.1 get q
        1.1 reject 1
        fetched
        landed
        1.1 get dead
        1.1 declare q passive
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
            1.1 publish - q a expiration=100000
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok dead 0 0
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            1.1 reject 1
                fetch #4 of queue 1
            fetched
                land #5 message a for [2], dead: rejected in q 1 times, no expiration
                land #6 dead-lettered in 1: #4+1
            landed
            1.1 get dead
                1.1 get-ok [2] #5, 0 more
            1.1 declare q passive
                1.1 queue.declare-ok q 0 0
        "#]],
    );
}

#[test]
fn every_reason() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange:amq.fanout x-max-length=1
        1.1 declare dead
        landed
        1.1 bind dead amq.fanout -
        landed
        1.1 publish - q a
        1.1 publish - q b expiration=10
        landed
        fetched
        at 1010
        fetched
        1.1 publish - q c
        landed
        1.1 get q
        1.1 nack 1
        fetched
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-dead-letter-exchange:amq.fanout x-max-length=1
                land #2 queue 1 q
            1.1 declare dead
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
            1.1 bind dead amq.fanout -
                land #4 bound amq.fanout --> Queue(QueueId(2))
            landed
                1.1 queue.declare-ok dead 0 0
                1.1 queue.bind-ok
            1.1 publish - q a
                land #5 message a for [1]
            1.1 publish - q b expiration=10
                land #6 message b for [1]
            landed
                fetch #5 of queue 1
            fetched
                land #7 message a for [2], dead: maxlen in q 1 times, no expiration
                land #8 dead-lettered in 1: #5+1
            at 1010
                fetch #6 of queue 1
            fetched
                land #9 message b for [2], dead: expired in q 1 times, no expiration
                land #10 dead-lettered in 1: #6+1
            1.1 publish - q c
                land #11 message c for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #11, 0 more
            1.1 nack 1
                fetch #11 of queue 1
            fetched
                land #12 message c for [2], dead: rejected in q 1 times, no expiration
                land #13 dead-lettered in 1: #11+1
        "#]],
    );
}

#[test]
fn without_a_dead_letter_exchange_it_is_gone() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 declare lost x-dead-letter-exchange:missing
        landed
        1.1 publish - q a
        1.1 publish - lost b
        landed
        1.1 get q
        1.1 reject 1
        1.1 get lost
        1.1 reject 2
        fetched
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 declare lost x-dead-letter-exchange:missing
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 lost
            1.1 publish - q a
                land #4 message a for [1]
            1.1 publish - lost b
                land #5 message b for [2]
            landed
                1.1 queue.declare-ok lost 0 0
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            1.1 reject 1
                land #6 dropped in 1: #4+1
            1.1 get lost
                1.1 get-ok [2] #5, 0 more
            1.1 reject 2
                fetch #5 of queue 2
            fetched
                land #7 waiting in 2: 5 parked at 1000, rejected
        "#]],
    );
}

#[test]
fn a_repeated_death_is_counted_and_a_circle_that_nobody_rejects_is_cut() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare wait x-message-ttl=10 x-dead-letter-exchange: x-dead-letter-routing-key:work
        1.1 declare work x-dead-letter-exchange: x-dead-letter-routing-key:wait
        landed
        1.1 publish - wait job
        landed
        at 1010
        fetched
        landed
        1.1 get work
        1.1 reject 1
        fetched
        landed
        at 1020
        fetched
        landed
        1.1 declare spin x-message-ttl=10 x-dead-letter-exchange: x-dead-letter-routing-key:spin
        landed
        1.1 publish - spin top
        landed
        at 1030
        fetched
        landed
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare wait x-message-ttl=10 x-dead-letter-exchange: x-dead-letter-routing-key:work
                land #2 queue 1 wait
            1.1 declare work x-dead-letter-exchange: x-dead-letter-routing-key:wait
            landed
                1.1 queue.declare-ok wait 0 0
                land #3 queue 2 work
            1.1 publish - wait job
                land #4 message job for [1]
            landed
                1.1 queue.declare-ok work 0 0
            at 1010
                fetch #4 of queue 1
            fetched
                land #5 message job for [2], dead: expired in wait 1 times, no expiration
                land #6 dead-lettered in 1: #4+1
            landed
            1.1 get work
                1.1 get-ok [1] #5, 0 more
            1.1 reject 1
                fetch #5 of queue 2
            fetched
                land #7 message job for [1], dead: rejected in work 1 times, expired in wait 1 times, no expiration
                land #8 dead-lettered in 2: #5+1
            landed
            at 1020
                fetch #7 of queue 1
            fetched
                land #9 message job for [2], dead: expired in wait 2 times, rejected in work 1 times, no expiration
                land #10 dead-lettered in 1: #7+1
            landed
            1.1 declare spin x-message-ttl=10 x-dead-letter-exchange: x-dead-letter-routing-key:spin
                land #11 queue 3 spin
            landed
                1.1 queue.declare-ok spin 0 0
            1.1 publish - spin top
                land #12 message top for [3]
            landed
            at 1030
                fetch #12 of queue 3
            fetched
                land #13 waiting in 3: 12 parked at 1030, expired
            landed
        "#]],
    );
}

#[test]
fn a_crash_before_the_copy_landed_brings_the_original_back() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q durable x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead durable
        landed
        1.1 publish - q a
        landed
        1.1 get q
        1.1 reject 1
        fetched
        crash
        connect 1
        1.1 open
        1.1 get q
        1.1 declare dead passive
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            1.1 declare dead durable
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
            1.1 publish - q a
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok dead 0 0
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            1.1 reject 1
                fetch #4 of queue 1
            fetched
                land #5 message a for [2], dead: rejected in q 1 times, no expiration
                land #6 dead-lettered in 1: #4+1
            crash
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 get q
                1.1 get-ok [1] #4 redelivered after 0, 0 more
            1.1 declare dead passive
                1.1 queue.declare-ok dead 0 0
        "#]],
    );
}

#[test]
fn a_deleted_queue_takes_its_dying_messages_along() {
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
        1.1 reject 1
        1.1 delete q
        fetched
        landed
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
            1.1 reject 1
                fetch #4 of queue 1
            1.1 delete q
                land #6 dropped in 1: #4+2
                land #7 no queue 1
            fetched
            landed
                1.1 queue.delete-ok 1
        "#]],
    );
}

#[test]
fn a_clean_stop_remembers_that_a_dying_message_was_delivered() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q durable x-dead-letter-exchange: x-dead-letter-routing-key:dead
        landed
        1.1 publish - q a
        landed
        1.1 get q
        1.1 reject 1
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
            1.1 declare q durable x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 0 more
            1.1 reject 1
                fetch #3 of queue 1
            stop
                land #4 delivered in 1: #3+1
                land #5 stopped
            landed
            crash
                land #6 delivered in 0: 
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 get q
                1.1 get-ok [1] #3 redelivered after 0, 0 more
        "#]],
    );
}
