//! Delayed messages through the whole server, as lapin publishes and receives them.

use crate::harness::peer::Peer;
use ::lapin::message::Delivery;
use ::lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use ::lapin::types::{AMQPValue, FieldTable};
use ::lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};
use std::time::{Duration, Instant};

async fn connect(peer: &Peer) -> (Connection, Channel) {
    let connection = Connection::connect(&peer.url(), ConnectionProperties::default())
        .await
        .expect("lapin connects");
    let channel = connection.create_channel().await.expect("a channel opens");
    (connection, channel)
}

/// Declares a queue and an exchange of the plugin's type in front of it, both durable and of that name.
async fn declare(channel: &Channel, name: &str) {
    let mut inner = FieldTable::default();
    let direct = AMQPValue::LongString("direct".into());
    inner.insert("x-delayed-type".into(), direct);
    channel
        .exchange_declare(
            name.into(),
            ExchangeKind::Custom("x-delayed-message".into()),
            ExchangeDeclareOptions {
                durable: true,
                ..ExchangeDeclareOptions::default()
            },
            inner,
        )
        .await
        .expect("an exchange is declared");
    channel
        .queue_declare(
            name.into(),
            QueueDeclareOptions::durable(),
            FieldTable::default(),
        )
        .await
        .expect("a queue is declared");
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel
        .queue_bind(name.into(), name.into(), "key".into(), options, none)
        .await
        .expect("a queue is bound");
}

async fn publish(channel: &Channel, name: &str, key: &str, delay: i32) -> Confirmation {
    let mut headers = FieldTable::default();
    headers.insert("x-delay".into(), AMQPValue::LongInt(delay));
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_headers(headers);
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let body = delay.to_string();
    channel
        .basic_publish(
            name.into(),
            key.into(),
            mandatory,
            body.as_bytes(),
            properties,
        )
        .await
        .expect("a message is published")
        .await
        .expect("a confirm comes")
}

/// Asks until there is a message.
async fn next(channel: &Channel, name: &str) -> Delivery {
    let give_up = Instant::now() + Duration::from_secs(20);
    while Instant::now() < give_up {
        let got = channel.basic_get(name.into(), BasicGetOptions::default());
        if let Some(message) = got.await.expect("get is answered") {
            let delivery = message.delivery;
            let acked = delivery.ack(BasicAckOptions::default()).await;
            acked.expect("an ack is sent");
            return delivery;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no message came in time");
}

fn assert_on_time(delivery: &Delivery, published: Instant, delay: i32) {
    let waited = published.elapsed();
    // The server counts whole milliseconds of its clock.
    let due = Duration::from_millis(u64::from(delay.unsigned_abs()) - 1);
    assert_eq!(delivery.data, delay.to_string().as_bytes());
    assert!(!delivery.redelivered, "nobody has had it");
    assert!(waited >= due, "{delay} ms, and it came after {waited:?}");
    let headers = delivery.properties.headers().as_ref().expect("headers");
    let told = headers.inner().get("x-delay");
    assert_eq!(told, Some(&AMQPValue::LongInt(-delay)));
}

#[tokio::test]
async fn delayed_messages_come_when_they_are_due_and_a_crash_changes_nothing() {
    let mut peer = Peer::start();
    let name = peer.name("later");
    let (_connection, channel) = connect(&peer).await;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .expect("confirms are on");
    declare(&channel, &name).await;
    let published = Instant::now();
    for delay in [5_000, 500, 3_500] {
        let confirmed = publish(&channel, &name, "key", delay).await;
        assert!(matches!(confirmed, Confirmation::Ack(None)));
    }
    let nowhere = publish(&channel, &name, "other", 500).await;
    assert!(
        matches!(nowhere, Confirmation::Ack(Some(_))),
        "that no queue takes it is told at once"
    );
    assert_on_time(&next(&channel, &name).await, published, 500);
    peer.kill_and_restart();
    let (_connection, channel) = connect(&peer).await;
    let mut delivery = next(&channel, &name).await;
    if delivery.data == b"500" {
        // The crash may forget the acknowledgement.
        assert!(delivery.redelivered);
        delivery = next(&channel, &name).await;
    }
    assert_on_time(&delivery, published, 3_500);
    assert_on_time(&next(&channel, &name).await, published, 5_000);
    let got = channel.basic_get(name.as_str().into(), BasicGetOptions::default());
    assert!(got.await.expect("get is answered").is_none());
}
