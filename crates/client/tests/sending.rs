//! The sender.

use crate::peer::{Peer, Port};
use landfall_client::{Options, SendCounts, Sender, SenderBuilder, WhyFailed};
use model::method::connection;
use model::{ChannelNumber, Method, PublishingId, ReplyCode, ShortStr};
use std::time::Duration;
use tokio::sync::oneshot;
use wire::Event;

/// A sender that does not retransmit while a test runs.
fn patient() -> SenderBuilder {
    let minute = Duration::from_secs(60);
    Sender::to_queue("queue").retransmission(minute, minute, 3)
}

/// One that does so soon.
fn hasty(times: u32) -> SenderBuilder {
    let soon = Duration::from_millis(30);
    Sender::to_queue("queue").retransmission(soon, soon, times)
}

async fn start(port: &Port, builder: SenderBuilder) -> (Sender, Peer) {
    let options = port.options();
    let (sender, peer) = tokio::join!(builder.connect(&options), port.serve());
    (sender.expect("the peer is there"), peer)
}

#[tokio::test]
async fn a_message_is_confirmed_and_close_says_goodbye() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient().publisher_id("me")).await;
    let handle = sender.send("hello").await;
    let publish = peer.publish().await;
    assert_eq!((&*publish.routing_key, publish.mandatory), ("queue", true));
    assert_eq!(publish.properties.delivery_mode(), Some(2));
    peer.ack(1, false).await;
    let sent = handle.await.expect("it landed");
    assert_eq!((sent.publishing_id, sent.attempts), (PublishingId(1), 1));
    let (_, goodbye) = tokio::join!(sender.close(), peer.says_goodbye());
    assert!(goodbye);
    let late = sender.send("too late").await.await;
    assert_eq!(late.expect_err("closed").why, WhyFailed::Closed);
}

#[tokio::test]
async fn a_lost_confirm_makes_it_transmit_the_same_id_again() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, hasty(50)).await;
    let handle = sender.send("hello").await;
    assert_eq!(peer.message().await, (1, "hello".into()));
    assert_eq!(peer.message().await, (1, "hello".into()));
    peer.ack(2, false).await;
    assert!(handle.await.expect("it landed").attempts >= 2);
    assert!(sender.counts().retransmitted >= 1);
}

#[tokio::test]
async fn a_lost_connection_makes_it_transmit_all_unconfirmed_again_in_order() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient().first_publishing_id(PublishingId(10))).await;
    let mut handles = Vec::new();
    for body in ["a", "b", "c"] {
        handles.push(sender.send(body).await);
        peer.message().await;
    }
    peer.ack(2, false).await;
    handles.remove(1).await.expect("b landed");
    drop(peer);

    let mut peer = port.serve().await;
    assert_eq!(peer.message().await, (10, "a".into()));
    assert_eq!(peer.message().await, (12, "c".into()));
    peer.ack(2, true).await;
    for handle in handles {
        handle.await.expect("it landed");
    }
    let expected = SendCounts {
        sent: 3,
        confirmed: 3,
        failed: 0,
        retransmitted: 2,
        reconnected: 1,
    };
    assert_eq!(sender.counts(), expected);
}

#[tokio::test]
async fn the_callback_says_that_it_failed_and_why() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, hasty(1)).await;
    let (tell, told) = oneshot::channel();
    sender
        .send_with("hello", |outcome| {
            tell.send(outcome).expect("the test listens");
        })
        .await;
    for _ in 0..2 {
        assert_eq!(peer.message().await, (1, "hello".into()));
    }
    let failed = told.await.expect("called").expect_err("never confirmed");
    assert_eq!(failed.why, WhyFailed::NotConfirmed { trouble: None });
    assert_eq!(failed.attempts, 2);
}

#[tokio::test]
async fn a_blocked_connection_is_the_reason_why() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, hasty(1)).await;
    let reason = ShortStr::from_static("low on disk");
    peer.send(ChannelNumber(0), connection::Blocked { reason })
        .await;
    let failed = sender
        .send("hello")
        .await
        .await
        .expect_err("never confirmed");
    assert!(failed.to_string().contains("low on disk"), "{failed}");
}

#[tokio::test]
async fn an_unroutable_message_fails_at_once() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient()).await;
    let handle = sender.send("hello").await;
    let publish = peer.publish().await;
    peer.give_back(&publish).await;
    peer.ack(1, false).await;
    let failed = handle.await.expect_err("no queue");
    assert!(
        matches!(failed.why, WhyFailed::Unroutable { code: 312, .. }),
        "{failed}"
    );
}

#[tokio::test]
async fn a_missing_exchange_fails_the_message_and_the_sender_goes_on() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient()).await;
    let handle = sender.send("hello").await;
    peer.message().await;
    peer.close_channel(ReplyCode::NotFound, "no exchange 'x'")
        .await;
    let reopen = async {
        peer.set_up().await;
        peer
    };
    let (outcome, mut peer) = tokio::join!(handle, reopen);
    let failed = outcome.expect_err("no exchange");
    assert!(failed.to_string().contains("no exchange 'x'"), "{failed}");
    let handle = sender.send("again").await;
    assert_eq!(peer.message().await, (2, "again".into()));
    peer.ack(1, false).await;
    handle.await.expect("it landed");
}

#[tokio::test]
async fn sending_waits_while_the_window_is_full() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient().window(2, 1000)).await;
    let first = sender.send("a").await;
    let _second = sender.send("b").await;
    let third = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("c").await.publishing_id() }
    });
    peer.message().await;
    peer.message().await;
    assert!(!third.is_finished());
    peer.ack(1, false).await;
    first.await.expect("it landed");
    assert_eq!(third.await.expect("no panic"), PublishingId(3));
    assert_eq!(peer.message().await, (3, "c".into()));
}

#[tokio::test]
async fn the_window_counts_bytes_and_takes_one_larger_message_alone() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient().window(100, 10)).await;
    let large = sender.send("longer than ten bytes").await;
    let small = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("a").await.await }
    });
    peer.message().await;
    assert!(!small.is_finished());
    peer.ack(1, false).await;
    large.await.expect("it landed");
    peer.message().await;
    peer.ack(2, false).await;
    small.await.expect("no panic").expect("it landed");
}

#[tokio::test]
async fn flush_waits_for_what_was_sent_before() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient()).await;
    let _first = sender.send("a").await;
    let flush = tokio::spawn({
        let sender = sender.clone();
        async move { sender.flush().await }
    });
    peer.message().await;
    assert!(!flush.is_finished());
    peer.ack(1, false).await;
    flush.await.expect("no panic");
    sender.flush().await;
}

#[tokio::test]
async fn it_goes_to_the_next_address_where_one_does_not_answer() {
    let dead = Port::open().await.url();
    let port = Port::open().await;
    let options = Options::parse([dead.as_str(), port.url().as_str()]).expect("good addresses");
    let (sender, _peer) = tokio::join!(patient().connect(&options), port.serve());
    sender.expect("one address works");
}

#[tokio::test]
async fn without_a_server_connecting_fails_and_names_the_address() {
    let dead = Port::open().await.url();
    let options = Options::parse([dead.as_str()]).expect("a good address");
    let error = patient().connect(&options).await.expect_err("nobody there");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_refused_login_says_so() {
    let port = Port::open().await;
    let options = port.options();
    let refuse = async {
        let mut peer = port.accept().await;
        assert!(matches!(peer.event().await, Some(Event::Login { .. })));
        peer.refuse_login().await;
        peer.event().await;
    };
    let (sender, ()) = tokio::join!(patient().connect(&options), refuse);
    let error = sender.expect_err("refused").to_string();
    assert!(error.contains("login refused"), "{error}");
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_declared_and_one_that_is_there_is_taken_as_it_is() {
    let port = Port::open().await;
    let options = port.options();
    let missing = async {
        let mut peer = port.accept().await;
        let mut durable = false;
        loop {
            let event = peer.event().await.expect("the client stays");
            match &event {
                Event::Method(_, Method::QueueDeclare(declare)) if declare.passive => {
                    peer.close_channel(ReplyCode::NotFound, "no queue").await;
                    continue;
                }
                Event::Method(_, Method::QueueDeclare(declare)) => durable = declare.durable,
                Event::Method(_, Method::ConfirmSelect(_)) => {
                    peer.answer(event).await;
                    return durable;
                }
                _ => {}
            }
            peer.answer(event).await;
        }
    };
    let (sender, declared_durable) = tokio::join!(patient().declare().connect(&options), missing);
    sender.expect("declared");
    assert!(declared_durable);
    // `serve` answers the question with yes.
    let (sender, _peer) = tokio::join!(patient().declare().connect(&options), port.serve());
    sender.expect("there already");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_is_left_and_found_again() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient()).await;
    let handle = sender.send("a").await;
    peer.message().await;
    peer.close(ReplyCode::ConnectionForced, "shutdown").await;
    let mut peer = port.serve().await;
    assert_eq!(peer.message().await, (1, "a".into()));
    peer.ack(1, false).await;
    handle.await.expect("it landed");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let port = Port::open().await;
    let options = port.options().heartbeat(Duration::from_secs(1));
    let (sender, mut silent) = tokio::join!(patient().connect(&options), port.serve());
    let sender = sender.expect("the peer is there");
    let handle = sender.send("a").await;
    silent.message().await;
    let mut peer = port.serve().await;
    assert_eq!(peer.message().await, (1, "a".into()));
    peer.ack(1, false).await;
    handle.await.expect("it landed");
}

#[tokio::test]
async fn a_sender_that_is_dropped_sees_its_messages_through() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient()).await;
    let handle = sender.send("a").await;
    drop(sender);
    peer.message().await;
    peer.ack(1, false).await;
    handle.await.expect("it landed");
    assert!(peer.says_goodbye().await);
}

#[tokio::test]
async fn a_channel_that_is_closed_while_nothing_is_in_flight_is_opened_again() {
    let port = Port::open().await;
    let (sender, mut peer) = start(&port, patient()).await;
    peer.close_channel(ReplyCode::PreconditionFailed, "whatever")
        .await;
    peer.set_up().await;
    let handle = sender.send("a").await;
    peer.message().await;
    peer.ack(1, false).await;
    handle.await.expect("it landed");
}
