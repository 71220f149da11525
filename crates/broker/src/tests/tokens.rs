//! Who comes with a token: which scope allows what, and that users who are defined have nothing to do with it.

use super::operating::bearer;
use super::script::check;
use crate::Right;
use expect_test::expect;

/// The table of RabbitMQ's documentation, and what it says between the lines.
#[test]
fn what_scopes_allow() {
    use Right::{Configure, Read, Write};
    for (scopes, vhost, right, name, allowed) in [
        ("read:*/*", "any", Read, "any", true),
        ("read:*/*", "any", Write, "any", false),
        ("read:*/*", "any", Configure, "any", false),
        ("write:*/*", "/", Write, "", true),
        ("read:*/*/*", "any", Read, "any", true),
        ("read:vhost1/*", "vhost1", Read, "any", true),
        ("read:vhost1/*", "vhost2", Read, "any", false),
        ("read:vhost1/some*", "vhost1", Read, "something", true),
        ("read:vhost1/some*", "vhost1", Read, "awesome", false),
        ("read:vhost1/some*/routing*", "vhost1", Read, "some", true),
        ("configure:*/*", "/", Configure, "q", true),
        ("read:%2F/q", "/", Read, "q", true),
        ("read:%2f/a%2Fb", "/", Read, "a/b", true),
        ("read:%2F/a%2Ab", "/", Read, "axb", false),
        ("read:%2F/*st*", "/", Read, "last one", true),
        ("read:%2F/.*", "/", Read, "q", false),
        ("read:%2F/q,write:%2F/q", "/", Write, "q", true),
        // What is no scope.
        ("read://q", "/", Read, "q", false),
        ("read:*", "/", Read, "q", false),
        ("read:a/b/c/d", "a", Read, "b", false),
        ("read:%ZZ/q", "%ZZ", Read, "q", false),
        ("READ:*/*", "/", Read, "q", false),
        ("read", "/", Read, "q", false),
        ("tag:administrator", "/", Read, "q", false),
        ("", "/", Read, "q", false),
    ] {
        let bearer = bearer("ada", scopes);
        assert_eq!(
            bearer.allows(vhost, right, name),
            allowed,
            "{scopes}: {right:?} {name} in {vhost}"
        );
    }
}

#[test]
fn tags_are_scopes_and_who_has_none_enters_nowhere() {
    let bearer = bearer("ada", "tag:monitoring,tag:policymaker,read:a*/x");
    assert_eq!(bearer.tags, ["monitoring", "policymaker"]);
    assert!(bearer.enters("ab") && !bearer.enters("b"));
}

#[test]
fn a_token_counts_and_not_the_user_of_its_name() {
    check(
        "operator user ada secret
         operator permission ada / .* .* .*
         landed
         login 1 ada token:configure:%2F/mine*,write:%2F/mine*
         connect 1 ada /
         1.1 open
         1.1 declare mine
         1.2 open
         1.2 declare other
         1.3 open
         1.3 get mine
         login 2 ada token:read:elsewhere/*
         connect 2 ada /
         operator permission ada / ^$ ^$ ^$
         1.4 open
         1.4 declare mine2
         operator no-user ada
         1.5 open
         1.5 declare mine3
         close 1
         connect 1 ada /",
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator permission ada / .* .* .*
                land #3 permission of ada in /: .* .* .*
            landed
                operator: made
                operator: made
            login 1 ada token:configure:%2F/mine*,write:%2F/mine*
                1 may go on
            connect 1 ada /
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare mine
                land #4 queue 1 mine
            1.2 open
                1.2 channel.open-ok
            1.2 declare other
                1.2 channel.close 403 ACCESS_REFUSED - configure access to queue 'other' in vhost '/' refused for user 'ada' (50, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 get mine
                1.3 channel.close 403 ACCESS_REFUSED - read access to queue 'mine' in vhost '/' refused for user 'ada' (60, 70)
            login 2 ada token:read:elsewhere/*
                2 may go on
            connect 2 ada /
                2 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'ada'
            operator permission ada / ^$ ^$ ^$
                land #5 permission of ada in /: ^$ ^$ ^$
            1.4 open
                1.4 channel.open-ok
            1.4 declare mine2
                land #6 queue 2 mine2
            operator no-user ada
                land #7 no user ada
            1.5 open
                1.5 channel.open-ok
            1.5 declare mine3
                land #8 queue 3 mine3
            close 1
            connect 1 ada /
                1 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'ada'
        "#]],
    );
}

#[test]
fn another_token_counts_from_the_next_request_on() {
    check(
        "login 1 ada token:configure:*/*
         connect 1 ada /
         1.1 open
         1.1 declare q
         renew 1 ada token:read:*/*
         1.2 open
         1.2 declare r
         1.3 open
         1.3 get q
         renew 1 ada token:read:elsewhere/*
         1.4 open
         1.4 get q",
        expect![[r#"
            login 1 ada token:configure:*/*
                1 may go on
            connect 1 ada /
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            renew 1 ada token:read:*/*
            1.2 open
                1.2 channel.open-ok
            1.2 declare r
                1.2 channel.close 403 ACCESS_REFUSED - configure access to queue 'r' in vhost '/' refused for user 'ada' (50, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 get q
            renew 1 ada token:read:elsewhere/*
            1.4 open
                1.4 channel.open-ok
            1.4 get q
                1.4 channel.close 403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'ada' (60, 70)
        "#]],
    );
}

#[test]
fn the_third_part_of_a_scope_is_for_the_routing_keys_of_topics() {
    check(
        "login 1 ada token:configure:*/*,write:*/t/eu.*,write:*/d/eu.*,write:*/q,read:*/t/*
         connect 1 ada /
         1.1 open
         1.1 exchange t topic
         1.1 exchange d direct
         1.1 declare q
         landed
         1.1 bind q t us.#
         1.1 confirm
         1.1 publish t eu.it a
         1.1 publish d us.it b
         1.1 publish t us.it c",
        expect![[r#"
            login 1 ada token:configure:*/*,write:*/t/eu.*,write:*/d/eu.*,write:*/q,read:*/t/*
                1 may go on
            connect 1 ada /
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange t topic
                land #2 exchange t topic
            1.1 exchange d direct
                land #3 exchange d direct
            1.1 declare q
            landed
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                land #4 queue 1 q
            1.1 bind q t us.#
                land #5 bound t -us.#-> Queue(QueueId(1))
            1.1 confirm
            1.1 publish t eu.it a
                1.1 confirm 1
            1.1 publish d us.it b
                1.1 confirm 2
            1.1 publish t us.it c
                1.1 channel.close 403 ACCESS_REFUSED - access to topic 'us.it' in exchange 't' in vhost '/' refused for user 'ada' (60, 40)
        "#]],
    );
}
