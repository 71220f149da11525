//! Arguments: wrong ones are refused by name, unknown ones are kept.

use super::script::check;
use expect_test::expect;

#[test]
fn known_arguments_with_wrong_values_are_refused() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-message-ttl=-1
        1.2 open
        1.2 declare q x-message-ttl:soon
        1.3 open
        1.3 declare q x-expires=0
        1.4 open
        1.4 declare q x-overflow:drop-tail
        1.5 open
        1.5 declare q x-queue-type:stream
        1.6 open
        1.6 declare q x-dead-letter-exchange=5
        1.7 open
        1.7 declare q x-dead-letter-routing-key:dead
        1.8 open
        1.8 declare q x-single-active-consumer=1
        1.9 open
        1.9 declare q x-max-length=-5
        1.10 open
        1.10 declare q x-delivery-limit=-2
        1.11 open
        1.11 exchange x direct alternate-exchange=5
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-message-ttl=-1
                1.1 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/': expected an integer of at least 0, got the value '-1' of type 'signedint' (50, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 declare q x-message-ttl:soon
                1.2 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue 'q' in vhost '/': expected an integer of at least 0, got the value 'soon' of type 'longstr' (50, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 declare q x-expires=0
                1.3 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'q' in vhost '/': expected an integer of at least 1, got the value '0' of type 'signedint' (50, 10)
            1.4 open
                1.4 channel.open-ok
            1.4 declare q x-overflow:drop-tail
                1.4 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'q' in vhost '/': expected one of drop-head, reject-publish, reject-publish-dlx, got the value 'drop-tail' of type 'longstr' (50, 10)
            1.5 open
                1.5 channel.open-ok
            1.5 declare q x-queue-type:stream
                1.5 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/': expected one of classic, quorum, got the value 'stream' of type 'longstr' (50, 10)
            1.6 open
                1.6 channel.open-ok
            1.6 declare q x-dead-letter-exchange=5
                1.6 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-dead-letter-exchange' for queue 'q' in vhost '/': expected a string, got the value '5' of type 'signedint' (50, 10)
            1.7 open
                1.7 channel.open-ok
            1.7 declare q x-dead-letter-routing-key:dead
                1.7 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': routing_key_but_no_dlx_defined (50, 10)
            1.8 open
                1.8 channel.open-ok
            1.8 declare q x-single-active-consumer=1
                1.8 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-single-active-consumer' for queue 'q' in vhost '/': expected a boolean, got the value '1' of type 'signedint' (50, 10)
            1.9 open
                1.9 channel.open-ok
            1.9 declare q x-max-length=-5
                1.9 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-max-length' for queue 'q' in vhost '/': expected an integer of at least 0, got the value '-5' of type 'signedint' (50, 10)
            1.10 open
                1.10 channel.open-ok
            1.10 declare q x-delivery-limit=-2
                1.10 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-delivery-limit' for queue 'q' in vhost '/': expected an integer of at least -1, got the value '-2' of type 'signedint' (50, 10)
            1.11 open
                1.11 channel.open-ok
            1.11 exchange x direct alternate-exchange=5
                1.11 channel.close 406 PRECONDITION_FAILED - invalid arg 'alternate-exchange' for exchange 'x' in vhost '/': expected a string, got the value '5' of type 'signedint' (40, 10)
        "#]],
    );
}

#[test]
fn what_has_no_effect_here_or_is_unknown_is_accepted() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare a x-queue-mode:lazy x-queue-version=2 x-queue-master-locator:min-masters x-ha-policy:all
        1.1 declare b x-queue-type:quorum x-quorum-initial-group-size=3 x-delivery-limit=-1 x-dead-letter-strategy:at-least-once
        1.1 declare c x-consumer-timeout=1000 x-delayed-retry-type:all x-delayed-retry-min=10 x-name-prefix:mine
        1.1 declare d mine=7 yours:thing
        landed
        landed
        landed
        landed
        1.1 consume a t x-cancel-on-ha-failover=true x-stream-offset:first
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare a x-queue-mode:lazy x-queue-version=2 x-queue-master-locator:min-masters x-ha-policy:all
                land #2 queue 1 a
            1.1 declare b x-queue-type:quorum x-quorum-initial-group-size=3 x-delivery-limit=-1 x-dead-letter-strategy:at-least-once
            1.1 declare c x-consumer-timeout=1000 x-delayed-retry-type:all x-delayed-retry-min=10 x-name-prefix:mine
            1.1 declare d mine=7 yours:thing
            landed
                1.1 queue.declare-ok a 0 0
                land #3 queue 2 b
            landed
                1.1 queue.declare-ok b 0 0
                land #4 queue 3 c
            landed
                1.1 queue.declare-ok c 0 0
                land #5 queue 4 d
            landed
                1.1 queue.declare-ok d 0 0
            1.1 consume a t x-cancel-on-ha-failover=true x-stream-offset:first
                1.1 basic.consume-ok t
        "#]],
    );
}

#[test]
fn consumers_are_refused_with_the_texts_that_clients_know() {
    check(
        "
        connect 1
        1.1 open
        1.1 consume none c
        1.2 open
        1.2 declare q
        landed
        1.2 consume q c
        1.2 cancel unknown
        1.2 consume q c
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 consume none c
                1.1 channel.close 404 NOT_FOUND - no queue 'none' in vhost '/' (60, 20)
            1.2 open
                1.2 channel.open-ok
            1.2 declare q
                land #2 queue 1 q
            landed
                1.2 queue.declare-ok q 0 0
            1.2 consume q c
                1.2 basic.consume-ok c
            1.2 cancel unknown
                1.2 basic.cancel-ok
            1.2 consume q c
                1 connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 'c'
        "#]],
    );
}
