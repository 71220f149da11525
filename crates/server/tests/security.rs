//! Passwords and whoever guesses them, from outside.

use crate::admin::{connect, landfall, landfall_with, start};
use crate::harness::raw::Raw;
use crate::harness::{Landfall, Scratch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const CANARY: &str = "canary-7f3a9c";

/// Asks without the commands: the code, and all that was answered.
fn ask(api: &str, request: &str, headers: &str, body: &str) -> (u16, String) {
    let address = api.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let code = answer.split(' ').nth(1).expect("a status line");
    (code.parse().expect("a number"), answer)
}

fn basic(user: &str, password: &str) -> String {
    let login = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {login}\r\n")
}

fn add_user(api: &str, name: &str, password: &str) {
    let add = [
        "user",
        "add",
        name,
        "--password-stdin",
        "--tags",
        "administrator",
    ];
    let made = landfall_with(api, &add, &format!("{password}\n"));
    assert!(made.status.success(), "{made:?}");
    let all = ["--configure", ".*", "--write", ".*", "--read", ".*"];
    let set = [&["permission", "set", name, "--vhost", "/"][..], &all].concat();
    landfall(api, &set);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_hashed_slowly_and_goes_along_to_another_server() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    let server = start(&scratch);
    add_user(server.api(), "ada", "secret");
    let (code, said) = ask(
        server.api(),
        "GET /api/users/ada",
        &basic("ada", "secret"),
        "",
    );
    assert_eq!(code, 200, "{said}");
    assert!(
        said.contains("landfall_password_hashing_argon2id"),
        "{said}"
    );
    assert!(said.contains("\"$argon2id$v=19$m=19456,t=2,p=1$"), "{said}");
    connect(&server, "ada:secret", "%2F")
        .await
        .expect("it is the password");
    assert!(connect(&server, "ada:wrong", "%2F").await.is_err());
    // It was looked at; now it is known.
    let began = Instant::now();
    for _ in 0..50 {
        connect(&server, "ada:secret", "%2F")
            .await
            .expect("it is the password");
    }
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    let file = other.data_dir().with_extension("json");
    let file = file.to_str().expect("a plain path");
    landfall(server.api(), &["definitions", "export", file]);
    server.kill();
    let server = start(&scratch);
    connect(&server, "ada:secret", "%2F")
        .await
        .expect("it is there after a restart");
    let another = start(&other);
    landfall(another.api(), &["definitions", "import", file]);
    connect(&another, "ada:secret", "%2F")
        .await
        .expect("it has come along");
    assert!(connect(&another, "ada:wrong", "%2F").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_to_be_found_nowhere() {
    let scratch = Scratch::new();
    let options = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let trace = [&options[..], &["--log-level", "trace"]].concat();
    let server = Landfall::start_with(&scratch.data_dir(), &trace);
    let api = server.api();
    add_user(api, "ada", CANARY);
    let wrong = format!("{CANARY}-wrong");
    drop(
        connect(&server, &format!("ada:{CANARY}"), "%2F")
            .await
            .expect("it is the password"),
    );
    assert!(
        connect(&server, &format!("ada:{wrong}"), "%2F")
            .await
            .is_err()
    );
    let login = basic("ada", CANARY);
    assert_eq!(
        ask(api, "GET /api/whoami", &basic("ada", &wrong), "").0,
        401
    );
    let session = format!(r#"{{"username":"ada","password":"{CANARY}"}}"#);
    let (code, begun) = ask(api, "POST /api/landfall/session", "", &session);
    assert_eq!(code, 201, "{begun}");
    // Bodies that make no sense are complained of without being repeated.
    let nonsense = format!(r#"{{"password":"{CANARY}","tags":7}}"#);
    let (code, complaint) = ask(api, "PUT /api/users/bob", &login, &nonsense);
    assert_eq!(code, 400, "{complaint}");
    let mut seen = vec![begun, complaint, server.log()];
    for path in [
        "users",
        "users/ada",
        "definitions",
        "overview",
        "nodes",
        "permissions",
        "whoami",
    ] {
        let (code, said) = ask(api, &format!("GET /api/{path}"), &login, "");
        assert_eq!(code, 200, "{path}: {said}");
        seen.push(said);
    }
    for file in ["cmdline", "environ"] {
        let octets = std::fs::read(format!("/proc/{}/{file}", server.process()));
        seen.push(String::from_utf8_lossy(&octets.expect("it runs")).into_owned());
    }
    let coded = STANDARD.encode(format!("ada:{CANARY}"));
    for text in seen {
        assert!(!text.contains(CANARY) && !text.contains(&coded), "{text}");
    }
}

#[test]
fn guesses_over_http_are_refused_quickly_after_five() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let guesses = (0..5).map(|number| {
        let api = server.api().to_owned();
        std::thread::spawn(move || {
            ask(
                &api,
                "GET /api/whoami",
                &basic("guest", &number.to_string()),
                "",
            )
            .0
        })
    });
    let guesses: Vec<_> = guesses.collect();
    for guess in guesses {
        assert_eq!(guess.join().expect("it is answered"), 401);
    }
    let began = Instant::now();
    let (code, said) = ask(server.api(), "GET /api/whoami", &basic("guest", "6"), "");
    assert_eq!(code, 429, "{said}");
    assert!(said.contains("retry-after: "), "{said}");
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
}

/// The code that is answered to somebody on this machine who asks for that host.
fn code_for(address: &str, path: &str, host: &str) -> u16 {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let login = basic("guest", "guest");
    let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{login}Connection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let code = answer.split(' ').nth(1).expect("a status line");
    code.parse().expect("a number")
}

#[test]
fn a_name_that_is_made_to_lead_here_leads_nowhere() {
    let port = { TcpListener::bind("127.0.0.1:0") }.and_then(|free| free.local_addr());
    let metrics = port.expect("a free port").to_string();
    let options = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let options = [&options[..], &["--prometheus-listen", &metrics]].concat();
    for (said, expected) in [("none", 421), ("rebound.example", 200), ("any", 200)] {
        let scratch = Scratch::new();
        let options = [&options[..], &["--admin-hosts", said]].concat();
        let server = Landfall::start_with(&scratch.data_dir(), &options);
        let api = server.api().strip_prefix("http://").expect("an address");
        for (address, path) in [(api, "/api/whoami"), (api, "/"), (&metrics, "/metrics")] {
            let answered = code_for(address, path, "rebound.example:15672");
            assert_eq!(answered, expected, "{said} {path}");
            assert_eq!(code_for(address, path, "localhost:15672"), 200);
        }
    }
}

#[test]
fn the_guest_does_not_come_through_a_proxy() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let guest = basic("guest", "guest");
    for header in [
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
    ] {
        let headers = format!("{guest}{header}\r\n");
        let (code, said) = ask(server.api(), "GET /api/whoami", &headers, "");
        assert_eq!(code, 401, "{header}: {said}");
    }
    assert_eq!(ask(server.api(), "GET /api/whoami", &guest, "").0, 200);
}

#[test]
fn bodies_that_come_byte_by_byte_hold_up_nobody() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let address = server.api().strip_prefix("http://").expect("an address");
    let body = r#"{"description":"slow"}"#;
    let head = |number: usize| {
        let login = basic("guest", "guest");
        let length = body.len();
        format!(
            "PUT /api/vhosts/v{number} HTTP/1.1\r\nHost: {address}\r\n{login}Connection: close\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let slow = (0..8).map(|number| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(head(number).as_bytes()).expect("it reads");
        stream
    });
    let mut slow: Vec<TcpStream> = slow.collect();
    for octet in body.bytes() {
        for stream in &mut slow {
            stream.write_all(&[octet]).expect("it reads");
        }
        let began = Instant::now();
        let login = basic("guest", "guest");
        assert_eq!(ask(server.api(), "GET /api/users", &login, "").0, 200);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    for stream in &mut slow {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

#[test]
fn who_comes_and_says_nothing_keeps_nobody_out() {
    let scratch = Scratch::new();
    let options = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let quick = [&options[..], &["--handshake-timeout", "2s"]].concat();
    let server = Landfall::start_with(&scratch.data_dir(), &quick);
    let address = server.api().strip_prefix("http://").expect("an address");
    let dial = |to: &str| {
        let mut stream = TcpStream::connect(to).expect("it accepts");
        let patience = Some(Duration::from_secs(20));
        stream
            .set_read_timeout(patience)
            .expect("an option can be set");
        stream.write_all(b"G").expect("it is there");
        stream
    };
    let is_closed = |stream: &mut TcpStream| match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
        Ok(_) => false,
    };
    let slow: Vec<TcpStream> = (0..64).map(|_| dial(address)).collect();
    let mut many = dial(address);
    assert!(is_closed(&mut many), "one address has no more than 64");
    drop(slow);
    // It takes a moment until they are gone.
    let began = Instant::now();
    while TcpStream::connect(address).is_ok() {
        let mut stream = TcpStream::connect(address).expect("it accepts");
        let request = b"GET /healthz/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        if stream.write_all(request).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
        {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{answer}");
    }
    // Clients that begin the protocol and stop.
    let clients = server.address().to_string();
    let began = Instant::now();
    let mut slow: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(&clients).expect("it accepts");
            let patience = Some(Duration::from_secs(20));
            stream
                .set_read_timeout(patience)
                .expect("an option can be set");
            stream.write_all(b"AMQP").expect("it is there");
            stream
        })
        .collect();
    drop(Raw::open(server.address()));
    for stream in &mut slow {
        assert!(is_closed(stream), "after the time for the handshake");
    }
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    drop(Raw::open(server.address()));
}

#[test]
fn a_session_lives_in_a_real_server() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let body = r#"{"username":"guest","password":"guest"}"#;
    let (code, begun) = ask(server.api(), "POST /api/landfall/session", "", body);
    assert_eq!(code, 201, "{begun}");
    let (head, body) = begun.split_once("\r\n\r\n").expect("a body");
    let cookie = { head.lines() }.find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next());
    let cookie = format!("Cookie: {}\r\n", cookie.expect("a cookie"));
    let said: Value = serde_json::from_str(body).expect("JSON");
    let token = format!(
        "{cookie}x-csrf-token: {}\r\n",
        said["csrf"].as_str().expect("text")
    );
    assert_eq!(ask(server.api(), "GET /api/users", &cookie, "").0, 200);
    assert_eq!(ask(server.api(), "PUT /api/vhosts/v", &cookie, "{}").0, 403);
    assert_eq!(ask(server.api(), "PUT /api/vhosts/v", &token, "{}").0, 201);
    assert_eq!(
        ask(server.api(), "DELETE /api/landfall/session", &token, "").0,
        204
    );
    assert_eq!(ask(server.api(), "GET /api/users", &cookie, "").0, 401);
}
