//! Virtual hosts: worlds of names that come and go with all that is in them.

use super::script::{check, short};
use crate::{Command, CommandId, Effect, Input, Recovery};
use expect_test::expect;
use model::record::{Publishing, VhostDefinition};
use model::{
    Definition, Limits, MessageRecord, Position, Properties, PublishingId, QueueId, Record,
    Timestamp,
};

#[test]
fn a_vhost_is_let_into_by_name_and_permission() {
    check(
        "connect 1 guest shop
         operator vhost shop
         landed
         connect 1 guest shop
         operator permission guest shop .* .* .*
         landed
         connect 1 guest shop
         1.1 open
         1.1 declare q
         landed
         connect 2
         2.1 open
         2.1 declare q passive",
        expect![[r#"
            connect 1 guest shop
                1 connection.close 530 NOT_ALLOWED - vhost shop not found
            operator vhost shop
                land #2 vhost shop
            landed
                operator: made
            connect 1 guest shop
                1 connection.close 530 NOT_ALLOWED - access to vhost 'shop' refused for user 'guest'
            operator permission guest shop .* .* .*
                land #3 permission of guest in shop: .* .* .*
            landed
                operator: made
            connect 1 guest shop
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #4 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 declare q passive
                2.1 channel.close 404 NOT_FOUND - no queue 'q' in vhost '/' (50, 10)
        "#]],
    );
}

#[test]
fn a_vhost_goes_with_all_that_is_in_it_and_returns_empty() {
    check(
        "operator vhost shop
         operator permission guest shop .* .* .*
         operator policy shop short ^q queues
         landed
         connect 1 guest shop
         1.1 open
         1.1 declare q durable
         1.1 declare mine exclusive
         1.1 exchange x topic
         1.1 bind q x a.*
         1.1 publish x a.b m id=p:7
         landed
         1.1 consume q c
         operator no-vhost shop
         operator no-vhost shop
         landed
         operator export
         operator vhost shop
         operator permission guest shop .* .* .*
         landed
         crash
         connect 2 guest shop
         2.1 open
         2.1 declare q passive
         2.2 open
         2.2 exchange x topic passive
         2.3 open
         2.3 declare q durable
         2.3 exchange x topic
         landed
         2.3 publish x a.b m id=p:7
         2.3 publish - q m id=p:7
         operator export
         checkpoint
         landed
         crash
         operator export",
        expect![[r#"
            operator vhost shop
                land #2 vhost shop
            operator permission guest shop .* .* .*
                land #3 permission of guest in shop: .* .* .*
            operator policy shop short ^q queues
                land #4 policy short in shop for queues ^q
            landed
                operator: made
                operator: made
                operator: made
            connect 1 guest shop
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable
                land #5 queue 1 q
            1.1 declare mine exclusive
            1.1 exchange x topic
            1.1 bind q x a.*
            1.1 publish x a.b m id=p:7
            landed
                1.1 queue.declare-ok q 0 0
                land #6 queue 2 mine
                land #7 exchange x topic
                land #8 bound x -a.*-> Queue(QueueId(1))
                land #9 message m for [1]
            1.1 consume q c
            operator no-vhost shop
                land #10 no queue 2
                1 connection.close 320 CONNECTION_FORCED - vhost 'shop' is deleted
                land #11 dropped in 1: #9+1
                land #12 no queue 1
                land #13 no vhost shop
            operator no-vhost shop
            landed
                operator: done
                operator: not found: no vhost 'shop'
            operator export
                operator: all definitions
                    vhost /
                    user guest
                    permission of guest in /
            operator vhost shop
                land #14 vhost shop
            operator permission guest shop .* .* .*
                land #15 permission of guest in shop: .* .* .*
            landed
                operator: made
                operator: made
            crash
            connect 2 guest shop
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 declare q passive
                2.1 channel.close 404 NOT_FOUND - no queue 'q' in vhost 'shop' (50, 10)
            2.2 open
                2.2 channel.open-ok
            2.2 exchange x topic passive
                2.2 channel.close 404 NOT_FOUND - no exchange 'x' in vhost 'shop' (40, 10)
            2.3 open
                2.3 channel.open-ok
            2.3 declare q durable
                land #16 queue 3 q
            2.3 exchange x topic
                land #17 exchange x topic
            landed
                2.3 queue.declare-ok q 0 0
                2.3 exchange.declare-ok
            2.3 publish x a.b m id=p:7
            2.3 publish - q m id=p:7
                land #18 message m for [3]
            operator export
                operator: all definitions
                    vhost /
                    vhost shop
                    user guest
                    permission of guest in /
                    permission of guest in shop
                    exchange x in shop
                    queue q in shop
            checkpoint
                land #19 user guest ["administrator"]
                land #20 permission of guest in /: .* .* .*
                land #21 permission of guest in shop: .* .* .*
                land #22 vhost /
                land #23 vhost shop
                land #24 queue 3 q
                land #25 counted 3: 1 in, [0, 0, 0, 0, 0, 0] out
                land #26 exchange x topic
                land #27 publisher p landed #7+1
                land #28 checkpoint from #19, next queue 4
            landed
            crash
            operator export
                operator: all definitions
                    vhost /
                    vhost shop
                    user guest
                    permission of guest in /
                    permission of guest in shop
                    exchange x in shop
                    queue q in shop
        "#]],
    );
}

#[test]
fn a_crash_before_the_landing_keeps_a_vhost_that_was_to_go() {
    check(
        "operator vhost shop connections=7
         operator permission guest shop .* .* .*
         landed
         connect 1 guest shop
         1.1 open
         1.1 declare q durable
         1.1 publish - q m
         landed
         operator no-vhost shop
         crash
         connect 2 guest shop
         2.1 open
         2.1 get q",
        expect![[r#"
            operator vhost shop connections=7
                land #2 vhost shop
            operator permission guest shop .* .* .*
                land #3 permission of guest in shop: .* .* .*
            landed
                operator: made
                operator: made
            connect 1 guest shop
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable
                land #4 queue 1 q
            1.1 publish - q m
                land #5 message m for [1]
            landed
                1.1 queue.declare-ok q 0 0
            operator no-vhost shop
                1 connection.close 320 CONNECTION_FORCED - vhost 'shop' is deleted
                land #6 dropped in 1: #5+1
                land #7 no queue 1
                land #8 no vhost shop
            crash
            connect 2 guest shop
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 get q
                2.1 get-ok [1] #5 redelivered after 0, 0 more
        "#]],
    );
}

#[test]
fn a_vhost_has_as_many_connections_and_queues_as_allowed() {
    check(
        "operator vhost / connections=1 queues=1
         landed
         connect 1
         connect 2
         1.1 open
         1.1 declare q
         landed
         1.1 declare q
         1.1 declare r
         close 1
         connect 3
         operator vhost / connections=0
         landed
         connect 4",
        expect![[r#"
            operator vhost / connections=1 queues=1
                land #2 vhost /
            landed
                operator: done
            connect 1
                1.0 connection.open-ok
            connect 2
                2 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (1) is reached
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #3 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare q
                1.1 queue.declare-ok q 0 0
            1.1 declare r
                1.1 channel.close 406 PRECONDITION_FAILED - cannot declare queue 'r': queue limit in vhost '/' (1) is reached (50, 10)
            close 1
            connect 3
                3.0 connection.open-ok
            operator vhost / connections=0
                land #4 vhost /
            landed
                operator: done
            connect 4
                4 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (0) is reached
        "#]],
    );
}

#[test]
fn the_first_vhost_may_go_and_stays_gone() {
    check(
        "connect 1
         operator no-vhost /
         landed
         crash
         connect 2
         operator export
         checkpoint
         landed
         crash
         connect 3",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            operator no-vhost /
                1 connection.close 320 CONNECTION_FORCED - vhost '/' is deleted
                land #2 no vhost /
            landed
                operator: done
            crash
            connect 2
                2 connection.close 530 NOT_ALLOWED - vhost / not found
            operator export
                operator: all definitions
                    user guest
            checkpoint
                land #3 user guest ["administrator"]
                land #4 checkpoint from #3, next queue 1
            landed
            crash
            connect 3
                3 connection.close 530 NOT_ALLOWED - vhost / not found
        "#]],
    );
}

#[test]
fn policies_are_kept_and_their_words_checked() {
    check(
        "operator policy / short ^q queues
         operator policy / wrong ( queues
         operator policy / wrong q everything
         operator policy nowhere short q all
         operator no-policy / other
         landed
         crash
         operator export
         operator no-policy / short
         landed
         crash
         operator export",
        expect![[r#"
            operator policy / short ^q queues
                land #2 policy short in / for queues ^q
            operator policy / wrong ( queues
            operator policy / wrong q everything
            operator policy nowhere short q all
            operator no-policy / other
            landed
                operator: made
                operator: invalid: '(' is not a regular expression: Parsing error at position 1: Opening parenthesis without closing parenthesis
                operator: invalid: apply-to of policy 'wrong' is 'everything'; it must be one of all, exchanges, queues, classic_queues, quorum_queues, streams
                operator: not found: no vhost 'nowhere'
                operator: not found: no policy 'other' in vhost '/'
            crash
            operator export
                operator: all definitions
                    vhost /
                    user guest
                    permission of guest in /
                    policy short in /
            operator no-policy / short
                land #3 no policy short in /
            landed
                operator: done
            crash
            operator export
                operator: all definitions
                    vhost /
                    user guest
                    permission of guest in /
        "#]],
    );
}

/// A message that was moved comes behind the removal of the virtual host that it was sent in.
#[test]
fn a_message_that_is_told_late_does_not_bring_its_vhost_back() {
    let message = Record::Message(MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: Some(Publishing {
            vhost: short("shop"),
            publisher: short("p"),
            id: PublishingId(7),
        }),
        accepted: Timestamp(1),
        due: None,
        fingerprints: Vec::new(),
        exchange: short("-"),
        routing_key: short("q"),
        properties: Properties::default(),
        body: "m".into(),
    });
    let gone = Definition::VhostRemoved {
        vhost: short("shop"),
    };
    let made = |name| Definition::VhostMade(VhostDefinition::new(short(name)));
    let mut recovery = Recovery::new(&Limits::default());
    recovery.apply(Position(1), Record::Definition(made("/")));
    recovery.apply(Position(2), Record::Definition(made("shop")));
    recovery.apply(Position(4), Record::Definition(gone));
    recovery.apply(Position(3), message);
    let mut broker = recovery.finish(Timestamp(1));
    broker.handle(Timestamp(1), Input::Command(CommandId(1), Command::Export));
    let Some(Effect::Answer(_, Ok(crate::Answer::Definitions(all)))) = broker.poll_effect() else {
        panic!("the export is answered at once");
    };
    assert_eq!(all.vhosts, [VhostDefinition::new(short("/"))]);
}
