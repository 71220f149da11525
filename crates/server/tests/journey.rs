//! What became of messages, as `landfall message show` tells it, and whether all are accounted for.

use crate::harness::{Landfall, Scratch};
use ::lapin::message::{Delivery, DeliveryResult};
use ::lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions,
    QueueDeclareOptions,
};
use ::lapin::types::{AMQPValue, FieldTable};
use ::lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use expect_test::expect;
use serde_json::Value;
use std::process::{Command, Output};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const WITH_API: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

fn run(server: &Landfall, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(arguments)
        .env("LANDFALL_ADMIN_URL", server.api())
        .output()
        .expect("the binary can be started")
}

/// Runs a command that must succeed; what it said.
#[track_caller]
fn landfall(server: &Landfall, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn json(server: &Landfall, arguments: &[&str]) -> Value {
    let told = landfall(server, &[arguments, &["--json"]].concat());
    serde_json::from_str(&told).expect("JSON")
}

/// A journey without what differs from run to run: times, and the ports of clients.
fn timeless(told: &str) -> String {
    let lines = told.lines().map(|line| match line.split_at_checked(26) {
        Some((since, what)) if line.starts_with("  ") => {
            let since = since.trim_start();
            let since = match since.as_bytes().first() {
                Some(b'+') => "later",
                Some(b'n') => "now",
                _ => "first",
            };
            let mut words: Vec<&str> = what.split_whitespace().map(word).collect();
            for at in 1..words.len() {
                if ["ms", "s", "ms,", "s,", "s;", "ms;"].contains(&words[at])
                    && words[at - 1].parse::<f64>().is_ok()
                {
                    words[at - 1] = "SOME";
                    words[at] = "time";
                }
            }
            let text = words.join(" ");
            format!("{since:>7}  {text}")
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn word(word: &str) -> &str {
    if word.starts_with("127.0.0.1:") {
        "ADDRESS"
    } else if word.ends_with('Z') && word.contains(':') {
        "TIME"
    } else if word.matches('-').count() == 2 && word.starts_with("20") {
        "DATE"
    } else {
        word
    }
}

async fn connect(server: &Landfall) -> Channel {
    let connection = Connection::connect(&server.url(), ConnectionProperties::default()).await;
    let connection = connection.expect("a connection");
    connection.create_channel().await.expect("a channel")
}

async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let durable = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let declared = channel.queue_declare(queue.into(), durable, table).await;
    declared.expect("it is declared");
}

type Deliveries = mpsc::UnboundedReceiver<Delivery>;

async fn consume(channel: &Channel, queue: &str) -> Deliveries {
    let (sender, receiver) = mpsc::unbounded_channel();
    let options = BasicConsumeOptions::default();
    let consumer = channel
        .basic_consume(
            queue.into(),
            "worker".into(),
            options,
            FieldTable::default(),
        )
        .await;
    let consumer = consumer.expect("a consumer");
    consumer.set_delegate(move |delivery: DeliveryResult| {
        if let Ok(Some(delivery)) = delivery {
            // The test may have all that it wanted.
            let _ = sender.send(delivery);
        }
        std::future::ready(())
    });
    receiver
}

async fn next(consumer: &mut Deliveries) -> Delivery {
    let next = timeout(Duration::from_secs(30), consumer.recv()).await;
    let next = next.expect("a delivery comes in time");
    next.expect("the consumer goes on")
}

/// The last lines of a journey once they say so.
async fn told(server: &Landfall, which: &[&str], awaited: &str) -> String {
    loop {
        let told = landfall(server, &[&["message", "show"], which].concat());
        if told.contains(awaited) {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn publish(channel: &Channel, queue: &str, id: &str) {
    let properties = BasicProperties::default().with_message_id(id.into());
    let options = BasicPublishOptions::default();
    let published = channel
        .basic_publish("".into(), queue.into(), options, b"figs", properties)
        .await;
    published.expect("sent").await.expect("taken in");
}

const REQUEUE: BasicNackOptions = BasicNackOptions {
    multiple: false,
    requeue: true,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_retried_twice_parked_redriven_and_acknowledged() {
    let scratch = Scratch::new();
    let server = Landfall::start_with(&scratch.data_dir(), &WITH_API);
    let channel = connect(&server).await;
    let arguments = [
        ("x-delivery-limit", AMQPValue::LongInt(2)),
        ("x-consumer-timeout", AMQPValue::LongInt(500)),
        ("x-delayed-retry-min", AMQPValue::LongInt(800)),
    ];
    declare(&channel, "orders", &arguments).await;
    publish(&channel, "orders", "order-17").await;
    let mut consumer = consume(&channel, "orders").await;
    // Silence, and two refusals.
    let silent = next(&mut consumer).await;
    for _ in 0..2 {
        let delivery = next(&mut consumer).await;
        delivery.nack(REQUEUE).await.expect("said");
    }
    let which = ["--message-id", "order-17"];
    let parked = told(&server, &which, "now  parked").await;
    assert!(parked.contains("parked (delivery_limit)"), "{parked}");
    landfall(&server, &["queue", "redrive", "orders", "--all"]);
    let again = next(&mut consumer).await;
    again.ack(BasicAckOptions::default()).await.expect("said");
    drop(silent);
    let told = told(&server, &which, "now  gone").await;
    println!("{told}");
    expect![[r#"
        message 5 (message id 'order-17')
          first  published to the default exchange with key 'orders' by guest from ADDRESS (connection 1, channel 1); lands in orders
          later  orders: attempt 1 delivered to consumer 'worker' of guest from ADDRESS (connection 1, channel 1)
          later  orders: attempt 1 timed out after SOME time comes again at DATE TIME
          later  orders: its time has come: ready
          later  orders: attempt 2 delivered to consumer 'worker' of guest from ADDRESS (connection 1, channel 1)
          later  orders: attempt 2 given back (nack) after SOME time comes again at DATE TIME
          later  orders: its time has come: ready
          later  orders: attempt 3 delivered to consumer 'worker' of guest from ADDRESS (connection 1, channel 1)
          later  orders: attempt 3 given back (nack) after SOME time
          later  orders: parked (delivery_limit)
          later  orders: redriven: ready again, attempts begin anew
          later  orders: attempt 1 delivered to consumer 'worker' of guest from ADDRESS (connection 1, channel 1)
          later  orders: acknowledged, SOME time after attempt 1
            now  gone
    "#]].assert_eq(&timeless(&told));
    let audit = json(&server, &["audit", "--queue", "orders"]);
    assert_eq!(audit["total"]["in"], 1);
    assert_eq!(audit["total"]["acknowledged"], 1);
    assert_eq!(audit["total"]["here"], 0);

    // After a crash it is still told, by its number too.
    server.kill();
    let server = Landfall::start_with(&scratch.data_dir(), &WITH_API);
    let found = json(&server, &["message", "show", "--queue", "orders"]);
    let number = found[0]["message"].to_string();
    let later = landfall(&server, &["message", "show", &number]);
    assert_eq!(later, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_and_its_original_lead_to_each_other() {
    let scratch = Scratch::new();
    let server = Landfall::start_with(&scratch.data_dir(), &WITH_API);
    let channel = connect(&server).await;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let arguments = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ];
    declare(&channel, "orders", &arguments).await;
    declare(&channel, "dead", &[]).await;
    publish(&channel, "orders", "order-18").await;
    let mut consumer = consume(&channel, "orders").await;
    let refuse = BasicNackOptions {
        requeue: false,
        ..REQUEUE
    };
    next(&mut consumer).await.nack(refuse).await.expect("said");
    let told = told(&server, &["--queue", "orders"], "now  ready in 'dead'").await;
    expect![[r#"
        message 6 (message id 'order-18')
          first  published to the default exchange with key 'orders' by guest from ADDRESS (connection 1, channel 1); lands in orders
          later  orders: attempt 1 delivered to consumer 'worker' of guest from ADDRESS (connection 1, channel 1)
          later  orders: attempt 1 refused (nack without requeue) after SOME time
          later  orders: dead-lettered (rejected) as message 7
          later  orders: dead-lettered
            now  gone

        message 7 (message id 'order-18')
          first  published to the default exchange with key 'dead' by the server; lands in dead
          later  it is message 6, dead-lettered (rejected)
            now  ready in 'dead' (4 bytes)
    "#]].assert_eq(&timeless(&told));
    let audit = json(&server, &["audit"]);
    let lines = audit["queues"].as_array().expect("a list");
    let column = |column: &str| -> Vec<u64> {
        let of = lines.iter().map(|line| line[column].as_u64());
        of.map(|number| number.expect("a number")).collect()
    };
    assert_eq!(column("in"), [1, 1]);
    assert_eq!(column("dead_lettered"), [1, 0]);
    assert_eq!(column("ready"), [0, 1]);
    assert!(audit["balanced"].as_bool().expect("a word"));

    let refused = run(&server, &["message", "show", "4711"]);
    assert!(!refused.status.success());
    let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        complaint.contains("nothing is known of message 4711"),
        "{complaint}"
    );
}
