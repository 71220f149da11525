//! amqprs, a client that we did not write, unmodified.

use crate::harness::peer::Peer;
use ::amqprs::channel::{
    BasicAckArguments, BasicCancelArguments, BasicConsumeArguments, BasicGetArguments,
    BasicNackArguments, BasicPublishArguments, BasicQosArguments, BasicRejectArguments, Channel,
    ConfirmSelectArguments, ConsumerMessage, ExchangeBindArguments, ExchangeDeclareArguments,
    ExchangeDeleteArguments, QueueBindArguments, QueueDeclareArguments, QueuePurgeArguments,
};
use ::amqprs::connection::{Connection, OpenConnectionArguments};
use ::amqprs::{BasicProperties, DecimalValue, FieldTable, FieldValue};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

struct Fixture {
    peer: Peer,
    connection: Connection,
    channel: Channel,
    queue: String,
}

async fn fixture() -> Fixture {
    let peer = Peer::start();
    let connection = connect(&peer).await;
    let channel = open(&connection).await;
    let queue = peer.name("queue");
    let durable = QueueDeclareArguments::durable_client_named(&queue);
    channel
        .queue_declare(durable)
        .await
        .expect("a queue is declared");
    Fixture {
        peer,
        connection,
        channel,
        queue,
    }
}

async fn connect(peer: &Peer) -> Connection {
    let port = peer.address().port();
    let arguments = OpenConnectionArguments::new("127.0.0.1", port, "guest", "guest");
    Connection::open(&arguments).await.expect("amqprs connects")
}

/// A channel in confirm mode.
async fn open(connection: &Connection) -> Channel {
    let channel = connection
        .open_channel(None)
        .await
        .expect("a channel opens");
    channel
        .confirm_select(ConfirmSelectArguments::default())
        .await
        .expect("confirms are on");
    channel
}

impl Fixture {
    async fn publish(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let arguments = BasicPublishArguments::new(exchange, key);
        self.channel
            .basic_publish(properties, body.to_vec(), arguments)
            .await
            .expect("a message is published");
    }

    async fn send(&self, bodies: &[&str]) {
        for body in bodies {
            let properties = BasicProperties::default().with_persistence(true).finish();
            self.publish("", &self.queue, body.as_bytes(), properties)
                .await;
        }
    }

    async fn consume(
        &self,
        queue: &str,
        prefetch: u16,
    ) -> (String, UnboundedReceiver<ConsumerMessage>) {
        let qos = BasicQosArguments::new(0, prefetch, false);
        self.channel.basic_qos(qos).await.expect("prefetch is set");
        let arguments = BasicConsumeArguments::new(queue, "");
        let consumer = self.channel.basic_consume_rx(arguments).await;
        consumer.expect("a consumer starts")
    }

    /// The next message of the queue, acknowledged.
    async fn get(&self, queue: &str) -> (BasicProperties, Vec<u8>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arguments = BasicGetArguments::new(queue).no_ack(true).finish();
            let got = self.channel.basic_get(arguments).await;
            if let Some((_, properties, body)) = got.expect("get is answered") {
                return (properties, body);
            }
            assert!(Instant::now() < deadline, "no message came to {queue}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An exclusive queue named by the server.
    async fn queue_with(&self, arguments: FieldTable) -> String {
        let declare = QueueDeclareArguments::exclusive_server_named()
            .arguments(arguments)
            .finish();
        let declared = self.channel.queue_declare(declare).await;
        let (name, ..) = declared
            .expect("a queue is declared")
            .expect("an answer was asked for");
        name
    }
}

async fn next(consumer: &mut UnboundedReceiver<ConsumerMessage>) -> (u64, bool, String) {
    let message = timeout(PATIENCE, consumer.recv())
        .await
        .expect("a delivery comes in time")
        .expect("the consumer goes on");
    let deliver = message.deliver.expect("a delivery has its method");
    let body = message.content.expect("a delivery has its body");
    let body = String::from_utf8(body).expect("a text was sent");
    (deliver.delivery_tag(), deliver.redelivered(), body)
}

fn table(fields: &[(&str, FieldValue)]) -> FieldTable {
    let mut table = FieldTable::new();
    for (name, value) in fields {
        let name = (*name).try_into().expect("names are short");
        table.insert(name, value.clone());
    }
    table
}

fn field<'a>(table: &'a FieldTable, name: &str) -> Option<&'a FieldValue> {
    table.get(&name.try_into().expect("names are short"))
}

#[tokio::test(flavor = "multi_thread")]
async fn consume_with_prefetch_ack_nack_and_reject() {
    let fixture = fixture().await;
    let channel = &fixture.channel;
    fixture.send(&["1", "2", "3", "4"]).await;
    let (tag, mut consumer) = fixture.consume(&fixture.queue, 2).await;
    let (first, redelivered, body) = next(&mut consumer).await;
    assert_eq!((redelivered, body.as_str()), (false, "1"));
    let (second, ..) = next(&mut consumer).await;
    let more = timeout(Duration::from_millis(200), consumer.recv()).await;
    assert!(more.is_err(), "prefetch holds the third message back");
    let ack = BasicAckArguments::new(first, false);
    channel.basic_ack(ack).await.expect("an ack is sent");
    assert_eq!(next(&mut consumer).await.2, "3");
    let nack = BasicNackArguments::new(second, false, true);
    channel.basic_nack(nack).await.expect("a nack is sent");
    let (again, redelivered, body) = next(&mut consumer).await;
    assert_eq!((redelivered, body.as_str()), (true, "2"));
    let reject = BasicRejectArguments::new(again, false);
    channel
        .basic_reject(reject)
        .await
        .expect("a reject is sent");
    assert_eq!(next(&mut consumer).await.2, "4");
    let cancel = BasicCancelArguments::new(&tag);
    channel
        .basic_cancel(cancel)
        .await
        .expect("a cancel is answered");
    let purge = QueuePurgeArguments::new(&fixture.queue);
    let purged = channel.queue_purge(purge).await;
    assert_eq!(purged.expect("a purge is answered"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_size_come_back_as_they_were() {
    let fixture = fixture().await;
    for size in [1, 131_064, 131_065, 10 * 1024 * 1024] {
        let body: Vec<u8> = (0..size).map(|at: u32| (at * 31 % 251) as u8).collect();
        let properties = BasicProperties::default();
        fixture.publish("", &fixture.queue, &body, properties).await;
        let (_, got) = fixture.get(&fixture.queue).await;
        assert!(got == body, "a body of {size} bytes came back changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_every_type_and_all_properties_come_back() {
    let fixture = fixture().await;
    let text = |text: &str| FieldValue::from(text.to_owned());
    let inner = table(&[("innermost", FieldValue::I(1))]);
    let list = vec![FieldValue::I(1), text("two"), FieldValue::V];
    let headers = table(&[
        ("t", FieldValue::t(true)),
        ("b", FieldValue::b(-7)),
        ("s", FieldValue::s(-300)),
        ("I", FieldValue::I(-70_000)),
        ("l", FieldValue::l(1 << 62)),
        ("f", FieldValue::f(0.5)),
        ("d", FieldValue::d(0.1)),
        ("D", FieldValue::D(DecimalValue::new(2, 314))),
        ("S", text("Grüße, 世界")),
        ("T", FieldValue::T(1_700_000_000)),
        ("F", FieldValue::F(inner)),
        ("A", FieldValue::A(list.try_into().expect("a short list"))),
        ("V", FieldValue::V),
    ]);
    let sent = BasicProperties::default()
        .with_content_type("text/plain")
        .with_content_encoding("utf-8")
        .with_headers(headers.clone())
        .with_persistence(true)
        .with_priority(3)
        .with_correlation_id("correlation")
        .with_reply_to("replies")
        .with_expiration("600000")
        .with_message_id("id")
        .with_timestamp(1_700_000_000)
        .with_message_type("kind")
        .with_user_id("guest")
        .with_app_id("tests")
        .finish();
    fixture
        .publish("", &fixture.queue, b"x", sent.clone())
        .await;
    let (got, _) = fixture.get(&fixture.queue).await;
    assert_eq!(
        got.headers().map(|table| table.as_ref()),
        Some(headers.as_ref())
    );
    let told = |properties: &BasicProperties| {
        let texts = [
            properties.content_type(),
            properties.content_encoding(),
            properties.correlation_id(),
            properties.reply_to(),
            properties.expiration(),
            properties.message_id(),
            properties.message_type(),
            properties.user_id(),
            properties.app_id(),
        ];
        let texts = texts.map(|text| text.cloned());
        let numbers = (properties.delivery_mode(), properties.priority());
        (texts, numbers, properties.timestamp())
    };
    assert_eq!(told(&got), told(&sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_route_into_each_other() {
    let fixture = fixture().await;
    let channel = &fixture.channel;
    let (outer, inner) = (fixture.peer.name("outer"), fixture.peer.name("inner"));
    for (name, kind) in [(&outer, "topic"), (&inner, "fanout")] {
        let declare = ExchangeDeclareArguments::new(name, kind);
        let declared = channel.exchange_declare(declare).await;
        declared.expect("an exchange is declared");
    }
    let bind = ExchangeBindArguments::new(&inner, &outer, "orders.#");
    channel
        .exchange_bind(bind)
        .await
        .expect("exchanges are bound");
    let bind = QueueBindArguments::new(&fixture.queue, &inner, "");
    channel.queue_bind(bind).await.expect("a queue is bound");
    let none = BasicProperties::default;
    fixture
        .publish(&outer, "invoices", b"nowhere", none())
        .await;
    fixture
        .publish(&outer, "orders.7", b"through", none())
        .await;
    assert_eq!(fixture.get(&fixture.queue).await.1, b"through");
    for name in [&outer, &inner] {
        let deleted = channel.exchange_delete(ExchangeDeleteArguments::new(name));
        deleted.await.expect("an exchange is deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_is_a_dead_letter() {
    let fixture = fixture().await;
    let work = fixture
        .queue_with(table(&[
            ("x-message-ttl", FieldValue::I(100)),
            ("x-dead-letter-exchange", FieldValue::from(String::new())),
            (
                "x-dead-letter-routing-key",
                FieldValue::from(fixture.queue.clone()),
            ),
        ]))
        .await;
    let properties = BasicProperties::default();
    fixture.publish("", &work, b"short", properties).await;
    let (properties, body) = fixture.get(&fixture.queue).await;
    assert_eq!(body, b"short");
    let headers = properties.headers().expect("it has a story");
    let reason = field(headers, "x-first-death-reason");
    assert_eq!(reason, Some(&FieldValue::from("expired".to_owned())));
    assert!(matches!(field(headers, "x-death"), Some(FieldValue::A(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_replies() {
    let fixture = fixture().await;
    let reply_to = "amq.rabbitmq.reply-to";
    let arguments = BasicConsumeArguments::new(reply_to, "")
        .manual_ack(false)
        .finish();
    let consumer = fixture.channel.basic_consume_rx(arguments).await;
    let (_, mut replies) = consumer.expect("a consumer of replies starts");
    let properties = BasicProperties::default().with_reply_to(reply_to).finish();
    fixture
        .publish("", &fixture.queue, b"question", properties)
        .await;
    let (question, _) = fixture.get(&fixture.queue).await;
    let reply_to = question.reply_to().expect("it says where to").clone();
    let properties = BasicProperties::default();
    fixture.publish("", &reply_to, b"answer", properties).await;
    assert_eq!(next(&mut replies).await.2, "answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_committed_or_rolled_back() {
    let fixture = fixture().await;
    let tx = fixture.connection.open_channel(None).await;
    let tx = tx.expect("a channel opens");
    tx.tx_select().await.expect("a transaction is on");
    let publish = async |body: &str| {
        let arguments = BasicPublishArguments::new("", &fixture.queue);
        let body = body.as_bytes().to_vec();
        let published = tx.basic_publish(BasicProperties::default(), body, arguments);
        published.await.expect("a message is published");
    };
    publish("forgotten").await;
    tx.tx_rollback().await.expect("a rollback is answered");
    publish("kept").await;
    tx.tx_commit().await.expect("a commit is answered");
    assert_eq!(fixture.get(&fixture.queue).await.1, b"kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_queue_costs_only_the_channel() {
    let fixture = fixture().await;
    let doomed = open(&fixture.connection).await;
    let missing = QueueDeclareArguments::new(&fixture.peer.name("missing"))
        .passive(true)
        .finish();
    assert!(doomed.queue_declare(missing).await.is_err());
    assert!(fixture.connection.is_open());
    fixture.send(&["still here"]).await;
    assert_eq!(fixture.get(&fixture.queue).await.1, b"still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_there_when_the_server_was_killed() {
    let mut fixture = fixture().await;
    // A commit is answered when all of it has landed.
    let tx = fixture.connection.open_channel(None).await;
    let tx = tx.expect("a channel opens");
    tx.tx_select().await.expect("a transaction is on");
    for body in ["1", "2", "3"] {
        let persistent = BasicProperties::default().with_persistence(true).finish();
        let arguments = BasicPublishArguments::new("", &fixture.queue);
        let published = tx.basic_publish(persistent, body.into(), arguments);
        published.await.expect("a message is published");
    }
    tx.tx_commit().await.expect("a commit is answered");
    fixture.peer.kill_and_restart();
    fixture.connection = connect(&fixture.peer).await;
    fixture.channel = open(&fixture.connection).await;
    let (_, mut consumer) = fixture.consume(&fixture.queue, 10).await;
    for body in ["1", "2", "3"] {
        assert_eq!(next(&mut consumer).await.2, body);
    }
}
