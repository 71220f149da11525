//! Input that no honest client sends: each gets the right reply code, nothing panics, and memory stays bounded.

use super::{Session, answer, written};
use crate::content::Assembly;
use crate::{
    ContentHeader, Event, Frame, FrameReader, PROTOCOL_HEADER, ServerConnection, encode_method,
};
use bytes::{BufMut, Bytes, BytesMut};
use model::method::{basic, channel, connection, queue};
use model::{
    ChannelError, ChannelNumber, FieldTable, Limits, Method, Properties, ReplyCode, Timestamp,
};
use proptest::prelude::*;

/// A frame whatever it carries.
fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u8(kind);
    bytes.put_u16(channel);
    bytes.put_u32(payload.len() as u32);
    bytes.put_slice(payload);
    bytes.put_u8(206);
    bytes
}

fn method(channel: u16, method: impl Into<Method>) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_method(&mut bytes, ChannelNumber(channel), &method.into());
    bytes.to_vec()
}

fn header(class: u16, size: u64, properties: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_u16(class);
    payload.put_u16(0);
    payload.put_u64(size);
    payload.put_slice(properties);
    frame(2, 1, &payload)
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// queue.declare with these bytes as its arguments.
fn declare_with(arguments: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 50, 0, 10, 0, 0, 1, b'q', 0];
    payload.put_u32(arguments.len() as u32);
    payload.put_slice(arguments);
    frame(1, 1, &payload)
}

/// Tables in tables, as deep as 131 KiB take.
fn depth_bomb() -> Vec<u8> {
    let mut table = Vec::new();
    let depth = 130_000 / 7;
    for level in (0..depth).rev() {
        table.extend_from_slice(b"\x01kF");
        table.put_u32(level * 7);
    }
    table
}

/// What breaks the connection, and how it is told. Channel 1 is open.
fn broken() -> Vec<(&'static str, Vec<u8>, u16)> {
    let publish = method(1, basic::Publish::default());
    let plain = [0, 0];
    let mut end = method(1, basic::Qos::default());
    *end.last_mut().expect("a frame ends") = 0;
    vec![
        ("a frame type that nobody defines", frame(4, 0, b""), 501),
        (
            "a frame larger than agreed, of which only the head has come",
            vec![3, 0, 1, 0, 2, 0, 1],
            501,
        ),
        ("a length of 4 GiB", vec![1, 0, 1, 255, 255, 255, 255], 501),
        ("a wrong end octet", end, 501),
        ("a heartbeat on a channel", frame(8, 1, b""), 505),
        ("a heartbeat with a payload", frame(8, 0, b"x"), 501),
        ("a method without a number", frame(1, 1, &[0, 60, 0]), 501),
        (
            "a class that nobody defines",
            frame(1, 1, &[1, 0, 0, 10]),
            540,
        ),
        (
            "a method that nobody defines",
            frame(1, 1, &[0, 50, 0, 99]),
            540,
        ),
        (
            "queue.unbind-ok's place in the exchange class",
            frame(1, 1, &[0, 40, 0, 41]),
            540,
        ),
        (
            "a method cut short",
            frame(1, 1, &[0, 50, 0, 10, 0, 0, 5, b'q']),
            501,
        ),
        (
            "a method with more than its fields",
            frame(1, 1, &[0, 90, 0, 10, 0]),
            501,
        ),
        (
            "a queue's name that is not UTF-8",
            frame(1, 1, &[0, 50, 0, 30, 0, 0, 1, 0xff, 0]),
            501,
        ),
        (
            "a table longer than its frame",
            frame(1, 1, &[0, 50, 0, 10, 0, 0, 0, 0, 255, 255, 255, 255]),
            501,
        ),
        ("a table cut inside a value", declare_with(b"\x01aI\0"), 502),
        (
            "a type of field that nobody defines",
            declare_with(b"\x01aZ"),
            502,
        ),
        (
            "tables in tables in tables",
            declare_with(&depth_bomb()),
            502,
        ),
        (
            "a method that only servers send",
            method(1, queue::BindOk),
            503,
        ),
        (
            "a delivery from a client",
            method(1, basic::Deliver::default()),
            503,
        ),
        (
            "channel.close-ok that nobody waits for",
            method(1, channel::CloseOk),
            503,
        ),
        (
            "a method of the connection on a channel",
            method(1, connection::Open::default()),
            503,
        ),
        (
            "a second handshake",
            method(0, connection::Open::default()),
            504,
        ),
        (
            "close-ok of the connection that nobody waits for",
            method(0, connection::CloseOk),
            504,
        ),
        (
            "a method of channels on channel 0",
            method(0, queue::Declare::default()),
            504,
        ),
        (
            "channel.open on channel 0",
            method(0, channel::Open::default()),
            504,
        ),
        ("content on channel 0", frame(3, 0, b"x"), 505),
        (
            "an open channel opened again",
            method(1, channel::Open::default()),
            504,
        ),
        (
            "a channel that is not open",
            method(2, basic::Qos::default()),
            504,
        ),
        (
            "content on a channel that was never open",
            frame(3, 2, b"x"),
            505,
        ),
        (
            "a channel above channel_max",
            method(2048, channel::Open::default()),
            530,
        ),
        ("a header without a method", header(60, 1, &plain), 505),
        ("a body without a method", frame(3, 1, b"x"), 505),
        (
            "a body without a header",
            join(&[&publish, &frame(3, 1, b"x")]),
            505,
        ),
        (
            "two headers",
            join(&[&publish, &header(60, 1, &plain), &header(60, 1, &plain)]),
            505,
        ),
        (
            "a method instead of a body",
            join(&[&publish, &header(60, 1, &plain), &publish]),
            505,
        ),
        (
            "a header of another class",
            join(&[&publish, &header(10, 1, &plain)]),
            505,
        ),
        (
            "a body longer than announced",
            join(&[
                &publish,
                &header(60, 3, &plain),
                &frame(3, 1, b"ab"),
                &frame(3, 1, b"cd"),
            ]),
            505,
        ),
        (
            "a message of exabytes",
            join(&[&publish, &header(60, u64::MAX, &plain)]),
            501,
        ),
        (
            "a header cut short",
            join(&[&publish, &frame(2, 1, &[0, 60, 0, 0, 0])]),
            501,
        ),
        (
            "no property flags",
            join(&[&publish, &header(60, 1, &[])]),
            502,
        ),
        (
            "property flags that nobody defines",
            join(&[&publish, &header(60, 1, &[0, 1, 0, 0])]),
            502,
        ),
        (
            "properties cut short",
            join(&[&publish, &header(60, 1, &[0x80, 0, 9, b'x'])]),
            502,
        ),
        (
            "headers in headers in headers",
            {
                let mut properties = vec![0x20, 0];
                properties.put_u32(depth_bomb().len() as u32);
                properties.extend_from_slice(&depth_bomb());
                join(&[&publish, &header(60, 1, &properties)])
            },
            502,
        ),
    ]
}

#[test]
fn every_malformed_input_is_told_its_reply_code() {
    for (what, bytes, code) in broken() {
        for step in [bytes.len(), 1] {
            let mut session = Session::with_channel();
            for piece in bytes.chunks(step) {
                session.bytes(piece);
            }
            let log = session.log();
            let told = format!("ConnectionClose(Close {{ reply_code: {code}, ");
            assert!(log.contains(&told), "{what}: {log}");
            assert_eq!(
                log.matches("event Closed(Some(").count(),
                1,
                "{what}: {log}"
            );
            session.bytes(&method(0, connection::CloseOk));
            session.wait_at_most(0);
            session.wait_at_most(30_000);
            assert!(session.server.is_finished(), "{what}");
            assert_eq!(session.left_over(), 0, "{what}");
        }
    }
}

#[test]
fn before_connection_open_frames_are_small() {
    let mut session = Session::accepted(&Limits::default());
    session
        .bytes(PROTOCOL_HEADER)
        .bytes(&[1, 0, 0, 0, 0, 32, 1]);
    let log = session.log();
    assert!(
        log.contains("a frame of 8193 octets is larger than the frame_max of 8192"),
        "{log}"
    );
}

#[test]
fn channels_before_connection_open_are_refused() {
    let mut session = Session::accepted(&Limits::default());
    session
        .bytes(PROTOCOL_HEADER)
        .method(1, channel::Open::default());
    let log = session.log();
    assert!(log.contains("reply_code: 505"), "{log}");
}

#[test]
fn a_message_over_the_limit_costs_its_channel_only() {
    let limits = Limits {
        message_size_max: 1000,
        ..Limits::default()
    };
    let mut session = Session::open(&limits);
    session
        .method(1, channel::Open::default())
        .method(2, channel::Open::default());
    session.log();
    session
        .method(1, basic::Publish::default())
        .content(1, &[b'x'; 1001]);
    session
        .method(2, basic::Publish::default())
        .content(2, &[b'x'; 1000]);
    let log = session.log();
    assert!(
        log.contains(
            "PRECONDITION_FAILED - message size 1001 is larger than configured max size 1000"
        ),
        "{log}"
    );
    assert!(log.contains("event ChannelClosed(channel(1))"), "{log}");
    assert!(log.contains("event Publish(channel(2)"), "{log}");
}

#[test]
fn memory_follows_what_has_come_not_what_is_announced() {
    let mut assembly = Assembly::new(basic::Publish::default());
    let header = ContentHeader {
        class: 60,
        body_size: 16 * 1024 * 1024,
        properties: Properties::default(),
    };
    assert!(matches!(assembly.header(header, u64::MAX), Ok(false)));
    let mut come = 0;
    for part in [10, 0, 5_000, 100_000] {
        come += part;
        let part = Bytes::from(vec![b'x'; part]);
        assert_eq!(assembly.body(part), Ok(false));
        assert!(assembly.detach() <= 2 * come + 2);
    }
}

#[test]
fn unfinished_messages_are_bounded() {
    let limits = Limits {
        message_size_max: 100_000,
        ..Limits::default()
    };
    let mut session = Session::open(&limits);
    for number in 1..=2000 {
        session.method(number, channel::Open::default());
        session.method(number, basic::Publish::default());
        let mut payload = vec![0, 60, 0, 0];
        payload.put_u64(100_000);
        payload.put_u16(0);
        session
            .bytes(&frame(2, number, &payload))
            .bytes(&frame(3, number, &[b'x'; 50_000]));
        if session.log().contains("reply_code: 506") {
            assert!((4..=5).contains(&number), "{number}");
            return;
        }
    }
    panic!("100 MB are held for a client that never finished a message");
}

#[test]
fn what_is_finished_or_dropped_is_not_counted_as_unfinished() {
    let limits = Limits {
        message_size_max: 10_000,
        ..Limits::default()
    };
    let mut session = Session::open(&limits);
    for _ in 0..100 {
        session.method(1, channel::Open::default());
        session.method(1, basic::Publish::default());
        session.content(1, &[b'x'; 9_999]);
        session.method(1, basic::Publish::default());
        session.bytes(&header(60, 9_999, &[0, 0]));
        session.bytes(&frame(3, 1, &[b'x'; 5_000]));
        let log = session.log();
        assert_eq!(log.matches("event Publish(").count(), 1, "{log}");
        let error = ChannelError::new(ReplyCode::NotFound, "gone", basic::Publish::ID);
        session.server.close_channel(ChannelNumber(1), &error);
        session.method(1, channel::CloseOk);
    }
}

/// A connection with channels 1 to 3 open, through which any bytes are sent in any pieces.
fn survives(bytes: &[u8], cuts: &[usize]) {
    let mut session = Session::with_channel();
    session
        .method(2, channel::Open::default())
        .method(3, channel::Open::default());
    let mut server = session.server;
    let mut input = BytesMut::new();
    let mut rest = bytes;
    let mut out = 0;
    for &cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at(cut.clamp(1, rest.len().max(1)).min(rest.len()));
        rest = after;
        input.extend_from_slice(piece);
        server.handle(Timestamp(0), &mut input);
        while let Some(event) = server.poll_event() {
            answer(&mut server, &event);
        }
        out += written(&mut server).len();
        if rest.is_empty() {
            break;
        }
    }
    assert!(
        out <= 2 * bytes.len() + 400,
        "{out} octets of answers to {}",
        bytes.len()
    );
}

proptest! {
    #[test]
    fn any_bytes_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 1..300),
        cuts in prop::collection::vec(1usize..40, 1..8),
    ) {
        survives(&bytes, &cuts);
    }

    #[test]
    fn frames_with_any_payload_do_no_harm(
        frames in prop::collection::vec(
            (1u8..=3, 0u16..4, prop::collection::vec(any::<u8>(), 0..60), 0usize..14, any::<u8>()),
            1..12,
        ),
        cuts in prop::collection::vec(1usize..40, 1..8),
    ) {
        let classes = [10, 20, 30, 40, 50, 60, 60, 60, 85, 90, 10, 20, 50, 60];
        let bytes: Vec<u8> = frames
            .into_iter()
            .flat_map(|(kind, channel, rest, class, number)| {
                let number = number % 13 * 10;
                let mut payload = vec![0, classes[class], 0, number];
                payload.extend(rest);
                frame(kind, channel, &payload)
            })
            .collect();
        survives(&bytes, &cuts);
    }
}

#[test]
fn the_clients_reader_refuses_the_same() {
    for (what, bytes, code) in broken() {
        if !matches!(code, 501 | 502 | 540) {
            continue;
        }
        let mut input = BytesMut::from(&bytes[..]);
        let mut reader = FrameReader::new(131_072);
        let error = loop {
            match reader.read(&mut input) {
                Ok(Some(Frame::Heartbeat | Frame::Body(..) | Frame::Header(..))) => break None,
                Ok(Some(Frame::Method(..))) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        // What only assembly can see is the connection's business, not the reader's.
        if let Some(error) = error {
            assert_eq!(error.code.number(), code, "{what}");
        }
    }
}

#[test]
fn nothing_is_said_twice_after_the_end() {
    let mut server =
        ServerConnection::new(&Limits::default(), FieldTable::new(), "PLAIN", Timestamp(0));
    let mut input = BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]);
    server.handle(Timestamp(0), &mut input);
    assert!(matches!(server.poll_event(), Some(Event::Closed(Some(_)))));
    input.extend_from_slice(PROTOCOL_HEADER);
    server.handle(Timestamp(1), &mut input);
    server.tick(Timestamp(60_000));
    assert_eq!(server.poll_event(), None);
    assert_eq!(&written(&mut server)[..], PROTOCOL_HEADER);
}
