//! Coming back: what a crash, a clean stop and a checkpoint leave.

use super::script::check;
use expect_test::expect;

#[test]
fn a_crash_forgets_what_has_not_landed_and_suspects_the_rest() {
    check(
        "connect 1
         1.1 open
         1.1 declare q durable
         landed
         1.1 declare e exclusive
         landed
         1.1 exchange x topic
         1.1 bind q x a.*
         1.1 publish x a.b 1
         1.1 publish x a.c 2
         landed
         1.1 get q
         1.1 ack 1
         1.1 publish x a.d lost
         crash
         connect 2
         2.1 open
         2.1 declare q durable
         2.1 declare e passive
         landed
         2.1 get q
         2.1 get q
         2.1 publish x a.e 3",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable
                land #2 queue 1 q
            landed
                1.1 queue.declare-ok q 0 0
            1.1 declare e exclusive
                land #3 queue 2 e
            landed
                1.1 queue.declare-ok e 0 0
            1.1 exchange x topic
                land #4 exchange x topic
            1.1 bind q x a.*
                land #5 bound x -a.*-> Queue(QueueId(1))
            1.1 publish x a.b 1
                land #6 message 1 for [1]
            1.1 publish x a.c 2
                land #7 message 2 for [1]
            landed
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
            1.1 get q
                1.1 get-ok [1] #6, 1 more
            1.1 ack 1
                land #8 settled in 1: #6+1
            1.1 publish x a.d lost
                land #9 message lost for [1]
            crash
                land #8 no queue 2
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 declare q durable
            2.1 declare e passive
            landed
                2.1 queue.declare-ok q 2 0
                2.1 channel.close 404 NOT_FOUND - no queue 'e' in vhost '/' (50, 10)
            2.1 get q
            2.1 get q
            2.1 publish x a.e 3
        "#]],
    );
}

#[test]
fn after_a_clean_stop_only_what_was_delivered_is_suspect() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 publish - q 1
         1.1 publish - q 2
         1.1 publish - q 3
         landed
         1.1 get q
         1.1 ack 1
         1.1 get q
         stop
         landed
         crash
         connect 2
         2.1 open
         2.1 get q
         2.1 get q",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 publish - q 1
                land #3 message 1 for [1]
            1.1 publish - q 2
                land #4 message 2 for [1]
            1.1 publish - q 3
                land #5 message 3 for [1]
            landed
                1.1 queue.declare-ok q 0 0
            1.1 get q
                1.1 get-ok [1] #3, 2 more
            1.1 ack 1
                land #6 settled in 1: #3+1
            1.1 get q
                1.1 get-ok [2] #4, 1 more
            stop
                land #7 waiting in 1: 4 ready (failed 0, lost 1)
                land #8 stopped
            landed
            crash
                land #9 delivered in 0: 
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 get q
                2.1 get-ok [1] #4 redelivered after 1 (1 lost), 1 more
            2.1 get q
                2.1 get-ok [2] #5, 0 more
        "#]],
    );
}

#[test]
fn a_checkpoint_tells_everything_again() {
    check(
        "connect 1
         1.1 open
         1.1 declare q durable
         1.1 exchange x direct
         1.1 exchange y fanout
         1.1 bind q x k
         1.1 bind-exchange y x k
         1.1 bind q amq.topic a.#
         1.1 publish x k m id=p:7
         landed
         checkpoint
         crash
         checkpoint",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable
                land #2 queue 1 q
            1.1 exchange x direct
                land #3 exchange x direct
            1.1 exchange y fanout
                land #4 exchange y fanout
            1.1 bind q x k
                land #5 bound x -k-> Queue(QueueId(1))
            1.1 bind-exchange y x k
                land #6 bound x -k-> Exchange("y")
            1.1 bind q amq.topic a.#
                land #7 bound amq.topic -a.#-> Queue(QueueId(1))
            1.1 publish x k m id=p:7
                land #8 message m for [1]
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 exchange.bind-ok
                1.1 queue.bind-ok
            checkpoint
                land #9 user guest ["administrator"]
                land #10 permission of guest in /: .* .* .*
                land #11 vhost /
                land #12 queue 1 q
                land #13 counted 1: 1 in, [0, 0, 0, 0, 0, 0] out
                land #14 exchange x direct
                land #15 exchange y fanout
                land #16 bound amq.topic -a.#-> Queue(QueueId(1))
                land #17 bound x -k-> Queue(QueueId(1))
                land #18 bound x -k-> Exchange("y")
                land #19 publisher p landed #7+1
                land #20 checkpoint from #9, next queue 2
            crash
            checkpoint
                land #9 user guest ["administrator"]
                land #10 permission of guest in /: .* .* .*
                land #11 vhost /
                land #12 queue 1 q
                land #13 counted 1: 1 in, [0, 0, 0, 0, 0, 0] out
                land #14 exchange x direct
                land #15 exchange y fanout
                land #16 bound amq.topic -a.#-> Queue(QueueId(1))
                land #17 bound x -k-> Queue(QueueId(1))
                land #18 bound x -k-> Exchange("y")
                land #19 publisher p landed #7+1
                land #20 checkpoint from #9, next queue 2
        "#]],
    );
}

#[test]
fn an_exchange_made_again_has_no_bindings_of_the_old_one() {
    check(
        "connect 1
         1.1 open
         1.1 declare q
         1.1 exchange x direct
         1.1 bind q x k
         1.1 delete-exchange x
         1.1 exchange x direct
         landed
         crash
         connect 2
         2.1 open
         2.1 publish x k m mandatory",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q
                land #2 queue 1 q
            1.1 exchange x direct
                land #3 exchange x direct
            1.1 bind q x k
                land #4 bound x -k-> Queue(QueueId(1))
            1.1 delete-exchange x
                land #5 no exchange x
            1.1 exchange x direct
                land #6 exchange x direct
            landed
                1.1 queue.declare-ok q 0 0
                1.1 exchange.declare-ok
                1.1 queue.bind-ok
                1.1 exchange.delete-ok
                1.1 exchange.declare-ok
            crash
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish x k m mandatory
                2.1 return m (x k)
        "#]],
    );
}

#[test]
fn what_was_relocated_after_a_clean_stop_does_not_make_it_unclean() {
    check(
        "connect 1
         1.1 open
         1.1 declare q durable
         1.1 publish - q a
         landed
         stop
         landed
         relocated
         crash
         connect 2
         2.1 open
         2.1 get q",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable
                land #2 queue 1 q
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 queue.declare-ok q 0 0
            stop
                land #4 stopped
            landed
            relocated
            crash
                land #5 delivered in 0: 
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 get q
                2.1 get-ok [1] #3, 0 more
        "#]],
    );
}

#[test]
fn a_crash_after_a_clean_stop_and_a_start_suspects_what_was_delivered_in_between() {
    check(
        "connect 1
         1.1 open
         1.1 declare q durable
         1.1 publish - q a
         landed
         stop
         landed
         crash
         landed
         connect 2
         2.1 open
         2.1 get q
         crash
         connect 3
         3.1 open
         3.1 get q",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q durable
                land #2 queue 1 q
            1.1 publish - q a
                land #3 message a for [1]
            landed
                1.1 queue.declare-ok q 0 0
            stop
                land #4 stopped
            landed
            crash
                land #5 delivered in 0: 
            landed
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 get q
                2.1 get-ok [1] #3, 0 more
            crash
            connect 3
                3.0 connection.open-ok
            3.1 open
                3.1 channel.open-ok
            3.1 get q
                3.1 get-ok [1] #3 redelivered after 0, 0 more
        "#]],
    );
}
