//! What the codec costs: `cargo bench -p landfall-wire`.
//!
//! Each round is a buffer of 64 KiB, as one read of a socket would fill it. It measures method, header and body frames
//! together, from bytes to events and from a command to bytes; what is told by element is one message.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement needs a clock"
)]

use bytes::{Buf, Bytes, BytesMut};
use criterion::{Bencher, Criterion, Throughput};
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
const CHANNEL: ChannelNumber = ChannelNumber(1);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let plain = PropertiesBuilder::new().delivery_mode(2).build();
    for (size, name, properties) in [
        (100, "delivery-mode only", &plain),
        (1024, "delivery-mode only", &plain),
        (100, "rich properties", &rich()),
        (1024, "rich properties", &rich()),
    ] {
        let mut group = criterion.benchmark_group(format!("{size} B, {name}"));
        let (bytes, count) = publishes(size, properties);
        group.throughput(Throughput::Elements(count));
        group.bench_function("basic.publish to event", |bencher| handle(bencher, &bytes));
        group.bench_function("the event taken and dropped", |bencher| {
            events(bencher, &bytes);
        });
        group.throughput(Throughput::Elements((BUFFER / size) as u64));
        group.bench_function("basic.deliver to bytes", |bencher| {
            deliver(bencher, size, properties);
        });
    }
    let mut group = criterion.benchmark_group("acknowledgements");
    let (bytes, count) = acks();
    group.throughput(Throughput::Elements(count));
    group.bench_function("basic.ack to event", |bencher| handle(bencher, &bytes));
    group.bench_function("the event taken and dropped", |bencher| {
        events(bencher, &bytes);
    });
    group.finish();
    criterion.final_summary();
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

/// Handles `bytes`. The read into the buffer is left out, as a socket would do it, and so is what becomes of the
/// events: [`events`] tells that.
fn handle(bencher: &mut Bencher<'_>, bytes: &[u8]) {
    rounds(bencher, bytes, |server, input| {
        let start = Instant::now();
        server.handle(Timestamp(0), input);
        start.elapsed()
    });
}

/// Takes the events of `bytes` out, and drops them.
fn events(bencher: &mut Bencher<'_>, bytes: &[u8]) {
    rounds(bencher, bytes, |server, input| {
        server.handle(Timestamp(0), input);
        let start = Instant::now();
        while let Some(event) = server.poll_event() {
            std::hint::black_box(event);
        }
        start.elapsed()
    });
}

fn rounds(
    bencher: &mut Bencher<'_>,
    bytes: &[u8],
    measured: impl Fn(&mut ServerConnection, &mut BytesMut) -> Duration,
) {
    let mut server = connected();
    let mut input = BytesMut::with_capacity(4 * BUFFER);
    bencher.iter_custom(|rounds| {
        let mut elapsed = Duration::ZERO;
        for _ in 0..rounds {
            input.reserve(bytes.len());
            input.extend_from_slice(bytes);
            elapsed += measured(&mut server, &mut input);
            while let Some(event) = server.poll_event() {
                assert!(matches!(event, Event::Publish(..) | Event::Method(..)));
            }
        }
        elapsed
    });
}

fn publishes(size: usize, properties: &Properties) -> (BytesMut, u64) {
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

fn acks() -> (BytesMut, u64) {
    let mut bytes = BytesMut::new();
    let mut count = 0;
    while bytes.len() < BUFFER {
        let delivery_tag = DeliveryTag(count + 1);
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

fn deliver(bencher: &mut Bencher<'_>, size: usize, properties: &Properties) {
    let mut server = connected();
    let consumer_tag = ShortStr::from_static("amq.ctag-4f0a9c1b2d3e");
    let body = Bytes::from(vec![b'x'; size]);
    let count = BUFFER / size;
    bencher.iter(|| {
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
    });
}
