//! The rules of connecting that only the whole server shows: what it logs, how long it waits, when it reads.

use crate::harness::raw::{CHANNEL, Raw};
use crate::harness::{Landfall, Scratch};
use model::method::{connection, queue};
use model::{ChannelNumber, FieldTable, Method, ShortStr};
use std::time::{Duration, Instant};

#[test]
fn who_speaks_another_protocol_is_named_in_the_log() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let strangers: [(&[u8], &str); 3] = [
        (
            b"GET / HTTP/1.1\r\n\r\n",
            "an HTTP request: this port speaks AMQP",
        ),
        (
            b"\x16\x03\x01\x02\0\x01\0\x01",
            "a TLS handshake: this port speaks AMQP without TLS",
        ),
        (
            b"AMQP\0\x01\0\0",
            "that of AMQP 1.0, which is another protocol",
        ),
    ];
    for (bytes, named) in strangers {
        let mut raw = Raw::dial(server.address());
        raw.write(bytes);
        assert_eq!(raw.rest(), b"AMQP\0\0\x09\x01");
        let log = server.log();
        assert!(log.contains(named), "{named} is not in the log:\n{log}");
    }
}

#[test]
fn a_refused_login_without_the_capability_is_hung_up_on_after_the_delay() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::dial(server.address());
    raw.start();
    let started = Instant::now();
    let start_ok = connection::StartOk {
        client_properties: FieldTable::new(),
        mechanism: ShortStr::from_static("PLAIN"),
        response: b"\0guest\0wrong"[..].into(),
        locale: ShortStr::from_static("en_US"),
    };
    raw.send(ChannelNumber(0), &start_ok.into());
    assert_eq!(raw.rest(), b"", "nothing is said");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}

#[test]
fn a_secret_is_updated_at_any_time() {
    let scratch = Scratch::new();
    let server = Landfall::start(&scratch.data_dir());
    let mut raw = Raw::open(server.address());
    let update = connection::UpdateSecret {
        new_secret: b"token"[..].into(),
        reason: ShortStr::from_static("it expires"),
    };
    raw.send(ChannelNumber(0), &update.into());
    let answer = raw.method(ChannelNumber(0));
    assert!(
        matches!(answer, Method::ConnectionUpdateSecretOk(_)),
        "{answer:?}"
    );
}

#[test]
fn a_blocked_publisher_is_told_once_and_its_silence_is_not_held_against_it() {
    let scratch = Scratch::new();
    // No disk has so much room: the first landing finds too little.
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--disk-free-limit",
        "900000000GB",
    ];
    let server = Landfall::start_with(&scratch.data_dir(), &options);
    let mut raw = Raw::with_heartbeat(server.address(), 1);
    let declare = queue::Declare {
        queue: ShortStr::from_static("q"),
        durable: true,
        ..queue::Declare::default()
    };
    raw.send(CHANNEL, &declare.into());
    let answer = raw.method(CHANNEL);
    assert!(matches!(answer, Method::QueueDeclareOk(_)), "{answer:?}");
    for _ in 0..3 {
        raw.publish("q", b"waits");
    }
    let answer = raw.method(ChannelNumber(0));
    assert!(
        matches!(&answer, Method::ConnectionBlocked(blocked) if blocked.reason == "low on disk"),
        "{answer:?}"
    );
    // Two heartbeats are missed, and two more; those of the server are passed over.
    let heard = raw.heard_within(Duration::from_secs(4));
    assert!(heard.is_none(), "{heard:?}");
}
