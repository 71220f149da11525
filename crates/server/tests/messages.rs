//! `landfall message`: messages are found, moved and edited while clients work, and nothing of it is lost.

use crate::admin::{landfall, landfall_with, refused, start};
use crate::harness::Scratch;
use crate::queues::{channel, declare, get, json, publish};

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_found_moved_and_edited() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let (_connection, channel) = channel(&server).await;
    declare(&channel, "orders", &[]).await;
    declare(&channel, "later", &[]).await;
    for (tenant, body) in [("blue", "one 42"), ("red", "two"), ("blue", "three 42")] {
        publish(&channel, "orders", tenant, body.as_bytes()).await;
    }
    let api = server.api();
    let list = ["message", "list", "orders", "--json", "--body"];
    let found = |words: &[&str]| {
        let arguments: Vec<&str> = list.iter().chain(words).copied().collect();
        let found = json(&landfall(api, &arguments));
        let found = found.as_array().expect("a list").iter();
        let bodies = found.map(|one| one["payload"].as_str().unwrap_or_default().to_owned());
        bodies.collect::<Vec<_>>()
    };
    assert_eq!(found(&["--text", "42"]), ["one 42", "three 42"]);
    let blue = ["--header", "tenant=blue", "--text", "three"];
    assert_eq!(found(&blue), ["three 42"]);
    assert_eq!(found(&["--id", "none"]), [""; 0]);
    assert_eq!(found(&["--older-than", "1h"]), [""; 0]);
    let shown = landfall(
        api,
        &["message", "list", "orders", "--routing-key", "orders"],
    );
    assert!(shown.contains("tenant=red"), "{shown}");

    let moved = [
        "message",
        "move",
        "orders",
        "--text",
        "42",
        "--to-queue",
        "later",
    ];
    assert_eq!(landfall(api, &moved), "2 moved\n");
    let two = json(&landfall(api, &list))[0]["position"].to_string();
    let edited = [
        "message",
        "edit",
        "orders",
        "--position",
        &two,
        "--payload",
        "better",
        "--properties",
        r#"{"type":"edited"}"#,
        "--to-exchange",
        "amq.default",
        "--to-routing-key",
        "later",
    ];
    assert_eq!(landfall(api, &edited), "1 moved\n");
    // The answer came: so it has landed.
    server.kill();
    let server = start(&scratch);
    let api = server.api();
    let (_connection, channel) = self::channel(&server).await;
    for (body, kind) in [
        ("one 42", None),
        ("three 42", None),
        ("better", Some("edited")),
    ] {
        let next = get(&channel, "later").await.expect("it was moved");
        assert_eq!(next.data, body.as_bytes());
        let said = next.properties.kind().as_ref().map(|kind| kind.as_str());
        assert_eq!(said, kind);
    }
    assert!(get(&channel, "orders").await.is_none());
    for (arguments, complaint) in [
        (&["message", "move", "orders", "--all"][..], "where to?"),
        (
            &["message", "move", "orders", "--to-queue", "later"],
            "which messages?",
        ),
        (
            &["message", "move", "orders", "--all", "--to-queue", "none"],
            "no queue 'none'",
        ),
        (
            &["message", "edit", "orders", "--position", "1"],
            "required",
        ),
        (&["message", "list", "none"], "no queue 'none'"),
    ] {
        let said = refused(api, arguments);
        assert!(said.contains(complaint), "{arguments:?}: {said}");
    }
    let audit = landfall(api, &["audit"]);
    assert!(audit.contains("moved"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tests_itself() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    let told = json(&landfall(api, &["self-test", "--json"]));
    let checks = told["checks"].as_array().expect("a list").iter();
    let names: Vec<&str> = checks.filter_map(|check| check["check"].as_str()).collect();
    let all = [
        "declare",
        "publish",
        "clock",
        "read",
        "acknowledge",
        "delete",
        "sync",
        "disk",
        "memory",
    ];
    assert_eq!(names, all, "{told:#}");
    let queues = json(&landfall(api, &["queue", "list", "--json"]));
    assert_eq!(queues.as_array().map(Vec::len), Some(0));
    let said = refused(api, &["self-test", "--vhost", "none"]);
    assert!(said.contains("the server is not well"), "{said}");
}

/// The pause has landed when it is answered: it is there after a kill, and consumers wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_a_kill() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let (_connection, channel) = channel(&server).await;
    declare(&channel, "q", &[]).await;
    let told = landfall(server.api(), &["queue", "pause", "q"]);
    assert_eq!(told, "paused: it takes messages and hands none out\n");
    server.kill();
    let server = start(&scratch);
    let api = server.api();
    let again = landfall(api, &["queue", "pause", "q"]);
    assert_eq!(again, "it was paused already\n");
    let (_connection, channel) = self::channel(&server).await;
    publish(&channel, "q", "blue", b"waits").await;
    assert!(get(&channel, "q").await.is_none());
    let shown = json(&landfall(api, &["queue", "show", "q", "--json"]));
    assert_eq!(
        (&shown["landfall_paused"], &shown["messages_ready"]),
        (&true.into(), &1.into())
    );
    landfall(api, &["queue", "resume", "q"]);
    let next = get(&channel, "q").await.expect("it is handed out again");
    assert_eq!(next.data, b"waits");
}

/// Whatever the moment at which the server is killed: no message is lost, and one that is there twice is a copy.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_amid_a_move_loses_nothing() {
    const COUNT: usize = 3_000;
    let scratch = Scratch::new();
    let server = start(&scratch);
    let (connection, channel) = channel(&server).await;
    declare(&channel, "from", &[]).await;
    declare(&channel, "to", &[]).await;
    let lines: String = (0..COUNT).map(|number| format!("{number}\n")).collect();
    let arguments = ["send", "from", "--url", &server.url()];
    let sent = landfall_with(server.api(), &arguments, &lines);
    assert!(sent.status.success());
    drop((connection, channel));
    let api = server.api().to_owned();
    let moving = std::thread::spawn(move || {
        let arguments = ["message", "move", "from", "--all", "--to-queue", "to"];
        landfall_with(&api, &arguments, "").status.success()
    });
    loop {
        let to = json(&landfall(server.api(), &["queue", "show", "to", "--json"]));
        if to["messages"].as_u64() > Some(0) {
            break;
        }
    }
    server.kill();
    let _ = moving.join();
    let server = start(&scratch);
    let mut seen = vec![0; COUNT];
    for queue in ["from", "to"] {
        let arguments = [
            "message", "list", queue, "--limit", "9999", "--body", "--json",
        ];
        let listed = json(&landfall(server.api(), &arguments));
        for message in listed.as_array().expect("a list") {
            let body = message["payload"].as_str().expect("text");
            seen[body.parse::<usize>().expect("a number")] += 1;
        }
    }
    assert!(seen.iter().all(|times| (1..=2).contains(times)));
    assert!(landfall(server.api(), &["audit"]).contains("to"));
}
