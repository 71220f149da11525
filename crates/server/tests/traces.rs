//! Traces of messages, as a collector of OpenTelemetry gets them.

mod collector;

use crate::harness::{Landfall, Scratch};
use ::lapin::message::Delivery;
use ::lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicRejectOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use ::lapin::types::{AMQPValue, FieldTable};
use ::lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use collector::{Collector, Span};
use std::time::Duration;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn start(scratch: &Scratch, collector: &Collector, more: &[&str]) -> Landfall {
    let url = collector.url();
    let options = [
        &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
        &["--otlp-endpoint", &url][..],
        more,
    ];
    Landfall::start_with(&scratch.data_dir(), &options.concat())
}

async fn connect(server: &Landfall) -> Channel {
    let connection = Connection::connect(&server.url(), ConnectionProperties::default()).await;
    let connection = connection.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    let select = channel.confirm_select(ConfirmSelectOptions::default());
    select.await.expect("confirms");
    channel
}

async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let declared = channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table);
    declared.await.expect("it is declared");
}

fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// Properties of a message whose sender is in a trace.
fn traced(flags: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    let parent = format!("00-{TRACE}-{CALLER}-{flags}");
    headers.insert("traceparent".into(), long(&parent));
    headers.insert("tracestate".into(), long("shop=4"));
    BasicProperties::default()
        .with_headers(headers)
        .with_message_id("order-17".into())
}

async fn publish(channel: &Channel, queue: &str, properties: BasicProperties) -> Confirmation {
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let sent = channel.basic_publish("".into(), queue.into(), options, b"hello", properties);
    sent.await.expect("sent").await.expect("answered")
}

async fn get(channel: &Channel, queue: &str) -> Delivery {
    for _ in 0..500 {
        let got = channel.basic_get(queue.into(), BasicGetOptions::default());
        if let Some(message) = got.await.expect("answered") {
            return message.delivery;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing comes out of {queue}");
}

async fn give_back(delivery: &Delivery) {
    let options = BasicNackOptions {
        requeue: true,
        ..Default::default()
    };
    delivery.acker.nack(options).await.expect("sent");
}

/// Those of the sender's trace, by when they began.
fn of_trace(spans: &[Span]) -> Vec<&Span> {
    let mut found: Vec<_> = spans.iter().filter(|one| one.trace == TRACE).collect();
    found.sort_by_key(|span| span.began);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_trace_is_told_with_every_attempt() {
    let scratch = Scratch::new();
    let collector = Collector::start();
    let server = start(&scratch, &collector, &[]);
    let channel = connect(&server).await;
    declare(&channel, "orders", &[]).await;
    publish(&channel, "orders", traced("01")).await;
    give_back(&get(&channel, "orders").await).await;
    let again = get(&channel, "orders").await;
    assert_eq!(
        again
            .properties
            .headers()
            .as_ref()
            .and_then(|headers| headers.inner().get("traceparent")),
        Some(&long(&format!("00-{TRACE}-{CALLER}-01")))
    );
    again
        .acker
        .ack(BasicAckOptions::default())
        .await
        .expect("sent");
    let spans = collector.wait(3);

    let [publish, first, second] = of_trace(&spans)[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(publish.name, "publish amq.default");
    assert_eq!(publish.parent, CALLER);
    assert_eq!(publish.state, "shop=4");
    assert!(publish.ended >= publish.began);
    let attributes = [
        ("landfall.message", publish.get("landfall.message")),
        ("landfall.outcome", "confirmed"),
        ("landfall.queues", "1"),
        ("landfall.vhost", "/"),
        ("messaging.destination.name", "orders"),
        ("messaging.message.body.size", "5"),
        ("messaging.message.id", "order-17"),
        ("messaging.operation.name", "publish"),
        ("messaging.operation.type", "send"),
        ("messaging.rabbitmq.destination.routing_key", "orders"),
        ("messaging.system", "rabbitmq"),
    ];
    let told = publish.attributes.iter();
    let told: Vec<_> = told
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(told, attributes);

    for (span, attempt, outcome) in [(first, "1", "returned"), (second, "2", "acknowledged")] {
        assert_eq!(span.name, "deliver orders");
        assert_eq!(span.parent, publish.id);
        assert_eq!(span.get("landfall.attempt"), attempt);
        assert_eq!(span.get("landfall.outcome"), outcome);
        assert_eq!(
            span.get("landfall.message"),
            publish.get("landfall.message")
        );
        assert_eq!(span.get("landfall.queue"), "orders");
        assert!(
            span.began >= publish.ended,
            "nothing leaves before it landed"
        );
    }
    assert_eq!(first.get("landfall.redelivered"), "false");
    assert_eq!(first.get("landfall.then"), "ready");
    assert_eq!((first.failed, second.failed), (true, false));
    assert_eq!(second.get("landfall.redelivered"), "true");
    assert!(first.ended <= second.began);
    assert_eq!(collector.resource("service.name"), "landfall");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_in_vain_say_how_they_ended_and_what_came_of_the_message() {
    let scratch = Scratch::new();
    let collector = Collector::start();
    let server = start(&scratch, &collector, &["--journey-bytes-max", "0"]);
    let channel = connect(&server).await;
    let limit = [("x-delivery-limit", AMQPValue::LongInt(0))];
    declare(&channel, "once", &limit).await;
    publish(&channel, "once", traced("01")).await;
    give_back(&get(&channel, "once").await).await;
    let parked = collector.wait(2);
    let [_, attempt] = of_trace(&parked)[..] else {
        panic!("{parked:#?}");
    };
    assert_eq!(attempt.get("landfall.outcome"), "returned");
    assert_eq!(attempt.get("landfall.then"), "parked");

    let dead = [
        ("x-dead-letter-exchange", long("")),
        ("x-dead-letter-routing-key", long("dead")),
    ];
    declare(&channel, "dead", &[]).await;
    declare(&channel, "work", &dead).await;
    publish(&channel, "work", traced("01")).await;
    let refused = get(&channel, "work").await;
    refused
        .acker
        .reject(BasicRejectOptions::default())
        .await
        .expect("sent");
    get(&channel, "dead")
        .await
        .acker
        .ack(BasicAckOptions::default())
        .await
        .expect("sent");
    let spans = collector.wait(6);
    let [_, _, publish, attempt, copy, last] = of_trace(&spans)[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(
        (&*attempt.name, &*attempt.parent),
        ("deliver work", &*publish.id)
    );
    assert_eq!(attempt.get("landfall.outcome"), "rejected");
    assert_eq!(attempt.get("landfall.then"), "dead-lettered");
    assert_eq!(attempt.get("landfall.copy"), copy.get("landfall.message"));
    assert_eq!(
        (&*copy.name, &*copy.parent),
        ("publish amq.default", CALLER)
    );
    assert_eq!(copy.get("landfall.outcome"), "landed");
    assert_eq!((&*last.name, &*last.parent), ("deliver dead", &*copy.id));
    assert_eq!(last.get("landfall.outcome"), "acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_acknowledgement_ends_the_attempt_that_came_after() {
    let scratch = Scratch::new();
    let collector = Collector::start();
    let server = start(&scratch, &collector, &[]);
    let channel = connect(&server).await;
    let timeout = [("x-consumer-timeout", AMQPValue::LongInt(1000))];
    declare(&channel, "slow", &timeout).await;
    publish(&channel, "slow", traced("01")).await;
    let late = get(&channel, "slow").await;
    let _second = get(&channel, "slow").await;
    late.acker
        .ack(BasicAckOptions::default())
        .await
        .expect("sent");
    let spans = collector.wait(3);
    let [_, first, second] = of_trace(&spans)[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(first.get("landfall.outcome"), "timed-out");
    assert_eq!(first.message, "timed-out");
    assert!(first.ended - first.began >= 1_000_000_000, "{first:#?}");
    assert_eq!(second.get("landfall.attempt"), "2");
    assert_eq!(second.get("landfall.outcome"), "overtaken");
    assert!(!second.failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lands_nowhere_is_told_with_the_reason() {
    let scratch = Scratch::new();
    let collector = Collector::start();
    let server = start(&scratch, &collector, &[]);
    let channel = connect(&server).await;
    let full = [
        ("x-max-length", AMQPValue::LongInt(1)),
        ("x-overflow", long("reject-publish")),
    ];
    declare(&channel, "full", &full).await;
    publish(&channel, "full", BasicProperties::default()).await;
    let refused = publish(&channel, "full", traced("01")).await;
    assert!(matches!(refused, Confirmation::Nack(_)), "{refused:?}");
    publish(&channel, "nowhere", traced("01")).await;
    let sent = channel.basic_publish(
        "missing".into(),
        "key".into(),
        BasicPublishOptions::default(),
        b"hello",
        traced("01"),
    );
    drop(sent.await);
    let spans = collector.wait(3);
    let told: Vec<_> = of_trace(&spans)
        .into_iter()
        .map(|span| {
            (
                &*span.name,
                &*span.parent,
                span.get("landfall.outcome"),
                &*span.message,
            )
        })
        .collect();
    let expected = [
        ("publish amq.default", CALLER, "refused", "a queue is full"),
        (
            "publish amq.default",
            CALLER,
            "returned",
            "no queue takes it",
        ),
        (
            "publish missing",
            CALLER,
            "refused",
            "NOT_FOUND - no exchange 'missing' in vhost '/'",
        ),
    ];
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_traced_by_chance_and_who_declines_is_not() {
    let scratch = Scratch::new();
    let collector = Collector::start();
    let server = start(&scratch, &collector, &["--otlp-sample", "100%"]);
    let channel = connect(&server).await;
    declare(&channel, "orders", &[]).await;
    publish(&channel, "orders", traced("00")).await;
    publish(&channel, "orders", BasicProperties::default()).await;
    for _ in 0..2 {
        let got = get(&channel, "orders").await;
        got.acker
            .ack(BasicAckOptions::default())
            .await
            .expect("sent");
    }
    // What a server has when it stops is sent, too.
    drop(channel);
    assert!(server.terminate().success());
    let spans = collector.wait(2);
    let [publish, deliver] = &spans[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(publish.parent, "");
    assert_eq!(
        (&publish.trace, &publish.id),
        (&deliver.trace, &deliver.parent)
    );
    assert_ne!(publish.trace, TRACE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    let scratch = Scratch::new();
    let collector = Collector::start();
    collector.refuse(true);
    let server = start(&scratch, &collector, &["--otlp-sample", "1"]);
    let channel = connect(&server).await;
    declare(&channel, "orders", &[]).await;
    let began = std::time::Instant::now();
    for _ in 0..200 {
        let confirmed = publish(&channel, "orders", BasicProperties::default()).await;
        assert!(confirmed.is_ack(), "{confirmed:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    let metric = |name: &str| {
        let metrics = metrics(&server);
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("{metrics}"));
        value.trim().parse::<u64>().expect("a number")
    };
    let failed = || metric("landfall_spans_total{outcome=\"failed\"}");
    let patience = std::time::Instant::now() + Duration::from_secs(15);
    while failed() < 200 {
        assert!(std::time::Instant::now() < patience, "{} failed", failed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    collector.refuse(false);
    publish(&channel, "orders", traced("01")).await;
    let spans = collector.wait(1);
    assert_eq!(of_trace(&spans).len(), 1);
    assert_eq!(metric("landfall_spans_total{outcome=\"sent\"}"), 1);
    let log = server.log();
    assert_eq!(
        log.matches("the collector takes no spans").count(),
        1,
        "{log}"
    );
    assert!(log.contains("the collector takes spans again"), "{log}");
}

fn metrics(server: &Landfall) -> String {
    let asked = ureq::get(format!("{}/metrics", server.api()));
    let asked = asked.header("Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=");
    let mut answer = asked.call().expect("an answer");
    answer.body_mut().read_to_string().expect("text")
}
