//! P9: a client that does not read slows nobody, and what it causes is bounded.

use crate::harness::raw::{CHANNEL, Raw, publish};
use crate::harness::{Landfall, Scratch};
use model::Method;
use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// Publishes and waits for the confirm.
fn confirmed(raw: &mut Raw, tag: u64, body: &[u8]) {
    raw.publish("q", body);
    loop {
        match raw.method(CHANNEL) {
            Method::BasicAck(ack) if ack.delivery_tag.0 == tag => return,
            Method::BasicAck(_) => {}
            other => panic!("a confirm was expected, not {other:?}"),
        }
    }
}

#[test]
fn a_consumer_that_does_not_read_costs_a_bounded_amount() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::with_channel(server.address());
    raw.declare("q");
    raw.confirm_select();
    let mut deaf: Vec<Raw> = (0..10)
        .map(|_| Raw::with_channel(server.address()))
        .collect();
    for raw in &mut deaf {
        raw.consume("q", true);
    }
    let body = vec![7; 256 * 1024];
    for tag in 1..=1000 {
        confirmed(&mut raw, tag, &body);
    }
    // 250 MiB are on their way to those who do not read: in memory are the cache, and a little for each.
    let used = server.memory() / MIB;
    assert!(used < 200, "{used} MiB for a backlog of 250 MiB");
    // Who reads gets what comes next, also beside them.
    let mut reading = Raw::with_channel(server.address());
    reading.declare("other");
    reading.publish("other", b"through");
    reading.consume("other", true);
    let (_, body) = reading.delivery();
    assert_eq!(body, b"through");
}

#[test]
fn a_publisher_that_does_not_read_what_comes_back_is_not_read() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut witness = Raw::with_channel(server.address());
    witness.declare("q");
    witness.confirm_select();
    let mut deaf = Raw::with_channel(server.address());
    let returned = publish("nowhere", &[7; 100_000], true);
    let before = server.memory();
    let taken = deaf.write_until_refused(&returned, Duration::from_secs(2), 500 * MIB);
    assert!(taken < 100 * MIB, "the server took {} MiB", taken / MIB);
    let used = server.memory().saturating_sub(before) / MIB;
    assert!(used < 100, "{used} MiB for returns that nobody reads");
    confirmed(&mut witness, 1, b"still works");
}
