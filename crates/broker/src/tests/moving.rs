//! Move: messages that wait go to another place, as they are or edited.

use super::operating::chosen;
use super::script::{check, publish, short};
use crate::{Edited, Move};
use expect_test::expect;

/// `EXCHANGE KEY POSITION…`; the key `*` stands for each message's own. Among the positions may be `for=USER`,
/// `body=TEXT`, and for other properties `flags` with those of a publish behind it.
pub(super) fn asked(vhost: &str, queue: &str, state: &str, words: &[&str]) -> Move {
    let [exchange, key, rest @ ..] = words else {
        panic!("where to? {words:?}");
    };
    let (rest, flags) = match rest.iter().position(|word| *word == "flags") {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let said = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name));
    let positions: Vec<&str> = (rest.iter().copied())
        .filter(|word| !word.contains('='))
        .collect();
    let with_flags = |flags: &[&str]| {
        let words: Vec<&str> = ["-", "-", "-"].iter().chain(flags).copied().collect();
        publish(&words).properties
    };
    Move {
        user: short(said("for=").unwrap_or("guest")),
        bearer: None,
        chosen: chosen(vhost, queue, state, &positions),
        exchange: short(exchange),
        routing_key: (*key != "*").then(|| short(key)),
        edited: Edited {
            properties: flags.map(with_flags),
            body: said("body=").map(|body| body.to_owned().into()),
        },
    }
}

/// The copy lands before the original ends (promise P2): at a crash between them the message is in both queues.
#[test]
fn what_is_ready_goes_elsewhere_as_it_came() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 declare other
        1.1 exchange e direct
        1.1 bind other e k
        landed
        1.1 publish - q a message-id=one expiration=60000 header:tenant=blue
        1.1 publish - q b
        1.1 publish - q c
        landed
        operator move / q ready - other 7 8 99
        operator messages / q leaving
        1.1 get q
        fetched
        landed 10
        crash
        operator messages / q ready
        operator messages / other ready
        operator move / q ready e k 6
        fetched
        landed
        operator messages / q ready
        operator messages / other ready
        operator audit / q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 declare other
            1.1 exchange e direct
            1.1 bind other e k
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 other
                land #4 exchange e direct
                land #5 bound e -k-> Queue(QueueId(2))
            1.1 publish - q a message-id=one expiration=60000 header:tenant=blue
                land #6 message a for [1] header tenant
            1.1 publish - q b
                land #7 message b for [1]
            1.1 publish - q c
                land #8 message c for [1]
            landed
                1.1 queue.declare-ok other 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
            operator move / q ready - other 7 8 99
                fetch #7 of queue 1
                fetch #8 of queue 1
            operator messages / q leaving
                operator: messages, #8 has landed
                    #7 leaving: moved again
                    #8 leaving: moved again
            1.1 get q
                1.1 get-ok [1] #6, 0 more
            fetched
                land #9 message b for [2]
                land #10 message c for [2]
                land #11 moved in 1: #7+2
            landed 10
            crash
            operator messages / q ready
                operator: messages, #10 has landed
                    #6 ready again
                    #7 ready again
                    #8 ready again
            operator messages / other ready
                operator: messages, #10 has landed
                    #9 ready again
                    #10 ready again
            operator move / q ready e k 6
                fetch #6 of queue 1
            fetched
                land #11 message a for [2] header tenant
                land #12 moved in 1: #6+1
            landed
                operator: done with 1
            operator messages / q ready
                operator: messages, #12 has landed
                    #7 ready again
                    #8 ready again
            operator messages / other ready
                operator: messages, #12 has landed
                    #9 ready again
                    #10 ready again
                    #11 ready
            operator audit / q
                operator: accounts
                q: 3 in, [0, 0, 0, 0, 0, 1] out, 2 here (0 landing, 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
        "#]],
    );
}

#[test]
fn what_is_parked_or_delayed_goes_too_and_what_cannot_stays_where_it_was() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-delivery-limit=1 x-delayed-retry-type:all x-delayed-retry-min=60000 x-delayed-retry-jitter=0
        1.1 declare other
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        landed
        1.1 get q
        1.1 get q
        1.1 nack 1 requeue
        1.1 nack 2 requeue
        landed
        operator fire / q delayed 4
        1.1 get q
        1.1 nack 3 requeue
        landed
        operator messages / q parked
        operator messages / q delayed
        operator move / q parked - nowhere 4
        operator move / q delayed - nowhere 5
        operator move / q ready - nowhere 6
        checkpoint
        fetched
        fetched
        fetched
        landed
        crash
        operator messages / q parked
        operator messages / q delayed
        operator messages / q ready
        operator move / q parked - other 4
        fetched
        operator move / q delayed - other 5 6
        fetched
        landed
        operator queue / q
        operator messages / other ready
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-delivery-limit=1 x-delayed-retry-type:all x-delayed-retry-min=60000 x-delayed-retry-jitter=0
                land #2 queue 1 q
            1.1 declare other
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 other
            1.1 publish - q a
                land #4 message a for [1]
            1.1 publish - q b
                land #5 message b for [1]
            1.1 publish - q c
                land #6 message c for [1]
            landed
                1.1 queue.declare-ok other 0 0
            1.1 get q
                1.1 get-ok [1] #4, 2 more
            1.1 get q
                1.1 get-ok [2] #5, 1 more
            1.1 nack 1 requeue
                land #7 waiting in 1: 4 delayed until 61000 (failed 1, lost 0)
            1.1 nack 2 requeue
                land #8 waiting in 1: 5 delayed until 61000 (failed 1, lost 0)
            landed
            operator fire / q delayed 4
                land #9 waiting in 1: 4 ready (failed 1, lost 0)
            1.1 get q
                1.1 get-ok [3] #4 redelivered after 1, 1 more
            1.1 nack 3 requeue
                land #10 waiting in 1: 4 parked at 1000, delivery_limit (failed 2, lost 0)
            landed
                operator: done with 1
            operator messages / q parked
                operator: messages, #10 has landed
                    #4 parked since 1000: delivery_limit again, failed 2, lost 0
            operator messages / q delayed
                operator: messages, #10 has landed
                    #5 delayed until 61000 again, failed 1, lost 0
            operator move / q parked - nowhere 4
                fetch #4 of queue 1
            operator move / q delayed - nowhere 5
            operator move / q ready - nowhere 6
            checkpoint
                land #11 user guest ["administrator"]
                land #12 permission of guest in /: .* .* .*
                land #13 vhost /
                land #14 queue 1 q
                land #15 counted 1: 3 in, [0, 0, 0, 0, 0, 0] out
                land #16 queue 2 other
                land #17 waiting in 1: 4 parked at 1000, delivery_limit (failed 2, lost 0), 5 delayed until 61000 (failed 1, lost 0)
                land #18 checkpoint from #11, next queue 3
            fetched
                fetch #5 of queue 1
            fetched
                fetch #6 of queue 1
            fetched
            landed
                operator: done with 0
                    #4 stayed: no queue takes it
                operator: done with 0
                    #5 stayed: no queue takes it
                operator: done with 0
                    #6 stayed: no queue takes it
            crash
            operator messages / q parked
                operator: messages, #18 has landed
                    #4 parked since 1000: delivery_limit again, failed 2, lost 0
            operator messages / q delayed
                operator: messages, #18 has landed
                    #5 delayed until 61000 again, failed 1, lost 0
            operator messages / q ready
                operator: messages, #18 has landed
                    #6 ready again
            operator move / q parked - other 4
                fetch #4 of queue 1
            fetched
                land #19 message a for [2]
                land #20 moved in 1: #4+1
            operator move / q delayed - other 5 6
                fetch #5 of queue 1
            fetched
                land #21 message b for [2]
                land #22 moved in 1: #5+1
            landed
                operator: done with 1
                operator: done with 1
                    #6 stayed: it does not wait there any more
            operator queue / q
                operator: queues
                    q in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #6, policy -, rules ["x-delivery-limit", "x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-jitter"]
            operator messages / other ready
                operator: messages, #22 has landed
                    #19 ready
                    #21 ready
        "#]],
    );
}

/// While messages are read a checkpoint tells them where they were.
#[test]
fn a_checkpoint_tells_what_is_being_read() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-delivery-limit=0
        1.1 declare other
        landed
        1.1 publish - q a
        landed
        1.1 get q
        1.1 nack 1 requeue
        landed
        operator messages / q parked
        operator move / q parked - other 4
        checkpoint
        landed
        crash
        operator messages / q parked
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-delivery-limit=0
                land #2 queue 1 q
            1.1 declare other
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 other
            1.1 publish - q a
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok other 0 0
            1.1 get q
                1.1 get-ok [1] #4, 0 more
            1.1 nack 1 requeue
                land #5 waiting in 1: 4 parked at 1000, delivery_limit (failed 1, lost 0)
            landed
            operator messages / q parked
                operator: messages, #5 has landed
                    #4 parked since 1000: delivery_limit again, failed 1, lost 0
            operator move / q parked - other 4
                fetch #4 of queue 1
            checkpoint
                land #6 user guest ["administrator"]
                land #7 permission of guest in /: .* .* .*
                land #8 vhost /
                land #9 queue 1 q
                land #10 counted 1: 1 in, [0, 0, 0, 0, 0, 0] out
                land #11 queue 2 other
                land #12 waiting in 1: 4 parked at 1000, delivery_limit (failed 1, lost 0)
                land #13 checkpoint from #6, next queue 3
            landed
            crash
            operator messages / q parked
                operator: messages, #13 has landed
                    #4 parked since 1000: delivery_limit again, failed 1, lost 0
        "#]],
    );
}

#[test]
fn a_move_is_for_those_who_may_write_there() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 exchange e direct
        1.1 exchange t topic
        1.1 exchange inner direct internal
        1.1 bind q t a.#
        1.1 bind q e q
        operator user ada pw
        operator permission ada / ^q$ ^(e|t|inner)$ -
        operator topic-permission ada / t ^a\\. -
        landed
        1.1 publish - q a
        landed
        1.1 publish t a.b b
        landed
        operator move / q ready - q 11 for=ada
        operator move / q ready e q 11 for=nobody
        operator move / q ready inner q 11 for=ada
        operator move / q ready none q 11
        operator move / q ready t b.c 11 for=ada
        operator move / q unacked e q 11
        operator move / none ready e q 11
        operator move / q ready t * 11 12 for=ada
        fetched
        landed
        operator messages / q ready
        operator move / q ready e * 13 for=ada
        fetched
        room no
        operator move / q ready e q 11
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 exchange e direct
                land #3 exchange e direct
            1.1 exchange t topic
                land #4 exchange t topic
            1.1 exchange inner direct internal
                land #5 exchange inner direct
            1.1 bind q t a.#
                land #6 bound t -a.#-> Queue(QueueId(1))
            1.1 bind q e q
                land #7 bound e -q-> Queue(QueueId(1))
            operator user ada pw
                land #8 user ada []
            operator permission ada / ^q$ ^(e|t|inner)$ -
                land #9 permission of ada in /: ^q$ ^(e|t|inner)$ 
            operator topic-permission ada / t ^a\. -
                land #10 topic permission of ada in / at t: ^a\. 
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                operator: made
                operator: made
                operator: made
            1.1 publish - q a
                land #11 message a for [1]
            landed
            1.1 publish t a.b b
                land #12 message b for [1]
            landed
            operator move / q ready - q 11 for=ada
                operator: not permitted: ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'ada'
            operator move / q ready e q 11 for=nobody
                operator: not permitted: access to vhost '/' refused for user 'nobody'
            operator move / q ready inner q 11 for=ada
                operator: not permitted: ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'
            operator move / q ready none q 11
                operator: not found: NOT_FOUND - no exchange 'none' in vhost '/'
            operator move / q ready t b.c 11 for=ada
                operator: not permitted: ACCESS_REFUSED - access to topic 'b.c' in exchange 't' in vhost '/' refused for user 'ada'
            operator move / q unacked e q 11
                operator: invalid: only messages that wait can be moved
            operator move / none ready e q 11
                operator: not found: no queue 'none' in vhost '/'
            operator move / q ready t * 11 12 for=ada
                fetch #11 of queue 1
                fetch #12 of queue 1
            fetched
                land #13 message b for [1]
                land #14 moved in 1: #12+1
            landed
                operator: done with 1
                    #11 stayed: its routing key 'q' may not be used there
            operator messages / q ready
                operator: messages, #14 has landed
                    #11 ready
                    #13 ready
            operator move / q ready e * 13 for=ada
                fetch #13 of queue 1
            fetched
                operator: done with 0
                    #13 stayed: no queue takes it
            room no
                1 block: low on disk
            operator move / q ready e q 11
                operator: short: publishers are blocked: low on disk
        "#]],
    );
}

#[test]
fn a_full_queue_takes_nothing_and_a_queue_that_goes_takes_its_messages_along() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 declare full x-max-length=1 x-overflow:reject-publish
        landed
        1.1 publish - full a
        1.1 publish - q b
        landed
        operator move / q ready - full 5
        fetched
        operator messages / q ready
        operator move / q ready - q 5
        1.1 delete q
        fetched
        landed
        operator audit
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 declare full x-max-length=1 x-overflow:reject-publish
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 full
            1.1 publish - full a
                land #4 message a for [2]
            1.1 publish - q b
                land #5 message b for [1]
            landed
                1.1 queue.declare-ok full 0 0
            operator move / q ready - full 5
                fetch #5 of queue 1
            fetched
                operator: done with 0
                    #5 stayed: a queue that takes it is full
            operator messages / q ready
                operator: messages, #5 has landed
                    #5 ready
            operator move / q ready - q 5
                fetch #5 of queue 1
            1.1 delete q
                land #6 dropped in 1: #5+1
                land #7 no queue 1
            fetched
            landed
                1.1 queue.delete-ok 0
                operator: done with 0
                    #5 stayed: it does not wait there any more
            operator audit
                operator: accounts
                full: 1 in, [0, 0, 0, 0, 0, 0] out, 1 here (0 landing, 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
        "#]],
    );
}

#[test]
fn one_message_is_edited() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        landed
        1.1 publish - q a header:tenant=blue message-id=one
        1.1 publish - q b
        landed
        operator move / q ready - q 3 body=better
        fetched
        landed
        operator move / q ready - q 5 flags header:tenant=red expiration=60000
        fetched
        landed
        operator move / q ready - q 4 7 body=both
        operator move / q ready - q 4 flags user=eve
        operator move / q ready - q 4 flags expiration=soon
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
            1.1 publish - q a header:tenant=blue message-id=one
                land #3 message a for [1] header tenant
            1.1 publish - q b
                land #4 message b for [1]
            landed
            operator move / q ready - q 3 body=better
                fetch #3 of queue 1
            fetched
                land #5 message better for [1] header tenant
                land #6 moved in 1: #3+1
            landed
                operator: done with 1
            operator move / q ready - q 5 flags header:tenant=red expiration=60000
                fetch #5 of queue 1
            fetched
                land #7 message better for [1] header tenant
                land #8 moved in 1: #5+1
            landed
                operator: done with 1
            operator move / q ready - q 4 7 body=both
                operator: invalid: only one message at a time can be edited
            operator move / q ready - q 4 flags user=eve
                operator: invalid: PRECONDITION_FAILED - user_id property set to 'eve' but authenticated user was 'guest'
            operator move / q ready - q 4 flags expiration=soon
                operator: invalid: PRECONDITION_FAILED - invalid expiration 'soon': no_integer
            operator messages / q ready
                operator: messages, #8 has landed
                    #4 ready
                    #7 ready
        "#]],
    );
}
