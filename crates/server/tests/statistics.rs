//! What operators see of a server at work: who is connected, what goes through, every second and for Prometheus.

use crate::admin::connect;
use crate::harness::{Landfall, Scratch};
use ::lapin::BasicProperties;
use ::lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use ::lapin::types::FieldTable;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const OPTIONS: [&str; 6] = [
    "--listen",
    "127.0.0.1:0",
    "--admin-listen",
    "127.0.0.1:0",
    "--prometheus-listen",
    "127.0.0.1:0",
];

/// `guest:guest`
const LOGIN: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

fn get(server: &Landfall, path: &str) -> Value {
    let asked = ureq::get(format!("{}{path}", server.api()));
    let answer = asked.header("Authorization", LOGIN).call();
    let mut answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
    answer.body_mut().read_json().expect("JSON")
}

/// Asks until it is so, and not for ever.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_does_is_seen_and_its_connection_can_be_closed() {
    let scratch = Scratch::new();
    let server = Landfall::start_with(&scratch.data_dir(), &OPTIONS);
    let connection = connect(&server, "guest:guest", "%2F").await;
    let connection = connection.expect("the guest is let in");
    let channel = connection.create_channel().await.expect("a channel");
    let select = channel.confirm_select(ConfirmSelectOptions::default());
    select.await.expect("confirms");
    let declare = channel.queue_declare(
        "orders".into(),
        QueueDeclareOptions::durable(),
        FieldTable::default(),
    );
    declare.await.expect("a queue");
    for _ in 0..3 {
        let published = channel.basic_publish(
            "".into(),
            "orders".into(),
            BasicPublishOptions::default(),
            b"hello",
            BasicProperties::default(),
        );
        let confirmed = published.await.expect("published").await;
        confirmed.expect("confirmed");
    }

    let connections = get(&server, "/api/connections");
    assert_eq!(connections.as_array().map(Vec::len), Some(1));
    let one = &connections[0];
    assert_eq!(one["user"], "guest");
    assert_eq!(one["channels"], 1);
    assert_eq!(one["port"], server.address().port());
    assert!(one["recv_oct"].as_u64() > Some(100), "{one}");
    assert!(one["client_properties"]["product"].is_string(), "{one}");
    let channels = get(&server, "/api/channels");
    assert_eq!(channels[0]["message_stats"]["publish"], 3);
    assert_eq!(channels[0]["message_stats"]["confirm"], 3);
    let queue = get(&server, "/api/queues/%2F/orders");
    assert_eq!(queue["message_stats"]["publish"], 3);
    assert_eq!(queue["messages_ready"], 3);
    let overview = get(&server, "/api/overview");
    assert_eq!(overview["object_totals"]["connections"], 1);

    let listeners = overview["listeners"].as_array().expect("listeners");
    let mut listeners = listeners.iter();
    let metrics = listeners.find(|one| one["protocol"] == "http/prometheus");
    let port = &metrics.expect("a port for Prometheus")["port"];
    wait("Prometheus sees what was published", || {
        let page = ureq::get(format!("http://127.0.0.1:{port}/metrics")).call();
        let page = page
            .expect("no login is asked for")
            .body_mut()
            .read_to_string();
        let page = page.expect("text");
        page.contains("rabbitmq_global_messages_confirmed_total{protocol=\"amqp091\"} 3\n")
            && page.lines().any(|line| {
                let count = line.strip_prefix("landfall_confirm_latency_seconds_count ");
                count.is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count >= 3))
            })
    });

    let name = one["name"].as_str().expect("a name").replace(' ', "%20");
    let path = format!(
        "{}/api/connections/{}",
        server.api(),
        name.replace('>', "%3E")
    );
    let closed = ureq::delete(&path)
        .header("Authorization", LOGIN)
        .header("X-Reason", "maintenance")
        .call();
    assert_eq!(closed.expect("closed").status(), 204);
    wait("the connection is gone", || {
        get(&server, "/api/connections") == Value::Array(Vec::new())
    });
    wait("the client knows", || !connection.status().connected());
}

#[test]
fn a_sample_comes_every_second() {
    let scratch = Scratch::new();
    let server = Landfall::start_with(&scratch.data_dir(), &OPTIONS);
    let address = server.api().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).expect("the API listens");
    let request = format!(
        "GET /api/landfall/live HTTP/1.1\r\nHost: {address}\r\nAuthorization: {LOGIN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("asked");
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).expect("a socket");
    let lines = BufReader::new(stream).lines();
    let samples = lines.filter_map(|line| {
        let line = line.expect("the stream goes on");
        Some(line.strip_prefix("data: ")?.to_owned())
    });
    let samples: Vec<Value> = samples
        .take(2)
        .map(|sample| serde_json::from_str(&sample).expect("JSON"))
        .collect();
    let at = |sample: &Value| sample["at"].as_u64().expect("a time");
    let apart = at(&samples[1]) - at(&samples[0]);
    assert!((500..5_000).contains(&apart), "{apart} ms");
    assert!(samples[0]["disk_free"].as_u64() > Some(0), "{}", samples[0]);
    let history = get(&server, "/api/landfall/history");
    assert!(
        history["samples"]
            .as_array()
            .is_some_and(|all| all.len() >= 2)
    );
}

/// However many connections to the HTTP API an address keeps, Prometheus is answered there.
#[test]
fn a_crowd_of_browsers_leaves_room_for_prometheus() {
    let scratch = Scratch::new();
    let server = Landfall::start_with(&scratch.data_dir(), &OPTIONS);
    let overview = get(&server, "/api/overview");
    let listeners = overview["listeners"].as_array().expect("a list");
    let metrics = { listeners.iter() }
        .find(|one| one["protocol"] == "http/prometheus")
        .expect("Prometheus has a port");
    let api = server.api().trim_start_matches("http://").to_owned();
    let crowd: Vec<TcpStream> = (0..64)
        .filter_map(|_| TcpStream::connect(&api).ok())
        .collect();
    let has_room = || {
        let mut one = TcpStream::connect(&api).expect("it is accepted, and hung up on");
        let asked = b"GET /healthz/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let _ = one.write_all(asked);
        let mut said = String::new();
        BufReader::new(one)
            .read_line(&mut said)
            .is_ok_and(|bytes| bytes > 0)
    };
    wait("the address has as many connections as it may", || {
        !has_room()
    });
    let answer = ureq::get(format!("http://127.0.0.1:{}/metrics", metrics["port"])).call();
    assert_eq!(answer.expect("Prometheus is answered").status(), 200);
    drop(crowd);
}

#[test]
fn what_was_recovered_is_told_from_the_first_scrape_on() {
    let scratch = Scratch::new();
    let server = Landfall::start_with(&scratch.data_dir(), &OPTIONS);
    let made = ureq::put(format!("{}/api/queues/%2F/kept", server.api()))
        .header("Authorization", LOGIN)
        .send_json(serde_json::json!({"durable": true}));
    assert_eq!(made.expect("declared").status(), 201);
    server.kill();
    let server = Landfall::start_with(&scratch.data_dir(), &OPTIONS);
    let page = ureq::get(format!("{}/metrics", server.api()))
        .header("Authorization", LOGIN)
        .call();
    let page = page.expect("answered").body_mut().read_to_string();
    let page = page.expect("text");
    assert!(page.contains("\nrabbitmq_queues 1\n"), "{page}");
}
