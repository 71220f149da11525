//! `landfall queue declare|delete|purge`, `exchange`, `binding`, `publish`, `channel`, `consumer`: a topology made by hand.

use crate::admin::{connect, landfall, landfall_with, refused, start};
use crate::harness::Scratch;
use ::lapin::options::BasicConsumeOptions;
use ::lapin::types::FieldTable;
use serde_json::Value;

#[test]
fn a_topology_is_made_used_and_taken_down_by_commands() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    let declare = ["queue", "declare", "orders", "--argument", "x-max-length=9"];
    assert_eq!(landfall(api, &declare), "queue 'orders' is made\n");
    assert_eq!(landfall(api, &declare), "queue 'orders' is there already\n");
    let other = refused(api, &["queue", "declare", "orders", "--type", "quorum"]);
    assert!(other.contains("inequivalent arg"), "{other}");
    let exchange = ["exchange", "declare", "events", "--type", "topic"];
    assert_eq!(landfall(api, &exchange), "exchange 'events' is made\n");
    assert_eq!(
        landfall(api, &exchange),
        "exchange 'events' is there already\n"
    );
    landfall(
        api,
        &[
            "exchange",
            "declare",
            "all",
            "--type",
            "fanout",
            "--transient",
        ],
    );
    let listed = landfall(api, &["exchange", "list", "--vhost", "/"]);
    assert!(
        listed.contains("/      events              topic    true     false        false\n"),
        "{listed}"
    );

    let bound = landfall(
        api,
        &["binding", "add", "events", "orders", "--key", "order.#"],
    );
    assert_eq!(bound, "bound 'events' to 'orders' with the key 'order.#'\n");
    landfall(api, &["binding", "add", "all", "events", "--to-exchange"]);
    assert_eq!(
        landfall(api, &["binding", "list", "--source", "events"]),
        "vhost  source  destination  destination type  routing key  arguments\n\
         /      events  orders       queue             order.#\n"
    );
    let of_queue = landfall(api, &["binding", "list", "--queue", "orders", "--json"]);
    let of_queue: Value = serde_json::from_str(&of_queue).expect("JSON");
    assert_eq!(of_queue.as_array().map(Vec::len), Some(2), "{of_queue}");

    let publish = [
        "publish",
        "order.new",
        "--exchange",
        "events",
        "--header",
        "tenant=blue",
        "--property",
        "priority=3",
        "--property",
        "expiration=60000",
    ];
    let published = landfall_with(api, &publish, "bytes \u{1}");
    assert!(published.status.success(), "{published:?}");
    assert_eq!(published.stdout, b"it has landed\n");
    landfall(api, &["publish", "orders", "plain"]);
    let shown = landfall(api, &["queue", "peek", "orders", "--body", "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown[0]["payload"], "bytes \u{1}");
    assert_eq!(shown[0]["properties"]["headers"]["tenant"], "blue");
    assert_eq!(shown[0]["properties"]["priority"], 3);
    assert_eq!(shown[0]["properties"]["expiration"], "60000");
    assert_eq!(shown[1]["payload"], "plain");
    let nobody = refused(api, &["publish", "other.new", "x", "--exchange", "events"]);
    assert!(nobody.contains("no queue takes what comes"), "{nobody}");

    let full = refused(api, &["queue", "delete", "orders", "--if-empty"]);
    assert!(full.contains("not empty"), "{full}");
    let unsaid = refused(api, &["queue", "purge", "orders"]);
    assert!(unsaid.contains("the 2 messages"), "{unsaid}");
    landfall(api, &["queue", "purge", "orders", "--yes"]);
    landfall(
        api,
        &["binding", "remove", "events", "orders", "--key", "order.#"],
    );
    let gone = refused(
        api,
        &["binding", "remove", "events", "orders", "--key", "order.#"],
    );
    assert!(gone.contains("nothing is bound"), "{gone}");
    assert_eq!(
        landfall(api, &["queue", "delete", "orders", "--if-empty"]),
        "queue 'orders' is deleted\n"
    );
    landfall(api, &["exchange", "delete", "all"]);
    landfall(api, &["exchange", "delete", "events", "--if-unused"]);
    for gone in [
        &["exchange", "delete", "events"][..],
        &["queue", "delete", "orders", "--yes"],
        &["queue", "purge", "orders", "--yes"],
        &["binding", "remove", "events", "orders"],
    ] {
        let said = refused(api, gone);
        assert!(
            said.contains("there is no") || said.contains("nothing is bound"),
            "{said}"
        );
    }
}

#[test]
fn of_several_bindings_the_one_with_the_arguments_goes() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    landfall(api, &["queue", "declare", "q"]);
    for kind in ["kind=a", "kind=b"] {
        landfall(
            api,
            &["binding", "add", "amq.headers", "q", "--argument", kind],
        );
    }
    let which = refused(api, &["binding", "remove", "amq.headers", "q"]);
    assert!(
        which.contains("several") && which.contains("kind=a"),
        "{which}"
    );
    let remove = [
        "binding",
        "remove",
        "amq.headers",
        "q",
        "--argument",
        "kind=a",
    ];
    landfall(api, &remove);
    let left = landfall(api, &["binding", "list", "--source", "amq.headers"]);
    assert!(
        left.contains("kind=b") && !left.contains("kind=a"),
        "{left}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_and_consumers_are_listed() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    landfall(api, &["queue", "declare", "orders"]);
    let connection = connect(&server, "guest:guest", "%2F")
        .await
        .expect("let in");
    let channel = connection.create_channel().await.expect("a channel");
    let consumer = channel.basic_consume(
        "orders".into(),
        "reader".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let _consumer = consumer.await.expect("it consumes");
    let channels = landfall(api, &["channel", "list", "--json"]);
    let channels: Value = serde_json::from_str(&channels).expect("JSON");
    assert_eq!(channels[0]["consumer_count"], 1);
    assert_eq!(landfall(api, &["channel", "list"]).lines().count(), 2);
    let consumers = landfall(api, &["consumer", "list", "--vhost", "/"]);
    assert!(
        consumers.contains("orders") && consumers.contains("reader"),
        "{consumers}"
    );
    assert!(consumers.contains("The queue is empty."), "{consumers}");
    assert_eq!(consumers, landfall(api, &["connection", "consumers"]));
}
