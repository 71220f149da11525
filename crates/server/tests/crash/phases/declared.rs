//! The queues of the test, and connections to the server that is killed.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// How often a message may come back.
pub(super) const DELIVERY_LIMIT: i64 = 2;

/// The first wait of a retry.
pub(super) const RETRY_MIN: Duration = Duration::from_millis(100);

/// Some client's connection.
pub(super) async fn connect(address: SocketAddr) -> Result<Connection, lapin::Error> {
    let url = format!("amqp://{address}");
    let dialing = Connection::connect(&url, ConnectionProperties::default());
    soon("connect", dialing).await
}

/// What a client may wait for in vain: lapin does not always notice that the server died meanwhile.
pub(super) async fn soon<T>(
    what: &str,
    asked: impl Future<Output = Result<T, lapin::Error>>,
) -> Result<T, lapin::Error> {
    match timeout(Duration::from_secs(10), asked).await {
        Ok(answered) => answered,
        Err(_) => {
            println!("the client hears nothing of {what}");
            Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
        }
    }
}

/// A table of these fields.
pub(super) fn table(fields: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn arguments() -> [(&'static str, FieldTable); 5] {
    let number = AMQPValue::LongLongInt;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let once = [
        ("x-message-deduplication", AMQPValue::Boolean(true)),
        ("x-deduplication-property", text("message_id")),
        ("x-cache-size", number(200_000)),
    ];
    let retry = [
        ("x-delivery-limit", number(DELIVERY_LIMIT)),
        ("x-consumer-timeout", number(2000)),
        ("x-delayed-retry-type", text("all")),
        ("x-delayed-retry-min", number(100)),
        ("x-delayed-retry-max", number(800)),
    ];
    let dead = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    [
        ("work", table(&[&once[..], &retry, &dead].concat())),
        ("dead", FieldTable::default()),
        ("park", table(&[&once[..], &retry].concat())),
        ("later", table(&once)),
        ("once", table(&once)),
    ]
}

/// A channel, with everything declared: what a client declared may not have landed when the server died.
pub(super) async fn channel(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    for (queue, arguments) in arguments() {
        let durable = QueueDeclareOptions::durable();
        channel
            .queue_declare(queue.into(), durable, arguments)
            .await?;
    }
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let delayed = ExchangeKind::Custom("x-delayed-message".into());
    let kind = table(&[("x-delayed-type", AMQPValue::LongString("direct".into()))]);
    channel
        .exchange_declare("delays".into(), delayed, durable, kind)
        .await?;
    let bind = channel.queue_bind(
        "later".into(),
        "delays".into(),
        "later".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bind.await?;
    Ok(channel)
}
