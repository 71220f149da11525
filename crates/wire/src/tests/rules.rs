//! Rules of negotiation, framing and channels, each with what exactly is said: the first and the last that may pass.

use super::{Session, short, start_ok, tune_ok};
use crate::{Content, PROTOCOL_HEADER, encode_method};
use bytes::{BufMut, Bytes, BytesMut};
use expect_test::expect;
use model::method::{basic, channel, connection};
use model::{
    ChannelError, ChannelNumber, DeliveryTag, FieldTable, Limits, PropertiesBuilder, ReplyCode,
};

fn header(body_size: u64, properties: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 0];
    payload.put_u64(body_size);
    payload.put_slice(properties);
    frame(2, 1, &payload)
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.put_u16(channel);
    bytes.put_u32(u32::try_from(payload.len()).expect("small"));
    bytes.put_slice(payload);
    bytes.put_u8(206);
    bytes
}

/// A connection with channel 1 open that agreed on these limits.
fn agreed(channel_max: u16, frame_max: u32) -> Session {
    let mut session = Session::accepted(&Limits::default());
    session.yes = true;
    session
        .bytes(PROTOCOL_HEADER)
        .method(0, start_ok(&FieldTable::new()))
        .method(0, tune_ok(channel_max, frame_max))
        .method(0, connection::Open::default())
        .method(1, channel::Open::default());
    session.log();
    session
}

#[test]
fn an_empty_virtual_host_is_the_slash() {
    let mut session = Session::accepted(&Limits::default());
    session.yes = true;
    session
        .bytes(PROTOCOL_HEADER)
        .method(0, start_ok(&FieldTable::new()))
        .method(0, tune_ok(2047, 131_072));
    session.log();
    session.method(0, connection::Open::default());
    expect![[r#"
        event Open { vhost: "/", client_properties: FieldTable(b""), consumer_cancel_notify: false, blocked_notify: false }
        sent  Method(channel(0), ConnectionOpenOk(OpenOk { known_hosts: "" }))
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn a_frame_may_have_frame_max_of_payload_and_no_more() {
    let mut session = agreed(10, 4096);
    session.method(1, basic::Publish::default());
    session.bytes(&header(2 * 4096 + 1, &[0, 0]));
    session.bytes(&frame(3, 1, &[b'x'; 4096]));
    session.say("one octet more");
    session.bytes(&frame(3, 1, &[b'x'; 4097]));
    expect![[r#"
        -- one octet more
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - a frame of 4097 octets is larger than the frame_max of 4096", method: { class: 0, method: 0 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 501, reply_text: "FRAME_ERROR - a frame of 4097 octets is larger than the frame_max of 4096", class_id: 0, method_id: 0 }))
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn channel_numbers_end_at_the_channel_max_that_was_agreed() {
    let mut session = agreed(10, 4096);
    session.method(10, channel::Open::default());
    session.method(11, channel::Open::default());
    expect![[r#"
        event ChannelOpened(channel(10))
        sent  Method(channel(10), ChannelOpenOk(OpenOk { channel_id: b"" }))
        event Closed(Some(ConnectionError { code: NotAllowed, text: "NOT_ALLOWED - channel 11 is higher than the negotiated channel_max (10)", method: { class: 20, method: 10 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 530, reply_text: "NOT_ALLOWED - channel 11 is higher than the negotiated channel_max (10)", class_id: 20, method_id: 10 }))
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn a_channel_is_opened_once() {
    let mut session = Session::with_channel();
    session.method(1, channel::Open::default());
    expect![[r#"
        event Closed(Some(ConnectionError { code: ChannelError, text: "CHANNEL_ERROR - second 'channel.open' seen", method: { class: 20, method: 10 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 504, reply_text: "CHANNEL_ERROR - second 'channel.open' seen", class_id: 20, method_id: 10 }))
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn a_channel_is_opened_before_it_is_used() {
    let mut session = Session::with_channel();
    session.method(2, basic::Qos::default());
    expect![[r#"
        event Closed(Some(ConnectionError { code: ChannelError, text: "CHANNEL_ERROR - expected 'channel.open'", method: { class: 60, method: 10 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 504, reply_text: "CHANNEL_ERROR - expected 'channel.open'", class_id: 60, method_id: 10 }))
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn a_channel_number_is_free_again_right_behind_close_ok() {
    let mut session = Session::with_channel();
    let error = ChannelError::new(ReplyCode::NotFound, "no queue 'q'", basic::Get::ID);
    session.server.close_channel(ChannelNumber(1), &error);
    session.note();
    let mut both = BytesMut::new();
    encode_method(&mut both, ChannelNumber(1), &channel::CloseOk.into());
    encode_method(
        &mut both,
        ChannelNumber(1),
        &channel::Open::default().into(),
    );
    session.bytes(&both);
    session
        .method(1, basic::Publish::default())
        .content(1, b"x");
    expect![[r#"
        sent  Method(channel(1), ChannelClose(Close { reply_code: 404, reply_text: "NOT_FOUND - no queue 'q'", class_id: 60, method_id: 70 }))
        event ChannelOpened(channel(1))
        sent  Method(channel(1), ChannelOpenOk(OpenOk { channel_id: b"" }))
        event Publish(channel(1), Publish { exchange: "", routing_key: "", mandatory: false, immediate: false, properties: Properties(b"\0\0"), body: b"x" })
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn an_empty_body_is_no_frame() {
    let mut session = Session::with_channel();
    session.method(1, basic::Publish::default());
    session.bytes(&header(0, &[0, 0]));
    let content = Content {
        exchange: b"",
        routing_key: b"q",
        properties: &[0, 0],
        body: Bytes::new(),
    };
    session.server.deliver(
        ChannelNumber(1),
        &short("c"),
        DeliveryTag(1),
        false,
        content,
    );
    session.note();
    session.say("a body frame where there can be none");
    session.bytes(&frame(3, 1, b""));
    expect![[r#"
        event Publish(channel(1), Publish { exchange: "", routing_key: "", mandatory: false, immediate: false, properties: Properties(b"\0\0"), body: b"" })
        sent  Method(channel(1), BasicDeliver(Deliver { consumer_tag: "c", delivery_tag: DeliveryTag(1), redelivered: false, exchange: "", routing_key: "q" }))
        sent  Header(channel(1), ContentHeader { class: 60, body_size: 0, properties: Properties(b"\0\0") })
        -- a body frame where there can be none
        event Closed(Some(ConnectionError { code: UnexpectedFrame, text: "UNEXPECTED_FRAME - expected a method, got content without one", method: { class: 60, method: 40 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 505, reply_text: "UNEXPECTED_FRAME - expected a method, got content without one", class_id: 60, method_id: 40 }))
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn a_body_over_the_limit_costs_its_channel_and_one_that_no_limit_allows_the_connection() {
    let mut session = Session::with_channel();
    session.method(1, basic::Publish::default());
    session.bytes(&header(128 * 1024 * 1024 + 1, &[0, 0]));
    session.method(1, channel::CloseOk);
    session.method(1, channel::Open::default());
    session.method(1, basic::Publish::default());
    session.bytes(&header(512 * 1024 * 1024 + 1, &[0, 0]));
    expect![[r#"
        event ChannelClosed(channel(1))
        sent  Method(channel(1), ChannelClose(Close { reply_code: 406, reply_text: "PRECONDITION_FAILED - message size 134217729 is larger than configured max size 134217728", class_id: 60, method_id: 40 }))
        event ChannelOpened(channel(1))
        sent  Method(channel(1), ChannelOpenOk(OpenOk { channel_id: b"" }))
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - message size 536870913 is larger than 536870912", method: { class: 60, method: 40 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 501, reply_text: "FRAME_ERROR - message size 536870913 is larger than 536870912", class_id: 60, method_id: 40 }))
    "#]]
    .assert_eq(&session.log());
}

#[test]
fn every_property_comes_through_as_it_was_sent() {
    let headers = FieldTable::from_bytes(Bytes::from_static(b"\x01kS\0\0\0\x01v")).expect("valid");
    let all = PropertiesBuilder::new()
        .content_type(&short("text/plain"))
        .content_encoding(&short("gzip"))
        .headers(&headers)
        .delivery_mode(2)
        .priority(9)
        .correlation_id(&short("c-1"))
        .reply_to(&short("replies"))
        .expiration(&short("60000"))
        .message_id(&short("m-1"))
        .timestamp(1_700_000_000)
        .kind(&short("t"))
        .user_id(&short("guest"))
        .app_id(&short("app"))
        .cluster_id(&short("cluster"))
        .build();
    let raw_ids: &[u8] = &[0x04, 0x80, 2, 0xff, 0xfe, 1, 0x80];
    for properties in [&all.as_bytes()[..], raw_ids] {
        let mut session = Session::with_channel();
        session.method(1, basic::Publish::default());
        session.bytes(&header(0, properties));
        let shown = format!("Properties(b\"{}\")", properties.escape_ascii());
        assert!(
            session.log().replace("\\0", "\\x00").contains(&shown),
            "{shown}"
        );
    }
}
