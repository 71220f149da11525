//! Direct reply-to: requests get a token, answers land and come back, and nobody else touches the queue behind it.

use super::script::check;
use expect_test::expect;

#[test]
fn an_answer_to_the_token_lands_and_comes_back() {
    check(
        "connect 1
         connect 2
         1.1 open
         2.1 open
         2.1 declare requests no-wait
         1.1 consume amq.rabbitmq.reply-to c no-ack
         landed
         1.1 publish - requests ask reply-to=amq.rabbitmq.reply-to
         landed
         2.1 get requests
         2.1 declare amq.rabbitmq.reply-to.e71894b1b5034fb7000001 passive
         2.1 confirm
         2.1 publish - amq.rabbitmq.reply-to.e71894b1b5034fb7000001 answer mandatory
         landed
         written 1 settled 1
         1.1 cancel c
         2.1 publish - amq.rabbitmq.reply-to.e71894b1b5034fb7000001 late mandatory
         1.1 publish - requests ask reply-to=amq.rabbitmq.reply-to",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            connect 2
                2.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 declare requests no-wait
                land #2 queue 1 requests
            1.1 consume amq.rabbitmq.reply-to c no-ack
                land #3 queue 2 amq.rabbitmq.reply-to.e71894b1b5034fb7000001
            landed
                1.1 basic.consume-ok c
            1.1 publish - requests ask reply-to=amq.rabbitmq.reply-to
                land #4 message ask for [1] reply-to amq.rabbitmq.reply-to.e71894b1b5034fb7000001
            landed
            2.1 get requests
                2.1 get-ok [1] #4, 0 more
            2.1 declare amq.rabbitmq.reply-to.e71894b1b5034fb7000001 passive
                2.1 queue.declare-ok amq.rabbitmq.reply-to.e71894b1b5034fb7000001 0 1
            2.1 confirm
                2.1 confirm.select-ok
            2.1 publish - amq.rabbitmq.reply-to.e71894b1b5034fb7000001 answer mandatory
                land #5 message answer for [2]
            landed
                2.1 confirm 1
                1.1 deliver to c [1] #5
            written 1 settled 1
                land #6 settled in 2: #5+1
            1.1 cancel c
                land #7 no queue 2
            2.1 publish - amq.rabbitmq.reply-to.e71894b1b5034fb7000001 late mandatory
                2.1 return late ( amq.rabbitmq.reply-to.e71894b1b5034fb7000001)
                2.1 confirm 2
            1.1 publish - requests ask reply-to=amq.rabbitmq.reply-to
                1.1 channel.close 406 PRECONDITION_FAILED - fast reply consumer does not exist (60, 40)
        "#]],
    );
}

#[test]
fn a_reply_queue_goes_with_its_channel_and_does_not_outlive_a_crash() {
    check(
        "connect 1
         1.1 open
         1.1 consume amq.rabbitmq.reply-to - no-ack
         landed
         1.1 close
         landed
         1.1 open
         1.1 consume amq.rabbitmq.reply-to c no-ack
         landed
         1.1 cancel c
         1.1 consume amq.rabbitmq.reply-to c no-ack
         landed
         crash
         connect 2
         2.1 open
         2.1 publish - amq.rabbitmq.reply-to.89d173faa437fab2000006 late mandatory
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 consume amq.rabbitmq.reply-to - no-ack
                land #2 queue 1 amq.rabbitmq.reply-to.509b3463d01d7ad8000002
            landed
                1.1 basic.consume-ok amq.ctag-e71894b1b5034fb7000001
            1.1 close
                land #3 no queue 1
                1.1 channel.close-ok
            landed
            1.1 open
                1.1 channel.open-ok
            1.1 consume amq.rabbitmq.reply-to c no-ack
                land #4 queue 2 amq.rabbitmq.reply-to.510e1b5364640f85000004
            landed
                1.1 basic.consume-ok c
            1.1 cancel c
                land #5 no queue 2
            1.1 consume amq.rabbitmq.reply-to c no-ack
                land #6 queue 3 amq.rabbitmq.reply-to.89d173faa437fab2000006
            landed
                1.1 basic.cancel-ok
                1.1 basic.consume-ok c
            crash
                land #7 no queue 3
            connect 2
                2.0 connection.open-ok
            2.1 open
                2.1 channel.open-ok
            2.1 publish - amq.rabbitmq.reply-to.89d173faa437fab2000006 late mandatory
                2.1 return late ( amq.rabbitmq.reply-to.89d173faa437fab2000006)
            landed
        "#]],
    );
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    check(
        "connect 1
         1.1 open
         1.1 consume amq.rabbitmq.reply-to c
         1.2 open
         1.2 consume amq.rabbitmq.reply-to a no-ack
         1.2 consume amq.rabbitmq.reply-to b no-ack
         1.3 open
         1.3 publish - q a reply-to=amq.rabbitmq.reply-to
         1.4 open
         1.4 consume amq.rabbitmq.reply-to a no-ack
         1.5 open
         1.5 publish - q a reply-to=amq.rabbitmq.reply-to
         1.4 publish - q b reply-to=elsewhere mandatory
         1.4 publish - q b reply-to=amq.rabbitmq.reply-to bcc=z mandatory
         1.4 consume amq.rabbitmq.reply-to a no-ack",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 consume amq.rabbitmq.reply-to c
                1.1 channel.close 406 PRECONDITION_FAILED - reply consumer cannot acknowledge (60, 20)
            1.2 open
                1.2 channel.open-ok
            1.2 consume amq.rabbitmq.reply-to a no-ack
                land #2 queue 1 amq.rabbitmq.reply-to.e71894b1b5034fb7000001
            1.2 consume amq.rabbitmq.reply-to b no-ack
                land #3 no queue 1
                1.2 channel.close 406 PRECONDITION_FAILED - reply consumer already set (60, 20)
            1.3 open
                1.3 channel.open-ok
            1.3 publish - q a reply-to=amq.rabbitmq.reply-to
                1.3 channel.close 406 PRECONDITION_FAILED - fast reply consumer does not exist (60, 40)
            1.4 open
                1.4 channel.open-ok
            1.4 consume amq.rabbitmq.reply-to a no-ack
                land #4 queue 2 amq.rabbitmq.reply-to.0ddc241cadf746e9000003
            1.5 open
                1.5 channel.open-ok
            1.5 publish - q a reply-to=amq.rabbitmq.reply-to
                1.5 channel.close 406 PRECONDITION_FAILED - fast reply consumer does not exist (60, 40)
            1.4 publish - q b reply-to=elsewhere mandatory
                1.4 return b ( q) reply-to elsewhere
            1.4 publish - q b reply-to=amq.rabbitmq.reply-to bcc=z mandatory
                1.4 return b ( q) reply-to amq.rabbitmq.reply-to.0ddc241cadf746e9000003
            1.4 consume amq.rabbitmq.reply-to a no-ack
                land #5 no queue 2
                1 connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 'a'
        "#]],
    );
}

#[test]
fn the_name_can_be_declared_and_nothing_else() {
    check(
        "connect 1
         1.1 open
         1.1 consume amq.rabbitmq.reply-to a no-ack
         landed
         1.1 declare amq.rabbitmq.reply-to passive
         1.1 declare amq.rabbitmq.reply-to durable
         1.1 declare amq.rabbitmq.reply-to.e71894b1b5034fb7000001
         1.1 delete amq.rabbitmq.reply-to.e71894b1b5034fb7000001
         1.2 open
         1.2 declare amq.rabbitmq.reply-to.none passive
         1.3 open
         1.3 bind amq.rabbitmq.reply-to amq.direct k
         1.4 open
         1.4 unbind amq.rabbitmq.reply-to.e71894b1b5034fb7000001 amq.direct k
         1.5 open
         1.5 get amq.rabbitmq.reply-to
         1.6 open
         1.6 purge amq.rabbitmq.reply-to.e71894b1b5034fb7000001
         1.7 open
         1.7 consume amq.rabbitmq.reply-to.e71894b1b5034fb7000001 t no-ack
         1.8 open
         1.8 declare amq.rabbitmq.reply-tomorrow",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 consume amq.rabbitmq.reply-to a no-ack
                land #2 queue 1 amq.rabbitmq.reply-to.e71894b1b5034fb7000001
            landed
                1.1 basic.consume-ok a
            1.1 declare amq.rabbitmq.reply-to passive
                1.1 queue.declare-ok amq.rabbitmq.reply-to 0 1
            1.1 declare amq.rabbitmq.reply-to durable
                1.1 queue.declare-ok amq.rabbitmq.reply-to 0 1
            1.1 declare amq.rabbitmq.reply-to.e71894b1b5034fb7000001
                1.1 queue.declare-ok amq.rabbitmq.reply-to.e71894b1b5034fb7000001 0 1
            1.1 delete amq.rabbitmq.reply-to.e71894b1b5034fb7000001
                1.1 queue.delete-ok 0
            1.2 open
                1.2 channel.open-ok
            1.2 declare amq.rabbitmq.reply-to.none passive
                1.2 channel.close 404 NOT_FOUND - no queue 'amq.rabbitmq.reply-to.none' in vhost '/' (50, 10)
            1.3 open
                1.3 channel.open-ok
            1.3 bind amq.rabbitmq.reply-to amq.direct k
                1.3 channel.close 403 ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue (50, 20)
            1.4 open
                1.4 channel.open-ok
            1.4 unbind amq.rabbitmq.reply-to.e71894b1b5034fb7000001 amq.direct k
                1.4 channel.close 403 ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue (50, 50)
            1.5 open
                1.5 channel.open-ok
            1.5 get amq.rabbitmq.reply-to
                1.5 channel.close 404 NOT_FOUND - no queue 'amq.rabbitmq.reply-to' in vhost '/' (60, 70)
            1.6 open
                1.6 channel.open-ok
            1.6 purge amq.rabbitmq.reply-to.e71894b1b5034fb7000001
                1.6 channel.close 404 NOT_FOUND - no queue 'amq.rabbitmq.reply-to.e71894b1b5034fb7000001' in vhost '/' (50, 30)
            1.7 open
                1.7 channel.open-ok
            1.7 consume amq.rabbitmq.reply-to.e71894b1b5034fb7000001 t no-ack
                1.7 channel.close 404 NOT_FOUND - no queue 'amq.rabbitmq.reply-to.e71894b1b5034fb7000001' in vhost '/' (60, 20)
            1.8 open
                1.8 channel.open-ok
            1.8 declare amq.rabbitmq.reply-tomorrow
                1.8 channel.close 403 ACCESS_REFUSED - queue name 'amq.rabbitmq.reply-tomorrow' contains reserved prefix 'amq.*' (50, 10)
        "#]],
    );
}

#[test]
fn requests_may_be_held_by_a_transaction() {
    check(
        "connect 1
         1.1 open
         1.1 declare q no-wait
         1.1 consume amq.rabbitmq.reply-to c no-ack
         1.1 tx
         landed
         1.1 publish - q ask reply-to=amq.rabbitmq.reply-to
         1.1 commit
         landed",
        expect![[r#"
            connect 1
                1.0 connection.open-ok
            1.1 open
                1.1 channel.open-ok
            1.1 declare q no-wait
                land #2 queue 1 q
            1.1 consume amq.rabbitmq.reply-to c no-ack
                land #3 queue 2 amq.rabbitmq.reply-to.e71894b1b5034fb7000001
            1.1 tx
            landed
                1.1 basic.consume-ok c
                1.1 tx.select-ok
            1.1 publish - q ask reply-to=amq.rabbitmq.reply-to
            1.1 commit
                land #4 message ask for [1] reply-to amq.rabbitmq.reply-to.e71894b1b5034fb7000001
            landed
                1.1 tx.commit-ok
        "#]],
    );
}
