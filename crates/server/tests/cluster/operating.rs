//! Operators at work on a cluster: they ask any node, and what the owner has to answer is passed on to it.

use super::nodes::Cluster;
use super::wait_until;
use crate::admin::{landfall, landfall_with, refused};
use crate::harness::raw::Raw;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Asks without the commands: what the answer's head and body are.
pub(super) fn ask(api: &str, request: &str, headers: &str) -> String {
    ask_with(api, request, headers, "")
}

fn ask_with(api: &str, request: &str, headers: &str, body: &str) -> String {
    let address = api.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let text = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// The headers of a session of the guest at one node.
fn session(api: &str) -> String {
    let body = r#"{"username":"guest","password":"guest"}"#;
    let length = format!("Content-Length: {}\r\n", body.len());
    let answer = ask_with(api, "POST /api/landfall/session", &length, body);
    let cookie = { answer.lines() }.find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next());
    let cookie = cookie.expect("a cookie");
    let (_, csrf) = answer.split_once("\"csrf\":\"").expect("a token");
    let csrf = csrf.split('"').next().unwrap_or_default();
    format!("Cookie: {cookie}\r\nx-csrf-token: {csrf}\r\n")
}

pub(super) fn code(api: &str, path: &str) -> u16 {
    let answer = ask(api, &format!("GET {path}"), "");
    let code = answer.split(' ').nth(1).expect("a status line");
    code.parse().expect("a number")
}

/// The exit code of `landfall cluster status`, and what it said.
pub(super) fn status(api: &str) -> (i32, Value) {
    let output = landfall_with(api, &["cluster", "status", "--json"], "");
    let said = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().expect("it ended by itself"), said)
}

#[test]
fn any_node_answers_operators_and_drains_and_rebalances() {
    let cluster = Cluster::start();
    let (owner, _) = cluster.owner_above(0);
    let other = (owner + 1) % 3;
    let api = |at: usize| cluster.nodes[at].api();
    let names = |at: usize| cluster.nodes[at].name.clone();
    for at in 0..3 {
        wait_until("it is ready", || code(api(at), "/healthz/ready") == 200);
        assert_eq!(code(api(at), "/healthz/live"), 200);
    }

    // What the owner knows is changed and asked from another node.
    let made = [
        "user",
        "add",
        "mo",
        "--password",
        "p",
        "--tags",
        "monitoring",
    ];
    landfall(api(other), &made);
    let mut client = Raw::with_channel(cluster.nodes[other].address);
    client.declare("orders");
    for at in 0..3 {
        let queues = landfall(api(at), &["queue", "list"]);
        assert!(queues.contains("orders"), "{queues}");
    }
    let session = session(api(other));
    for path in ["/api/users", "/api/nodes", "/api/landfall/session"] {
        let answer = ask(api(other), &format!("GET {path}"), &session);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let refusal = refused(api(other), &["queue", "list", "--admin-password", "wrong"]);
    assert!(refusal.contains("does not let 'guest' in"), "{refusal}");

    // The test's database is one that may lose what it has committed, which the status says.
    let (code_of_status, said) = status(api(other));
    assert_eq!(code_of_status, 3, "{said:#}");
    assert_eq!(said["shards"][0]["owner"], names(owner));
    assert_eq!(said["members"].as_array().map(Vec::len), Some(3));
    assert!(
        said["attention"][0]
            .as_str()
            .is_some_and(|why| why.contains("fsync is off"))
    );
    let shown = landfall_with(api(other), &["cluster", "status"], "");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("PostgreSQL") && shown.contains("controller"),
        "{shown}"
    );
    let watching = [
        "cluster",
        "status",
        "--admin-user",
        "mo",
        "--admin-password",
        "p",
    ];
    let watched = landfall_with(api(other), &watching, "");
    assert_eq!(watched.status.code(), Some(3), "{watched:?}");

    let drained = landfall(api(other), &["cluster", "drain", &names(owner)]);
    assert!(drained.contains(&names(owner)), "{drained}");
    let (_, said) = status(api(owner));
    assert_ne!(said["shards"][0]["taken_by"], names(owner), "{said:#}");
    assert_eq!(code(api(owner), "/healthz/ready"), 503, "it is drained");
    assert_eq!(code(api(other), "/healthz/ready"), 200);
    let queues = landfall(api(owner), &["queue", "list"]);
    assert!(queues.contains("orders"), "the next owner has it: {queues}");
    let answer = ask(api(other), "PUT /api/vhosts/by-a-session", &session);
    assert!(
        answer.starts_with("HTTP/1.1 201"),
        "the session goes on: {answer}"
    );
    let body = r#"{"password":"guest","tags":"administrator"}"#;
    let length = format!("{session}Content-Length: {}\r\n", body.len());
    let answer = ask_with(api(other), "PUT /api/users/guest", &length, body);
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let answer = ask(api(other), "GET /api/users", &session);
    assert!(
        answer.starts_with("HTTP/1.1 401"),
        "the password was set: {answer}"
    );
    landfall(api(owner), &["cluster", "drain", &names(owner), "--cancel"]);
    wait_until("it is ready again", || {
        code(api(owner), "/healthz/ready") == 200
    });
    let said = landfall(api(other), &["cluster", "rebalance"]);
    assert_eq!(
        said.trim(),
        "nothing had to move",
        "one shard is even anywhere"
    );
    let nobody = refused(api(other), &["cluster", "drain", "nobody"]);
    assert!(
        nobody.contains("no member of the cluster is called 'nobody'"),
        "{nobody}"
    );

    let forged = "Landfall-Passed-On: 00000000000000000000000000000000 here\r\n";
    let answer = ask(api(other), "GET /api/whoami", forged);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[test]
fn while_nobody_serves_the_status_is_told_on_the_nodes_own_machine() {
    let mut cluster = Cluster::start();
    let (owner, _) = cluster.owner_above(0);
    let other = (owner + 1) % 3;
    cluster.zookeeper.stop();
    cluster.nodes[owner].running.take().expect("it runs").kill();
    let api = cluster.nodes[other].api();
    // Without ZooKeeper nobody replaces the owner, and nobody can say who asks.
    assert_eq!(code(api, "/healthz/live"), 200);
    assert_eq!(code(api, "/healthz/ready"), 503);
    let refusal = refused(api, &["queue", "list"]);
    // And who has not been let in is not told where it is; the log is.
    assert!(refusal.contains("cannot be asked: "), "{refusal}");
    let log = cluster.nodes[other].log();
    assert!(log.contains("cannot be asked at 127.0.0.1:"), "{log}");
    let (code, ready) = ask(api, "GET /healthz/ready", "")
        .split_once("\r\n\r\n")
        .map_or_else(
            || panic!("an answer has a body"),
            |(head, body)| (head.contains(" 503 "), body.to_owned()),
        );
    assert!(code && !ready.contains("127.0.0.1"), "{ready}");
    wait_until("ZooKeeper's silence is noticed", || {
        let (code, said) = status(api);
        code == 3 && said["zookeeper"]["state"] == "silent"
    });
}
