//! P9: the server stays within `--memory-limit`, and nothing is lost by that.

use crate::harness::raw::{CHANNEL, Raw};
use crate::harness::{Landfall, Scratch};
use client::{Options, Sender};
use model::method::{queue, queue::Bind};
use model::{ChannelNumber, Method, ShortStr, TableBuilder, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use wire::Frame;

const MIB: usize = 1024 * 1024;
const LIMIT: usize = 128 * MIB;

fn start(scratch: &Scratch) -> Landfall {
    let options = ["--listen", "127.0.0.1:0", "--memory-limit", "128MiB"];
    Landfall::start_with(&scratch.data_dir(), &options)
}

/// Binds the queue by arguments of a hundred kilobytes, which the server has to keep.
fn bind_heavily(raw: &mut Raw, queue: &ShortStr, number: i64) {
    let arguments = TableBuilder::new()
        .field("number", Value::I64(number))
        .field("much", Value::Str(&[b'x'; 100_000]))
        .build();
    let bind = Bind {
        queue: queue.clone(),
        exchange: ShortStr::from_static("amq.headers"),
        arguments,
        ..Bind::default()
    };
    raw.send(CHANNEL, &bind.into());
    let answer = raw.method(CHANNEL);
    assert!(matches!(answer, Method::QueueBindOk(_)), "{answer:?}");
}

/// What the server says about its connection, if anything in that time.
fn said_of_connection(raw: &mut Raw, time: Duration) -> Option<Method> {
    match raw.heard_within(time)? {
        Frame::Method(ChannelNumber(0), method) => Some(method),
        other => panic!("nothing but the connection should be spoken of: {other:?}"),
    }
}

#[test]
fn short_of_memory_publishers_wait_acknowledgements_go_through_and_all_goes_on_afterwards() {
    let scratch = Scratch::new();
    let server = start(&scratch);
    let mut publisher = Raw::with_channel(server.address());
    publisher.declare("q");
    for body in [&b"one"[..], b"two", b"three"] {
        publisher.publish("q", body);
    }
    assert_eq!(publisher.ready("q"), 3);

    let mut hog = Raw::with_channel(server.address());
    let heavy = ShortStr::from_static("heavy");
    hog.declare("heavy");
    let mut bindings = 0;
    let blocked = loop {
        assert!(bindings < 2_000, "200 MB are kept in 128 MiB");
        bind_heavily(&mut hog, &heavy, bindings);
        bindings += 1;
        if let Some(method) = said_of_connection(&mut publisher, Duration::from_millis(1)) {
            break method;
        }
    };
    let Method::ConnectionBlocked(blocked) = blocked else {
        panic!("connection.blocked was expected, not {blocked:?}");
    };
    assert_eq!(blocked.reason.as_str(), "low on memory");
    let used = server.memory();
    assert!(used < LIMIT, "{} MiB of 128", used / MIB);

    // Sent, and not read by the server.
    publisher.publish("q", b"four");
    let mut consumer = Raw::with_channel(server.address());
    for body in [&b"one"[..], b"two", b"three"] {
        let (tag, found) = consumer.get("q");
        assert_eq!(found, body);
        consumer.ack(tag);
    }
    assert_eq!(consumer.ready("q"), 0, "four waits in the socket");

    let delete = queue::Delete {
        queue: heavy,
        ..queue::Delete::default()
    };
    hog.send(CHANNEL, &delete.into());
    let answer = hog.method(CHANNEL);
    assert!(matches!(answer, Method::QueueDeleteOk(_)), "{answer:?}");
    let unblocked = said_of_connection(&mut publisher, Duration::from_secs(30));
    assert!(
        matches!(unblocked, Some(Method::ConnectionUnblocked(_))),
        "{unblocked:?}; {} MiB are in use",
        server.memory() / MIB
    );
    assert_eq!(publisher.ready("q"), 1, "four has come");
}

#[test]
fn publishers_and_a_consumer_that_acknowledges_nothing_stay_within_the_limit_and_nothing_is_lost() {
    const MESSAGES: u32 = 60_000;
    let scratch = Scratch::new();
    let server = start(&scratch);
    let mut witness = Raw::with_channel(server.address());
    witness.declare("q");
    let (most, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let mut greedy = Raw::with_channel(server.address());
        greedy.consume("q", false);
        scope.spawn(|| {
            // It takes all that it is given, and keeps it.
            while !over.load(Relaxed) {
                let _ = greedy.heard_within(Duration::from_millis(100));
            }
            drop(greedy);
        });
        scope.spawn(|| {
            while !over.load(Relaxed) {
                most.fetch_max(server.memory(), Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        send_all(&server.url(), MESSAGES);
        over.store(true, Relaxed);
    });
    let most = most.into_inner();
    assert!(most < LIMIT, "{} MiB of 128", most / MIB);
    let asked_since = Instant::now();
    while witness.ready("q") < MESSAGES {
        let waited = asked_since.elapsed();
        assert!(
            waited < Duration::from_secs(20),
            "{} are left",
            witness.ready("q")
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends messages of a kibibyte as fast as they are taken, until each has landed.
fn send_all(url: &str, messages: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let landed = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let options = Options::parse([url]).expect("an address");
        let sender = Sender::to_queue("q").window(20_000, 1 << 30);
        let sender = sender.connect(&options).await.expect("a server");
        for _ in 0..messages {
            let landed = landed.clone();
            let count = move |outcome: Result<_, _>| {
                landed.fetch_add(usize::from(outcome.is_ok()), Relaxed);
            };
            sender.send_with(vec![7; 1024], count).await;
        }
        sender.close().await;
    });
    assert_eq!(landed.load(Relaxed), messages as usize);
}
