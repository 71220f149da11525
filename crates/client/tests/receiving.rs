//! The receiver.

use crate::peer::{CHANNEL, Peer, Port};
use landfall_client::{Receiver, ReceiverBuilder, RetryPolicy};
use model::method::basic;
use model::{Method, Properties, PropertiesBuilder, ReplyCode, ShortStr, TableBuilder, Value};
use std::time::{Duration, Instant};
use wire::Event;

fn plain() -> ReceiverBuilder {
    Receiver::of_queue("queue").prefetch(10)
}

async fn start(port: &Port, builder: ReceiverBuilder) -> (Receiver, Peer) {
    let options = port.options();
    let (receiver, peer) = tokio::join!(builder.connect(&options), port.serve());
    (receiver.expect("the peer is there"), peer)
}

async fn next(receiver: &mut Receiver) -> landfall_client::Delivery {
    receiver.recv().await.expect("the receiver goes on")
}

#[tokio::test]
async fn acknowledgements_go_in_groups_and_close_waits_until_they_are_heard() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain()).await;
    for (tag, body) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        peer.deliver(tag, 0, body).await;
    }
    let mut deliveries = Vec::new();
    for body in ["a", "b", "c", "d"] {
        let delivery = next(&mut receiver).await;
        assert_eq!(delivery.body(), body);
        deliveries.push(delivery);
    }
    deliveries.remove(2).reject();
    deliveries
        .into_iter()
        .for_each(landfall_client::Delivery::ack);
    assert_eq!(receiver.counts().received, 4);
    let close = tokio::spawn(receiver.close());
    assert_eq!(peer.verdict().await, "x3");
    assert_eq!(peer.verdict().await, "..4");
    assert!(peer.says_goodbye().await);
    close.await.expect("no panic");
}

/// Without this the first deliveries would wait for the next thing that the server says.
#[tokio::test]
async fn a_delivery_that_comes_together_with_consume_ok_is_handed_out() {
    let port = Port::open().await;
    let options = port.options();
    let serve = async {
        let mut peer = port.accept().await;
        loop {
            match peer.event().await.expect("the client stays") {
                Event::Method(_, Method::BasicConsume(_)) => break,
                event => peer.answer(event).await,
            }
        }
        peer.consume_ok_unflushed();
        peer.deliver(1, 1, "a").await;
        peer
    };
    let (receiver, _peer) = tokio::join!(plain().connect(&options), serve);
    let mut receiver = receiver.expect("the peer is there");
    assert_eq!(next(&mut receiver).await.body(), "a");
}

#[tokio::test]
async fn a_delivery_tells_what_it_knows() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain()).await;
    peer.deliver(1, 7, "a").await;
    let delivery = next(&mut receiver).await;
    let publisher = delivery.publisher().map(|(name, id)| (name.to_vec(), id.0));
    assert_eq!(publisher, Some((b"p".to_vec(), 7)));
    assert_eq!((delivery.exchange(), delivery.routing_key()), ("", "queue"));
    assert_eq!((delivery.redelivered(), delivery.attempt()), (false, 1));
    drop(delivery);
    assert_eq!(peer.verdict().await, "-1");
}

#[tokio::test]
async fn after_a_lost_connection_a_late_acknowledgement_is_nothing() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain()).await;
    peer.deliver(1, 7, "a").await;
    let late = next(&mut receiver).await;
    drop(peer);
    let mut peer = port.serve().await;
    late.ack();
    peer.deliver(1, 7, "a").await;
    next(&mut receiver).await.nack(true);
    assert_eq!(peer.verdict().await, "-1");
    assert_eq!(receiver.counts().reconnected, 1);
}

#[tokio::test]
async fn with_suppression_a_late_acknowledgement_settles_the_repeat() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain().suppress_duplicates()).await;
    peer.deliver(1, 7, "handled").await;
    peer.deliver(2, 8, "in hand").await;
    next(&mut receiver).await.ack();
    let in_hand = next(&mut receiver).await;
    assert_eq!(peer.verdict().await, "..1");
    drop(peer);

    let mut peer = port.serve().await;
    peer.deliver(1, 8, "in hand").await;
    peer.deliver(2, 7, "handled").await;
    assert_eq!(peer.verdict().await, "2");
    in_hand.ack();
    assert_eq!(peer.verdict().await, "..1");
    peer.deliver(3, 9, "new").await;
    let delivery = next(&mut receiver).await;
    assert_eq!(delivery.body(), "new");
    assert_eq!(receiver.counts().suppressed, 2);
}

#[tokio::test]
async fn what_was_not_taken_before_the_connection_was_lost_is_thrown_away() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain().suppress_duplicates()).await;
    peer.deliver(1, 1, "first").await;
    peer.deliver(2, 2, "second").await;
    next(&mut receiver).await.ack();
    assert_eq!(peer.verdict().await, "..1");
    drop(peer);
    let mut peer = port.serve().await;
    peer.deliver(1, 2, "second").await;
    let delivery = next(&mut receiver).await;
    assert_eq!(delivery.body(), "second");
    delivery.ack();
    assert_eq!(peer.verdict().await, "..1");
    assert!(receiver.try_recv().is_none());
}

#[tokio::test]
async fn a_cancelled_receiver_subscribes_again() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain()).await;
    peer.send(CHANNEL, cancel()).await;
    let mut peer = port.serve().await;
    peer.deliver_with(1, &Properties::default(), "a").await;
    assert_eq!(next(&mut receiver).await.publisher(), None);
}

#[tokio::test]
async fn a_cancelled_receiver_ends_where_it_is_told_to() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain().end_on_cancel()).await;
    peer.deliver(1, 1, "a").await;
    peer.send(CHANNEL, cancel()).await;
    assert_eq!(next(&mut receiver).await.body(), "a");
    assert!(receiver.recv().await.is_none());
}

fn cancel() -> basic::Cancel {
    basic::Cancel {
        consumer_tag: ShortStr::from_static("tag"),
        no_wait: true,
    }
}

#[tokio::test]
async fn the_callback_gets_each_delivery() {
    let port = Port::open().await;
    let (receiver, mut peer) = start(&port, plain().end_on_cancel()).await;
    let mut bodies = Vec::new();
    let receive = receiver.for_each(|delivery| {
        bodies.push(delivery.body().clone());
        delivery.ack();
    });
    let serve = async {
        peer.deliver(1, 1, "a").await;
        peer.deliver(2, 2, "b").await;
        while !peer.verdict().await.ends_with('2') {}
        peer.send(CHANNEL, cancel()).await;
    };
    tokio::join!(receive, serve);
    assert_eq!(bodies, ["a", "b"]);
}

#[tokio::test]
async fn more_time_is_asked_for_on_the_channel_and_before_the_answer() {
    let port = Port::open().await;
    let (mut receiver, mut peer) = start(&port, plain()).await;
    let headers = TableBuilder::new()
        .field("x-delivery-count", Value::I64(2))
        .field("x-acquired-count", Value::I64(3))
        .build();
    let properties = PropertiesBuilder::new().headers(&headers).build();
    peer.deliver_with(1, &properties, "a").await;
    let delivery = next(&mut receiver).await;
    assert_eq!(
        (
            delivery.attempt(),
            delivery.delivery_count(),
            delivery.acquired_count()
        ),
        (4, 2, 3)
    );
    delivery.extend(Duration::from_secs(90));
    delivery.ack();
    let request = peer.publish().await;
    assert_eq!((&*request.exchange, request.mandatory), ("", false));
    assert_eq!(&*request.routing_key, "amq.landfall.extend");
    assert!(request.body.is_empty());
    let headers = request.properties.headers().expect("headers");
    let header = |name| headers.get(name).and_then(Value::as_integer);
    assert_eq!(
        (header("x-delivery-tag"), header("x-extend-ms")),
        (Some(1), Some(90_000))
    );
    assert_eq!(peer.verdict().await, "..1");
}

/// How a declaration is refused, if it is.
type Refusal = Option<ReplyCode>;
/// Whether it was passive, and how many arguments it had.
type Declared = (bool, usize);

/// Serves a client that declares up to its subscription; says how it declared.
async fn declarations(port: &Port, refusals: &[Refusal]) -> Vec<Declared> {
    let mut peer = port.accept().await;
    let mut declared = Vec::new();
    loop {
        match peer.event().await.expect("the client stays") {
            Event::Method(_, Method::QueueDeclare(declare)) => {
                let refusal = refusals[declared.len()];
                declared.push((declare.passive, declare.arguments.iter().count()));
                match refusal {
                    Some(code) => peer.close_channel(code, "no").await,
                    None => peer.answer(Event::Method(CHANNEL, declare.into())).await,
                }
            }
            Event::Method(_, Method::BasicConsume(_)) => return declared,
            Event::Method(_, Method::ChannelCloseOk(_)) => {}
            event => peer.answer(event).await,
        }
    }
}

#[tokio::test]
async fn a_queue_is_made_with_its_policy_and_taken_as_it_is_where_it_is() {
    const MISSING: Refusal = Some(ReplyCode::NotFound);
    const OTHER: Refusal = Some(ReplyCode::PreconditionFailed);
    let port = Port::open().await;
    let cases: [(&[Refusal], &[Declared]); 4] = [
        (&[None], &[(true, 0)]),
        (&[MISSING, None], &[(true, 0), (false, 5)]),
        // Somebody else made it in between, with other arguments.
        (&[MISSING, OTHER, None], &[(true, 0), (false, 5), (true, 0)]),
        // The server does not take the arguments.
        (
            &[MISSING, OTHER, MISSING, None],
            &[(true, 0), (false, 5), (true, 0), (false, 0)],
        ),
    ];
    for (refusals, expected) in cases {
        let options = port.options();
        let connect = tokio::spawn(async move { plain().declare().connect(&options).await });
        assert_eq!(declarations(&port, refusals).await, expected);
        connect.abort();
    }
}

#[tokio::test]
async fn more_time_is_asked_for_what_waits_while_the_application_is_at_work() {
    let port = Port::open().await;
    let time = Duration::from_millis(600);
    let builder = plain().declare_with(RetryPolicy::default().acknowledge_within(time));
    let (mut receiver, mut peer) = start(&port, builder).await;
    for (tag, body) in [(1, "a"), (2, "b"), (3, "c")] {
        peer.deliver(tag, 0, body).await;
    }
    let in_hand = next(&mut receiver).await;
    let came = Instant::now();
    let mut asked = [extension(&mut peer).await, extension(&mut peer).await];
    asked.sort_unstable();
    assert_eq!(
        asked,
        [(2, 0), (3, 0)],
        "the one in hand is the application's business"
    );
    assert!(came.elapsed() < time);

    // It does nothing for longer than that: nobody asks for what waits. What it then takes has its time from then on.
    tokio::time::sleep(time).await;
    let taken = next(&mut receiver).await;
    assert_eq!(extension(&mut peer).await, (2, 0));
    assert_eq!(extension(&mut peer).await, (3, 0), "it is at work again");
    taken.ack();
    in_hand.ack();
    assert_eq!(peer.verdict().await, "..2");
}

/// The next request for more time: for which tag, and how many milliseconds.
async fn extension(peer: &mut Peer) -> (i64, i64) {
    let request = peer.publish().await;
    assert_eq!(&*request.routing_key, "amq.landfall.extend");
    let headers = request.properties.headers().expect("headers");
    let header = |name| headers.get(name).and_then(Value::as_integer);
    (
        header("x-delivery-tag").expect("a tag"),
        header("x-extend-ms").expect("a time"),
    )
}
