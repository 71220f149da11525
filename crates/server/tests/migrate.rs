//! `landfall migrate`: a data directory into a cluster's database, and back, with messages in every state.

use crate::admin::{connect, landfall};
use crate::harness::postgres::Postgres;
use crate::harness::zookeeper::Ensemble;
use crate::harness::{Landfall, Scratch};
use ::lapin::Channel;
use ::lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use ::lapin::types::{AMQPValue, FieldTable};
use ::lapin::{BasicProperties, ExchangeKind};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const API: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let declared = channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table);
    declared.await.expect("it is declared");
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8], delay: Option<i32>) {
    let mut headers = FieldTable::default();
    if let Some(delay) = delay {
        headers.insert("x-delay".into(), AMQPValue::LongInt(delay));
    }
    let properties = BasicProperties::default()
        .with_message_id(key.into())
        .with_headers(headers);
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
    let confirmed = published.await.expect("it is sent");
    confirmed.await.expect("it lands");
}

/// A server with a backlog: gaps in it, one in somebody's hands, one that came back, delayed and parked ones, a user.
async fn fill(server: &Landfall) {
    let connection = connect(server, "guest:guest", "%2F").await;
    let connection = connection.expect("the guest is let in");
    let channel = connection.create_channel().await.expect("a channel");
    let select = channel.confirm_select(ConfirmSelectOptions::default());
    select.await.expect("it is selected");
    declare(&channel, "orders", &[]).await;
    declare(&channel, "copies", &[]).await;
    let once = [("x-delivery-limit", AMQPValue::LongInt(0))];
    declare(&channel, "tries", &once).await;
    let once = [
        ("x-message-deduplication", AMQPValue::Boolean(true)),
        (
            "x-deduplication-property",
            AMQPValue::LongString("message_id".into()),
        ),
    ];
    declare(&channel, "once", &once).await;
    for (name, kind) in [("both", "fanout"), ("later", "x-delayed-message")] {
        let mut inner = FieldTable::default();
        if kind != "fanout" {
            let direct = AMQPValue::LongString("direct".into());
            inner.insert("x-delayed-type".into(), direct);
        }
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let declared = channel.exchange_declare(
            name.into(),
            ExchangeKind::Custom(kind.into()),
            options,
            inner,
        );
        declared.await.expect("it is declared");
    }
    for (exchange, queue) in [("both", "orders"), ("both", "copies"), ("later", "orders")] {
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        let bound = channel.queue_bind(queue.into(), exchange.into(), "k".into(), options, none);
        bound.await.expect("it is bound");
    }
    for number in 0..60 {
        let body = vec![number; usize::from(number) * 400];
        publish(&channel, "both", "k", &body, None).await;
    }
    publish(&channel, "later", "k", b"in an hour", Some(3_600_000)).await;
    publish(&channel, "", "tries", b"never again", None).await;
    publish(&channel, "", "once", b"remembered", None).await;
    let get = async |queue: &str| {
        let got = channel.basic_get(queue.into(), BasicGetOptions::default());
        got.await.expect("it is there").expect("a message").delivery
    };
    // Some are gone: their numbers are gaps.
    for number in 0..20 {
        let taken = get("orders").await;
        if number % 3 > 0 {
            taken.ack(BasicAckOptions::default()).await.expect("sent");
        }
    }
    let refused = get("tries").await;
    let again = BasicRejectOptions { requeue: true };
    refused.reject(again).await.expect("sent");
    let came_back = get("copies").await;
    came_back.reject(again).await.expect("sent");
    let api = server.api();
    landfall(api, &["user", "add", "ada", "--password", "secret"]);
    // The connection ends with the server: what it has in hand comes back.
    std::mem::forget(connection);
}

fn json(api: &str, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    serde_json::from_str(&landfall(api, &arguments)).expect("JSON")
}

/// All that operators see, without positions: those are new.
fn seen(api: &str) -> Vec<Value> {
    let mut all = vec![json(api, &["audit"])];
    all.push(json(api, &["definitions", "export"]));
    for queue in ["orders", "copies", "tries", "once"] {
        for state in ["ready", "delayed", "parked"] {
            let mut page = json(api, &["queue", "peek", queue, "--state", state, "--body"]);
            forget_positions(&mut page);
            all.push(page);
        }
    }
    all
}

fn forget_positions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("position");
            map.remove("next");
            map.values_mut().for_each(forget_positions);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_positions),
        _ => {}
    }
}

struct Place {
    zookeeper: String,
    database: String,
}

fn migrate(place: &Place, dir: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(["migrate", "--zookeeper", &place.zookeeper])
        .args(["--database", &place.database])
        .args(["--zookeeper-timeout", "2s", "--allow-asynchronous", "true"])
        .arg("--data-dir")
        .arg(dir)
        .args(more)
        .output()
        .expect("the binary can be started")
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("4 queues"), "{said}");
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    runtime.block_on(work);
}

#[test]
fn a_data_directory_goes_into_a_database_and_comes_back() {
    let (alone, member, back) = (Scratch::new(), Scratch::new(), Scratch::new());
    let server = Landfall::start_with(&alone.data_dir(), &API);
    run(fill(&server));
    assert!(server.terminate().success());
    let server = Landfall::start_with(&alone.data_dir(), &API);
    let before = seen(server.api());
    let counts = landfall(server.api(), &["queue", "list"]);
    for line in [
        "copies  60     0        0        0",
        "once    1      0        0        0",
        "orders  47     0        1        0",
        "tries   0      0        0        1",
    ] {
        assert!(counts.contains(line), "{line}\n{counts}");
    }
    assert!(server.terminate().success());

    let (postgres, zookeeper) = (Postgres::start(&["fsync=off"]), Ensemble::start(1));
    let place = Place {
        zookeeper: zookeeper.hosts(),
        database: postgres.address("postgres"),
    };
    assert_done(&migrate(&place, &alone.data_dir(), &[]));
    let refused = complaint(&migrate(&place, &alone.data_dir(), &[]));
    assert!(refused.contains("the database is not empty"), "{refused}");

    let options = [
        ("--zookeeper", &*place.zookeeper),
        ("--database", &place.database),
        ("--zookeeper-timeout", "2s"),
        ("--node-listen", "127.0.0.1:0"),
        ("--allow-asynchronous", "true"),
    ];
    let mut all = API.to_vec();
    all.extend(options.iter().flat_map(|(name, value)| [*name, *value]));
    let node = Landfall::start_with(&member.data_dir(), &all);
    crate::cluster::wait_until("it serves", || {
        crate::admin::landfall_with(node.api(), &["queue", "list"], "")
            .status
            .success()
    });
    assert_eq!(seen(node.api()), before, "all is in the cluster as it was");
    let refused = complaint(&migrate(&place, &back.data_dir(), &["--to-journal"]));
    assert!(
        refused.contains("nodes of the cluster are running"),
        "{refused}"
    );
    assert!(node.terminate().success());

    assert_done(&migrate(&place, &back.data_dir(), &["--to-journal"]));
    let refused = complaint(&migrate(&place, &back.data_dir(), &["--to-journal"]));
    assert!(refused.contains("is there already"), "{refused}");
    let server = Landfall::start_with(&back.data_dir(), &API);
    assert_eq!(seen(server.api()), before, "and came back as it was");
    assert!(server.terminate().success());
    let server = Landfall::start_with(&alone.data_dir(), &API);
    assert_eq!(seen(server.api()), before, "where it came from it still is");
}

#[test]
fn what_a_migration_left_half_way_is_refused_by_all() {
    let (alone, member) = (Scratch::new(), Scratch::new());
    let server = Landfall::start_with(&alone.data_dir(), &API);
    run(fill(&server));
    assert!(server.terminate().success());
    let (postgres, zookeeper) = (Postgres::start(&["fsync=off"]), Ensemble::start(1));
    let place = Place {
        zookeeper: zookeeper.hosts(),
        database: postgres.address("postgres"),
    };
    assert_done(&migrate(&place, &alone.data_dir(), &[]));
    // The last chunk, with all that is not messages, did not land: its pages are behind the head.
    let pages = "select page, encode(substr(data, 1, 4), 'hex') from landfall.seg_1 order by page";
    let rows = postgres.sql("postgres", pages);
    let begins = |row: &&Vec<Option<String>>| row[1] == rows[0][1];
    let chunks: Vec<_> = rows.iter().filter(begins).collect();
    assert!(chunks.len() > 1, "{rows:?}");
    let last = chunks[chunks.len() - 1][0].clone().expect("a number");
    let cut = format!(
        "delete from landfall.seg_1 where page >= {last};
         update landfall.shard set head = {last}, snap = 0, snap_seg = 0 where shard = 0"
    );
    postgres.sql("postgres", &cut);
    let refused = complaint(&migrate(&place, &alone.data_dir(), &[]));
    assert!(refused.contains("did not end"), "{refused}");
    let refused = complaint(&migrate(&place, &member.data_dir(), &["--to-journal"]));
    assert!(refused.contains("did not end"), "{refused}");
    let options = [
        "--zookeeper",
        &place.zookeeper,
        "--database",
        &place.database,
        "--zookeeper-timeout",
        "2s",
        "--node-listen",
        "127.0.0.1:0",
        "--allow-asynchronous",
        "true",
        "--listen",
        "127.0.0.1:0",
    ];
    let ended = crate::harness::start_and_fail(&member.data_dir(), &options);
    let said = complaint(&ended);
    assert!(said.contains("did not end"), "{said}");
}
