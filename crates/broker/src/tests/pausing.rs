//! Pause: a queue that takes messages and hands none out, until an operator says so.

use super::script::check;
use expect_test::expect;

#[test]
fn a_paused_queue_takes_messages_and_hands_none_out() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 consume q c
        landed
        1.1 confirm
        1.1 publish - q a
        landed
        operator pause / q
        1.1 publish - q b
        landed
        1.1 get q
        1.1 nack 1 requeue
        operator messages / q ready
        operator consumers / q
        operator for guest / peek q 9
        operator for guest / take q 3
        operator pause / q
        operator resume / q
        landed
        operator resume / q
        operator pause / none
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 consume q c
            landed
                1.1 queue.declare-ok q 0 0
                1.1 basic.consume-ok c
            1.1 confirm
                1.1 confirm.select-ok
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 confirm 1
                1.1 deliver to c [1] #3
            operator pause / q
                land #4 queue 1 is paused
            1.1 publish - q b
                land #5 message b for [1]
            landed
                operator: made
                1.1 confirm 2
            1.1 get q
                1.1 basic.get-empty
            1.1 nack 1 requeue
                land #6 waiting in 1: 3 ready (failed 1, lost 0)
            operator messages / q ready
                operator: messages, #5 has landed
                    #3 ready again, failed 1, lost 0
                    #5 ready
            operator consumers / q
                operator: seen
                    c on 1.1 at q in /: active, prefetch 0, 0 unacked; waits for its queue to go on
            operator for guest / peek q 9
                operator: 2 ready
                    #3 ready again, failed 1, lost 0
                    #5 ready
            operator for guest / take q 3
                operator: invalid: queue 'q' in vhost '/' is paused
            operator pause / q
                operator: done
            operator resume / q
                land #7 queue 1 goes on
                1.1 deliver to c [2] #3 redelivered after 1
                1.1 deliver to c [3] #5
            landed
                operator: done
            operator resume / q
                operator: done
            operator pause / none
                operator: not found: no queue 'none' in vhost '/'
        "#]],
    );
}

#[test]
fn what_has_landed_of_a_pause_survives_crashes_and_checkpoints() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 declare other
        landed
        1.1 publish - q a
        landed
        operator pause / q
        crash
        operator queue / q
        operator pause / q
        landed
        crash
        operator queue / q
        checkpoint
        landed
        crash
        operator queue / q
        connect 1
        1.1 open
        1.1 consume q c
        operator resume / q
        crash
        operator queue / q
        operator resume / q
        landed
        checkpoint
        landed
        crash
        operator queue / q
        operator pause / q
        landed
        connect 1
        1.1 open
        1.1 delete q
        1.1 declare q
        landed
        crash
        operator queue / q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 declare other
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 other
            1.1 publish - q a
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok other 0 0
            operator pause / q
                land #5 queue 1 is paused
            crash
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #4, policy -, rules []
            operator pause / q
                land #5 queue 1 is paused
            landed
                operator: made
            crash
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #4, policy -, rules [], paused
            checkpoint
                land #6 user guest ["administrator"]
                land #7 permission of guest in /: .* .* .*
                land #8 vhost /
                land #9 queue 1 q
                land #10 queue 1 is paused
                land #11 counted 1: 1 in, [0, 0, 0, 0, 0, 0] out
                land #12 queue 2 other
                land #13 checkpoint from #6, next queue 3
            landed
            crash
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #4, policy -, rules [], paused
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 consume q c
                1.1 basic.consume-ok c
            operator resume / q
                land #14 queue 1 goes on
                1.1 deliver to c [1] #4 redelivered after 0
            crash
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #4, policy -, rules [], paused
            operator resume / q
                land #14 queue 1 goes on
            landed
                operator: done
            checkpoint
                land #15 user guest ["administrator"]
                land #16 permission of guest in /: .* .* .*
                land #17 vhost /
                land #18 queue 1 q
                land #19 counted 1: 1 in, [0, 0, 0, 0, 0, 0] out
                land #20 queue 2 other
                land #21 checkpoint from #15, next queue 3
            landed
            crash
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #4, policy -, rules []
            operator pause / q
                land #22 queue 1 is paused
            landed
                operator: made
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 delete q
                land #23 dropped in 1: #4+1
                land #24 no queue 1
            1.1 declare q
            landed
                1.1 queue.delete-ok 1
                land #25 queue 3 q
            crash
            operator queue / q
                operator: not found: no queue 'q' in vhost '/'
        "#]],
    );
}

/// What it has handed out is settled as ever; and its rules go on.
#[test]
fn a_pause_stops_nothing_but_the_handing_out() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-ttl=1000 x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead
        1.1 consume q c
        landed
        1.1 publish - q a
        landed
        operator pause / q
        landed
        1.1 publish - q b
        landed
        1.1 ack 1
        at 5000
        fetched
        landed
        operator queue / q
        operator queue / dead
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-ttl=1000 x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            1.1 declare dead
            1.1 consume q c
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
            1.1 publish - q a
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok dead 0 0
                1.1 basic.consume-ok c
                1.1 deliver to c [1] #4
            operator pause / q
                land #5 queue 1 is paused
            landed
                operator: made
            1.1 publish - q b
                land #6 message b for [1]
            landed
            1.1 ack 1
                land #7 settled in 1: #4+1
            at 5000
                fetch #6 of queue 1
            fetched
                land #8 message b for [2], dead: expired in q 1 times, no expiration
                land #9 dead-lettered in 1: #6+1
            landed
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 1 consumers, oldest none, policy -, rules ["x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key"], paused
            operator queue / dead
                operator: queues
                    dead in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #8, policy -, rules []
        "#]],
    );
}
