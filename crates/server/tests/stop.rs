//! Starting and stopping: SIGTERM tells clients, loses nothing, and exits 0; so does a restart after a kill.

use crate::harness::raw::{CHANNEL, Raw};
use crate::harness::{Landfall, Scratch, check, start_and_fail};
use model::Method;
use std::time::{Duration, Instant};

/// Publishes `count` numbered messages to "q" and waits for their confirms.
fn fill(raw: &mut Raw, count: u64) {
    raw.declare("q");
    raw.confirm_select();
    for number in 1..=count {
        raw.publish("q", format!("message {number}").as_bytes());
    }
    loop {
        match raw.method(CHANNEL) {
            Method::BasicAck(ack) if ack.delivery_tag.0 == count => return,
            Method::BasicAck(_) => {}
            other => panic!("a confirm was expected, not {other:?}"),
        }
    }
}

fn drain(raw: &mut Raw, count: u64) {
    assert_eq!(u64::from(raw.declare("q").message_count), count);
    raw.consume("q", true);
    for number in 1..=count {
        let (_, body) = raw.delivery();
        assert_eq!(body, format!("message {number}").as_bytes());
    }
}

#[test]
fn sigterm_tells_clients_320_and_loses_nothing() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::with_channel(server.address());
    fill(&mut raw, 100);
    server.ask_to_stop();
    let (code, text) = raw.closed_with();
    assert_eq!(code, 320);
    assert_eq!(
        text,
        "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
    );
    let status = server.wait();
    assert_eq!(status.code(), Some(0));
    let server = Landfall::start(&scratch.data_dir());
    drain(&mut Raw::with_channel(server.address()), 100);
}

#[test]
fn a_client_that_does_not_answer_cannot_keep_the_server_from_stopping() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let _silent = Raw::with_channel(server.address());
    let started = Instant::now();
    assert_eq!(server.terminate().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_kill_loses_nothing_that_was_confirmed() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let address = server.address();
    fill(&mut Raw::with_channel(address), 1000);
    server.kill();
    let server = Landfall::start_at(&scratch.data_dir(), address);
    drain(&mut Raw::with_channel(server.address()), 1000);
}

#[test]
fn what_was_delivered_before_a_stop_comes_again_marked() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::with_channel(server.address());
    fill(&mut raw, 1);
    raw.consume("q", false);
    let (first, _) = raw.delivery();
    assert!(!first.redelivered);
    server.ask_to_stop();
    raw.closed_with();
    assert_eq!(server.wait().code(), Some(0));
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::with_channel(server.address());
    raw.consume("q", false);
    let (again, body) = raw.delivery();
    assert!(again.redelivered);
    assert_eq!(body, b"message 1");
}

#[test]
fn an_empty_directory_serves_in_well_under_a_second() {
    let scratch = Scratch::new();
    let started = Instant::now();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::with_channel(server.address());
    fill(&mut raw, 1);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_second_signal_ends_the_server_at_once_and_loses_nothing() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut silent = Raw::with_channel(server.address());
    fill(&mut silent, 10);
    let started = Instant::now();
    server.ask_to_stop();
    // It waits for an answer to connection.close, which does not come.
    while !server.log().contains("stopping") {
        std::thread::sleep(Duration::from_millis(5));
    }
    server.ask_to_stop();
    assert_eq!(server.wait().code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(4));
    let server = Landfall::start(&scratch.data_dir());
    drain(&mut Raw::with_channel(server.address()), 10);
}

#[test]
fn check_prints_what_a_directory_holds_and_finds_damage() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    fill(&mut Raw::with_channel(server.address()), 123);
    assert!(server.terminate().success());
    let output = check(&scratch.data_dir());
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(report.contains("123"), "{report}");

    // An octet of a landed message, with more that landed behind it.
    let segments = scratch.data_dir().join("segments");
    let segments = std::fs::read_dir(segments).expect("segments can be listed");
    let (path, at) = segments
        .map(|entry| entry.expect("a segment").path())
        .find_map(|path| {
            let bytes = std::fs::read(&path).expect("a segment can be read");
            let needle = b"message 50";
            let at = bytes
                .windows(needle.len())
                .position(|part| part == needle)?;
            Some((path, at))
        })
        .expect("message 50 is in a segment");
    let mut bytes = std::fs::read(&path).expect("a segment can be read");
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).expect("a segment can be written");
    let output = check(&scratch.data_dir());
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("damaged"), "{error}");
    let output = start_and_fail(&scratch.data_dir(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "a damaged directory is not served"
    );
}

/// Whoever tells all servers to read their certificates anew tells those, too, that have none. (Standard input is no terminal
/// here: a server that somebody runs in one goes with it.)
#[test]
fn sighup_does_not_end_a_server_without_certificates() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::with_channel(server.address());
    server.ask_to_reload();
    fill(&mut raw, 3);
    drain(&mut Raw::with_channel(server.address()), 3);
}
