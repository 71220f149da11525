//! Where messages go: alternate exchanges, CC and BCC, internal exchanges, and what is refused on the way in.

use super::script::check;
use expect_test::expect;

#[test]
fn an_exchange_that_finds_nothing_passes_on_to_its_alternate() {
    check(
        "connect 1
         1.1 open
         1.1 declare taken no-wait
         1.1 declare left no-wait
         1.1 exchange rest fanout internal
         1.1 exchange main direct alternate-exchange:rest
         1.1 exchange behind direct alternate-exchange:main
         1.1 bind taken main yes
         1.1 bind left rest -
         1.1 bind-exchange behind main both
         landed
         1.1 publish main yes a
         1.1 publish main no b
         1.1 publish behind no c
         1.1 publish behind yes d
         1.1 publish main both e mandatory
         1.1 publish main no f cc=yes
         1.1 delete-exchange rest
         1.1 publish main no g mandatory",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare taken no-wait
                land #2 queue 1 taken
            1.1 declare left no-wait
                land #3 queue 2 left
            1.1 exchange rest fanout internal
                land #4 exchange rest fanout
            1.1 exchange main direct alternate-exchange:rest
                land #5 exchange main direct
            1.1 exchange behind direct alternate-exchange:main
                land #6 exchange behind direct
            1.1 bind taken main yes
                land #7 bound main -yes-> Queue(QueueId(1))
            1.1 bind left rest -
                land #8 bound rest --> Queue(QueueId(2))
            1.1 bind-exchange behind main both
                land #9 bound main -both-> Exchange("behind")
            landed
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 exchange.bind-ok
            1.1 publish main yes a
                land #10 message a for [1]
            1.1 publish main no b
                land #11 message b for [2]
            1.1 publish behind no c
                land #12 message c for [2]
            1.1 publish behind yes d
                land #13 message d for [1]
            1.1 publish main both e mandatory
                1.1 return e (main both)
            1.1 publish main no f cc=yes
                land #14 message f for [1] header CC
            1.1 delete-exchange rest
                land #15 no exchange rest
            1.1 publish main no g mandatory
                1.1 return g (main no)
        "#]],
    );
}

#[test]
fn alternates_in_a_circle_end_and_one_that_is_missing_is_nothing() {
    check(
        "connect 1
         1.1 open
         1.1 confirm
         1.1 exchange a direct alternate-exchange:b
         1.1 exchange b direct alternate-exchange:a
         1.1 exchange c direct alternate-exchange:none
         1.2 open
         1.2 confirm
         landed
         1.2 publish a k 1 mandatory
         1.2 publish c k 2 mandatory
         1.2 exchange a direct alternate-exchange:c
         1.3 open
         1.3 exchange a direct",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 confirm
                1.1 confirm.select-ok
            1.1 exchange a direct alternate-exchange:b
                land #2 exchange a direct
            1.1 exchange b direct alternate-exchange:a
                land #3 exchange b direct
            1.1 exchange c direct alternate-exchange:none
                land #4 exchange c direct
            1.2 open
                1.2 channel.open-ok
            1.2 confirm
            landed
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.2 confirm.select-ok
            1.2 publish a k 1 mandatory
                1.2 return 1 (a k)
                1.2 confirm 1
            1.2 publish c k 2 mandatory
                1.2 return 2 (c k)
                1.2 confirm 2
            1.2 exchange a direct alternate-exchange:c
                1.2 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'a' in vhost '/': received 'c' but current is 'b' (40, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange a direct
                1.3 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'a' in vhost '/': received none but current is the value 'b' of type 'longstr' (40, 10)
        "#]],
    );
}

#[test]
fn cc_and_bcc_are_more_routing_keys_and_bcc_is_seen_by_nobody() {
    check(
        "connect 1
         1.1 open
         1.1 declare a no-wait
         1.1 declare b no-wait
         1.1 declare c no-wait
         1.1 bind b amq.topic t.*
         1.1 bind c amq.topic #.end
         1.1 bind c amq.headers - BCC:x x-match:any
         landed
         1.1 publish - a 1 cc=b,b bcc=c,none header:h=1
         1.1 publish amq.topic none 2 cc=t.x bcc=an.end
         1.1 publish - none 3 cc=none bcc=none mandatory
         1.1 publish amq.headers k 4 bcc=x mandatory
         1.1 publish amq.direct k 5 cc=k",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare a no-wait
                land #2 queue 1 a
            1.1 declare b no-wait
                land #3 queue 2 b
            1.1 declare c no-wait
                land #4 queue 3 c
            1.1 bind b amq.topic t.*
                land #5 bound amq.topic -t.*-> Queue(QueueId(2))
            1.1 bind c amq.topic #.end
                land #6 bound amq.topic -#.end-> Queue(QueueId(3))
            1.1 bind c amq.headers - BCC:x x-match:any
                land #7 bound amq.headers --> Queue(QueueId(3))
            landed
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish - a 1 cc=b,b bcc=c,none header:h=1
                land #8 message 1 for [1, 2, 3] header CC header h
            1.1 publish amq.topic none 2 cc=t.x bcc=an.end
                land #9 message 2 for [2, 3] header CC
            1.1 publish - none 3 cc=none bcc=none mandatory
                1.1 return 3 ( none) header CC
            1.1 publish amq.headers k 4 bcc=x mandatory
                1.1 return 4 (amq.headers k)
            1.1 publish amq.direct k 5 cc=k
        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_refused_in_rabbitmqs_order_and_words() {
    check(
        "connect 1
         1.1 open
         1.1 publish - q a header:CC=text
         1.2 open
         1.2 publish - q a header:BCC=text
         1.3 open
         1.3 publish none q a header:CC=text user=me expiration=x
         1.4 open
         1.4 publish amq.rabbitmq.trace q a user=me expiration=x
         1.5 open
         1.5 publish - q a header:CC=text user=me expiration=x
         1.6 open
         1.6 publish - q a header:CC=text expiration=x
         1.7 open
         1.7 publish - q a expiration=-1
         1.8 open
         1.8 publish - q a expiration=1.5
         1.9 open
         1.9 publish - q a expiration=315360000001
         1.10 open
         1.10 publish - q a expiration=315360000000",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 publish - q a header:CC=text
                1.1 channel.close 406 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"CC",longstr} (60, 40)
            1.2 open
                1.2 channel.open-ok
            1.2 publish - q a header:BCC=text
                1.2 channel.close 406 PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"BCC",longstr} (60, 40)
            1.3 open
                1.3 channel.open-ok
            1.3 publish none q a header:CC=text user=me expiration=x
                1.3 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (60, 40)
            1.4 open
                1.4 channel.open-ok
            1.4 publish amq.rabbitmq.trace q a user=me expiration=x
                1.4 channel.close 403 ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/' (60, 40)
            1.5 open
                1.5 channel.open-ok
            1.5 publish - q a header:CC=text user=me expiration=x
                1.5 channel.close 406 PRECONDITION_FAILED - user_id property set to 'me' but authenticated user was 'guest' (60, 40)
            1.6 open
                1.6 channel.open-ok
            1.6 publish - q a header:CC=text expiration=x
                1.6 channel.close 406 PRECONDITION_FAILED - invalid expiration 'x': no_integer (60, 40)
            1.7 open
                1.7 channel.open-ok
            1.7 publish - q a expiration=-1
                1.7 channel.close 406 PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1} (60, 40)
            1.8 open
                1.8 channel.open-ok
            1.8 publish - q a expiration=1.5
                1.8 channel.close 406 PRECONDITION_FAILED - invalid expiration '1.5': {leftover_string,".5"} (60, 40)
            1.9 open
                1.9 channel.open-ok
            1.9 publish - q a expiration=315360000001
                1.9 channel.close 406 PRECONDITION_FAILED - invalid expiration '315360000001': {value_too_large,315360000001} (60, 40)
            1.10 open
                1.10 channel.open-ok
            1.10 publish - q a expiration=315360000000
        "#]],
    );
}

#[test]
fn consistent_hashing_chooses_one_queue_for_each_key_and_the_same_after_a_crash() {
    check(
        "connect 1
         1.1 open
         1.1 declare a no-wait
         1.1 declare b no-wait
         1.1 declare c no-wait
         1.1 exchange h x-consistent-hash
         1.1 bind a h 1
         1.1 bind b h 1
         1.1 bind c h 2
         landed
         1.1 publish h k1 1
         1.1 publish h k2 2
         1.1 publish h k3 3
         1.1 publish h k4 4
         1.1 publish h k5 5
         1.1 publish h k1 6
         landed
         crash
         connect 2
         2.1 open
         2.1 publish h k1 1
         2.1 publish h k2 2
         2.1 publish h k3 3
         2.1 publish h k4 4
         2.1 publish h k5 5
         2.1 unbind c h 2
         2.1 publish h k1 1
         2.1 publish h k2 2
         2.1 publish h k3 3
         2.1 publish h k4 4
         2.1 publish h k5 5
         2.1 unbind a h 1
         2.1 unbind b h 1
         2.1 publish h k1 1 mandatory",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare a no-wait
                land #2 queue 1 a
            1.1 declare b no-wait
                land #3 queue 2 b
            1.1 declare c no-wait
                land #4 queue 3 c
            1.1 exchange h x-consistent-hash
                land #5 exchange h x-consistent-hash
            1.1 bind a h 1
                land #6 bound h -1-> Queue(QueueId(1))
            1.1 bind b h 1
                land #7 bound h -1-> Queue(QueueId(2))
            1.1 bind c h 2
                land #8 bound h -2-> Queue(QueueId(3))
            landed
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish h k1 1
                land #9 message 1 for [3]
            1.1 publish h k2 2
                land #10 message 2 for [1]
            1.1 publish h k3 3
                land #11 message 3 for [1]
            1.1 publish h k4 4
                land #12 message 4 for [3]
            1.1 publish h k5 5
                land #13 message 5 for [3]
            1.1 publish h k1 6
                land #14 message 6 for [3]
            landed
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish h k1 1
                land #15 message 1 for [3]
            2.1 publish h k2 2
                land #16 message 2 for [1]
            2.1 publish h k3 3
                land #17 message 3 for [1]
            2.1 publish h k4 4
                land #18 message 4 for [3]
            2.1 publish h k5 5
                land #19 message 5 for [3]
            2.1 unbind c h 2
                land #20 unbound h -2-> Queue(QueueId(3))
            2.1 publish h k1 1
                land #21 message 1 for [2]
            2.1 publish h k2 2
                land #22 message 2 for [1]
            2.1 publish h k3 3
                land #23 message 3 for [1]
            2.1 publish h k4 4
                land #24 message 4 for [2]
            2.1 publish h k5 5
                land #25 message 5 for [1]
            2.1 unbind a h 1
                land #26 unbound h -1-> Queue(QueueId(1))
            2.1 unbind b h 1
                land #27 unbound h -1-> Queue(QueueId(2))
            2.1 publish h k1 1 mandatory
                2.1 return 1 (h k1)
        "#]],
    );
}

#[test]
fn a_header_can_be_hashed_instead_and_wrong_arguments_are_refused() {
    check(
        "connect 1
         1.1 open
         1.1 declare a no-wait
         1.1 declare b no-wait
         1.1 exchange h x-consistent-hash hash-header:who
         1.1 bind a h 1
         1.1 bind b h 1
         landed
         1.1 publish h k1 1 header:who=one
         1.1 publish h k2 2 header:who=two
         1.1 publish h k3 3 header:who=two
         1.1 publish h k4 4
         1.1 publish h k5 5
         1.1 bind a h none
         1.2 open
         1.2 bind a h 0
         1.3 open
         1.3 exchange i x-consistent-hash hash-header:a hash-property:timestamp
         1.4 open
         1.4 exchange i x-consistent-hash hash-property:priority
         1.5 open
         1.5 exchange i x-consistent-hash hash-header=5
         1.6 open
         1.6 exchange i direct alternate-exchange=5",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare a no-wait
                land #2 queue 1 a
            1.1 declare b no-wait
                land #3 queue 2 b
            1.1 exchange h x-consistent-hash hash-header:who
                land #4 exchange h x-consistent-hash
            1.1 bind a h 1
                land #5 bound h -1-> Queue(QueueId(1))
            1.1 bind b h 1
                land #6 bound h -1-> Queue(QueueId(2))
            landed
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
            1.1 publish h k1 1 header:who=one
                land #7 message 1 for [1] header who
            1.1 publish h k2 2 header:who=two
                land #8 message 2 for [1] header who
            1.1 publish h k3 3 header:who=two
                land #9 message 3 for [1] header who
            1.1 publish h k4 4
                land #10 message 4 for [2]
            1.1 publish h k5 5
                land #11 message 5 for [2]
            1.1 bind a h none
                1.1 channel.close 406 PRECONDITION_FAILED - The binding key must be an integer: <<"none">> (50, 20)
            1.2 open
                1.2 channel.open-ok
            1.2 bind a h 0
                1.2 channel.close 406 PRECONDITION_FAILED - The binding key must be greater than 0 (50, 20)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange i x-consistent-hash hash-header:a hash-property:timestamp
                1.3 channel.close 406 PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive (40, 10)
            1.4 open
                1.4 channel.open-ok
            1.4 exchange i x-consistent-hash hash-property:priority
                1.4 channel.close 406 PRECONDITION_FAILED - Unsupported property: priority (40, 10)
            1.5 open
                1.5 channel.open-ok
            1.5 exchange i x-consistent-hash hash-header=5
                1.5 channel.close 406 PRECONDITION_FAILED - invalid arg 'hash-header' for exchange 'i' in vhost '/': expected a string, got the value '5' of type 'signedint' (40, 10)
            1.6 open
                1.6 channel.open-ok
            1.6 exchange i direct alternate-exchange=5
                1.6 channel.close 406 PRECONDITION_FAILED - invalid arg 'alternate-exchange' for exchange 'i' in vhost '/': expected a string, got the value '5' of type 'signedint' (40, 10)
        "#]],
    );
}
