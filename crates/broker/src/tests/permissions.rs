//! Permissions: which operation asks for which of configure, write and read, in which words it is refused.

use super::script::{check, check_with, limits};
use expect_test::expect;
use model::{DeclareMismatch, Limits};

/// Ada may configure what begins with `conf`, write to what begins with `write`, read what begins with `read`.
pub(super) fn ada(script: &str) -> String {
    let before = "operator user ada secret
         operator permission ada / ^conf ^write ^read
         connect 9
         9.1 open
         9.1 declare q
         9.2 open
         9.2 declare readq
         9.3 open
         9.3 declare writeq
         9.4 open
         9.4 declare confq
         9.5 open
         9.5 exchange x topic
         9.6 open
         9.6 exchange readx topic
         9.7 open
         9.7 exchange writex topic
         9.8 open
         9.8 exchange inside direct internal
         landed
         connect 1 ada /";
    let lines = script.lines().map(str::trim);
    let with_channels = lines.map(|line| match line.split_once(' ') {
        // Each request has a channel of its own, because a refusal closes it.
        Some((place, _)) if place.starts_with("1.") => format!("{place} open\n{line}"),
        _ => line.to_owned(),
    });
    let script: Vec<String> = with_channels.collect();
    format!("{before}\n{}", script.join("\n"))
}

#[test]
fn to_make_and_remove_is_to_configure() {
    check(
        &ada("1.1 declare q
         1.2 declare new
         1.3 declare confnew
         1.4 declare -
         1.5 declare q passive
         1.6 declare missing passive
         1.7 delete q
         1.8 delete missing
         1.9 delete confnew
         1.10 exchange x topic
         1.11 exchange new topic
         1.12 exchange confx topic
         1.13 exchange x topic passive
         1.14 delete-exchange x
         1.15 delete-exchange missing
         1.16 delete-exchange confx
         1.17 exchange amq.new topic
         1.18 declare amq.new
         1.19 delete-exchange amq.direct"),
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
            1.1 declare q
                1.1 channel.close 403 ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'ada' (50, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 declare new
                1.2 channel.close 403 ACCESS_REFUSED - configure access to queue 'new' in vhost '/' refused for user 'ada' (50, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 declare confnew
                land #12 queue 5 confnew
            1.4 open
                1.4 channel.open-ok
            1.4 declare -
                1.4 channel.close 403 ACCESS_REFUSED - configure access to queue 'amq.gen-e71894b1b5034fb7000001' in vhost '/' refused for user 'ada' (50, 10)
            1.5 open
                1.5 channel.open-ok
            1.5 declare q passive
            1.6 open
                1.6 channel.open-ok
            1.6 declare missing passive
                1.6 channel.close 404 NOT_FOUND - no queue 'missing' in vhost '/' (50, 10)
            1.7 open
                1.7 channel.open-ok
            1.7 delete q
                1.7 channel.close 403 ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'ada' (50, 40)
            1.8 open
                1.8 channel.open-ok
            1.8 delete missing
                1.8 channel.close 403 ACCESS_REFUSED - configure access to queue 'missing' in vhost '/' refused for user 'ada' (50, 40)
            1.9 open
                1.9 channel.open-ok
            1.9 delete confnew
                land #13 no queue 5
            1.10 open
                1.10 channel.open-ok
            1.10 exchange x topic
                1.10 channel.close 403 ACCESS_REFUSED - configure access to exchange 'x' in vhost '/' refused for user 'ada' (40, 10)
            1.11 open
                1.11 channel.open-ok
            1.11 exchange new topic
                1.11 channel.close 403 ACCESS_REFUSED - configure access to exchange 'new' in vhost '/' refused for user 'ada' (40, 10)
            1.12 open
                1.12 channel.open-ok
            1.12 exchange confx topic
                land #14 exchange confx topic
            1.13 open
                1.13 channel.open-ok
            1.13 exchange x topic passive
            1.14 open
                1.14 channel.open-ok
            1.14 delete-exchange x
                1.14 channel.close 403 ACCESS_REFUSED - configure access to exchange 'x' in vhost '/' refused for user 'ada' (40, 20)
            1.15 open
                1.15 channel.open-ok
            1.15 delete-exchange missing
                1.15 channel.close 403 ACCESS_REFUSED - configure access to exchange 'missing' in vhost '/' refused for user 'ada' (40, 20)
            1.16 open
                1.16 channel.open-ok
            1.16 delete-exchange confx
                land #15 no exchange confx
            1.17 open
                1.17 channel.open-ok
            1.17 exchange amq.new topic
                1.17 channel.close 403 ACCESS_REFUSED - configure access to exchange 'amq.new' in vhost '/' refused for user 'ada' (40, 10)
            1.18 open
                1.18 channel.open-ok
            1.18 declare amq.new
                1.18 channel.close 403 ACCESS_REFUSED - queue name 'amq.new' contains reserved prefix 'amq.*' (50, 10)
            1.19 open
                1.19 channel.open-ok
            1.19 delete-exchange amq.direct
                1.19 channel.close 403 ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed (40, 20)
        "#]],
    );
}

#[test]
fn dead_letters_and_alternates_are_read_from_one_and_written_to_the_other() {
    check(
        &ada("1.1 declare confq x-dead-letter-exchange:other
         1.2 declare conf2 x-dead-letter-exchange:writex
         1.3 exchange conf3 topic alternate-exchange:writex
         operator permission ada / ^conf ^write ^(read|conf)
         1.4 declare conf2 x-dead-letter-exchange:other
         1.5 declare conf2 x-dead-letter-exchange:writex
         1.6 exchange conf3 topic alternate-exchange:other
         1.7 exchange conf3 topic alternate-exchange:writex"),
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
            1.1 declare confq x-dead-letter-exchange:other
                1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue 'confq' in vhost '/': received the value 'other' of type 'longstr' but current is none (50, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 declare conf2 x-dead-letter-exchange:writex
                1.2 channel.close 403 ACCESS_REFUSED - read access to queue 'conf2' in vhost '/' refused for user 'ada' (50, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange conf3 topic alternate-exchange:writex
                1.3 channel.close 403 ACCESS_REFUSED - read access to exchange 'conf3' in vhost '/' refused for user 'ada' (40, 10)
            operator permission ada / ^conf ^write ^(read|conf)
                land #12 permission of ada in /: ^conf ^write ^(read|conf)
            1.4 open
                1.4 channel.open-ok
            1.4 declare conf2 x-dead-letter-exchange:other
                1.4 channel.close 403 ACCESS_REFUSED - write access to exchange 'other' in vhost '/' refused for user 'ada' (50, 10)
            1.5 open
                1.5 channel.open-ok
            1.5 declare conf2 x-dead-letter-exchange:writex
                land #13 queue 5 conf2
            1.6 open
                1.6 channel.open-ok
            1.6 exchange conf3 topic alternate-exchange:other
                1.6 channel.close 403 ACCESS_REFUSED - write access to exchange 'other' in vhost '/' refused for user 'ada' (40, 10)
            1.7 open
                1.7 channel.open-ok
            1.7 exchange conf3 topic alternate-exchange:writex
                land #14 exchange conf3 topic
        "#]],
    );
}

#[test]
fn to_publish_is_to_write_and_to_receive_is_to_read() {
    check(
        &ada("1.1 publish x k m
         1.2 publish missing k m
         1.3 publish writemissing k m
         1.4 publish - q m
         1.5 publish writex k m
         1.6 publish inside k m
         1.7 publish x k m user=other
         1.8 get q
         1.9 get missing
         1.10 get readq
         1.11 consume q c
         1.12 consume readq c
         1.13 purge q
         1.14 purge readq"),
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
            1.1 publish x k m
                1.1 channel.close 403 ACCESS_REFUSED - write access to exchange 'x' in vhost '/' refused for user 'ada' (60, 40)
            1.2 open
                1.2 channel.open-ok
            1.2 publish missing k m
                1.2 channel.close 403 ACCESS_REFUSED - write access to exchange 'missing' in vhost '/' refused for user 'ada' (60, 40)
            1.3 open
                1.3 channel.open-ok
            1.3 publish writemissing k m
                1.3 channel.close 404 NOT_FOUND - no exchange 'writemissing' in vhost '/' (60, 40)
            1.4 open
                1.4 channel.open-ok
            1.4 publish - q m
                1.4 channel.close 403 ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'ada' (60, 40)
            1.5 open
                1.5 channel.open-ok
            1.5 publish writex k m
            1.6 open
                1.6 channel.open-ok
            1.6 publish inside k m
                1.6 channel.close 403 ACCESS_REFUSED - write access to exchange 'inside' in vhost '/' refused for user 'ada' (60, 40)
            1.7 open
                1.7 channel.open-ok
            1.7 publish x k m user=other
                1.7 channel.close 403 ACCESS_REFUSED - write access to exchange 'x' in vhost '/' refused for user 'ada' (60, 40)
            1.8 open
                1.8 channel.open-ok
            1.8 get q
                1.8 channel.close 403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'ada' (60, 70)
            1.9 open
                1.9 channel.open-ok
            1.9 get missing
                1.9 channel.close 403 ACCESS_REFUSED - read access to queue 'missing' in vhost '/' refused for user 'ada' (60, 70)
            1.10 open
                1.10 channel.open-ok
            1.10 get readq
                1.10 basic.get-empty
            1.11 open
                1.11 channel.open-ok
            1.11 consume q c
                1.11 channel.close 403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'ada' (60, 20)
            1.12 open
                1.12 channel.open-ok
            1.12 consume readq c
                1.12 basic.consume-ok c
            1.13 open
                1.13 channel.open-ok
            1.13 purge q
                1.13 channel.close 403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'ada' (50, 30)
            1.14 open
                1.14 channel.open-ok
            1.14 purge readq
                1.14 queue.purge-ok 0
        "#]],
    );
}

#[test]
fn to_bind_is_to_write_to_the_destination_and_to_read_from_the_source() {
    check(
        &ada("1.1 bind q readx k
         1.2 bind missing readx k
         1.3 bind writeq x k
         1.4 bind writeq readx k
         1.5 bind writeq - k
         1.6 unbind q readx k
         1.7 unbind writeq x k
         1.8 unbind writeq readx k
         1.9 bind-exchange x readx k
         1.10 bind-exchange writex x k
         1.11 bind-exchange writex readx k
         1.12 unbind-exchange x readx k
         1.13 unbind-exchange writex readx k"),
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
            1.1 bind q readx k
                1.1 channel.close 403 ACCESS_REFUSED - write access to queue 'q' in vhost '/' refused for user 'ada' (50, 20)
            1.2 open
                1.2 channel.open-ok
            1.2 bind missing readx k
                1.2 channel.close 403 ACCESS_REFUSED - write access to queue 'missing' in vhost '/' refused for user 'ada' (50, 20)
            1.3 open
                1.3 channel.open-ok
            1.3 bind writeq x k
                1.3 channel.close 403 ACCESS_REFUSED - read access to exchange 'x' in vhost '/' refused for user 'ada' (50, 20)
            1.4 open
                1.4 channel.open-ok
            1.4 bind writeq readx k
                land #12 bound readx -k-> Queue(QueueId(3))
            1.5 open
                1.5 channel.open-ok
            1.5 bind writeq - k
                1.5 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (50, 20)
            1.6 open
                1.6 channel.open-ok
            1.6 unbind q readx k
                1.6 channel.close 403 ACCESS_REFUSED - write access to queue 'q' in vhost '/' refused for user 'ada' (50, 50)
            1.7 open
                1.7 channel.open-ok
            1.7 unbind writeq x k
                1.7 channel.close 403 ACCESS_REFUSED - read access to exchange 'x' in vhost '/' refused for user 'ada' (50, 50)
            1.8 open
                1.8 channel.open-ok
            1.8 unbind writeq readx k
                land #13 unbound readx -k-> Queue(QueueId(3))
            1.9 open
                1.9 channel.open-ok
            1.9 bind-exchange x readx k
                1.9 channel.close 403 ACCESS_REFUSED - write access to exchange 'x' in vhost '/' refused for user 'ada' (40, 30)
            1.10 open
                1.10 channel.open-ok
            1.10 bind-exchange writex x k
                1.10 channel.close 403 ACCESS_REFUSED - read access to exchange 'x' in vhost '/' refused for user 'ada' (40, 30)
            1.11 open
                1.11 channel.open-ok
            1.11 bind-exchange writex readx k
                land #14 bound readx -k-> Exchange("writex")
            1.12 open
                1.12 channel.open-ok
            1.12 unbind-exchange x readx k
                1.12 channel.close 403 ACCESS_REFUSED - write access to exchange 'x' in vhost '/' refused for user 'ada' (40, 40)
            1.13 open
                1.13 channel.open-ok
            1.13 unbind-exchange writex readx k
                land #15 unbound readx -k-> Exchange("writex")
        "#]],
    );
}

#[test]
fn dead_letters_of_a_queue_that_is_changed_go_only_where_the_user_may_write() {
    check_with(
        Limits {
            declare_mismatch: DeclareMismatch::Update,
            ..limits()
        },
        "operator user ada secret
         operator permission ada / ^q ^q ^q
         landed
         connect 1 ada /
         1.1 open
         1.1 declare q
         landed
         1.1 declare q x-dead-letter-exchange:secret
         1.2 open
         1.2 declare q x-dead-letter-exchange:q",
        expect![[r#"
            operator user ada secret
                land #2 user ada []
            operator permission ada / ^q ^q ^q
                land #3 permission of ada in /: ^q ^q ^q
            landed
                operator: made
                operator: made
            connect 1 ada /
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #4 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare q x-dead-letter-exchange:secret
                1.1 channel.close 403 ACCESS_REFUSED - write access to exchange 'secret' in vhost '/' refused for user 'ada' (50, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 declare q x-dead-letter-exchange:q
                land #5 queue 1 q
        "#]],
    );
}
