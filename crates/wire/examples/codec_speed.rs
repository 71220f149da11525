//! What the codec costs, in nanoseconds a message: `cargo run --release -p landfall-wire --example codec_speed`.
//!
//! Each figure is the best of many rounds over a buffer of 64 KiB, as one read of a socket would fill it. It
//! measures method, header and body frames together, from bytes to events and from a command to bytes.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "a measurement needs a clock and is for people to read"
)]

use bytes::{Buf, Bytes, BytesMut};
use landfall_wire::{
    Content, Event, PROTOCOL_HEADER, ServerConnection, encode_content, encode_method,
};
use model::method::{basic, channel, connection};
use model::{
    ChannelNumber, DeliveryTag, FieldTable, Limits, Method, Properties, PropertiesBuilder,
    ShortStr, TableBuilder, Timestamp, Value,
};
use std::time::{Duration, Instant};

const BUFFER: usize = 64 * 1024;
const ROUNDS: usize = 3000;
const CHANNEL: ChannelNumber = ChannelNumber(1);

fn main() {
    let plain = PropertiesBuilder::new().delivery_mode(2).build();
    for (size, name, properties) in [
        (100, "delivery-mode only", &plain),
        (1024, "delivery-mode only", &plain),
        (100, "rich properties", &rich()),
        (1024, "rich properties", &rich()),
    ] {
        println!("{size:>6} B, {name}");
        let (bytes, count) = publishes(size, properties);
        line(handle_ns(&bytes, count), "basic.publish to event");
        line(events_ns(&bytes, count), "the event taken and dropped");
        line(deliver_ns(size, properties), "basic.deliver to bytes");
    }
    let (bytes, count) = acks();
    line(handle_ns(&bytes, count), "basic.ack to event");
    line(events_ns(&bytes, count), "the event taken and dropped");
}

fn line(nanoseconds: f64, what: &str) {
    println!("{nanoseconds:>10.1} ns  {what}");
}

fn rich() -> Properties {
    let short = |text: &'static str| ShortStr::from_static(text);
    let headers = TableBuilder::new()
        .text("x-publisher-id", "7f9c24e8-3b12-4d0b-9a55-0c1f6d9f8a01")
        .field("x-publishing-id", Value::I64(12_345_678));
    PropertiesBuilder::new()
        .content_type(&short("application/json"))
        .message_id(&short("7f9c24e8-3b12"))
        .timestamp(1_790_000_000)
        .delivery_mode(2)
        .headers(&headers.build())
        .build()
}

/// A connection with one open channel.
fn connected() -> ServerConnection {
    let now = Timestamp(0);
    let limits = Limits::default();
    let mut server = ServerConnection::new(&limits, FieldTable::new(), "PLAIN", now);
    let mut hello = BytesMut::from(&PROTOCOL_HEADER[..]);
    let start_ok = connection::StartOk {
        mechanism: ShortStr::from_static("PLAIN"),
        response: Bytes::from_static(b"\0guest\0guest"),
        ..Default::default()
    };
    put(&mut hello, 0, start_ok);
    server.handle(now, &mut hello);
    server.accept_login();
    let tune_ok = connection::TuneOk {
        channel_max: limits.channel_max,
        frame_max: limits.frame_max,
        heartbeat_s: 60,
    };
    put(&mut hello, 0, tune_ok);
    put(&mut hello, 0, connection::Open::default());
    put(&mut hello, 1, channel::Open::default());
    server.handle(now, &mut hello);
    server.send(ChannelNumber(0), &connection::OpenOk::default().into());
    server.send(CHANNEL, &channel::OpenOk::default().into());
    while server.poll_event().is_some() {}
    let length = server.output().remaining();
    server.output().advance(length);
    server
}

fn put(bytes: &mut BytesMut, channel: u16, method: impl Into<Method>) {
    encode_method(bytes, ChannelNumber(channel), &method.into());
}

/// The best of many rounds, each of which does `count` things and tells how long that took.
fn best_ns(count: usize, mut round: impl FnMut() -> Duration) -> f64 {
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    best.as_nanos() as f64 / count as f64
}

/// Handles `bytes`, which are `count` messages. The read into the buffer is left out, as a socket would do it, and
/// so is what becomes of the events: [`events_ns`] tells that.
fn handle_ns(bytes: &[u8], count: usize) -> f64 {
    rounds(bytes, count, |server, input| {
        let start = Instant::now();
        server.handle(Timestamp(0), input);
        start.elapsed()
    })
}

/// Takes the events of `bytes` out, and drops them.
fn events_ns(bytes: &[u8], count: usize) -> f64 {
    rounds(bytes, count, |server, input| {
        server.handle(Timestamp(0), input);
        let start = Instant::now();
        while let Some(event) = server.poll_event() {
            std::hint::black_box(event);
        }
        start.elapsed()
    })
}

fn rounds(
    bytes: &[u8],
    count: usize,
    measured: impl Fn(&mut ServerConnection, &mut BytesMut) -> Duration,
) -> f64 {
    let mut server = connected();
    let mut input = BytesMut::with_capacity(4 * BUFFER);
    best_ns(count, || {
        input.reserve(bytes.len());
        input.extend_from_slice(bytes);
        let elapsed = measured(&mut server, &mut input);
        while let Some(event) = server.poll_event() {
            assert!(matches!(event, Event::Publish(..) | Event::Method(..)));
        }
        elapsed
    })
}

fn publishes(size: usize, properties: &Properties) -> (BytesMut, usize) {
    let mut bytes = BytesMut::new();
    let mut count = 0;
    while bytes.len() < BUFFER {
        let publish = basic::Publish {
            exchange: ShortStr::from_static("amq.topic"),
            routing_key: ShortStr::from_static("orders.created.eu"),
            ..Default::default()
        };
        put(&mut bytes, 1, publish);
        let body = vec![b'x'; size];
        encode_content(
            &mut bytes,
            CHANNEL,
            60,
            properties.as_bytes(),
            &body,
            131_072,
        );
        count += 1;
    }
    (bytes, count)
}

fn acks() -> (BytesMut, usize) {
    let mut bytes = BytesMut::new();
    let mut count = 0;
    while bytes.len() < BUFFER {
        let delivery_tag = DeliveryTag(count as u64 + 1);
        put(
            &mut bytes,
            1,
            basic::Ack {
                delivery_tag,
                multiple: false,
            },
        );
        count += 1;
    }
    (bytes, count)
}

fn deliver_ns(size: usize, properties: &Properties) -> f64 {
    let mut server = connected();
    let consumer_tag = ShortStr::from_static("amq.ctag-4f0a9c1b2d3e");
    let body = Bytes::from(vec![b'x'; size]);
    let count = BUFFER / size;
    best_ns(count, || {
        let start = Instant::now();
        for tag in 0..count as u64 {
            let content = Content {
                exchange: b"amq.topic",
                routing_key: b"orders.created.eu",
                properties: properties.as_bytes(),
                body: body.clone(),
            };
            server.deliver(CHANNEL, &consumer_tag, DeliveryTag(tag), false, content);
        }
        let length = server.output().remaining();
        server.output().advance(length);
        start.elapsed()
    })
}
