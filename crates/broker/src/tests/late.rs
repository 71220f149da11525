//! Deliveries whose time ran out: only their messages go back, and late acknowledgements count.

use super::script::check;
use expect_test::expect;

#[test]
fn only_the_message_goes_back_and_the_late_ack_settles_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-consumer-timeout=100 x-delayed-retry-min=1000 x-delayed-retry-jitter=0
        1.1 qos 2
        1.1 consume q c
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        landed
        1.1 ack 2
        wakes
        at 1100
        wakes
        1.1 ack 1
        1.1 ack 1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-consumer-timeout=100 x-delayed-retry-min=1000 x-delayed-retry-jitter=0
                land #2 queue 1 q
            1.1 qos 2
            1.1 consume q c
            landed
                1.1 queue.declare-ok q 0 0
                1.1 basic.qos-ok
                1.1 basic.consume-ok c
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            landed
                1.1 deliver to c [1] #3
                1.1 deliver to c [2] #4
            1.1 ack 2
                1.1 deliver to c [3] #5
                land #6 settled in 1: #4+1
            wakes
                1100
            at 1100
                land #7 waiting in 1: 3 delayed until 2000 (failed 1, lost 0), 5 delayed until 2000 (failed 1, lost 0)
            wakes
                2000
            1.1 ack 1
                land #8 settled in 1: #3+1
            1.1 ack 1
                1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60, 80)
        "#]],
    );
}

#[test]
fn a_late_ack_settles_what_another_has_and_the_others_word_is_nothing_then() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-consumer-timeout=100
        1.1 qos 1
        1.1 consume q c
        landed
        1.1 publish - q a
        landed
        connect 2
        2.1 open
        2.1 consume q d
        landed
        1.1 cancel c
        at 1100
        1.1 ack 1
        operator queue / q
        2.1 nack 1 requeue
        operator queue / q
        operator audit
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-consumer-timeout=100
                land #2 queue 1 q
            1.1 qos 1
            1.1 consume q c
            landed
                1.1 queue.declare-ok q 0 0
                1.1 basic.qos-ok
                1.1 basic.consume-ok c
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 deliver to c [1] #3
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 consume q d
                2.1 basic.consume-ok d
            landed
            1.1 cancel c
                1.1 basic.cancel-ok
            at 1100
                2.1 deliver to d [1] #3 redelivered after 1
                land #4 waiting in 1: 3 ready (failed 1, lost 0)
            1.1 ack 1
                land #5 settled in 1: #3+1
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 1 consumers, oldest none, policy -, rules ["x-consumer-timeout"]
            2.1 nack 1 requeue
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 1 consumers, oldest none, policy -, rules ["x-consumer-timeout"]
            operator audit
                operator: accounts
                q: 1 in, [1, 0, 0, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
        "#]],
    );
}

#[test]
fn a_late_ack_of_what_is_settled_or_parked_or_dead() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-consumer-timeout=100 x-delivery-limit=0
        landed
        1.1 publish - q settled
        landed
        1.1 get q
        at 1100
        operator queue / q
        1.1 ack 1
        operator queue / q
        operator audit
        crash
        operator queue / q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-consumer-timeout=100 x-delivery-limit=0
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q settled
                land #3 message settled for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 0 more
            at 1100
                land #4 waiting in 1: 3 parked at 1100, delivery_limit (failed 1, lost 0)
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 1 parked, 0 leaving; 0 consumers, oldest none, policy -, rules ["x-consumer-timeout", "x-delivery-limit"]
            1.1 ack 1
                land #5 settled in 1: #3+1
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest none, policy -, rules ["x-consumer-timeout", "x-delivery-limit"]
            operator audit
                operator: accounts
                q: 1 in, [1, 0, 0, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
            crash
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #3, policy -, rules ["x-consumer-timeout", "x-delivery-limit"]
        "#]],
    );
}

#[test]
fn late_refusals_are_nothing_and_an_ack_of_many_takes_late_ones_with_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-consumer-timeout=100 x-delayed-retry-min=1000 x-delayed-retry-jitter=0
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        1.1 publish - q d
        landed
        1.1 get q
        1.1 get q
        1.1 get q
        at 1100
        1.1 get q
        1.1 nack 1 requeue
        1.1 reject 2
        operator queue / q
        1.1 ack 4 multiple
        operator queue / q
        1.1 ack 1
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-consumer-timeout=100 x-delayed-retry-min=1000 x-delayed-retry-jitter=0
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
            1.1 get q
                1.1 get-ok [2] #4, 2 more
            1.1 get q
                1.1 get-ok [3] #5, 1 more
            at 1100
                land #7 waiting in 1: 3 delayed until 2000 (failed 1, lost 0), 4 delayed until 2000 (failed 1, lost 0), 5 delayed until 2000 (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [4] #6, 0 more
            1.1 nack 1 requeue
            1.1 reject 2
            operator queue / q
                operator: queues
                    q in /: 0 ready, 1 unacked, 3 delayed, 0 parked, 0 leaving; 0 consumers, oldest none, policy -, rules ["x-consumer-timeout", "x-delayed-retry-min", "x-delayed-retry-jitter"]
            1.1 ack 4 multiple
                land #8 settled in 1: #5+2
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 2 delayed, 0 parked, 0 leaving; 0 consumers, oldest none, policy -, rules ["x-consumer-timeout", "x-delayed-retry-min", "x-delayed-retry-jitter"]
            1.1 ack 1
                1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60, 80)
        "#]],
    );
}

#[test]
fn the_consumers_own_time_counts_before_the_queues_and_that_before_the_servers() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-consumer-timeout=500
        1.1 declare plain
        1.1 consume q slow x-consumer-timeout=5000
        1.1 consume plain usual
        1.1 consume plain none no-ack
        landed
        1.1 publish - q a
        landed
        wakes
        1.1 publish - plain b
        landed
        wakes
        1.1 publish - plain c
        landed
        1.1 cancel slow
        1.1 get q
        at 6000
        1.1 get q
        wakes
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-consumer-timeout=500
                land #2 queue 1 q
            1.1 declare plain
            1.1 consume q slow x-consumer-timeout=5000
            1.1 consume plain usual
            1.1 consume plain none no-ack
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 plain
            1.1 publish - q a
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok plain 0 0
                1.1 basic.consume-ok slow
                1.1 basic.consume-ok usual
                1.1 basic.consume-ok none
                1.1 deliver to slow [1] #4
            wakes
                6003
            1.1 publish - plain b
                land #5 message b for [2]
            landed
                1.1 deliver to usual [2] #5
            wakes
                6003
            1.1 publish - plain c
                land #6 message c for [2]
            landed
                1.1 deliver to none [3] #6
            1.1 cancel slow
                1.1 basic.cancel-ok
            1.1 get q
                1.1 basic.get-empty
            at 6000
            1.1 get q
                1.1 basic.get-empty
            wakes
                6003
        "#]],
    );
}

#[test]
fn what_a_transaction_holds_is_looked_at_again_when_it_is_rolled_back() {
    check(
        "
        connect 1
        1.1 open
        1.1 tx
        1.1 declare q x-consumer-timeout=100
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 commit
        landed
        1.1 get q
        1.1 get q
        1.1 ack 1
        at 1100
        operator queue / q
        1.1 rollback
        at 2100
        operator queue / q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 tx
                1.1 tx.select-ok
            1.1 declare q x-consumer-timeout=100
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
            1.1 publish - q b
            1.1 commit
                land #3 message a for [1]
                land #4 message b for [1]
            landed
                1.1 tx.commit-ok
            1.1 get q
                1.1 get-ok [1] #3, 1 more
            1.1 get q
                1.1 get-ok [2] #4, 0 more
            1.1 ack 1
            at 1100
                land #5 waiting in 1: 4 ready (failed 1, lost 0)
            operator queue / q
                operator: queues
                    q in /: 1 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #4, policy -, rules ["x-consumer-timeout"]
            1.1 rollback
                1.1 tx.rollback-ok
            at 2100
                land #6 waiting in 1: 3 ready (failed 1, lost 0)
            operator queue / q
                operator: queues
                    q in /: 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #3, policy -, rules ["x-consumer-timeout"]
        "#]],
    );
}

#[test]
fn a_delivery_gets_more_time() {
    check(
        "
        connect 1
        1.1 open
        1.1 confirm
        1.1 declare q x-consumer-timeout=100
        landed
        1.1 publish - q a
        landed
        1.1 get q
        at 1050
        1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1
        wakes
        at 1100
        1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1 header:x-extend-ms=#5000
        at 1150
        operator queue / q
        wakes
        at 6112
        operator queue / q
        1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1
        1.1 publish - amq.landfall.extend - header:x-delivery-tag=#9
        1.1 open
        1.1 publish - amq.landfall.extend -
        1.1 open
        1.1 get q
        1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1 header:x-extend-ms=soon
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 declare q x-consumer-timeout=100
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 confirm 1
            1.1 get q
                1.1 get-ok [1] #3, 0 more
            at 1050
            1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1
                1.1 confirm 2
            wakes
                1100
            at 1100
            1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1 header:x-extend-ms=#5000
                1.1 confirm 3
            at 1150
            operator queue / q
                operator: queues
                    q in /: 0 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest none, policy -, rules ["x-consumer-timeout"]
            wakes
                6102
            at 6112
                land #4 waiting in 1: 3 ready (failed 1, lost 0)
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #3, policy -, rules ["x-consumer-timeout"]
            1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1
                1.1 confirm 4
            1.1 publish - amq.landfall.extend - header:x-delivery-tag=#9
                1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 9 (60, 40)
            1.1 open
                1.1 channel.open-ok
            1.1 publish - amq.landfall.extend -
                1.1 channel.close 406 PRECONDITION_FAILED - invalid header 'x-delivery-tag': expected a delivery tag (60, 40)
            1.1 open
                1.1 channel.open-ok
            1.1 get q
                1.1 get-ok [1] #3 redelivered after 1, 0 more
            1.1 publish - amq.landfall.extend - header:x-delivery-tag=#1 header:x-extend-ms=soon
                1.1 channel.close 406 PRECONDITION_FAILED - invalid header 'x-extend-ms': expected an integer that is not negative (60, 40)
                land #5 waiting in 1: 3 ready (failed 1, lost 1)
        "#]],
    );
}

#[test]
fn a_policy_gives_retries_to_a_queue_that_is_there() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 publish - q a
        landed
        operator policy / patience ^q$ queues delayed-retry-min=1000 delayed-retry-jitter=0 delivery-limit=1 consumer-timeout=50
        landed
        1.1 get q
        1.1 nack 1 requeue
        at 2000
        1.1 get q
        at 2050
        operator queue / q
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
            operator policy / patience ^q$ queues delayed-retry-min=1000 delayed-retry-jitter=0 delivery-limit=1 consumer-timeout=50
                land #4 policy patience in / for queues ^q$
            landed
                operator: made
            1.1 get q
                1.1 get-ok [1] #3, 0 more
            1.1 nack 1 requeue
                land #5 waiting in 1: 3 delayed until 2000 (failed 1, lost 0)
            at 2000
            1.1 get q
                1.1 get-ok [2] #3 redelivered after 1, 0 more
            at 2050
                land #6 waiting in 1: 3 parked at 2050, delivery_limit (failed 2, lost 0)
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 1 parked, 0 leaving; 0 consumers, oldest none, policy patience, rules ["x-consumer-timeout", "x-delivery-limit", "x-delayed-retry-min", "x-delayed-retry-jitter"]
        "#]],
    );
}

#[test]
fn a_checkpoint_tells_again_what_waits_otherwise_than_it_came() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-delivery-limit=1 x-delayed-retry-type:failed x-delayed-retry-min=1000 x-consumer-timeout=100 x-delayed-retry-jitter=0
        landed
        1.1 publish - q parked
        1.1 publish - q delayed
        1.1 publish - q ready
        1.1 publish - q out
        1.1 publish - q never
        landed
        1.1 get q
        1.1 nack 1 requeue
        1.1 get q
        1.1 nack 2 requeue
        1.1 get q
        at 1100
        1.1 get q
        1.1 get q
        1.1 nack 4 requeue
        1.1 nack 5 requeue
        1.1 get q
        1.1 get q
        1.1 nack 6
        checkpoint
        landed
        operator queue / q
        crash
        operator queue / q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-delivery-limit=1 x-delayed-retry-type:failed x-delayed-retry-min=1000 x-consumer-timeout=100 x-delayed-retry-jitter=0
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q parked
                land #3 message parked for [1]
            1.1 publish - q delayed
                land #4 message delayed for [1]
            1.1 publish - q ready
                land #5 message ready for [1]
            1.1 publish - q out
                land #6 message out for [1]
            1.1 publish - q never
                land #7 message never for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 4 more
            1.1 nack 1 requeue
                land #8 waiting in 1: 3 ready (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [2] #3 redelivered after 1, 4 more
            1.1 nack 2 requeue
                land #9 waiting in 1: 3 parked at 1000, delivery_limit (failed 2, lost 0)
            1.1 get q
                1.1 get-ok [3] #4, 3 more
            at 1100
                land #10 waiting in 1: 4 delayed until 2000 (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [4] #5, 2 more
            1.1 get q
                1.1 get-ok [5] #6, 1 more
            1.1 nack 4 requeue
                land #11 waiting in 1: 5 ready (failed 1, lost 0)
            1.1 nack 5 requeue
                land #12 waiting in 1: 6 ready (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [6] #5 redelivered after 1, 2 more
            1.1 get q
                1.1 get-ok [7] #6 redelivered after 1, 1 more
            1.1 nack 6
                land #13 dropped in 1: #5+1
            checkpoint
                land #14 user guest ["administrator"]
                land #15 permission of guest in /: .* .* .*
                land #16 vhost /
                land #17 queue 1 q
                land #18 counted 1: 5 in, [0, 0, 0, 1, 0, 0] out
                land #19 waiting in 1: 3 parked at 1000, delivery_limit (failed 2, lost 0), 4 delayed until 2000 (failed 1, lost 0), 6 ready (failed 1, lost 0)
                land #20 checkpoint from #14, next queue 2
            landed
            operator queue / q
                operator: queues
                    q in /: 1 ready, 1 unacked, 1 delayed, 1 parked, 0 leaving; 0 consumers, oldest #7, policy -, rules ["x-delivery-limit", "x-delayed-retry-type", "x-delayed-retry-min", "x-consumer-timeout", "x-delayed-retry-jitter"]
            crash
            operator queue / q
                operator: queues
                    q in /: 2 ready, 0 unacked, 1 delayed, 1 parked, 0 leaving; 0 consumers, oldest #6, policy -, rules ["x-delivery-limit", "x-delayed-retry-type", "x-delayed-retry-min", "x-consumer-timeout", "x-delayed-retry-jitter"]
        "#]],
    );
}
