//! Transactions and direct reply-to over the wire, with a client that we did not write.

use crate::harness::{Landfall, Scratch};
use ::lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions,
};
use ::lapin::types::FieldTable;
use ::lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

async fn connect(server: &Landfall) -> (Connection, Channel) {
    let connection = Connection::connect(&server.url(), ConnectionProperties::default()).await;
    let connection = connection.expect("lapin connects");
    let channel = connection.create_channel().await;
    let channel = channel.expect("a channel opens");
    channel
        .queue_declare(
            "q".into(),
            QueueDeclareOptions::durable(),
            FieldTable::default(),
        )
        .await
        .expect("a queue is declared");
    (connection, channel)
}

async fn publish(channel: &Channel, key: &str, body: &[u8], properties: BasicProperties) {
    let options = BasicPublishOptions::default();
    channel
        .basic_publish("".into(), key.into(), options, body, properties)
        .await
        .expect("a message is published");
}

async fn bodies(channel: &Channel) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let options = BasicGetOptions { no_ack: true };
    while let Some(got) = channel
        .basic_get("q".into(), options)
        .await
        .expect("get is answered")
    {
        bodies.push(got.delivery.data);
    }
    bodies
}

#[tokio::test]
async fn what_commit_ok_told_outlives_a_kill_and_nothing_else_does() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let (_connection, channel) = connect(&server).await;
    channel.tx_select().await.expect("tx is on");
    for body in [b"a", b"b", b"c"] {
        publish(&channel, "q", body, BasicProperties::default()).await;
    }
    assert!(bodies(&channel).await.is_empty(), "held until the commit");
    channel.tx_commit().await.expect("commit-ok");

    let got = channel
        .basic_get("q".into(), BasicGetOptions::default())
        .await;
    let got = got.expect("get is answered").expect("a message");
    assert_eq!(got.delivery.data, b"a");
    let acked = got.delivery.acker.ack(BasicAckOptions::default()).await;
    acked.expect("it is acknowledged");
    channel.tx_commit().await.expect("commit-ok");

    publish(&channel, "q", b"d", BasicProperties::default()).await;
    channel.tx_rollback().await.expect("rollback-ok");
    publish(&channel, "q", b"e", BasicProperties::default()).await;

    server.kill();
    let server = Landfall::start(&scratch.data_dir());
    let (_connection, channel) = connect(&server).await;
    assert_eq!(bodies(&channel).await, [b"b", b"c"]);
}

#[tokio::test]
async fn an_answer_comes_back_by_the_token() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let (_asking, asks) = connect(&server).await;
    let (_answering, answers) = connect(&server).await;

    let (sender, mut replies) = mpsc::unbounded_channel();
    let options = BasicConsumeOptions {
        no_ack: true,
        ..Default::default()
    };
    let consumer = asks
        .basic_consume(
            "amq.rabbitmq.reply-to".into(),
            "".into(),
            options,
            FieldTable::default(),
        )
        .await
        .expect("a consumer of replies starts");
    consumer.set_delegate(move |delivery| {
        // The test may have all that it wanted.
        let _ = sender.send(delivery);
        std::future::ready(())
    });
    let properties = BasicProperties::default()
        .with_reply_to("amq.rabbitmq.reply-to".into())
        .with_correlation_id("7".into());
    publish(&asks, "q", b"question", properties).await;

    let request = loop {
        let got = answers
            .basic_get("q".into(), BasicGetOptions { no_ack: true })
            .await;
        if let Some(got) = got.expect("get is answered") {
            break got;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let properties = &request.delivery.properties;
    let token = properties.reply_to().clone().expect("a token");
    assert_ne!(token.as_str(), "amq.rabbitmq.reply-to");
    let id = properties.correlation_id().clone().expect("an id");
    let properties = BasicProperties::default().with_correlation_id(id);
    publish(&answers, token.as_str(), b"answer", properties).await;

    let reply = timeout(Duration::from_secs(10), replies.recv()).await;
    let reply = reply.expect("a reply comes in time").expect("it goes on");
    let reply = reply.expect("no error").expect("a reply");
    assert_eq!(reply.data, b"answer");
    assert_eq!(
        reply
            .properties
            .correlation_id()
            .as_ref()
            .map(|id| id.as_str()),
        Some("7")
    );
}
