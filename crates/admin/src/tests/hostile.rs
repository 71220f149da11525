//! Whatever is asked, the API answers: a panic would stop the whole server.

use super::{Api, basic};
use crate::{ENDPOINTS, FromThisMachine};
use axum::body::{Body, HttpBody};
use axum::http::{Request, header};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Frame;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The places of all endpoints but the one whose answer goes on and on.
fn those_that_end() -> Vec<usize> {
    let ends = |at: &usize| ENDPOINTS[*at].path != "/api/landfall/live";
    (0..ENDPOINTS.len()).filter(ends).collect()
}

/// JSON with the keys that something is asked for, and with values that it is not asked for.
fn any_body() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "name",
        "vhost",
        "user",
        "users",
        "tags",
        "password",
        "password_hash",
        "value",
        "pattern",
        "definition",
        "priority",
        "apply-to",
        "configure",
        "write",
        "read",
        "exchange",
        "queues",
        "exchanges",
        "bindings",
        "arguments",
        "type",
        "source",
        "destination",
        "destination_type",
        "vhosts",
        "metadata",
        "limits",
        "parameters",
        "component",
        "policies",
        "permissions",
        "topic_permissions",
        "global_parameters",
        "durable",
        "x-queue-type",
        "landfall:bytes",
        "landfall:decimal",
        "max-queues",
        "state",
        "all",
        "positions",
        "routing_key",
        "payload",
        "payload_encoding",
        "properties",
        "delivery_mode",
        "ackmode",
        "count",
        "encoding",
        "truncate",
        "filter",
        "headers",
        "accepted_from",
        "limit",
        "after",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "/",
            "queue",
            "exchange",
            "vhost-limits",
            "limits",
            "AQID"
        ])
        .prop_map(Value::from),
        "\\PC{0,300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys.clone(), inner, 0..6).prop_map(|map| {
                Value::Object(
                    map.into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

/// A name as a part of a path: percent-encoded octets of any kind.
fn any_part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("%2F".to_owned()),
        Just("guest".to_owned()),
        prop::collection::vec(any::<u8>(), 1..300)
            .prop_map(|octets| octets.iter().map(|octet| format!("%{octet:02X}")).collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_request_is_answered(
        endpoint in prop::sample::select(those_that_end()),
        parts in prop::collection::vec(any_part(), 4),
        query in "[a-z_]{0,12}(=[0-9a-z,%.-]{0,9})?",
        body in any_body(),
    ) {
        let endpoint = &ENDPOINTS[endpoint];
        let mut parts = parts.iter();
        let path: Vec<String> = endpoint
            .path
            .split('/')
            .map(|part| match part.starts_with('{') {
                true => parts.next().expect("no path has more than four").clone(),
                false => part.to_owned(),
            })
            .collect();
        let path = format!("{}?{query}", path.join("/"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let (code, said) = runtime
            .expect("a runtime")
            .block_on(async { Api::new().ask(endpoint.method, &path, &body.to_string()).await });
        // A check that is asked for what is not there has failed.
        let checked = code == 503 && endpoint.path.starts_with("/api/health/");
        prop_assert!((200..500).contains(&code) || checked, "{} {path} {body}: {code} {said}", endpoint.method);
    }
}

#[tokio::test]
async fn many_at_a_time_are_all_answered() {
    let api = Api::new();
    let asked: Vec<_> = (0..200)
        .map(|number| {
            let api = Api(api.0.clone());
            tokio::spawn(async move {
                let path = format!("/api/users/u{number}");
                let (made, _) = api.ask("PUT", &path, r#"{"tags":""}"#).await;
                let (listed, _) = api.ask("GET", "/api/definitions", "").await;
                (made, listed)
            })
        })
        .collect();
    for asked in asked {
        assert_eq!(asked.await.expect("no task panics"), (201, 200));
    }
    assert_eq!(
        api.get("/api/users").await.as_array().map(Vec::len),
        Some(201)
    );
}

#[tokio::test]
async fn a_body_has_its_limit() {
    let api = Api::new();
    let large = |bytes: usize| json!({"tags": "", "password": "x".repeat(bytes)}).to_string();
    let (code, _) = api.ask("PUT", "/api/users/u", &large(1 << 19)).await;
    assert_eq!(code, 201);
    let (code, _) = api.ask("PUT", "/api/users/u", &large(1 << 20)).await;
    assert_eq!(code, 413);
    let (code, _) = api.ask("POST", "/api/definitions", &large(2 << 20)).await;
    assert_eq!(code, 200, "a document may be larger");
    let (code, _) = api
        .ask("POST", "/api/definitions", &large(20_000_000))
        .await;
    assert_eq!(code, 413);
    let (code, said) = api
        .ask("POST", "/api/definitions", &"[".repeat(100_000))
        .await;
    assert_eq!(code, 400, "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up() {
    let never = Body::new(Never);
    let request = Request::put("/api/users/u")
        .header(header::AUTHORIZATION, basic("guest:guest"))
        .extension(FromThisMachine(true))
        .body(never)
        .expect("a request");
    let before = tokio::time::Instant::now();
    assert_eq!(Api::new().send(request).await.status(), 408);
    assert_eq!(before.elapsed(), Duration::from_secs(60));
}

/// Asks for a change, and says nothing of it yet.
fn begin(api: &Api, path: &str) -> (Sender<Bytes>, JoinHandle<u16>) {
    let (sender, body) = Channel::<Bytes>::new(1);
    let request = Request::put(path)
        .header(header::AUTHORIZATION, basic("guest:guest"))
        .extension(FromThisMachine(true))
        .body(Body::new(body))
        .expect("a request");
    let api = Api(api.0.clone());
    let asking = tokio::spawn(async move { api.send(request).await.status().as_u16() });
    (sender, asking)
}

#[tokio::test(start_paused = true)]
async fn bodies_that_come_slowly_hold_up_nobody() {
    let api = Api::new();
    let slow: Vec<_> = (0..12)
        .map(|number| begin(&api, &format!("/api/users/u{number}")))
        .collect();
    let all = br#"{"tags":""}"#;
    let mut senders: Vec<_> = slow;
    for octet in all {
        for (sender, _) in &mut senders {
            let octet = Bytes::copy_from_slice(&[*octet]);
            sender.send_data(octet).await.expect("it is read");
        }
        let asked = api.ask("PUT", "/api/vhosts/quick", "{}");
        let (code, said) = tokio::time::timeout(Duration::from_millis(100), asked)
            .await
            .expect("it does not wait");
        assert!(code < 300, "{code} {said}");
    }
    for (sender, asking) in senders {
        drop(sender);
        assert_eq!(asking.await.expect("it is answered"), 201);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_while_the_body_comes_changes_nothing() {
    let api = Api::new();
    api.transcript(r#"PUT /api/users/ada {"password":"p","tags":"administrator"}"#)
        .await;
    let (mut sender, body) = Channel::<Bytes>::new(1);
    let request = Request::put("/api/vhosts/late")
        .header(header::AUTHORIZATION, basic("ada:p"))
        .body(Body::new(body))
        .expect("a request");
    let asking = Api(api.0.clone());
    let asking = tokio::spawn(async move { asking.send(request).await.status() });
    sender.send_data("{".into()).await.expect("it is read");
    tokio::time::sleep(Duration::from_secs(2)).await;
    api.transcript("DELETE /api/users/ada").await;
    sender.send_data("}".into()).await.expect("it is read");
    drop(sender);
    assert_eq!(asking.await.expect("it is answered"), 401);
    assert_eq!(api.ask("GET", "/api/vhosts/late", "").await.0, 404);
}

/// A body whose sender has gone to sleep.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
