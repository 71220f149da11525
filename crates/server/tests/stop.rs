//! Starting and stopping: SIGTERM tells clients, loses nothing, and exits 0; so does a restart after a kill.

use crate::harness::raw::{CHANNEL, Raw};
use crate::harness::{Landfall, Scratch};
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
