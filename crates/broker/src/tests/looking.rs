//! Operators look into queues: what is in which state, and nothing is moved by it.

use super::script::check;
use expect_test::expect;

#[test]
fn queues_are_counted_by_state() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-max-length=9
        1.1 declare mine exclusive
        landed
        operator policy / limits ^q queues message-ttl=5000
        landed
        1.1 publish - q a
        1.1 publish - q b
        1.1 publish - q c
        operator queue / q
        landed
        1.1 get q
        1.1 consume mine c
        operator queues
        landed
        operator queues none
        operator queue / none
        operator queue none q
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-max-length=9
                land #2 queue 1 q
            1.1 declare mine exclusive
            landed
                1.1 queue.declare-ok q 0 0
                land #3 queue 2 mine
            operator policy / limits ^q queues message-ttl=5000
                land #4 policy limits in / for queues ^q
            landed
                1.1 queue.declare-ok mine 0 0
                operator: made
            1.1 publish - q a
                land #5 message a for [1]
            1.1 publish - q b
                land #6 message b for [1]
            1.1 publish - q c
                land #7 message c for [1]
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest none, policy limits, rules ["x-message-ttl", "x-max-length"]
            landed
            1.1 get q
                1.1 get-ok [1] #5, 2 more
            1.1 consume mine c
                1.1 basic.consume-ok c
            operator queues
                operator: queues
                    mine in /: 0 ready, 0 unacked, 0 delayed, 0 parked, 0 leaving; 1 consumers, oldest none, policy -, rules []
                    q in /: 2 ready, 1 unacked, 0 delayed, 0 parked, 0 leaving; 0 consumers, oldest #6, policy limits, rules ["x-message-ttl", "x-max-length"]
            landed
            operator queues none
                operator: not found: no vhost 'none'
            operator queue / none
                operator: not found: no queue 'none' in vhost '/'
            operator queue none q
                operator: not found: no vhost 'none'
        "#]],
    );
}

#[test]
fn messages_are_seen_where_they_are_and_stay_there() {
    check(
        "
        connect 1
        connect 2
        1.1 open
        2.1 open
        1.1 declare q x-max-priority=9
        landed
        1.1 publish - q a
        1.1 publish - q b priority=5
        1.1 publish - q c
        1.1 publish - q d
        1.1 publish - q e
        landed
        2.1 qos 1
        2.1 consume q c
        1.1 get q
        1.1 get q
        1.1 nack 2 requeue
        1.1 publish - q not-landed
        operator messages / q ready
        operator messages / q ready most=2
        operator messages / q ready most=2 after=5
        operator messages / q unacked
        operator messages / q unacked most=1
        operator messages / q unacked most=1 after=4
        landed
        operator messages / q ready after=18446744073709551615
        operator messages / none ready
        crash
        operator messages / q ready
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            2.1 open
                2.1 channel.open-ok
            1.1 declare q x-max-priority=9
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b priority=5
                land #4 message b for [1]
            1.1 publish - q c
                land #5 message c for [1]
            1.1 publish - q d
                land #6 message d for [1]
            1.1 publish - q e
                land #7 message e for [1]
            landed
            2.1 qos 1
                2.1 basic.qos-ok
            2.1 consume q c
                2.1 basic.consume-ok c
                2.1 deliver to c [1] #4
            1.1 get q
                1.1 get-ok [1] #3, 3 more
            1.1 get q
                1.1 get-ok [2] #5, 2 more
            1.1 nack 2 requeue
                land #8 waiting in 1: 5 ready (failed 1, lost 0)
            1.1 publish - q not-landed
                land #9 message not-landed for [1]
            operator messages / q ready
                operator: messages, #7 has landed
                    #5 ready again, failed 1, lost 0
                    #6 ready
                    #7 ready
            operator messages / q ready most=2
                operator: messages, #7 has landed
                    #5 ready again, failed 1, lost 0
                    #6 ready
                    more after=6
            operator messages / q ready most=2 after=5
                operator: messages, #7 has landed
                    #6 ready
                    #7 ready
                    more after=7
            operator messages / q unacked
                operator: messages, #7 has landed
                    #3 unacked: [1] on 1.1 of guest by basic.get, due 1801000
                    #4 unacked: [1] on 2.1 of guest by c, due 1801000, priority 5
            operator messages / q unacked most=1
                operator: messages, #7 has landed
                    #3 unacked: [1] on 1.1 of guest by basic.get, due 1801000
                    more after=3
            operator messages / q unacked most=1 after=4
                operator: messages, #7 has landed
            landed
            operator messages / q ready after=18446744073709551615
                operator: messages, #9 has landed
            operator messages / none ready
                operator: not found: no queue 'none' in vhost '/'
            crash
            operator messages / q ready
                operator: messages, #9 has landed
                    #3 ready again
                    #4 ready again, priority 5
                    #5 ready again, failed 1, lost 0
                    #6 ready again
                    #7 ready again
                    #9 ready again
        "#]],
    );
}

#[test]
fn messages_on_their_way_to_the_dead_letters_are_seen() {
    check(
        "
        connect 1
        1.1 open
        1.1 declare q x-dead-letter-exchange:dead
        landed
        1.1 publish - q a
        1.1 publish - q b expiration=1
        landed
        1.1 get q
        1.1 reject 1
        at 2000
        operator messages / q leaving
        operator messages / q leaving after=3
        operator queue / q
        fetched
        operator messages / q leaving
        ",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q x-dead-letter-exchange:dead
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 publish - q a
                land #3 message a for [1]
            1.1 publish - q b expiration=1
                land #4 message b for [1]
            landed
            1.1 get q
                1.1 get-ok [1] #3, 1 more
            1.1 reject 1
                fetch #3 of queue 1
            at 2000
                fetch #4 of queue 1
            operator messages / q leaving
                operator: messages, #4 has landed
                    #3 leaving: rejected again
                    #4 leaving: expired again
            operator messages / q leaving after=3
                operator: messages, #4 has landed
                    #4 leaving: expired again
            operator queue / q
                operator: queues
                    q in /: 0 ready, 0 unacked, 0 delayed, 0 parked, 2 leaving; 0 consumers, oldest none, policy -, rules ["x-dead-letter-exchange"]
            fetched
                land #5 waiting in 1: 3 parked at 2000, rejected, 4 parked at 2000, expired
            operator messages / q leaving
                operator: messages, #4 has landed
        "#]],
    );
}

#[test]
fn who_may_look_into_a_queue_is_asked_of_permissions() {
    check(
        "
        operator user ada secret management
        operator permission ada / ^own ^out ^in
        landed
        operator may ada read / in-1
        operator may ada configure / own-1
        operator may ada read / own-1
        operator may ada write / in-1
        operator may ada read none in-1
        operator may nobody read / in-1
        ",
        expect![[r#"
            operator user ada secret management
                land #2 user ada ["management"]
            operator permission ada / ^own ^out ^in
                land #3 permission of ada in /: ^own ^out ^in
            landed
                operator: made
                operator: made
            operator may ada read / in-1
                operator: done
            operator may ada configure / own-1
                operator: done
            operator may ada read / own-1
                operator: refused: read access to 'own-1' in vhost '/' refused for user 'ada'
            operator may ada write / in-1
                operator: refused: write access to 'in-1' in vhost '/' refused for user 'ada'
            operator may ada read none in-1
                operator: refused: read access to 'in-1' in vhost 'none' refused for user 'ada'
            operator may nobody read / in-1
                operator: refused: read access to 'in-1' in vhost '/' refused for user 'nobody'
        "#]],
    );
}
