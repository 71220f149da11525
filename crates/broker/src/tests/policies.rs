//! Policies: which one counts, and that queues and exchanges follow it at once and after a crash.

use super::script::{Heart, check};
use expect_test::expect;
use model::Limits;

#[test]
fn a_queue_follows_a_new_policy_at_once() {
    check(
        "connect 1
         1.1 open
         1.1 declare orders
         landed
         1.1 publish - orders a
         1.1 publish - orders b
         1.1 publish - orders c
         landed
         operator policy / short ^ord queues max-length=2
         operator policy / shorter ^ord all max-length=1 priority=1
         operator policy / other ^ord exchanges max-length=0 priority=2
         operator policy / none ^x queues max-length=0 priority=3
         landed
         1.1 publish - orders d
         landed
         operator no-policy / shorter
         landed
         1.1 publish - orders e
         landed
         crash
         connect 2
         2.1 open
         2.1 publish - orders f
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare orders
                land #2 queue 1 orders
            landed
                1.1 queue.declare-ok orders 0 0
            1.1 publish - orders a
                land #3 message a for [1]
            1.1 publish - orders b
                land #4 message b for [1]
            1.1 publish - orders c
                land #5 message c for [1]
            landed
            operator policy / short ^ord queues max-length=2
                land #6 policy short in / for queues ^ord
                land #7 dropped in 1: #3+1
            operator policy / shorter ^ord all max-length=1 priority=1
                land #8 policy shorter in / for all ^ord
                land #9 dropped in 1: #4+1
            operator policy / other ^ord exchanges max-length=0 priority=2
                land #10 policy other in / for exchanges ^ord
            operator policy / none ^x queues max-length=0 priority=3
                land #11 policy none in / for queues ^x
            landed
                operator: made
                operator: made
                operator: made
                operator: made
            1.1 publish - orders d
                land #12 message d for [1]
            landed
                land #13 dropped in 1: #5+1
            operator no-policy / shorter
                land #14 no policy shorter in /
            landed
                operator: done
            1.1 publish - orders e
                land #15 message e for [1]
            landed
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish - orders f
                land #16 message f for [1]
            landed
                land #17 dropped in 1: #12+1
        "#]],
    );
}

#[test]
fn the_stricter_number_counts_and_the_owners_word() {
    check(
        "connect 1
         1.1 open
         1.1 declare q x-max-length=1 x-overflow:drop-head
         landed
         operator policy / wider q queues max-length=5 overflow:reject-publish
         landed
         1.1 publish - q a
         1.1 publish - q b
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-length=1 x-overflow:drop-head
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            operator policy / wider q queues max-length=5 overflow:reject-publish
                land #3 policy wider in / for queues q
            landed
                operator: made
            1.1 publish - q a
                land #4 message a for [1]
            1.1 publish - q b
                land #5 message b for [1]
            landed
                land #6 dropped in 1: #4+1
        "#]],
    );
}

#[test]
fn a_time_to_live_counts_from_the_policy_on_for_what_waits() {
    check(
        "at 1000
         connect 1
         1.1 open
         1.1 declare q
         landed
         1.1 publish - q a
         landed
         at 5000
         operator policy / soon q queues message-ttl=100
         landed
         wakes
         1.1 publish - q b
         at 5099
         1.1 publish - q c
         landed
         at 5101
         1.1 get q
         operator no-policy / soon
         landed
         at 9000
         1.1 publish - q d
         operator policy / soon q queues message-ttl=100
         landed
         at 9099
         1.1 get q
         at 9200
         1.1 get q",
        expect![[r#"
            at 1000
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
            at 5000
            operator policy / soon q queues message-ttl=100
                land #4 policy soon in / for queues q
            landed
                operator: made
            wakes
                5100
            1.1 publish - q b
                land #5 message b for [1]
            at 5099
            1.1 publish - q c
                land #6 message c for [1]
            landed
            at 5101
                land #7 expired in 1: #3+1 #5+1
            1.1 get q
                1.1 get-ok [1] #6, 0 more
            operator no-policy / soon
                land #8 no policy soon in /
            landed
                operator: done
            at 9000
            1.1 publish - q d
                land #9 message d for [1]
            operator policy / soon q queues message-ttl=100
                land #10 policy soon in / for queues q
            landed
                operator: made
            at 9099
            1.1 get q
                1.1 get-ok [2] #9, 0 more
            at 9200
            1.1 get q
                1.1 basic.get-empty
        "#]],
    );
}

#[test]
fn an_unused_queue_goes_when_a_policy_says_so() {
    check(
        "at 1000
         connect 1
         1.1 open
         1.1 declare q
         landed
         at 5000
         operator policy / gone q all expires=100
         landed
         wakes
         at 5100
         landed",
        expect![[r#"
            at 1000
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            at 5000
            operator policy / gone q all expires=100
                land #3 policy gone in / for all q
            landed
                operator: made
            wakes
                5100
            at 5100
                land #4 no queue 1
            landed
        "#]],
    );
}

#[test]
fn dead_letters_and_alternates_are_policies_too() {
    check(
        "operator policy / dead ^q$ queues dead-letter-exchange:amq.fanout
         operator policy / lost ^x$ exchanges alternate-exchange:amq.fanout
         connect 1
         1.1 open
         1.1 declare q
         landed
         1.1 declare grave
         landed
         1.1 exchange x direct
         1.1 bind grave amq.fanout -
         landed
         1.1 publish - q a
         1.1 publish x nobody b
         landed
         1.1 get q
         1.1 reject 1
         fetched
         landed
         crash
         connect 2
         2.1 open
         2.1 publish x nobody c
         operator no-policy / lost
         landed
         2.1 publish x nobody d",
        expect![[r#"
            operator policy / dead ^q$ queues dead-letter-exchange:amq.fanout
                land #2 policy dead in / for queues ^q$
            operator policy / lost ^x$ exchanges alternate-exchange:amq.fanout
                land #3 policy lost in / for exchanges ^x$
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #4 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
                operator: made
                operator: made
            1.1 declare grave
                land #5 queue 2 grave
            landed
                1.1 queue.declare-ok grave 0 0
            1.1 exchange x direct
                land #6 exchange x direct
            1.1 bind grave amq.fanout -
                land #7 bound amq.fanout --> Queue(QueueId(2))
            landed
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
            1.1 publish - q a
                land #8 message a for [1]
            1.1 publish x nobody b
                land #9 message b for [2]
            landed
            1.1 get q
                1.1 get-ok [1] #8, 0 more
            1.1 reject 1
                fetch #8 of queue 1
            fetched
                land #10 message a for [2], dead: rejected in q 1 times, no expiration
                land #11 dead-lettered in 1: #8+1
            landed
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish x nobody c
                land #12 message c for [2]
            operator no-policy / lost
                land #13 no policy lost in /
            landed
                operator: done
            2.1 publish x nobody d
        "#]],
    );
}

#[test]
fn a_rule_of_any_length_is_kept() {
    let rule = "r".repeat(255);
    let mut heart = Heart::new(Limits::default());
    let answers = heart.run(&format!("operator policy / a q queues {rule}:on"));
    assert_eq!(answers, ["land #2 policy a in / for queues q"]);
}

#[test]
fn what_a_policy_says_is_checked() {
    check(
        "operator policy / a q queues max-length:many
         operator policy / a q queues overflow:up
         operator policy / a q queues dead-letter-routing-key:k ha-mode:all
         landed",
        expect![[r#"
            operator policy / a q queues max-length:many
                operator: invalid: PRECONDITION_FAILED - invalid arg 'x-max-length' for policy 'a' in vhost '/': expected an integer of at least 0, got the value 'many' of type 'longstr'
            operator policy / a q queues overflow:up
                operator: invalid: PRECONDITION_FAILED - invalid arg 'x-overflow' for policy 'a' in vhost '/': expected one of drop-head, reject-publish, reject-publish-dlx, got the value 'up' of type 'longstr'
            operator policy / a q queues dead-letter-routing-key:k ha-mode:all
                land #2 policy a in / for queues q
            landed
                operator: made
        "#]],
    );
}
