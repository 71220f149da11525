//! Exchanges and bindings as clients declare, redeclare and remove them: RabbitMQ's answers, read off 3.10.8.

use super::script::check;
use expect_test::expect;

#[test]
fn what_every_virtual_host_has_can_be_declared_again_and_not_deleted() {
    check(
        "connect 1
         1.1 open
         1.1 exchange amq.direct direct durable
         1.1 exchange amq.fanout fanout durable
         1.1 exchange amq.topic topic durable
         1.1 exchange amq.headers headers durable
         1.1 exchange amq.match headers durable
         1.1 exchange amq.rabbitmq.trace topic durable internal
         1.1 exchange amq.direct whatever passive
         1.1 delete-exchange none
         1.1 delete-exchange amq.none
         1.2 open
         1.2 delete-exchange -
         1.3 open
         1.3 exchange - direct passive",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange amq.direct direct durable
                1.1 exchange.declare-ok
            1.1 exchange amq.fanout fanout durable
                1.1 exchange.declare-ok
            1.1 exchange amq.topic topic durable
                1.1 exchange.declare-ok
            1.1 exchange amq.headers headers durable
                1.1 exchange.declare-ok
            1.1 exchange amq.match headers durable
                1.1 exchange.declare-ok
            1.1 exchange amq.rabbitmq.trace topic durable internal
                1.1 exchange.declare-ok
            1.1 exchange amq.direct whatever passive
                1.1 exchange.declare-ok
            1.1 delete-exchange none
                1.1 exchange.delete-ok
            1.1 delete-exchange amq.none
                1.1 channel.close 403 ACCESS_REFUSED - deletion of system exchange 'amq.none' in vhost '/' not allowed (40, 20)
            1.2 open
                1.2 channel.open-ok
            1.2 delete-exchange -
                1.2 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (40, 20)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange - direct passive
                1.3 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (40, 10)
        "#]],
    );
}

#[test]
fn an_exchange_declared_otherwise_is_refused() {
    check(
        "connect 1
         1.1 open
         1.1 exchange x direct unknown:thing
         landed
         1.1 exchange x direct
         1.1 exchange x fanout
         1.2 open
         1.2 exchange x direct durable
         1.3 open
         1.3 exchange x direct auto-delete
         1.4 open
         1.4 exchange x direct internal
         1.5 open
         1.5 exchange x direct alternate-exchange:amq.fanout
         1.6 open
         1.6 exchange x whatever passive",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 exchange x direct unknown:thing
                land #2 exchange x direct
            landed
                1.1 exchange.declare-ok
            1.1 exchange x direct
                1.1 exchange.declare-ok
            1.1 exchange x fanout
                1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct' (40, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 exchange x direct durable
                1.2 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'x' in vhost '/': received 'true' but current is 'false' (40, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange x direct auto-delete
                1.3 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false' (40, 10)
            1.4 open
                1.4 channel.open-ok
            1.4 exchange x direct internal
                1.4 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false' (40, 10)
            1.5 open
                1.5 channel.open-ok
            1.5 exchange x direct alternate-exchange:amq.fanout
                1.5 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received the value 'amq.fanout' of type 'longstr' but current is none (40, 10)
            1.6 open
                1.6 channel.open-ok
            1.6 exchange x whatever passive
                1.6 exchange.declare-ok
        "#]],
    );
}

#[test]
fn both_ends_of_a_new_binding_must_be_there_and_unbinding_never_minds() {
    check(
        "connect 1
         1.1 open
         1.1 bind-exchange none amq.direct k
         1.2 open
         1.2 bind-exchange amq.direct none k
         1.3 open
         1.3 bind-exchange - amq.direct k
         1.4 open
         1.4 bind-exchange amq.direct - k
         1.5 open
         1.5 unbind-exchange - amq.direct k
         1.6 open
         1.6 unbind none - k
         1.7 open
         1.7 unbind-exchange none amq.direct k
         1.7 unbind-exchange amq.direct none k
         1.7 unbind-exchange amq.direct amq.direct k
         1.7 unbind none amq.direct k
         1.7 unbind none none k
         1.7 declare q no-wait
         1.7 unbind q none k
         1.7 unbind q amq.direct k
         landed
         1.7 bind q none k",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 bind-exchange none amq.direct k
                1.1 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (40, 30)
            1.2 open
                1.2 channel.open-ok
            1.2 bind-exchange amq.direct none k
                1.2 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (40, 30)
            1.3 open
                1.3 channel.open-ok
            1.3 bind-exchange - amq.direct k
                1.3 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (40, 30)
            1.4 open
                1.4 channel.open-ok
            1.4 bind-exchange amq.direct - k
                1.4 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (40, 30)
            1.5 open
                1.5 channel.open-ok
            1.5 unbind-exchange - amq.direct k
                1.5 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (40, 40)
            1.6 open
                1.6 channel.open-ok
            1.6 unbind none - k
                1.6 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange (50, 50)
            1.7 open
                1.7 channel.open-ok
            1.7 unbind-exchange none amq.direct k
                1.7 exchange.unbind-ok
            1.7 unbind-exchange amq.direct none k
                1.7 exchange.unbind-ok
            1.7 unbind-exchange amq.direct amq.direct k
                1.7 exchange.unbind-ok
            1.7 unbind none amq.direct k
                1.7 queue.unbind-ok
            1.7 unbind none none k
                1.7 queue.unbind-ok
            1.7 declare q no-wait
                land #2 queue 1 q
            1.7 unbind q none k
            1.7 unbind q amq.direct k
            landed
                1.7 queue.unbind-ok
                1.7 queue.unbind-ok
            1.7 bind q none k
                1.7 channel.close 404 NOT_FOUND - no exchange 'none' in vhost '/' (50, 20)
        "#]],
    );
}

#[test]
fn a_binding_is_made_once_and_told_apart_by_key_and_arguments() {
    check(
        "connect 1
         1.1 open
         1.1 declare q no-wait
         1.1 bind q amq.direct k
         1.1 bind q amq.direct k
         1.1 bind q amq.direct k a=1
         1.1 bind-exchange amq.fanout amq.direct k
         1.1 bind-exchange amq.fanout amq.direct k
         landed
         1.1 publish amq.direct k once
         1.1 unbind q amq.direct k
         1.1 publish amq.direct k still
         1.1 unbind q amq.direct k a=1
         1.1 publish amq.direct k nowhere mandatory
         1.1 bind q amq.fanout -
         1.1 publish amq.direct k around
         1.1 unbind-exchange amq.fanout amq.direct k
         1.1 publish amq.direct k nowhere mandatory
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q no-wait
                land #2 queue 1 q
            1.1 bind q amq.direct k
                land #3 bound amq.direct -k-> Queue(QueueId(1))
            1.1 bind q amq.direct k
            1.1 bind q amq.direct k a=1
                land #4 bound amq.direct -k-> Queue(QueueId(1))
            1.1 bind-exchange amq.fanout amq.direct k
                land #5 bound amq.direct -k-> Exchange("amq.fanout")
            1.1 bind-exchange amq.fanout amq.direct k
            landed
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 queue.bind-ok
                1.1 exchange.bind-ok
                1.1 exchange.bind-ok
            1.1 publish amq.direct k once
                land #6 message once for [1]
            1.1 unbind q amq.direct k
                land #7 unbound amq.direct -k-> Queue(QueueId(1))
            1.1 publish amq.direct k still
            1.1 unbind q amq.direct k a=1
                land #8 unbound amq.direct -k-> Queue(QueueId(1))
            1.1 publish amq.direct k nowhere mandatory
                1.1 return nowhere (amq.direct k)
            1.1 bind q amq.fanout -
                land #9 bound amq.fanout --> Queue(QueueId(1))
            1.1 publish amq.direct k around
                land #10 message around for [1]
            1.1 unbind-exchange amq.fanout amq.direct k
                land #11 unbound amq.direct -k-> Exchange("amq.fanout")
            1.1 publish amq.direct k nowhere mandatory
                1.1 return nowhere (amq.direct k)
            landed
                1.1 queue.unbind-ok
                1.1 queue.unbind-ok
                1.1 queue.bind-ok
                1.1 exchange.unbind-ok
        "#]],
    );
}

#[test]
fn an_empty_queue_name_is_the_last_one_declared_and_an_empty_key_beside_it_is_its_name() {
    check(
        "connect 1
         1.1 open
         1.1 bind - amq.direct k
         1.2 open
         1.2 unbind - amq.direct k
         1.3 open
         1.3 declare q no-wait
         1.3 bind - amq.direct -
         1.3 bind - amq.direct k
         1.3 bind q amq.direct -
         landed
         1.3 unbind - amq.direct -
         1.3 publish amq.direct q none mandatory
         1.3 publish amq.direct k one
         1.3 publish amq.direct - two",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 bind - amq.direct k
                1.1 channel.close 404 NOT_FOUND - no previously declared queue (50, 20)
            1.2 open
                1.2 channel.open-ok
            1.2 unbind - amq.direct k
                1.2 channel.close 404 NOT_FOUND - no previously declared queue (50, 50)
            1.3 open
                1.3 channel.open-ok
            1.3 declare q no-wait
                land #2 queue 1 q
            1.3 bind - amq.direct -
                land #3 bound amq.direct -q-> Queue(QueueId(1))
            1.3 bind - amq.direct k
                land #4 bound amq.direct -k-> Queue(QueueId(1))
            1.3 bind q amq.direct -
                land #5 bound amq.direct --> Queue(QueueId(1))
            landed
                1.3 queue.bind-ok
                1.3 queue.bind-ok
                1.3 queue.bind-ok
            1.3 unbind - amq.direct -
                land #6 unbound amq.direct -q-> Queue(QueueId(1))
            1.3 publish amq.direct q none mandatory
                1.3 return none (amq.direct q)
            1.3 publish amq.direct k one
                land #7 message one for [1]
            1.3 publish amq.direct - two
                land #8 message two for [1]
        "#]],
    );
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    check(
        "connect 1
         1.1 open
         1.1 declare q no-wait
         1.1 exchange first fanout auto-delete
         1.1 exchange second fanout auto-delete
         1.1 bind-exchange second first -
         1.1 bind q second -
         landed
         1.1 unbind q second -
         landed
         1.1 exchange second fanout passive
         1.2 open
         1.2 exchange first fanout passive
         1.3 open
         1.3 exchange third fanout auto-delete
         1.3 bind-exchange third amq.fanout -
         1.3 unbind-exchange third amq.fanout -
         1.3 exchange third fanout passive
         landed
         1.3 bind-exchange third amq.fanout -
         1.3 delete-exchange third if-unused
         landed
         1.3 publish amq.fanout - nowhere mandatory",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q no-wait
                land #2 queue 1 q
            1.1 exchange first fanout auto-delete
                land #3 exchange first fanout
            1.1 exchange second fanout auto-delete
                land #4 exchange second fanout
            1.1 bind-exchange second first -
                land #5 bound first --> Exchange("second")
            1.1 bind q second -
                land #6 bound second --> Queue(QueueId(1))
            landed
                1.1 exchange.declare-ok
                1.1 exchange.declare-ok
                1.1 exchange.bind-ok
                1.1 queue.bind-ok
            1.1 unbind q second -
                land #7 unbound second --> Queue(QueueId(1))
                land #8 no exchange second
                land #9 no exchange first
            landed
                1.1 queue.unbind-ok
            1.1 exchange second fanout passive
                1.1 channel.close 404 NOT_FOUND - no exchange 'second' in vhost '/' (40, 10)
            1.2 open
                1.2 channel.open-ok
            1.2 exchange first fanout passive
                1.2 channel.close 404 NOT_FOUND - no exchange 'first' in vhost '/' (40, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 exchange third fanout auto-delete
                land #10 exchange third fanout
            1.3 bind-exchange third amq.fanout -
                land #11 bound amq.fanout --> Exchange("third")
            1.3 unbind-exchange third amq.fanout -
                land #12 unbound amq.fanout --> Exchange("third")
            1.3 exchange third fanout passive
            landed
                1.3 exchange.declare-ok
                1.3 exchange.bind-ok
                1.3 exchange.unbind-ok
                1.3 exchange.declare-ok
            1.3 bind-exchange third amq.fanout -
                land #13 bound amq.fanout --> Exchange("third")
            1.3 delete-exchange third if-unused
                land #14 no exchange third
            landed
                1.3 exchange.bind-ok
                1.3 exchange.delete-ok
            1.3 publish amq.fanout - nowhere mandatory
                1.3 return nowhere (amq.fanout )
        "#]],
    );
}
