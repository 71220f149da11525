//! Operator policies: their limits count whatever owners and policies say, at once and after a crash.

use super::script::check;
use crate::operator_policy::limited;
use expect_test::expect;
use model::{FieldTable, TableBuilder, Value};

#[test]
fn the_operators_limit_counts_if_it_is_the_lower_one() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare orders x-max-length=3
        landed
        1.1 publish - orders a
        1.1 publish - orders b
        1.1 publish - orders c
        landed
        operator operators policy / most ^ord queues max-length=2
        operator policy / more ^ord queues max-length=9
        landed
        operator queue / orders
        operator policy / less ^ord queues max-length=1 message-ttl=5000
        landed
        operator queue / orders
        checkpoint
        landed
        operator no-policy / less
        landed
        crash
        operator queue / orders
        connect 2
        2.1 open
        2.1 publish - orders d
        2.1 publish - orders e
        landed
        operator export
        operator operators no-policy / most
        operator operators no-policy / most
        landed
        crash
        operator queue / orders
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare orders x-max-length=3
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
            operator operators policy / most ^ord queues max-length=2
                land #6 operator policy most in / ^ord
                land #7 dropped in 1: #3+1
            operator policy / more ^ord queues max-length=9
                land #8 policy more in / for queues ^ord
            landed
                operator: made
                operator: made
            operator queue / orders
                operator: queues
                    orders in /: 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #4, policy more, rules ["x-max-length"]
            operator policy / less ^ord queues max-length=1 message-ttl=5000
                land #9 policy less in / for queues ^ord
                land #10 dropped in 1: #4+1
            landed
                operator: made
            operator queue / orders
                operator: queues
                    orders in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #5, policy less, rules ["x-message-ttl", "x-max-length"]
            checkpoint
                land #11 user guest ["administrator"]
                land #12 permission of guest in /: .* .* .*
                land #13 vhost /
                land #14 policy less in / for queues ^ord
                land #15 policy more in / for queues ^ord
                land #16 operator policy most in / ^ord
                land #17 queue 1 orders
                land #18 counted 1: 3 in, [0, 0, 0, 2, 0, 0] out
                land #19 checkpoint from #11, next queue 2
            landed
            operator no-policy / less
                land #20 no policy less in /
            landed
                operator: done
            crash
            operator queue / orders
                operator: queues
                    orders in /: 1 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #5, policy more, rules ["x-max-length"]
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish - orders d
                land #21 message d for [1]
            2.1 publish - orders e
                land #22 message e for [1]
            landed
                land #23 dropped in 1: #5+1
            operator export
                operator: all definitions
                    vhost /
                    user guest
                    permission of guest in /
                    policy more in /
                    operator policy most in /
                    queue orders in /
            operator operators no-policy / most
                land #24 no operator policy most in /
            operator operators no-policy / most
            landed
                operator: done
                operator: not found: no operator policy 'most' in vhost '/'
            crash
            operator queue / orders
                operator: queues
                    orders in /: 2 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #21, policy more, rules ["x-max-length"]
        "#]],
    );
}

#[test]
fn operators_limit_and_do_nothing_else() {
    check(
        "
        operator operators policy / most ^ord queues max-length=2 dead-letter-exchange:x
        operator operators policy / most ^ord queues max-length:many
        operator operators policy / most ( queues max-length=2
        operator operators policy none most ^ord queues max-length=2
        operator operators no-policy / most
        ",
        expect![[r#"
            operator operators policy / most ^ord queues max-length=2 dead-letter-exchange:x
                operator: invalid: 'dead-letter-exchange' of operator policy 'most' is not recognised; there are message-ttl, expires, max-length, max-length-bytes, delivery-limit, overflow
            operator operators policy / most ^ord queues max-length:many
                operator: invalid: PRECONDITION_FAILED - invalid arg 'x-max-length' for policy 'most' in vhost '/': expected an integer of at least 0, got the value 'many' of type 'longstr'
            operator operators policy / most ( queues max-length=2
                operator: invalid: '(' is not a regular expression: Parsing error at position 1: Opening parenthesis without closing parenthesis
            operator operators policy none most ^ord queues max-length=2
                operator: not found: no vhost 'none'
            operator operators no-policy / most
                operator: not found: no operator policy 'most' in vhost '/'
        "#]],
    );
}

#[test]
fn of_two_numbers_the_lower_one_counts_and_the_rest_stays() {
    let number = |number| Value::I64(number);
    let own = TableBuilder::new()
        .field("x-max-length", number(5))
        .field("x-delivery-limit", number(3))
        .text("x-overflow", "drop-head")
        .text("x-queue-type", "quorum")
        .build();
    let operators = TableBuilder::new()
        .field("max-length", number(7))
        .field("delivery-limit", number(1))
        .field("expires", number(9))
        .text("overflow", "reject-publish")
        .build();
    let both = limited(&own, &operators, "x-");
    let expected = [
        ("x-max-length", number(5)),
        ("x-delivery-limit", number(1)),
        ("x-expires", number(9)),
        ("x-overflow", Value::Str(b"reject-publish")),
        ("x-queue-type", Value::Str(b"quorum")),
    ];
    for (name, value) in expected {
        assert_eq!(both.get(name), Some(value), "{name}");
    }
    assert_eq!(both.iter().count(), expected.len());
    assert_eq!(
        limited(&FieldTable::new(), &operators, "").iter().count(),
        4
    );
}

#[test]
fn a_negative_number_is_no_limit_whoever_said_it() {
    let limit = |number| Value::I64(number);
    let of = |own: i64, operators: i64| {
        let own = TableBuilder::new().field("x-delivery-limit", limit(own));
        let operators = TableBuilder::new().field("delivery-limit", limit(operators));
        let both = limited(&own.build(), &operators.build(), "x-");
        both.get("x-delivery-limit").and_then(Value::as_integer)
    };
    assert_eq!(of(-1, 5), Some(5));
    assert_eq!(of(3, -1), Some(3));
    assert_eq!(of(-1, -1), Some(-1));
}
