//! What of the requests is noted, and as whose.

use super::cluster::Alone;
use super::fake::Fake;
use super::{Api, basic};
use crate::FromThisMachine;
use crate::cluster::Cluster;
use crate::node::{Answered, Node, NodeStatus, Vitals};
use crate::operations::{Operation, Operations, Wanted};
use crate::settings::Setting;
use axum::body::Body;
use axum::http::{Request, header};
use expect_test::expect;
use std::fmt::Write;
use std::io;
use std::sync::{Arc, Mutex};

/// A server that notes them in memory.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Operation>>>);

impl Operations for Noting {
    fn note(&self, operation: &Operation) {
        let mut all = self.0.lock().expect("no panic");
        let number = all.len() as u64 + 1;
        all.push(Operation {
            number,
            ..operation.clone()
        });
    }

    fn read(&self, wanted: &Wanted) -> io::Result<Vec<Operation>> {
        let all = self.0.lock().expect("no panic");
        let found = all.iter().rev().filter(|one| wanted.includes(one));
        Ok(found.take(wanted.most() + 1).cloned().collect())
    }

    fn unwritten(&self) -> u64 {
        0
    }
}

impl Node for Noting {
    fn status(&self) -> NodeStatus {
        Alone.status()
    }

    fn vitals(&self) -> Vitals {
        Alone.vitals()
    }

    fn is_alive(&self) -> bool {
        true
    }

    fn readiness(&self) -> Answered<'_, Result<(), String>> {
        Alone.readiness()
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        None
    }

    fn journal_bytes(&self) -> Option<u64> {
        Some(4096)
    }

    fn settings(&self) -> &[Setting] {
        &[]
    }

    fn operations(&self) -> Option<Arc<dyn Operations>> {
        Some(Arc::new(self.clone()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_users_change_is_noted_and_of_strangers_the_logins_that_were_refused() {
    let noting = Noting::default();
    let api = Api::of(Fake::fresh(), Arc::new(noting.clone()));
    let long = format!("/api/queues/%2F/{}", "x".repeat(5000));
    for (user, method, path, body) in [
        (
            "guest:guest",
            "PUT",
            "/api/users/ada",
            r#"{"password":"a canary","tags":"management"}"#,
        ),
        ("guest:guest", "GET", "/api/queues", ""),
        ("guest:guest", "GET", "/api/auth/hash_password/canary", ""),
        (
            "guest:guest",
            "DELETE",
            "/api/auth/hash_password/canary",
            "",
        ),
        ("ada:a canary", "DELETE", "/api/users/guest", ""),
        ("ada:a guess", "GET", "/api/auth/hash_password/canary", ""),
        ("nobody:at all", "POST", "/no/such/path", ""),
    ] {
        api.ask_as(user, method, path, body).await;
    }
    let session = r#"{"username":"ada","password":"a guess"}"#;
    let send = async |method: &str, path: &str, authorization: Option<String>, body: &str| {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .extension(FromThisMachine(true));
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        api.send(request).await
    };
    send("POST", "/api/landfall/session", None, session).await;
    send("DELETE", &long, None, "").await;
    send("GET", "/api/whoami", None, "").await;
    send(
        "GET",
        "/api/whoami",
        Some("Bearer ey.no.token".to_owned()),
        "",
    )
    .await;
    // One that another site makes a browser send: whether the password is right nobody has looked at.
    let request = Request::builder()
        .method("POST")
        .uri("/api/definitions")
        .header(header::AUTHORIZATION, basic("guest:guest"))
        .header(header::ORIGIN, "http://elsewhere")
        .header(header::HOST, "here");
    api.send(request.body(Body::empty()).expect("a request"))
        .await;
    api.ask("DELETE", &long, "").await;

    let mut told = String::new();
    for one in noting.0.lock().expect("no panic").iter() {
        let path = match one.path.len() {
            0..100 => one.path.clone(),
            length => format!("{length} bytes of a path"),
        };
        let error = one.error.as_deref().unwrap_or_default();
        let said = format!(
            "{:?} {} {path} {} {error}",
            one.user, one.method, one.status
        );
        writeln!(told, "{}", said.trim_end()).expect("text");
    }
    expect![[r#"
        "guest" PUT /api/users/ada 201
        "ada" DELETE /api/users/guest 401 Not administrator user
        "ada" GET /api/auth/hash_password/ 401 Login failed
        "" POST /api/landfall/session 401 Login failed
        "" GET /api/whoami 401 Login failed
        "guest" DELETE 1024 bytes of a path 404 no messages here
    "#]]
    .assert_eq(&told);
    let all = "/api/landfall/operations?user=ada&outcome=failed";
    let told = api.get(all).await;
    assert_eq!(told["operations"].as_array().expect("a list").len(), 2);
    assert_eq!(told["next"], serde_json::Value::Null);
    // Page by page, one at a time: nothing twice, nothing left out, though all came in the same millisecond.
    let (mut before, mut paths) = (String::new(), Vec::new());
    loop {
        let page = api.get(&format!("{all}&limit=1{before}")).await;
        paths.push(page["operations"][0]["path"].clone());
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(paths, ["/api/auth/hash_password/", "/api/users/guest"]);
    let last = api.get("/api/landfall/operations?limit=1").await;
    assert_eq!(last["operations"][0]["vhost"], "/");
    let (code, _) = api
        .ask("GET", "/api/landfall/operations?before=x", "")
        .await;
    assert_eq!(code, 400);
    let keys = crate::operations::told::QUERY;
    for key in keys.keys {
        let value = if key.name == "limit" { "1" } else { "done" };
        let path = format!("/api/landfall/operations?{}={value}", key.name);
        api.ask("GET", &path, "").await;
    }
    let unread = crate::described::tests::unread(&keys);
    assert_eq!(unread, [""; 0], "nobody reads these");
}
