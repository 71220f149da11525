//! P9: each limit that the operator sets, and what a client is told that reaches it.

use crate::harness::raw::{CHANNEL, Raw, publish};
use crate::harness::{Landfall, Scratch};
use model::method::{channel, connection, queue};
use model::{ChannelNumber, Method, ShortStr};
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;

fn start(scratch: &Scratch, options: &[&str]) -> Landfall {
    let options = [&["--listen", "127.0.0.1:0"], options].concat();
    Landfall::start_with(&scratch.data_dir(), &options)
}

fn closed_channel(raw: &mut Raw) -> (u16, String) {
    match raw.method(CHANNEL) {
        Method::ChannelClose(close) => (close.reply_code, close.reply_text.to_string()),
        other => panic!("channel.close was expected, not {other:?}"),
    }
}

#[test]
fn one_connection_too_many_is_told_so_and_a_place_that_is_left_is_taken() {
    let scratch = Scratch::new();
    let server = start(&scratch, &["--connections-max", "2"]);
    let _first = Raw::open(server.address());
    let second = Raw::open(server.address());
    let mut third = Raw::dial(server.address());
    third.login(b"\0guest\0guest");
    third.tune_and_ask_for_the_vhost(0);
    let (code, text) = third.closed_with();
    assert_eq!(code, 530);
    assert_eq!(
        text,
        "NOT_ALLOWED - connection refused: node connection limit (2) is reached"
    );
    drop(second);
    let started = Instant::now();
    loop {
        let mut raw = Raw::dial(server.address());
        raw.login(b"\0guest\0guest");
        raw.tune_and_ask_for_the_vhost(0);
        if let Method::ConnectionOpenOk(_) = raw.method(ChannelNumber(0)) {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "no place again"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn channels_frames_and_heartbeats_are_offered_as_configured() {
    let scratch = Scratch::new();
    let options = [
        "--channel-max",
        "3",
        "--frame-max",
        "8192",
        "--heartbeat",
        "17s",
    ];
    let server = start(&scratch, &options);
    let mut raw = Raw::dial(server.address());
    raw.login(b"\0guest\0guest");
    let offered = connection::Tune {
        channel_max: 3,
        frame_max: 8192,
        heartbeat_s: 17,
    };
    assert_eq!(raw.method(ChannelNumber(0)), offered.into());
    let mut raw = Raw::open(server.address());
    raw.send(ChannelNumber(4), &channel::Open::default().into());
    let (code, text) = raw.closed_with();
    assert_eq!(code, 530, "{text}");
}

#[test]
fn queues_exchanges_and_bindings_are_as_many_as_configured() {
    let scratch = Scratch::new();
    let options = [
        "--queues-max",
        "1",
        "--exchanges-max",
        "0",
        "--bindings-max",
        "0",
    ];
    let server = start(&scratch, &options);
    let mut raw = Raw::with_channel(server.address());
    raw.declare("only");
    let declare = queue::Declare {
        queue: ShortStr::from_static("one-too-many"),
        durable: true,
        ..queue::Declare::default()
    };
    raw.send(CHANNEL, &declare.into());
    let (code, text) = closed_channel(&mut raw);
    assert_eq!(code, 406);
    assert_eq!(
        text,
        "PRECONDITION_FAILED - cannot declare queue 'one-too-many' in vhost '/': queue limit in node (1) is reached"
    );
    let mut raw = Raw::with_channel(server.address());
    let declare = model::method::exchange::Declare {
        exchange: ShortStr::from_static("x"),
        kind: ShortStr::from_static("fanout"),
        ..Default::default()
    };
    raw.send(CHANNEL, &declare.into());
    let (_, text) = closed_channel(&mut raw);
    assert!(text.contains("exchange limit in node (0)"), "{text}");
    let mut raw = Raw::with_channel(server.address());
    let bind = queue::Bind {
        queue: ShortStr::from_static("only"),
        exchange: ShortStr::from_static("amq.fanout"),
        ..Default::default()
    };
    raw.send(CHANNEL, &bind.into());
    let (_, text) = closed_channel(&mut raw);
    assert!(text.contains("binding limit in node (0)"), "{text}");
}

#[test]
fn a_consumer_that_acknowledges_nothing_gets_as_much_as_configured() {
    let scratch = Scratch::new();
    let server = start(&scratch, &["--unacked-max", "10"]);
    let mut raw = Raw::with_channel(server.address());
    raw.declare("q");
    raw.consume("q", false);
    for _ in 0..20 {
        raw.publish("q", b"x");
    }
    let mut last = raw.delivery().0;
    for _ in 1..10 {
        last = raw.delivery().0;
    }
    let more = raw.heard_within(Duration::from_millis(300));
    assert!(more.is_none(), "{more:?}");
    let ack = model::method::basic::Ack {
        delivery_tag: last.delivery_tag,
        multiple: true,
    };
    raw.send(CHANNEL, &ack.into());
    for _ in 0..10 {
        raw.delivery();
    }
}

#[test]
fn unfinished_messages_of_all_connections_share_a_budget_and_all_complete() {
    const CLIENTS: usize = 40;
    let scratch = Scratch::new();
    let server = start(&scratch, &["--unfinished-bytes-max", "8MiB"]);
    let mut witness = Raw::with_channel(server.address());
    witness.declare("q");
    witness.confirm_select();
    let message = publish("q", &vec![7; 4 * MIB], false);
    let (most, end) = message.split_at(message.len() - 1000);
    let before = server.memory();
    let mut clients: Vec<Raw> = (0..CLIENTS)
        .map(|_| {
            let mut raw = Raw::with_channel(server.address());
            raw.confirm_select();
            raw
        })
        .collect();
    // What is not taken now stays in the socket: written from threads, as by clients that know of nothing.
    let writers: Vec<_> = clients
        .drain(..)
        .map(|mut raw| {
            let (most, end) = (most.to_vec(), end.to_vec());
            std::thread::spawn(move || {
                raw.write(&most);
                std::thread::sleep(Duration::from_millis(500));
                raw.write(&end);
                let answer = raw.method(CHANNEL);
                assert!(matches!(answer, Method::BasicAck(_)), "{answer:?}");
            })
        })
        .collect();
    let started = Instant::now();
    let mut highest = 0;
    while started.elapsed() < Duration::from_millis(450) {
        witness.publish("q", b"small");
        let answer = witness.method(CHANNEL);
        assert!(matches!(answer, Method::BasicAck(_)), "{answer:?}");
        highest = highest.max(server.memory());
    }
    let used = highest.saturating_sub(before) / MIB;
    // Together they are 160 MiB. What the allocator has not given back yet counts too, more of it on a busy machine.
    assert!(used < 100, "{used} MiB for {CLIENTS} messages of 4 MiB");
    for writer in writers {
        writer.join().expect("every message is confirmed");
    }
}
