//! Operators at work: the commands `landfall user`, `vhost`, `permission` and `definitions`, and what clients notice.

use crate::harness::{Landfall, Scratch};
use ::lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use ::lapin::types::FieldTable;
use ::lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::Value;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const WITH_API: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

pub(crate) fn start(scratch: &Scratch) -> Landfall {
    Landfall::start_with(&scratch.data_dir(), &WITH_API)
}

/// Runs `landfall` against a server, with something on standard input.
pub(crate) fn landfall_with(api: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_landfall"))
        .args(arguments)
        .env("LANDFALL_ADMIN_URL", api)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    // Not every command reads it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

/// Runs a command that must succeed; what it said.
#[track_caller]
pub(crate) fn landfall(api: &str, arguments: &[&str]) -> String {
    let output = landfall_with(api, arguments, "");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command that must fail; its complaint.
#[track_caller]
pub(crate) fn refused(api: &str, arguments: &[&str]) -> String {
    let output = landfall_with(api, arguments, "");
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).expect("text")
}

pub(crate) async fn connect(
    server: &Landfall,
    login: &str,
    vhost: &str,
) -> Result<Connection, lapin::Error> {
    let url = format!("amqp://{login}@{}/{vhost}", server.address());
    Connection::connect(&url, ConnectionProperties::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_made_and_works_and_is_there_after_a_restart() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    landfall(api, &["vhost", "add", "a/b", "--description", "both"]);
    let made = landfall_with(
        api,
        &[
            "user",
            "add",
            "ada",
            "--password-stdin",
            "--tags",
            "monitoring,x",
        ],
        "secret\n",
    );
    assert!(made.status.success());
    landfall(
        api,
        &[
            "permission",
            "set",
            "ada",
            "--vhost",
            "a/b",
            "--configure",
            "^ada",
            "--write",
            ".*",
            "--read",
            "^ada",
        ],
    );
    let users = landfall(api, &["user", "list"]);
    assert_eq!(
        users,
        "name   tags           limits\nada    monitoring,x\nguest  administrator\n"
    );
    let permissions = landfall(api, &["permission", "list", "ada"]);
    assert_eq!(
        permissions,
        "user  vhost  configure  write  read\nada   a/b    ^ada       .*     ^ada\n"
    );
    let vhosts = landfall(api, &["vhost", "list", "--json"]);
    let vhosts: Value = serde_json::from_str(&vhosts).expect("JSON");
    assert_eq!(vhosts[1]["description"], "both");

    server.kill();
    let server = start(&scratch);
    let connection = connect(&server, "ada:secret", "a%2Fb").await;
    let connection = connection.expect("the user is let in");
    let channel = connection.create_channel().await.expect("a channel");
    let own = channel.queue_declare(
        "ada-1".into(),
        QueueDeclareOptions::durable(),
        FieldTable::default(),
    );
    own.await.expect("the name matches");
    assert!(
        connect(&server, "ada:secret", "%2F").await.is_err(),
        "no permission there"
    );

    let api = server.api();
    landfall(
        api,
        &["user", "change-password", "ada", "--password", "new"],
    );
    landfall(api, &["user", "set-tags", "ada"]);
    assert!(connect(&server, "ada:secret", "a%2Fb").await.is_err());
    let again = connect(&server, "ada:new", "a%2Fb").await;
    assert!(again.is_ok(), "setting tags leaves the password");
    landfall(api, &["permission", "clear", "ada", "--vhost", "a/b"]);
    landfall(api, &["user", "remove", "ada"]);
    landfall(api, &["vhost", "remove", "a/b"]);
    assert_eq!(
        landfall(api, &["user", "list"]),
        "name   tags           limits\nguest  administrator\n"
    );
    assert!(!landfall(api, &["vhost", "list"]).contains("a/b"));
}

#[test]
fn complaints_say_what_to_do() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    landfall(
        api,
        &[
            "user",
            "add",
            "bob",
            "--password",
            "b",
            "--tags",
            "management",
        ],
    );
    for (arguments, expected) in [
        (
            &["user", "add", "bob", "--password", "b"][..],
            "user 'bob' is there already",
        ),
        (
            &["user", "add", "eve", "--password", ""],
            "an empty password is nobody's",
        ),
        (&["user", "remove", "eve"], "there is no user 'eve'"),
        (&["user", "set-tags", "eve"], "there is no user 'eve'"),
        (&["vhost", "add", "/"], "vhost '/' is there already"),
        (&["vhost", "remove", "none"], "there is no vhost 'none'"),
        (
            &["permission", "clear", "bob"],
            "user 'bob' has no permission in vhost '/'",
        ),
        (&["permission", "list", "eve"], "there is no user 'eve'"),
        (&["permission", "set", "eve"], "eve"),
        (&["permission", "set", "bob", "--read", "("], "("),
        (&["definitions", "import", "/none"], "cannot read /none"),
        (&["definitions", "export", "--vhost", "none"], "Not Found"),
        (
            &["user", "list", "--admin-password", "wrong"],
            "does not let 'guest' in",
        ),
        (
            &[
                "user",
                "list",
                "--admin-user",
                "bob",
                "--admin-password",
                "b",
            ],
            "does not allow that to 'bob': Not administrator user",
        ),
    ] {
        let complaint = refused(api, arguments);
        assert!(complaint.contains(expected), "{arguments:?}: {complaint}");
    }
    let nobody = refused("http://127.0.0.1:1", &["user", "list"]);
    assert!(
        nobody.contains("no server answers at http://127.0.0.1:1"),
        "{nobody}"
    );
}

#[test]
fn a_taken_port_costs_the_api_and_not_the_server() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let scratch = Scratch::new();
    let options = ["--listen", "127.0.0.1:0", "--admin-listen", &address];
    let server = Landfall::start_with(&scratch.data_dir(), &options);
    assert!(
        server.log().contains("no HTTP API at this address"),
        "{}",
        server.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_hold_up_neither_clients_nor_the_api_for_ever() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let address = server.api().trim_start_matches("http://").to_owned();
    let silent: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(&address).expect("the system takes it"))
        .collect();
    let connection = connect(&server, "guest:guest", "%2F").await;
    assert!(connection.is_ok(), "clients have their own listener");
    drop(silent);
    assert!(landfall(server.api(), &["user", "list"]).contains("guest"));
}

#[test]
fn of_a_document_that_is_refused_nothing_is_made() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let wrong = [
        r#"{"name": "b", "vhost": "/", "arguments": {"x-max-priority": "high"}}"#,
        r#"{"name": "b", "vhost": "none", "arguments": {}}"#,
        r#"{"name": "b", "arguments": {}}"#,
    ];
    for queue in wrong {
        let document = format!(
            r#"{{"vhosts": [{{"name": "new"}}], "users": [{{"name": "eve", "tags": ""}}],
                "queues": [{{"name": "a", "vhost": "/"}}, {queue}]}}"#
        );
        let imported = landfall_with(server.api(), &["definitions", "import"], &document);
        assert!(!imported.status.success(), "{queue}");
        let left = landfall(server.api(), &["definitions", "export"]);
        let left: Value = serde_json::from_str(&left).expect("JSON");
        assert_eq!(left["queues"], Value::Array(Vec::new()), "{queue}");
        assert_eq!(left["users"].as_array().map(Vec::len), Some(1), "{queue}");
        assert_eq!(left["vhosts"].as_array().map(Vec::len), Some(1), "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_go_from_one_server_to_another() {
    let (scratch, other_scratch) = (Scratch::new(), Scratch::new());
    let (server, other) = (start(&scratch), start(&other_scratch));
    let document = r#"{
        "vhosts": [{"name": "shop", "description": "the shop", "tags": ["t"]}],
        "users": [{"name": "ada", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha512", "tags": "management", "limits": {"max-channels": 9}}],
        "permissions": [{"user": "ada", "vhost": "shop", "configure": "^a", "write": "", "read": ".*"}],
        "topic_permissions": [{"user": "ada", "vhost": "shop", "exchange": "amq.topic", "write": "^a", "read": ""}],
        "parameters": [{"component": "vhost-limits", "name": "limits", "vhost": "shop", "value": {"max-queues": 5}}],
        "policies": [{"vhost": "shop", "name": "p", "pattern": "^q", "apply-to": "queues", "priority": 3, "definition": {"max-length": 7}}],
        "queues": [{"name": "q", "vhost": "shop", "durable": true, "auto_delete": false, "arguments": {"x-message-ttl": 60000, "x-unknown": {"deep": [1, "two", null, 3.5]}}}],
        "exchanges": [
            {"name": "x", "vhost": "shop", "type": "topic", "durable": true, "arguments": {"alternate-exchange": "amq.fanout"}},
            {"name": "y", "vhost": "shop", "type": "fanout", "durable": true, "internal": true}
        ],
        "bindings": [
            {"source": "x", "vhost": "shop", "destination": "q", "destination_type": "queue", "routing_key": "a.#"},
            {"source": "x", "vhost": "shop", "destination": "y", "destination_type": "exchange", "routing_key": "b", "arguments": {"k": 1}}
        ],
        "global_parameters": [{"name": "n", "value": 1}]
    }"#;
    let imported = landfall_with(server.api(), &["definitions", "import"], document);
    let said = String::from_utf8_lossy(&imported.stdout).into_owned();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    for line in [
        "vhosts             1 made, 0 there already",
        "bindings           2 made, 0 there already",
        "ignored: global_parameters[0]: no place for global parameter 'n'",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let file = scratch.data_dir().with_extension("json");
    let file = file.to_str().expect("a plain path");
    landfall(server.api(), &["definitions", "export", file]);
    landfall(other.api(), &["definitions", "import", file]);
    let exported = read(file);
    assert_eq!(exported["queues"].as_array().map(Vec::len), Some(1));
    let again = landfall(other.api(), &["definitions", "export"]);
    let again: Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!(
        again, exported,
        "nothing is lost on the way, and nothing added"
    );
    let repeated = landfall(other.api(), &["definitions", "import", file, "--json"]);
    let repeated: Value = serde_json::from_str(&repeated).expect("JSON");
    assert_eq!(
        repeated["made"]["queues"], 0,
        "what is there stays as it is"
    );

    // A message finds its way along what was imported, after a crash too.
    landfall(
        other.api(),
        &[
            "permission",
            "set",
            "guest",
            "--vhost",
            "shop",
            "--read",
            ".*",
            "--write",
            ".*",
        ],
    );
    other.kill();
    let other = start(&other_scratch);
    let connection = connect(&other, "guest:guest", "shop")
        .await
        .expect("the guest is let in");
    let channel = connection.create_channel().await.expect("a channel");
    channel
        .basic_publish(
            "x".into(),
            "a.b".into(),
            BasicPublishOptions::default(),
            b"m",
            BasicProperties::default(),
        )
        .await
        .expect("the exchange is there");
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel
        .queue_declare("q".into(), passive, FieldTable::default())
        .await;
    assert_eq!(queue.expect("the queue is there").message_count(), 1);
}

fn read(file: impl AsRef<Path>) -> Value {
    let text = std::fs::read_to_string(file).expect("it was written");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_counts_at_once_for_queues_that_are_there() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    let connection = connect(&server, "guest:guest", "%2f")
        .await
        .expect("let in");
    let channel = connection.create_channel().await.expect("a channel");
    let declared = channel.queue_declare(
        "orders".into(),
        QueueDeclareOptions::durable(),
        FieldTable::default(),
    );
    declared.await.expect("it is made");

    let set = [
        "policy",
        "set",
        "short",
        "^orders$",
        r#"{"max-length": 10}"#,
    ];
    assert_eq!(landfall(api, &set), "policy 'short' is made\n");
    assert_eq!(landfall(api, &set), "policy 'short' is changed\n");
    let listed = landfall(api, &["policy", "list"]);
    assert!(listed.contains("max-length=10"), "{listed}");
    let rules = || -> Value {
        let shown = landfall(api, &["queue", "show", "orders", "--json"]);
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["rules"]["x-max-length"].clone()
    };
    assert_eq!(rules(), 10);
    let cleared = landfall(api, &["policy", "clear", "short"]);
    assert_eq!(cleared, "policy 'short' is removed\n");
    assert_eq!(rules(), Value::Null);

    let said = refused(api, &["policy", "set", "bad", ".*", "max-length=10"]);
    assert!(said.contains("the definition is no JSON"), "{said}");
    let said = refused(api, &["policy", "clear", "short"]);
    assert!(
        said.contains("there is no policy 'short' in vhost '/'"),
        "{said}"
    );
}

#[test]
fn the_commands_are_completed_in_a_shell() {
    let script = landfall("", &["completions", "bash"]);
    assert!(script.contains("complete -F _landfall"), "{script}");
    assert!(script.contains("definitions"), "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_says_what_is_there_and_its_code_whether_all_is_well() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    let connection = connect(&server, "guest:guest", "%2f")
        .await
        .expect("let in");
    let channel = connection.create_channel().await.expect("a channel");
    let mut arguments = FieldTable::default();
    arguments.insert("x-delivery-limit".into(), 0.into());
    let options = QueueDeclareOptions::durable();
    let declared = channel.queue_declare("orders".into(), options, arguments);
    declared.await.expect("it is made");
    let calm = until(api, |told| told.contains("1       1            1"));
    assert!(calm.starts_with("Landfall "), "{calm}");

    let listed = landfall(api, &["connection", "list"]);
    assert!(listed.contains("guest"), "{listed}");
    let message = BasicPublishOptions::default();
    let published = channel.basic_publish(
        "".into(),
        "orders".into(),
        message,
        b"x",
        BasicProperties::default(),
    );
    published.await.expect("it is sent");
    let got = channel.basic_get("orders".into(), Default::default());
    let got = got.await.expect("it answers").expect("a message");
    let back = ::lapin::options::BasicNackOptions {
        requeue: true,
        ..Default::default()
    };
    got.delivery.acker.nack(back).await.expect("it goes back");
    let parked = until(api, |told| {
        told.contains("! out of attempts, and parked: 1")
    });
    assert!(
        parked.contains("orders") || parked.contains("queue list"),
        "{parked}"
    );
    let ended = landfall_with(api, &["status"], "");
    assert_eq!(ended.status.code(), Some(3));
}

/// Asks for the status until it is as it should be: the server looks at itself once a second.
fn until(api: &str, is_so: impl Fn(&str) -> bool) -> String {
    let began = std::time::Instant::now();
    loop {
        let told = landfall_with(api, &["status"], "");
        let told = String::from_utf8(told.stdout).expect("text");
        if is_so(&told) {
            return told;
        }
        assert!(began.elapsed().as_secs() < 30, "{told}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[tokio::test]
async fn what_operators_do_is_written_down_and_found_after_a_kill() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let api = server.api();
    landfall(
        api,
        &["user", "add", "ada", "--password", "a canary in a mine"],
    );
    landfall(api, &["vhost", "add", "books"]);
    refused(
        api,
        &["queue", "list", "--admin-password", "a wrong canary"],
    );
    server.kill();
    let server = start(&scratch);
    let api = server.api();
    let found = landfall(api, &["operations", "--json"]);
    let found: Value = serde_json::from_str(&found).expect("JSON");
    let told: Vec<String> = found
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            format!(
                "{} {} {} {}",
                one["user"], one["method"], one["path"], one["status"]
            )
        })
        .collect();
    let expected = [
        r#""guest" "GET" "/api/landfall/queues" 401"#,
        r#""guest" "PUT" "/api/vhosts/books" 201"#,
        r#""guest" "PUT" "/api/users/ada" 201"#,
    ];
    assert_eq!(told, expected);
    let failed = landfall(api, &["operations", "--failed"]);
    assert_eq!(failed.lines().count(), 2, "a head and one line: {failed}");
    for entry in std::fs::read_dir(scratch.data_dir().join("operations")).expect("a folder") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("text");
        assert!(!text.contains("canary"), "{text}");
    }
}
