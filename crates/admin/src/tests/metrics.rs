//! What Prometheus reads, read by a parser that somebody else wrote; and what watches live.

use super::real::Real;
use super::{Api, basic};
use crate::FromThisMachine;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use model::{FieldTable, Properties};
use prometheus_parse::Scrape;
use std::collections::BTreeSet;

/// What the dashboard "RabbitMQ-Overview" asks for.
const ASKED_FOR: &[&str] = &[
    "rabbitmq_build_info",
    "rabbitmq_channels",
    "rabbitmq_channels_closed",
    "rabbitmq_channels_opened",
    "rabbitmq_connections",
    "rabbitmq_connections_closed",
    "rabbitmq_connections_opened",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_global_consumers",
    "rabbitmq_global_messages_acknowledged",
    "rabbitmq_global_messages_confirmed",
    "rabbitmq_global_messages_delivered_consume_auto_ack",
    "rabbitmq_global_messages_delivered_consume_manual_ack",
    "rabbitmq_global_messages_delivered_get_auto_ack",
    "rabbitmq_global_messages_delivered_get_manual_ack",
    "rabbitmq_global_messages_get_empty",
    "rabbitmq_global_messages_received",
    "rabbitmq_global_messages_received_confirm",
    "rabbitmq_global_messages_redelivered",
    "rabbitmq_global_messages_routed",
    "rabbitmq_global_messages_unroutable_dropped",
    "rabbitmq_global_messages_unroutable_returned",
    "rabbitmq_global_publishers",
    "rabbitmq_identity_info",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_queue_messages_ready",
    "rabbitmq_queue_messages_unacked",
    "rabbitmq_queues",
    "rabbitmq_queues_created",
    "rabbitmq_queues_declared",
    "rabbitmq_queues_deleted",
    "rabbitmq_resident_memory_limit_bytes",
];

#[tokio::test]
async fn a_parser_finds_what_the_dashboard_asks_for() {
    let api = Api::over(Real::new());
    let (code, text) = api.ask("GET", "/metrics", "").await;
    assert_eq!(code, 200, "{text}");
    let found = families(&text);
    let missing = ASKED_FOR.iter();
    let missing = missing.filter(|name| !found.contains(**name));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new(), "{text}");
    assert!(found.contains("landfall_confirm_latency_seconds"), "{text}");
}

/// The metrics of which the parser finds samples.
fn families(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| Ok(line.to_owned()));
    let scrape = Scrape::parse(lines).expect("lines in memory can be read");
    let of_samples = scrape
        .samples
        .iter()
        .flat_map(|sample| names(&sample.metric));
    of_samples.map(str::to_owned).collect()
}

/// The names of metrics in a text, without what is put behind them.
fn names(text: &str) -> Vec<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names = words.filter(|word| word.starts_with("rabbitmq_") || word.starts_with("landfall_"));
    let endings = ["_total", "_bucket", "_sum", "_count"];
    names
        .map(|name| {
            let mut endings = endings.iter();
            endings
                .find_map(|ending| name.strip_suffix(ending))
                .unwrap_or(name)
        })
        .collect()
}

#[tokio::test]
async fn our_dashboard_asks_for_what_there_is() {
    let real = Real::new();
    real.declare("q", FieldTable::new());
    real.publish("q", Properties::default(), "hello");
    real.pass(90_000);
    let (_, text) = Api::over(real).ask("GET", "/metrics", "").await;
    let found = families(&text);
    let dashboard = include_str!("../../../../grafana/landfall.json");
    let old = "landfall_oldest_message_seconds 90.0";
    assert!(text.lines().any(|line| line == old), "{text}");
    let kept = r#"landfall_journal_bytes{in="disk"} 4096"#;
    assert!(text.lines().any(|line| line == kept), "{text}");
    let asked_for = names(dashboard);
    assert!(asked_for.len() > 20, "{asked_for:?}");
    for name in asked_for {
        assert!(found.contains(name), "{name} is not in\n{text}");
    }
}

#[tokio::test]
async fn each_queue_has_its_series() {
    let real = Real::new();
    real.declare("a \"quoted\" queue", FieldTable::new());
    real.publish("a \"quoted\" queue", Properties::default(), "hello");
    let (code, text) = Api::over(real).ask("GET", "/metrics/per-object", "").await;
    assert_eq!(code, 200, "{text}");
    assert!(
        families(&text).contains("rabbitmq_queue_messages_ready"),
        "{text}"
    );
    let age = r#"landfall_queue_oldest_message_seconds{vhost="/",queue="a \"quoted\" queue"} 0.0"#;
    assert!(text.lines().any(|one| one == age), "{text}");
    let line = r#"rabbitmq_queue_messages_ready{vhost="/",queue="a \"quoted\" queue"} 1"#;
    assert!(text.lines().any(|one| one == line), "{text}");
}

#[tokio::test]
async fn metrics_are_for_those_who_monitor() {
    let api = Api::over(Real::new());
    let made = r#"{"password":"secret","tags":"management"}"#;
    api.ask("PUT", "/api/users/ada", made).await;
    for path in ["/metrics", "/metrics/per-object", "/api/landfall/live"] {
        let (code, _) = api.ask_as("ada:secret", "GET", path, "").await;
        assert_eq!(code, 401, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_sees_a_sample_every_second() {
    let (api, sampling) = Api::sampled(Real::new());
    tokio::spawn(sampling.run());
    let request = Request::get("/api/landfall/live")
        .header(header::AUTHORIZATION, basic("guest:guest"))
        .extension(FromThisMachine(true))
        .body(Body::empty())
        .expect("a request");
    let response = api.send(request).await;
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "text/event-stream"
    );
    let mut body = response.into_body();
    let mut seen = String::new();
    while seen.matches("data: ").count() < 3 {
        let frame = body.frame().await.expect("it goes on").expect("in memory");
        let data = frame.into_data().expect("data");
        seen.push_str(std::str::from_utf8(&data).expect("text"));
    }
    assert!(seen.starts_with("retry: 2000\n\n"), "{seen}");
    let first = seen.lines().find_map(|line| line.strip_prefix("data: "));
    let first: serde_json::Value = serde_json::from_str(first.expect("data")).expect("JSON");
    assert_eq!(first["memory_limit"], 9000);
    assert_eq!(first["alarms"], serde_json::json!([]));
    let history = api.get("/api/landfall/history?minutes=1").await;
    let samples = history["samples"].as_array().expect("a list");
    assert!(samples.len() >= 3, "{history}");
    assert_eq!(samples[0], first);
    let (code, _) = api.ask("GET", "/api/landfall/history?minutes=x", "").await;
    assert_eq!(code, 400);
}
