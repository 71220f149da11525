//! Permissions: topics, changes, and patterns that are wrong or never end.

use super::permissions::ada;
use super::script::check;
use expect_test::expect;

#[test]
fn topic_permissions_are_asked_of_routing_keys_at_topic_exchanges() {
    check(
        &ada(r"operator topic-permission ada / writex ^{username}\. ^k
         operator topic-permission ada / readx ^{vhost}$ ^k
         operator topic-permission ada / amq.direct - -
         1.1 publish writex k m
         1.2 publish writex adaXk m
         1.3 publish writex ada.k m
         1.4 bind writeq readx z
         1.5 bind writeq readx kz
         1.6 unbind writeq readx z
         operator no-topic-permission ada / readx
         1.7 bind writeq readx z
         1.8 publish writex k m
         operator no-topic-permission ada /
         1.9 publish writex k m"),
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator permission ada / ^conf ^write ^read
                land #3 permission of ada in /: ^conf ^write ^read
            connect 9
                9.0 connection.open-ok
            9.1 open
                9.1 channel.open-ok
            9.1 declare q
                land #4 queue 1 q
            9.2 open
                9.2 channel.open-ok
            9.2 declare readq
                land #5 queue 2 readq
            9.3 open
                9.3 channel.open-ok
            9.3 declare writeq
                land #6 queue 3 writeq
            9.4 open
                9.4 channel.open-ok
            9.4 declare confq
                land #7 queue 4 confq
            9.5 open
                9.5 channel.open-ok
            9.5 exchange x topic
                land #8 exchange x topic
            9.6 open
                9.6 channel.open-ok
            9.6 exchange readx topic
                land #9 exchange readx topic
            9.7 open
                9.7 channel.open-ok
            9.7 exchange writex topic
                land #10 exchange writex topic
            9.8 open
                9.8 channel.open-ok
            9.8 exchange inside direct internal
                land #11 exchange inside direct
            landed
                9.1 queue.declare-ok q 0 0
                9.2 queue.declare-ok readq 0 0
                9.3 queue.declare-ok writeq 0 0
                9.4 queue.declare-ok confq 0 0
                9.5 exchange.declare-ok
                9.6 exchange.declare-ok
                9.7 exchange.declare-ok
                9.8 exchange.declare-ok
                operator: made
                operator: made
            connect 1 ada /
                1.0 connection.open-ok
            operator topic-permission ada / writex ^{username}\. ^k
                land #12 topic permission of ada in / at writex: ^{username}\. ^k
            operator topic-permission ada / readx ^{vhost}$ ^k
                land #13 topic permission of ada in / at readx: ^{vhost}$ ^k
            operator topic-permission ada / amq.direct - -
                land #14 topic permission of ada in / at amq.direct:  
            1.1 open
                1.1 channel.open-ok
            1.1 publish writex k m
                1.1 channel.close 403 ACCESS_REFUSED - access to topic 'k' in exchange 'writex' in vhost '/' refused for user 'ada' (60, 40)
            1.2 open
                1.2 channel.open-ok
            1.2 publish writex adaXk m
                1.2 channel.close 403 ACCESS_REFUSED - access to topic 'adaXk' in exchange 'writex' in vhost '/' refused for user 'ada' (60, 40)
            1.3 open
                1.3 channel.open-ok
            1.3 publish writex ada.k m
            1.4 open
                1.4 channel.open-ok
            1.4 bind writeq readx z
                1.4 channel.close 403 ACCESS_REFUSED - access to topic 'z' in exchange 'readx' in vhost '/' refused for user 'ada' (50, 20)
            1.5 open
                1.5 channel.open-ok
            1.5 bind writeq readx kz
                land #15 bound readx -kz-> Queue(QueueId(3))
            1.6 open
                1.6 channel.open-ok
            1.6 unbind writeq readx z
                1.6 channel.close 403 ACCESS_REFUSED - access to topic 'z' in exchange 'readx' in vhost '/' refused for user 'ada' (50, 50)
            operator no-topic-permission ada / readx
                land #16 no topic permission of ada in / at readx
            1.7 open
                1.7 channel.open-ok
            1.7 bind writeq readx z
                land #17 bound readx -z-> Queue(QueueId(3))
            1.8 open
                1.8 channel.open-ok
            1.8 publish writex k m
                1.8 channel.close 403 ACCESS_REFUSED - access to topic 'k' in exchange 'writex' in vhost '/' refused for user 'ada' (60, 40)
            operator no-topic-permission ada /
                land #18 no topic permission of ada in / at amq.direct
                land #19 no topic permission of ada in / at writex
            1.9 open
                1.9 channel.open-ok
            1.9 publish writex k m
        "#]],
    );
}

#[test]
fn a_change_counts_at_once_and_patterns_are_checked() {
    check(
        &ada("1.1 publish writex k m
         operator permission ada / - - -
         1.2 publish writex k m
         operator permission ada / .* .* .*
         1.3 publish writex k m
         1.4 get q
         operator no-permission ada /
         1.5 get q
         connect 2 ada /
         operator permission ada / ( .* .*
         operator permission nobody / .* .* .*
         operator permission ada nowhere .* .* .*
         landed
         operator permission ada / ^(?!q).* .* (?<=^q).*
         1.6 declare q2
         1.7 declare r2
         1.8 get q
         1.9 get readq"),
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator permission ada / ^conf ^write ^read
                land #3 permission of ada in /: ^conf ^write ^read
            connect 9
                9.0 connection.open-ok
            9.1 open
                9.1 channel.open-ok
            9.1 declare q
                land #4 queue 1 q
            9.2 open
                9.2 channel.open-ok
            9.2 declare readq
                land #5 queue 2 readq
            9.3 open
                9.3 channel.open-ok
            9.3 declare writeq
                land #6 queue 3 writeq
            9.4 open
                9.4 channel.open-ok
            9.4 declare confq
                land #7 queue 4 confq
            9.5 open
                9.5 channel.open-ok
            9.5 exchange x topic
                land #8 exchange x topic
            9.6 open
                9.6 channel.open-ok
            9.6 exchange readx topic
                land #9 exchange readx topic
            9.7 open
                9.7 channel.open-ok
            9.7 exchange writex topic
                land #10 exchange writex topic
            9.8 open
                9.8 channel.open-ok
            9.8 exchange inside direct internal
                land #11 exchange inside direct
            landed
                9.1 queue.declare-ok q 0 0
                9.2 queue.declare-ok readq 0 0
                9.3 queue.declare-ok writeq 0 0
                9.4 queue.declare-ok confq 0 0
                9.5 exchange.declare-ok
                9.6 exchange.declare-ok
                9.7 exchange.declare-ok
                9.8 exchange.declare-ok
                operator: made
                operator: made
            connect 1 ada /
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 publish writex k m
            operator permission ada / - - -
                land #12 permission of ada in /:   
            1.2 open
                1.2 channel.open-ok
            1.2 publish writex k m
                1.2 channel.close 403 ACCESS_REFUSED - write access to exchange 'writex' in vhost '/' refused for user 'ada' (60, 40)
            operator permission ada / .* .* .*
                land #13 permission of ada in /: .* .* .*
            1.3 open
                1.3 channel.open-ok
            1.3 publish writex k m
            1.4 open
                1.4 channel.open-ok
            1.4 get q
            operator no-permission ada /
                land #14 no permission of ada in /
            1.5 open
                1.5 channel.open-ok
            1.5 get q
                1.5 channel.close 403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'ada' (60, 70)
            connect 2 ada /
                2 connection.close 530 NOT_ALLOWED - access to vhost '/' refused for user 'ada'
            operator permission ada / ( .* .*
            operator permission nobody / .* .* .*
            operator permission ada nowhere .* .* .*
            landed
                1.4 basic.get-empty
                operator: done
                operator: done
                operator: done
                operator: invalid: '(' is not a regular expression: Parsing error at position 1: Opening parenthesis without closing parenthesis
                operator: not found: no user 'nobody'
                operator: not found: no vhost 'nowhere'
            operator permission ada / ^(?!q).* .* (?<=^q).*
                land #15 permission of ada in /: ^(?!q).* .* (?<=^q).*
            1.6 open
                1.6 channel.open-ok
            1.6 declare q2
                1.6 channel.close 403 ACCESS_REFUSED - configure access to queue 'q2' in vhost '/' refused for user 'ada' (50, 10)
            1.7 open
                1.7 channel.open-ok
            1.7 declare r2
                land #16 queue 5 r2
            1.8 open
                1.8 channel.open-ok
            1.8 get q
            1.9 open
                1.9 channel.open-ok
            1.9 get readq
                1.9 channel.close 403 ACCESS_REFUSED - read access to queue 'readq' in vhost '/' refused for user 'ada' (60, 70)
        "#]],
    );
}

#[test]
fn a_pattern_that_never_ends_matches_nothing() {
    check(
        &ada("operator permission ada / .* .* ^(a+)+\\1$
         1.1 get aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator permission ada / ^conf ^write ^read
                land #3 permission of ada in /: ^conf ^write ^read
            connect 9
                9.0 connection.open-ok
            9.1 open
                9.1 channel.open-ok
            9.1 declare q
                land #4 queue 1 q
            9.2 open
                9.2 channel.open-ok
            9.2 declare readq
                land #5 queue 2 readq
            9.3 open
                9.3 channel.open-ok
            9.3 declare writeq
                land #6 queue 3 writeq
            9.4 open
                9.4 channel.open-ok
            9.4 declare confq
                land #7 queue 4 confq
            9.5 open
                9.5 channel.open-ok
            9.5 exchange x topic
                land #8 exchange x topic
            9.6 open
                9.6 channel.open-ok
            9.6 exchange readx topic
                land #9 exchange readx topic
            9.7 open
                9.7 channel.open-ok
            9.7 exchange writex topic
                land #10 exchange writex topic
            9.8 open
                9.8 channel.open-ok
            9.8 exchange inside direct internal
                land #11 exchange inside direct
            landed
                9.1 queue.declare-ok q 0 0
                9.2 queue.declare-ok readq 0 0
                9.3 queue.declare-ok writeq 0 0
                9.4 queue.declare-ok confq 0 0
                9.5 exchange.declare-ok
                9.6 exchange.declare-ok
                9.7 exchange.declare-ok
                9.8 exchange.declare-ok
                operator: made
                operator: made
            connect 1 ada /
                1.0 connection.open-ok
            operator permission ada / .* .* ^(a+)+\1$
                land #12 permission of ada in /: .* .* ^(a+)+\1$
            1.1 open
                1.1 channel.open-ok
            1.1 get aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab
                1.1 channel.close 403 ACCESS_REFUSED - read access to queue 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab' in vhost '/' refused for user 'ada' (60, 70)
        "#]],
    );
}
