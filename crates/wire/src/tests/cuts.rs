//! However a connection's bytes are cut on their way, the same happens.

use super::{answer, start_ok, written};
use crate::{
    Event, FrameReader, PROTOCOL_HEADER, ServerConnection, encode_content, encode_heartbeat,
    encode_method,
};
use bytes::BytesMut;
use model::method::{access, basic, channel, confirm, connection, queue};
use model::{
    ChannelNumber, DeliveryTag, FieldTable, Limits, Method, PropertiesBuilder, ShortStr,
    TableBuilder, Timestamp, Value,
};
use proptest::prelude::*;

/// What a client sends, in stretches between which it waits for an answer.
fn conversation() -> [BytesMut; 4] {
    let mut hello = BytesMut::from(&PROTOCOL_HEADER[..]);
    put(&mut hello, 0, start_ok(&FieldTable::new()));

    let mut tuned = BytesMut::new();
    put(
        &mut tuned,
        0,
        connection::TuneOk {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat_s: 0,
        },
    );
    put(&mut tuned, 0, connection::Open::default());
    for number in 1..=3 {
        put(&mut tuned, number, channel::Open::default());
    }

    let mut busy = BytesMut::new();
    let q = ShortStr::from_static("q");
    put(&mut busy, 1, confirm::Select::default());
    let arguments = TableBuilder::new()
        .field("x-max-length", Value::I32(10))
        .build();
    put(
        &mut busy,
        1,
        queue::Declare {
            queue: q.clone(),
            durable: true,
            arguments,
            ..Default::default()
        },
    );
    let headers = TableBuilder::new().text("k", "v").build();
    let properties = PropertiesBuilder::new()
        .delivery_mode(2)
        .headers(&headers)
        .build();
    let body: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
    for (number, length) in [(1, 0), (1, 1), (2, 100), (1, 4088), (1, 4089), (3, 10_000)] {
        put(
            &mut busy,
            number,
            basic::Publish {
                routing_key: q.clone(),
                mandatory: true,
                ..Default::default()
            },
        );
        let channel = ChannelNumber(number);
        encode_content(
            &mut busy,
            channel,
            60,
            properties.as_bytes(),
            &body[..length],
            4096,
        );
        encode_heartbeat(&mut busy);
    }
    put(
        &mut busy,
        1,
        basic::Ack {
            delivery_tag: DeliveryTag(3),
            multiple: true,
        },
    );
    put(&mut busy, 2, access::Request::default());
    put(&mut busy, 2, channel::Close::default());
    // Two channels' contents, frame by frame in turn.
    put(&mut busy, 1, basic::Publish::default());
    put(&mut busy, 3, basic::Publish::default());
    let mut contents = [BytesMut::new(), BytesMut::new()];
    for (content, number) in contents.iter_mut().zip([1, 3]) {
        encode_content(
            content,
            ChannelNumber(number),
            60,
            properties.as_bytes(),
            &body,
            4096,
        );
    }
    let frames = contents.map(|mut content| {
        let mut frames = Vec::new();
        while content.len() > 7 {
            let length =
                8 + u32::from_be_bytes([content[3], content[4], content[5], content[6]]) as usize;
            frames.push(content.split_to(length));
        }
        frames
    });
    for (first, second) in frames[0].iter().zip(&frames[1]) {
        busy.extend_from_slice(first);
        busy.extend_from_slice(second);
    }
    let mut goodbye = BytesMut::new();
    put(&mut goodbye, 0, connection::Close::default());
    [hello, tuned, busy, goodbye]
}

fn put(bytes: &mut BytesMut, channel: u16, method: impl Into<Method>) {
    encode_method(bytes, ChannelNumber(channel), &method.into());
}

/// What happens if each stretch comes in pieces of these lengths: events, and frames in no order.
fn run(stretches: &[BytesMut], lengths: &[usize]) -> (Vec<Event>, Vec<String>) {
    let mut server =
        ServerConnection::new(&Limits::default(), FieldTable::new(), "PLAIN", Timestamp(0));
    let mut lengths = lengths.iter().cycle();
    let mut input = BytesMut::new();
    let mut output = BytesMut::new();
    let mut events = Vec::new();
    for stretch in stretches {
        let mut rest = &stretch[..];
        while !rest.is_empty() {
            let length = *lengths.next().expect("cycled");
            let (piece, after) = rest.split_at(length.clamp(1, rest.len()));
            rest = after;
            input.extend_from_slice(piece);
            server.handle(Timestamp(0), &mut input);
            while let Some(event) = server.poll_event() {
                answer(&mut server, &event);
                events.push(event);
            }
            output.unsplit(written(&mut server));
        }
    }
    assert!(server.is_finished() && input.is_empty());
    let mut reader = FrameReader::new(131_072);
    let mut frames = Vec::new();
    while let Some(frame) = reader
        .read(&mut output)
        .expect("what we write is well-formed")
    {
        frames.push(format!("{frame:?}"));
    }
    frames.sort();
    (events, frames)
}

#[test]
fn octet_by_octet_is_like_all_at_once() {
    let stretches = conversation();
    let whole = run(&stretches, &[usize::MAX]);
    assert_eq!(whole.0.len(), 2 + 3 + 2 + 6 + 1 + 1 + 2 + 1);
    assert_eq!(whole.0.last(), Some(&Event::Closed(None)));
    assert!(run(&stretches, &[1]) == whole);
}

proptest! {
    #[test]
    fn any_cut_is_like_none(lengths in prop::collection::vec(prop_oneof![1usize..20, 1usize..9000], 1..60)) {
        let stretches = conversation();
        prop_assert!(run(&stretches, &lengths) == run(&stretches, &[usize::MAX]));
    }
}
