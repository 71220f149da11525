//! What users do through the API lands and is refused like what their clients do.

use super::script::{check, check_with, limits, method, publish, short};
use crate::command::Deed;
use expect_test::expect;
use model::{DeclareMismatch, Limits, Method, Position};

/// One thing that a client could do as well, in the words of scripts; and `peek QUEUE MOST`,
/// `take QUEUE POSITION …`, `reject QUEUE POSITION …`.
pub(super) fn deed(words: &[&str]) -> Deed {
    let take = |queue: &str, positions: &[&str], reject| Deed::Take {
        queue: short(queue),
        positions: positions
            .iter()
            .map(|at| Position(at.parse().expect("a position")))
            .collect(),
        reject,
    };
    match *words {
        ["publish", ref message @ ..] => Deed::Publish(publish(message)),
        ["peek", queue, most] => Deed::Peek {
            queue: short(queue),
            most: most.parse().expect("a number"),
        },
        ["take", queue, ref positions @ ..] => take(queue, positions, false),
        ["reject", queue, ref positions @ ..] => take(queue, positions, true),
        _ => match method(words) {
            Method::QueueDeclare(declare) => Deed::DeclareQueue(declare),
            Method::QueueDelete(delete) => Deed::DeleteQueue(delete),
            Method::QueuePurge(purge) => Deed::PurgeQueue(purge),
            Method::QueueBind(bind) => Deed::BindQueue(bind),
            Method::QueueUnbind(unbind) => Deed::UnbindQueue(unbind),
            Method::ExchangeDeclare(declare) => Deed::DeclareExchange(declare),
            Method::ExchangeDelete(delete) => Deed::DeleteExchange(delete),
            Method::ExchangeBind(bind) => Deed::BindExchange(bind),
            Method::ExchangeUnbind(unbind) => Deed::UnbindExchange(unbind),
            other => panic!("{} is not for operators", other.name()),
        },
    }
}

#[test]
fn what_is_declared_is_answered_when_it_has_landed() {
    check(
        "
        operator for guest / declare q durable
        landed
        operator for guest / declare q durable
        operator for guest / declare q
        operator for guest / exchange x topic
        operator for guest / exchange x topic
        operator for guest / bind q x a.#
        landed
        operator for guest / bind q x a.#
        operator for guest / unbind q x b
        operator for guest / unbind q x a.#
        landed
        operator for guest / delete q if-empty
        landed
        operator for guest / delete q
        operator for guest / purge q
        operator for guest / delete-exchange x
        operator for guest / delete-exchange amq.topic
        operator for guest / declare amq.mine
        operator for guest none declare q
        landed
        ",
        expect![[r#"
            operator for guest / declare q durable
                land #2 queue 1 q
            landed
                operator: made
            operator for guest / declare q durable
                operator: done
            operator for guest / declare q
                operator: invalid: PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'
            operator for guest / exchange x topic
                land #3 exchange x topic
            operator for guest / exchange x topic
            operator for guest / bind q x a.#
                land #4 bound x -a.#-> Queue(QueueId(1))
            landed
                operator: made
                operator: done
                operator: made
            operator for guest / bind q x a.#
                operator: done
            operator for guest / unbind q x b
                operator: not found: no such binding
            operator for guest / unbind q x a.#
                land #5 unbound x -a.#-> Queue(QueueId(1))
            landed
                operator: made
            operator for guest / delete q if-empty
                land #6 no queue 1
            landed
                operator: made
            operator for guest / delete q
                operator: not found: no such queue
            operator for guest / purge q
                operator: not found: NOT_FOUND - no queue 'q' in vhost '/'
            operator for guest / delete-exchange x
                land #7 no exchange x
            operator for guest / delete-exchange amq.topic
            operator for guest / declare amq.mine
            operator for guest none declare q
            landed
                operator: made
                operator: not permitted: ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed
                operator: not permitted: ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'
                operator: not found: no vhost 'none'
        "#]],
    );
}

/// It was there: to change it is not to make it, though that lands, too.
#[test]
fn a_queue_that_is_declared_otherwise_is_not_made() {
    check_with(
        Limits {
            declare_mismatch: DeclareMismatch::Update,
            ..limits()
        },
        "
        operator for guest / declare q durable x-max-length=3
        landed
        operator for guest / declare q durable x-max-length=1
        landed
        operator for guest / declare q durable x-max-length=1
        ",
        expect![[r#"
            operator for guest / declare q durable x-max-length=3
                land #2 queue 1 q
            landed
                operator: made
            operator for guest / declare q durable x-max-length=1
                land #3 queue 1 q
            landed
                operator: done
            operator for guest / declare q durable x-max-length=1
                operator: done
        "#]],
    );
}

#[test]
fn the_permissions_of_the_user_count() {
    check(
        "
        operator user ada secret
        operator for ada / declare q
        operator permission ada / ^mine ^mine ^mine
        operator for ada / declare q
        operator for ada / declare mine
        operator for ada / publish - mine a
        operator for ada / publish amq.topic mine a
        operator for ada / peek q 1
        landed
        ",
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator for ada / declare q
            operator permission ada / ^mine ^mine ^mine
                land #3 permission of ada in /: ^mine ^mine ^mine
            operator for ada / declare q
            operator for ada / declare mine
                land #4 queue 1 mine
            operator for ada / publish - mine a
            operator for ada / publish amq.topic mine a
            operator for ada / peek q 1
            landed
                operator: made
                operator: not permitted: access to vhost '/' refused for user 'ada'
                operator: made
                operator: not permitted: ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'ada'
                operator: made
                operator: not permitted: ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'ada'
                operator: not permitted: ACCESS_REFUSED - write access to exchange 'amq.topic' in vhost '/' refused for user 'ada'
                operator: not permitted: ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'ada'
        "#]],
    );
}

#[test]
fn a_publish_is_answered_when_it_has_landed_and_with_where_it_went() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q
        1.1 declare full x-max-length=1 x-overflow:reject-publish
        landed
        operator for guest / publish - q a
        landed
        operator for guest / publish - none a
        operator for guest / publish amq.nothing q a
        operator for guest / publish - q b id=p:1
        landed
        operator for guest / publish - q b id=p:1
        operator for guest / publish - full a
        landed
        operator for guest / publish - full b
        room no
        operator for guest / publish - q c
        room yes
        1.1 get q
        1.1 get q
        1.1 get q
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
            operator for guest / publish - q a
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok full 0 0
                operator: published
            operator for guest / publish - none a
                operator: no queue takes it
            operator for guest / publish amq.nothing q a
                operator: not found: NOT_FOUND - no exchange 'amq.nothing' in vhost '/'
            operator for guest / publish - q b id=p:1
                land #5 message b for [1]
            landed
                operator: published
            operator for guest / publish - q b id=p:1
                operator: published
            operator for guest / publish - full a
                land #6 message a for [2]
            landed
                operator: published
            operator for guest / publish - full b
                operator: invalid: Unable to publish message. Check queue limits.
            room no
            operator for guest / publish - q c
                operator: short: publishers are blocked: low on disk
            room yes
            1.1 get q
                1.1 get-ok [1] #4, 1 more
            1.1 get q
                1.1 get-ok [2] #5, 0 more
            1.1 get q
                1.1 basic.get-empty
        "#]],
    );
}

#[test]
fn messages_are_looked_at_in_the_order_of_delivery_and_taken_where_they_are_still() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-priority=5 x-dead-letter-exchange: x-dead-letter-routing-key:dead
        1.1 declare dead
        landed
        1.1 publish - q low
        1.1 publish - q high priority=3
        1.1 publish - q lower
        operator for guest / peek q 9
        landed
        operator for guest / peek q 2
        operator for guest / peek q 9
        1.1 get q
        operator for guest / take q 5 4
        landed
        operator for guest / reject q 6 4
        fetched
        landed
        operator for guest / peek dead 9
        operator for guest / peek q 9
        operator audit / q
        1.1 ack 1
        landed
        operator audit / q
        crash
        operator for guest / peek dead 9
        operator for guest / peek q 9
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-priority=5 x-dead-letter-exchange: x-dead-letter-routing-key:dead
                land #2 queue 1 q
            1.1 declare dead
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 dead
            1.1 publish - q low
                land #4 message low for [1]
            1.1 publish - q high priority=3
                land #5 message high for [1]
            1.1 publish - q lower
                land #6 message lower for [1]
            operator for guest / peek q 9
            landed
                1.1 queue.declare-ok dead 0 0
                operator: 0 ready
            operator for guest / peek q 2
                operator: 3 ready
                    #5 ready, priority 3
                    #4 ready
            operator for guest / peek q 9
                operator: 3 ready
                    #5 ready, priority 3
                    #4 ready
                    #6 ready
            1.1 get q
                1.1 get-ok [1] #5, 2 more
            operator for guest / take q 5 4
                land #7 settled in 1: #4+1
            landed
                operator: done with 1
                    #5 stayed: it does not wait there any more
            operator for guest / reject q 6 4
                operator: done with 1
                    #4 stayed: it does not wait there any more
                fetch #6 of queue 1
            fetched
                land #8 message lower for [2], dead: rejected in q 1 times, no expiration
                land #9 dead-lettered in 1: #6+1
            landed
            operator for guest / peek dead 9
                operator: 1 ready
                    #8 ready
            operator for guest / peek q 9
                operator: 0 ready
            operator audit / q
                operator: accounts
                q: 3 in, [1, 0, 1, 0, 0, 0] out, 1 here (0 landing, 0 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
            1.1 ack 1
                land #10 settled in 1: #5+1
            landed
            operator audit / q
                operator: accounts
                q: 3 in, [2, 0, 1, 0, 0, 0] out, 0 here (0 landing, 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving, 0 ending)
            crash
            operator for guest / peek dead 9
                operator: 1 ready
                    #8 ready again
            operator for guest / peek q 9
                operator: 0 ready
        "#]],
    );
}

#[test]
fn what_only_one_may_have_is_not_taken_from_it() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare single x-single-active-consumer=true
        1.1 declare mine exclusive
        landed
        1.1 publish - single a
        landed
        operator for guest / peek single 1
        operator for guest / take single 4
        operator for guest / peek mine 1
        operator for guest / delete mine
        1.1 get mine
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare single x-single-active-consumer=true
                land #2 queue 1 single
            1.1 declare mine exclusive
            landed
                1.1 queue.declare-ok single 0 0
                land #3 queue 2 mine
            1.1 publish - single a
                land #4 message a for [1]
            landed
                1.1 queue.declare-ok mine 0 0
            operator for guest / peek single 1
                operator: 1 ready
                    #4 ready
            operator for guest / take single 4
                operator: invalid: RESOURCE_LOCKED - queue 'single' in vhost '/'. basic.get operations are not supported by queues with single active consumer
            operator for guest / peek mine 1
                operator: invalid: RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.
            operator for guest / delete mine
                operator: invalid: RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.
            1.1 get mine
                1.1 basic.get-empty
        "#]],
    );
}
