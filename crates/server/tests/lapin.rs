//! lapin, a client that we did not write, unmodified.

use crate::harness::peer::Peer;
use crate::harness::{Landfall, Scratch};
use ::lapin::message::{Delivery, DeliveryResult};
use ::lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use ::lapin::types::{AMQPValue, FieldTable};
use ::lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A server, a connection to it, and a channel with confirms and a durable queue.
struct Fixture {
    peer: Peer,
    connection: Connection,
    channel: Channel,
    queue: String,
}

async fn fixture() -> Fixture {
    let peer = Peer::start();
    let queue = peer.name("queue");
    let connection = Connection::connect(&peer.url(), ConnectionProperties::default())
        .await
        .expect("lapin connects");
    let channel = connection.create_channel().await.expect("a channel opens");
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .expect("confirms are on");
    // Only these count deliveries in RabbitMQ.
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(
            queue.as_str().into(),
            QueueDeclareOptions::durable(),
            arguments,
        )
        .await
        .expect("a queue is declared");
    Fixture {
        peer,
        connection,
        channel,
        queue,
    }
}

async fn publish(channel: &Channel, key: &str, body: &[u8]) -> Confirmation {
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id("m-1".into());
    channel
        .basic_publish("".into(), key.into(), mandatory, body, properties)
        .await
        .expect("a message is published")
        .await
        .expect("a confirm comes")
}

/// Consumes from the queue, into a channel of the runtime.
async fn consume(channel: &Channel, queue: &str) -> mpsc::UnboundedReceiver<Delivery> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let consumer = channel
        .basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .expect("a consumer starts");
    consumer.set_delegate(move |delivery: DeliveryResult| {
        if let Ok(Some(delivery)) = delivery {
            // The test may have all that it wanted.
            let _ = sender.send(delivery);
        }
        std::future::ready(())
    });
    receiver
}

async fn next(consumer: &mut mpsc::UnboundedReceiver<Delivery>) -> Delivery {
    timeout(Duration::from_secs(10), consumer.recv())
        .await
        .expect("a delivery comes in time")
        .expect("the consumer goes on")
}

#[tokio::test]
async fn publish_with_confirms_consume_with_prefetch_and_ack() {
    let fixture = fixture().await;
    let channel = &fixture.channel;
    for number in 0..20 {
        let confirmed = publish(channel, &fixture.queue, format!("{number}").as_bytes()).await;
        assert!(
            matches!(confirmed, Confirmation::Ack(None)),
            "{confirmed:?}"
        );
    }
    channel
        .basic_qos(5, BasicQosOptions::default())
        .await
        .expect("prefetch is set");
    let mut consumer = consume(channel, &fixture.queue).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(next(&mut consumer).await);
    }
    let more = timeout(Duration::from_millis(200), consumer.recv()).await;
    assert!(more.is_err(), "prefetch holds the sixth message back");
    for number in 0..20 {
        let delivery = held.remove(0);
        assert_eq!(delivery.data, format!("{number}").as_bytes());
        assert!(!delivery.redelivered);
        assert_eq!(
            delivery
                .properties
                .message_id()
                .as_ref()
                .map(|id| id.as_str()),
            Some("m-1")
        );
        delivery
            .ack(BasicAckOptions::default())
            .await
            .expect("an ack is sent");
        if number < 15 {
            held.push(next(&mut consumer).await);
        }
    }
    let got = channel
        .basic_get(fixture.queue.as_str().into(), BasicGetOptions::default())
        .await;
    assert!(got.expect("get is answered").is_none(), "all were settled");
}

#[tokio::test]
async fn a_nacked_message_comes_again_marked_and_counted() {
    let fixture = fixture().await;
    let channel = &fixture.channel;
    publish(channel, &fixture.queue, b"again").await;
    let mut consumer = consume(channel, &fixture.queue).await;
    let first = next(&mut consumer).await;
    assert!(!first.redelivered);
    let requeue = BasicNackOptions {
        requeue: true,
        ..BasicNackOptions::default()
    };
    first.nack(requeue).await.expect("a nack is sent");
    let second = next(&mut consumer).await;
    assert!(second.redelivered);
    assert_eq!(second.data, b"again");
    let headers = second.properties.headers().as_ref().expect("headers");
    let count = headers.inner().get("x-delivery-count");
    assert_eq!(count, Some(&AMQPValue::LongLongInt(1)));
}

#[tokio::test]
async fn get_answers_with_a_message_or_with_none() {
    let fixture = fixture().await;
    let channel = &fixture.channel;
    for body in [&b"one"[..], b"two"] {
        publish(channel, &fixture.queue, body).await;
    }
    let get = || {
        channel.basic_get(
            fixture.queue.as_str().into(),
            BasicGetOptions { no_ack: true },
        )
    };
    let first = get().await.expect("get is answered").expect("a message");
    assert_eq!((&first.data[..], first.message_count), (&b"one"[..], 1));
    let second = get().await.expect("get is answered").expect("a message");
    assert_eq!((&second.data[..], second.message_count), (&b"two"[..], 0));
    assert!(get().await.expect("get is answered").is_none());
}

#[tokio::test]
async fn an_unroutable_mandatory_message_comes_back_before_its_confirm() {
    let fixture = fixture().await;
    let confirmed = publish(&fixture.channel, "nowhere", b"back").await;
    let Confirmation::Ack(Some(returned)) = confirmed else {
        panic!("a return was expected with the confirm, not {confirmed:?}");
    };
    assert_eq!(returned.reply_code, 312);
    assert_eq!(returned.delivery.data, b"back");
}

#[tokio::test]
async fn exchanges_route_and_a_channel_error_leaves_the_connection_alone() {
    let fixture = fixture().await;
    let logs = fixture.peer.name("logs");
    let channel = &fixture.channel;
    channel
        .exchange_declare(
            logs.as_str().into(),
            ExchangeKind::Topic,
            ExchangeDeclareOptions::default(),
            FieldTable::default(),
        )
        .await
        .expect("an exchange is declared");
    channel
        .queue_bind(
            fixture.queue.as_str().into(),
            logs.as_str().into(),
            "*.error".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .expect("a queue is bound");
    for key in ["disk.error", "disk.info"] {
        channel
            .basic_publish(
                logs.as_str().into(),
                key.into(),
                BasicPublishOptions::default(),
                key.as_bytes(),
                BasicProperties::default(),
            )
            .await
            .expect("a message is published")
            .await
            .expect("a confirm comes");
    }
    let get = channel.basic_get(
        fixture.queue.as_str().into(),
        BasicGetOptions { no_ack: true },
    );
    let got = get.await.expect("get is answered").expect("a message");
    assert_eq!((&got.data[..], got.message_count), (&b"disk.error"[..], 0));

    let other = fixture.connection.create_channel().await;
    let other = other.expect("a second channel opens");
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let missing = other.queue_declare("missing".into(), passive, FieldTable::default());
    let error = missing
        .await
        .expect_err("there is no such queue")
        .to_string();
    assert!(error.contains("no queue 'missing' in vhost '/'"), "{error}");
    publish(channel, &fixture.queue, b"still here").await;
}

#[tokio::test]
async fn bodies_of_any_size_come_back_as_they_were() {
    let fixture = fixture().await;
    let channel = &fixture.channel;
    let mut consumer = consume(channel, &fixture.queue).await;
    for size in [0, 1, 100_000, 131_064, 131_065, 10 * 1024 * 1024] {
        let body: Vec<u8> = (0..size).map(|at: u32| (at * 31 % 251) as u8).collect();
        publish(channel, &fixture.queue, &body).await;
        let delivery = next(&mut consumer).await;
        assert!(
            delivery.data == body,
            "a body of {size} bytes came back changed"
        );
        delivery
            .ack(BasicAckOptions::default())
            .await
            .expect("an ack is sent");
    }
}

#[tokio::test]
async fn the_server_says_what_it_can() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = crate::harness::raw::Raw::dial(server.address());
    let start = raw.start();
    let text = |name| {
        start
            .server_properties
            .get(name)
            .and_then(model::Value::as_str)
    };
    assert_eq!(text("product"), Some("Landfall"));
    let version = text("version").expect("a version");
    assert!(
        version.split('.').all(|part| part.parse::<u32>().is_ok()),
        "{version}"
    );
    let Some(model::Value::Table(capabilities)) = start.server_properties.get("capabilities")
    else {
        panic!("capabilities were expected");
    };
    for name in ["publisher_confirms", "basic.nack", "consumer_cancel_notify"] {
        assert_eq!(
            capabilities.get(name),
            Some(model::Value::Bool(true)),
            "{name}"
        );
    }
}
