//! `landfall queue`: what is in a queue, and what operators do about it, while clients work.

use crate::admin::{connect, landfall, landfall_with, refused, start};
use crate::harness::{Landfall, Scratch};
use ::lapin::options::{
    BasicGetOptions, BasicPublishOptions, BasicRejectOptions, QueueDeclareOptions,
};
use ::lapin::types::{AMQPValue, FieldTable};
use ::lapin::{BasicProperties, Channel, Connection};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) async fn channel(server: &Landfall) -> (Connection, Channel) {
    let connection = connect(server, "guest:guest", "%2F").await;
    let connection = connection.expect("the guest is let in");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

pub(crate) async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let declared = channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table);
    declared.await.expect("it is declared");
}

/// Dead letters go to the queue `dead`.
fn to_dead() -> [(&'static str, AMQPValue); 2] {
    let text = |text: &str| AMQPValue::LongString(text.into());
    [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("dead")),
    ]
}

pub(crate) async fn publish(channel: &Channel, queue: &str, tenant: &str, body: &[u8]) {
    let mut headers = FieldTable::default();
    let tenant = AMQPValue::LongString(tenant.into());
    headers.insert("tenant".into(), tenant);
    let properties = BasicProperties::default().with_headers(headers);
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish("".into(), queue.into(), options, body, properties);
    published.await.expect("it is sent");
}

/// Takes a message; whether there was one.
pub(crate) async fn get(channel: &Channel, queue: &str) -> Option<lapin::message::Delivery> {
    let got = channel.basic_get(queue.into(), BasicGetOptions::default());
    Some(got.await.expect("the queue is there")?.delivery)
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_seen_in_every_state_and_a_dead_letter_goes_back() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let (_connection, channel) = channel(&server).await;
    let to_dead = to_dead();
    declare(&channel, "orders", &to_dead).await;
    declare(&channel, "dead", &[]).await;
    for (tenant, body) in [("blue", "one"), ("red", "two"), ("blue", "three")] {
        publish(&channel, "orders", tenant, body.as_bytes()).await;
    }
    let first = get(&channel, "orders").await.expect("three were sent");
    let api = server.api();
    assert_eq!(
        landfall(api, &["queue", "list"]),
        "vhost  name    ready  unacked  delayed  parked  leaving  consumers  policy\n\
         /      dead    0      0        0        0       0        0\n\
         /      orders  2      1        0        0       0        0\n"
    );
    let peeked = landfall(api, &["queue", "peek", "orders", "--body"]);
    assert!(peeked.contains("headers=tenant=red "), "{peeked}");
    assert!(!peeked.contains("one"), "{peeked}");
    let unacked = landfall(
        api,
        &["queue", "peek", "orders", "--state", "unacked", "--json"],
    );
    let unacked = json(&unacked);
    assert_eq!(unacked[0]["holder"]["user"], "guest");
    assert_eq!(unacked[0]["holder"]["delivery_tag"], 1);

    first
        .acker
        .reject(BasicRejectOptions { requeue: false })
        .await
        .expect("it is known");
    for _ in 0..2 {
        let next = get(&channel, "orders").await.expect("it was not moved");
        assert!(!next.redelivered, "to look is not to deliver");
        next.acker
            .reject(BasicRejectOptions { requeue: false })
            .await
            .expect("it is known");
    }
    until_ready(api, "dead", 3).await;
    let shown = landfall(api, &["queue", "show", "dead"]);
    assert!(shown.contains("oldest ready  position "), "{shown}");
    let redriven = landfall(
        api,
        &[
            "queue",
            "redrive",
            "dead",
            "--dead-letters",
            "--reason",
            "rejected",
            "--header",
            "tenant=blue",
        ],
    );
    assert_eq!(redriven, "2 redriven\n");
    // The answer came: so it has landed.
    server.kill();
    let server = start(&scratch);
    let (_connection, channel) = self::channel(&server).await;
    for body in ["one", "three"] {
        let back = get(&channel, "orders").await.expect("it is back");
        assert_eq!(back.data, body.as_bytes());
        let headers = back.properties.headers().clone().unwrap_or_default();
        assert!(
            !headers.contains_key("x-death"),
            "as it was sent: {headers:?}"
        );
        assert!(headers.contains_key("tenant"));
        assert_eq!(back.routing_key.as_str(), "orders");
    }
    assert!(get(&channel, "orders").await.is_none());
    let left = landfall(server.api(), &["queue", "peek", "dead", "--json"]);
    let left = json(&left);
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!(
        left[0]["properties"]["headers"]["x-death"][0]["queue"],
        "orders"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_attempts_is_parked_and_redriven_and_what_waits_is_fired() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let (_connection, channel) = channel(&server).await;
    let rules = [
        ("x-delivery-limit", AMQPValue::LongInt(1)),
        ("x-delayed-retry-type", AMQPValue::LongString("all".into())),
        ("x-delayed-retry-min", AMQPValue::LongInt(3_600_000)),
    ];
    declare(&channel, "q", &rules).await;
    publish(&channel, "q", "blue", b"m").await;
    let give_back = async || {
        let taken = get(&channel, "q").await.expect("it is ready");
        let requeue = BasicRejectOptions { requeue: true };
        taken.acker.reject(requeue).await.expect("it is known");
    };
    give_back().await;
    let api = server.api();
    let delayed = until_one(api, "delayed").await;
    assert_eq!(delayed["failed"], 1);
    assert!(delayed["due"].as_u64() > delayed["accepted"].as_u64());
    let shown = landfall(api, &["queue", "delayed", "q"]);
    assert!(shown.contains("in 5") || shown.contains("in 6"), "{shown}");
    assert_eq!(landfall(api, &["queue", "fire", "q", "--all"]), "1 fired\n");
    give_back().await;
    let parked = until_one(api, "parked").await;
    assert_eq!(parked["why"], "delivery_limit");
    assert!(get(&channel, "q").await.is_none(), "nobody gets it");
    server.kill();
    let server = start(&scratch);
    let api = server.api();
    let shown = landfall(api, &["queue", "parked", "q", "--body"]);
    assert!(shown.contains("delivery_limit"), "{shown}");
    let redriven = landfall(
        api,
        &["queue", "redrive", "q", "--reason", "delivery_limit"],
    );
    assert_eq!(redriven, "1 redriven\n");
    let (_connection, channel) = self::channel(&server).await;
    let back = get(&channel, "q").await.expect("it is ready");
    assert_eq!(back.data, b"m");
    assert!(landfall(api, &["audit"]).contains("in"));
}

/// Waits until so many messages are ready: what a client rejects is on its way when the next answer comes.
async fn until_ready(api: &str, queue: &str, count: u64) {
    loop {
        let shown = json(&landfall(api, &["queue", "show", queue, "--json"]));
        if shown["messages_ready"] == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until one message is in a state.
async fn until_one(api: &str, state: &str) -> Value {
    loop {
        let some = json(&landfall(api, &["queue", state, "q", "--json"]));
        if let Some(one) = some.get(0) {
            return one.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_cancelled_by_those_who_say_which_and_are_sure() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let (_connection, channel) = channel(&server).await;
    declare(&channel, "q", &[]).await;
    for body in ["a", "b", "c"] {
        publish(&channel, "q", body, body.as_bytes()).await;
    }
    let api = server.api();
    for (arguments, complaint) in [
        (&["queue", "cancel", "q", "--yes"][..], "which messages?"),
        (&["queue", "cancel", "q", "--all"][..], "Say so with --yes"),
        (
            &["queue", "cancel", "none", "--all", "--yes"][..],
            "no queue 'none' in vhost '/'",
        ),
        (
            &["queue", "cancel", "q", "--all", "--reason", "rejected"][..],
            "cannot be used",
        ),
        (
            &["queue", "show", "none"][..],
            "there is no queue 'none' in vhost '/'",
        ),
        (
            &["queue", "peek", "q", "--state", "lost"][..],
            "state must be one of",
        ),
        (
            &["queue", "redrive", "q", "--header", "tenant"][..],
            "expected NAME=VALUE",
        ),
    ] {
        let said = refused(api, arguments);
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    let cancelled = landfall(
        api,
        &["queue", "cancel", "q", "--header", "tenant=b", "--yes"],
    );
    assert_eq!(cancelled, "1 cancelled\n");
    let nothing = landfall(api, &["queue", "redrive", "q", "--all"]);
    assert!(nothing.starts_with("nothing is parked here"), "{nothing}");
    let left = landfall(api, &["queue", "redrive", "q", "--dead-letters", "--all"]);
    assert!(
        left.starts_with("0 redriven\n2 stayed where they are:\n"),
        "{left}"
    );
    assert!(left.ends_with("it did not die\n"), "{left}");
    let newer = [
        "queue",
        "cancel",
        "q",
        "--older-than",
        "1h",
        "--yes",
        "--json",
    ];
    assert_eq!(json(&landfall(api, &newer))["done"], 0);
    let limit = [
        "queue",
        "cancel",
        "q",
        "--newer-than",
        "1h",
        "--limit",
        "1",
        "--yes",
    ];
    assert_eq!(landfall(api, &limit), "1 cancelled\n");
    let next = get(&channel, "q").await.expect("one is left");
    assert_eq!(next.data, b"c");
}

/// More than a page, read from the disk, while a consumer takes what comes back.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_dead_letters_go_back_while_a_client_works() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let (_connection, channel) = channel(&server).await;
    let to_dead = to_dead();
    declare(&channel, "work", &to_dead).await;
    declare(&channel, "dead", &[]).await;
    let lines: String = (0..2_500).map(|number| format!("{number}\n")).collect();
    let sent = landfall_with(
        server.api(),
        &["send", "work", "--url", &server.url()],
        &lines,
    );
    assert!(
        sent.status.success(),
        "{}",
        String::from_utf8_lossy(&sent.stderr)
    );
    for _ in 0..2_500 {
        let next = get(&channel, "work").await.expect("all were sent");
        next.acker
            .reject(BasicRejectOptions { requeue: false })
            .await
            .expect("it is known");
    }
    until_ready(server.api(), "dead", 2_500).await;
    // What is not in memory any more is read from the disk.
    drop((_connection, channel));
    server.kill();
    let server = start(&scratch);
    let (_connection, channel) = self::channel(&server).await;
    let taking = async {
        let mut seen = BTreeSet::new();
        while seen.len() < 2_500 {
            match get(&channel, "work").await {
                Some(next) => {
                    seen.insert(next.data.clone());
                    let acked = next.acker.ack(lapin::options::BasicAckOptions::default());
                    acked.await.expect("it is known");
                }
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let api = server.api().to_owned();
    let redrive = tokio::task::spawn_blocking(move || {
        landfall(
            &api,
            &["queue", "redrive", "dead", "--dead-letters", "--all"],
        )
    });
    let (told, ()) = tokio::join!(redrive, taking);
    assert_eq!(told.expect("it ends"), "2500 redriven\n");
    let list = landfall(server.api(), &["audit"]);
    assert!(list.contains("2500"), "{list}");
}
