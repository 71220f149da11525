//! The table of routes: every row is there, is guarded, and stands in the document.

use super::Api;
use crate::{ENDPOINTS, Needs};
use axum::body::Body;
use axum::http::Request;
use std::fmt::Write;

#[tokio::test]
async fn every_endpoint_asks_who_it_is() {
    let api = Api::new();
    for endpoint in ENDPOINTS.iter().filter(|one| one.needs != Needs::Nobody) {
        let path = endpoint.path.replace(['{', '}'], "");
        let request = Request::builder()
            .method(endpoint.method)
            .uri(&path)
            .body(Body::empty())
            .expect("a request");
        assert_eq!(api.send(request).await.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_json() {
    let transcript = Api::new()
        .transcript("GET /api/nothing\nPOST /api/whoami\nGET /")
        .await;
    expect_test::expect![[r#"
        GET /api/nothing
          404 {"error":"Object Not Found","reason":"Not Found"}
        POST /api/whoami
          405 {"error":"method_not_allowed","reason":"this path has no such method"}
        GET /
          404 {"error":"Object Not Found","reason":"Not Found"}
    "#]]
    .assert_eq(&transcript);
}

#[test]
fn the_document_lists_the_endpoints() {
    let mut table = String::from("| endpoint | who may | what it does |\n|---|---|---|\n");
    for endpoint in ENDPOINTS {
        let (method, path, does) = (endpoint.method, endpoint.path, endpoint.does);
        let who = endpoint.needs.words();
        writeln!(table, "| `{method} {path}` | {who} | {does} |").expect("strings take everything");
    }
    let document = include_str!("../../../../docs/http-api.md");
    assert!(
        document.contains(&table),
        "docs/http-api.md must hold this table:\n\n{table}"
    );
}

/// A slash at the end means nothing here either: an alarm is the owner's to tell.
#[test]
fn what_a_node_answers_by_itself() {
    for (path, of_node) in [
        ("/metrics", true),
        ("/metrics/", true),
        ("/api/nodes", true),
        ("/api/landfall/operations", true),
        ("/api/health/checks/is-in-service", true),
        ("/api/health/checks/alarms", false),
        ("/api/health/checks/alarms/", false),
        ("/metrics/per-object", false),
        ("/api/queues", false),
    ] {
        assert_eq!(crate::is_of_node(path), of_node, "{path}");
    }
}
