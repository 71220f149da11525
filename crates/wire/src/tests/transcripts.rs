//! Conversations, step by step.

use super::{Session, capabilities, start_ok};
use crate::{Content, PROTOCOL_HEADER};
use bytes::Bytes;
use expect_test::expect;
use model::method::{access, basic, channel, connection, queue};
use model::{
    ChannelError, ChannelNumber, ConnectionError, DeliveryTag, FieldTable, Limits, MethodId,
    Properties, Publish, ReplyCode, ShortStr, TableBuilder,
};

const ONE: ChannelNumber = ChannelNumber(1);

fn short(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

fn content(body: &[u8]) -> Content<'static> {
    Content {
        exchange: b"news",
        routing_key: b"a.b",
        properties: &[0, 0],
        body: Bytes::copy_from_slice(body),
    }
}

fn tune_ok(channel_max: u16, frame_max: u32) -> connection::TuneOk {
    connection::TuneOk {
        channel_max,
        frame_max,
        heartbeat_s: 0,
    }
}

#[test]
fn a_connection_from_header_to_goodbye() {
    let mut session = Session::accepted(&Limits::default());
    session.bytes(PROTOCOL_HEADER);
    session.method(0, start_ok(&FieldTable::new()));
    session.server.accept_login();
    session.note();
    session.method(0, tune_ok(2047, 131_072));
    session.method(
        0,
        connection::Open {
            virtual_host: short("v"),
            ..Default::default()
        },
    );
    session
        .server
        .send(ChannelNumber(0), &connection::OpenOk::default().into());
    session.note();
    session.method(1, channel::Open::default());
    session.server.send(ONE, &channel::OpenOk::default().into());
    session.note();
    session.method(
        1,
        basic::Publish {
            routing_key: short("q"),
            ..Default::default()
        },
    );
    session.content(1, b"hello");
    session.method(1, channel::Close::default());
    session.server.send(ONE, &channel::CloseOk.into());
    session.note();
    session.method(
        0,
        connection::Close {
            reply_code: 200,
            ..Default::default()
        },
    );
    expect![[r#"
        sent  Method(channel(0), ConnectionStart(Start { version_major: 0, version_minor: 9, server_properties: FieldTable(b""), mechanisms: b"PLAIN AMQPLAIN", locales: b"en_US" }))
        event Login { user: "guest", password: Password(…), mechanism: "PLAIN", client_properties: FieldTable(b"") }
        sent  Method(channel(0), ConnectionTune(Tune { channel_max: 2047, frame_max: 131072, heartbeat_s: 60 }))
        event Open { vhost: "v", client_properties: FieldTable(b""), consumer_cancel_notify: false, blocked_notify: false }
        sent  Method(channel(0), ConnectionOpenOk(OpenOk { known_hosts: "" }))
        event ChannelOpened(channel(1))
        sent  Method(channel(1), ChannelOpenOk(OpenOk { channel_id: b"" }))
        event Publish(channel(1), Publish { exchange: "", routing_key: "q", mandatory: false, immediate: false, properties: Properties(b"\0\0"), body: b"hello" })
        event ChannelClosed(channel(1))
        sent  Method(channel(1), ChannelCloseOk(CloseOk))
        event Closed(None)
        sent  Method(channel(0), ConnectionCloseOk(CloseOk))
        finished
    "#]].assert_eq(&session.log());
}

#[test]
fn peers_that_do_not_speak_the_protocol() {
    let strangers: [&[u8]; 6] = [
        b"AMQP\0\x01\0\0",
        b"AMQP\x01\x01\x08\0",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\x05\0\x1bxyzz\"",
    ];
    let mut log = String::new();
    for stranger in strangers {
        let mut session = Session::accepted(&Limits::default());
        session.bytes(stranger);
        assert_eq!(session.left_over(), 0);
        log.push_str(&session.log());
    }
    expect![[r#"
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - expected the protocol header of AMQP 0-9-1, got that of AMQP 1.0, which is another protocol", method: { class: 0, method: 0 } }))
        sent  the protocol header
        finished
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - expected the protocol header of AMQP 0-9-1, got another version of AMQP [1, 1, 8, 0]", method: { class: 0, method: 0 } }))
        sent  the protocol header
        finished
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - expected the protocol header of AMQP 0-9-1, got an HTTP request: this port speaks AMQP", method: { class: 0, method: 0 } }))
        sent  the protocol header
        finished
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - expected the protocol header of AMQP 0-9-1, got an HTTP request: this port speaks AMQP", method: { class: 0, method: 0 } }))
        sent  the protocol header
        finished
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - expected the protocol header of AMQP 0-9-1, got a TLS handshake: this port speaks AMQP without TLS", method: { class: 0, method: 0 } }))
        sent  the protocol header
        finished
        event Closed(Some(ConnectionError { code: FrameError, text: "FRAME_ERROR - expected the protocol header of AMQP 0-9-1, got \"\\x05\\x00\\x1bxyzz\\\"\"", method: { class: 0, method: 0 } }))
        sent  the protocol header
        finished
    "#]].assert_eq(&log);
}

#[test]
fn what_tune_ok_may_say() {
    let mut log = String::new();
    let cases = [
        (2047, 131_072),
        (1, 4096),
        (0, 131_072),
        (2048, 131_072),
        (10, 0),
        (10, 131_073),
        (10, 4095),
    ];
    for (channel_max, frame_max) in cases {
        let mut session = Session::accepted(&Limits::default());
        session
            .bytes(PROTOCOL_HEADER)
            .method(0, start_ok(&FieldTable::new()));
        session.server.accept_login();
        session.note();
        session.log();
        session.say(&format!("channel_max {channel_max}, frame_max {frame_max}"));
        session.method(0, tune_ok(channel_max, frame_max));
        log.push_str(&session.log());
    }
    expect![[r#"
        -- channel_max 2047, frame_max 131072
        -- channel_max 1, frame_max 4096
        -- channel_max 0, frame_max 131072
        event Closed(Some(ConnectionError { code: NotAllowed, text: "NOT_ALLOWED - negotiated channel_max = 0 is higher than the maximum allowed value (2047)", method: { class: 10, method: 31 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 530, reply_text: "NOT_ALLOWED - negotiated channel_max = 0 is higher than the maximum allowed value (2047)", class_id: 10, method_id: 31 }))
        -- channel_max 2048, frame_max 131072
        event Closed(Some(ConnectionError { code: NotAllowed, text: "NOT_ALLOWED - negotiated channel_max = 2048 is higher than the maximum allowed value (2047)", method: { class: 10, method: 31 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 530, reply_text: "NOT_ALLOWED - negotiated channel_max = 2048 is higher than the maximum allowed value (2047)", class_id: 10, method_id: 31 }))
        -- channel_max 10, frame_max 0
        event Closed(Some(ConnectionError { code: NotAllowed, text: "NOT_ALLOWED - negotiated frame_max = 0 is higher than the maximum allowed value (131072)", method: { class: 10, method: 31 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 530, reply_text: "NOT_ALLOWED - negotiated frame_max = 0 is higher than the maximum allowed value (131072)", class_id: 10, method_id: 31 }))
        -- channel_max 10, frame_max 131073
        event Closed(Some(ConnectionError { code: NotAllowed, text: "NOT_ALLOWED - negotiated frame_max = 131073 is higher than the maximum allowed value (131072)", method: { class: 10, method: 31 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 530, reply_text: "NOT_ALLOWED - negotiated frame_max = 131073 is higher than the maximum allowed value (131072)", class_id: 10, method_id: 31 }))
        -- channel_max 10, frame_max 4095
        event Closed(Some(ConnectionError { code: NotAllowed, text: "NOT_ALLOWED - negotiated frame_max = 4095 is lower than the minimum allowed value (4096)", method: { class: 10, method: 31 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 530, reply_text: "NOT_ALLOWED - negotiated frame_max = 4095 is lower than the minimum allowed value (4096)", class_id: 10, method_id: 31 }))
    "#]].assert_eq(&log);
}

#[test]
fn logins_that_are_refused() {
    let mut session = Session::accepted(&Limits::default());
    session.bytes(PROTOCOL_HEADER);
    session.method(
        0,
        start_ok(&capabilities(&["authentication_failure_close"])),
    );
    session.log();
    session.server.refuse_login();
    session.note();
    session.method(0, connection::CloseOk);
    session.say("a client without the capability");
    let log = session.log();

    let mut session = Session::accepted(&Limits::default());
    session
        .bytes(PROTOCOL_HEADER)
        .method(0, start_ok(&FieldTable::new()));
    session.log();
    session.server.refuse_login();
    session.note();
    expect![[r#"
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 403, reply_text: "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.", class_id: 0, method_id: 0 }))
        -- a client without the capability
        finished
        finished
    "#]].assert_eq(&(log + &session.log()));
}

#[test]
fn mechanisms() {
    let amqplain = TableBuilder::new()
        .text("LOGIN", "ada")
        .text("PASSWORD", "x")
        .build();
    let cases: [(&'static str, Bytes); 6] = [
        ("AMQPLAIN", amqplain.as_bytes().clone()),
        ("AMQPLAIN", Bytes::from_static(b"\x05LOGINS\0\0\0\x01a")),
        ("PLAIN", Bytes::from_static(b"me\0ada\0a\0b")),
        ("PLAIN", Bytes::from_static(b"\0ada")),
        ("PLAIN", Bytes::from_static(b"\0\xff\0x")),
        ("EXTERNAL", Bytes::new()),
    ];
    let mut log = String::new();
    for (mechanism, response) in cases {
        let mut session = Session::accepted(&Limits::default());
        session.bytes(PROTOCOL_HEADER);
        session.log();
        session.method(
            0,
            connection::StartOk {
                mechanism: short(mechanism),
                response,
                ..Default::default()
            },
        );
        log.push_str(&session.log());
    }
    expect![[r#"
        event Login { user: "ada", password: Password(…), mechanism: "AMQPLAIN", client_properties: FieldTable(b"") }
        event Closed(Some(ConnectionError { code: SyntaxError, text: "SYNTAX_ERROR - the AMQPLAIN response is not a field table with LOGIN and PASSWORD, in UTF-8", method: { class: 10, method: 11 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 502, reply_text: "SYNTAX_ERROR - the AMQPLAIN response is not a field table with LOGIN and PASSWORD, in UTF-8", class_id: 10, method_id: 11 }))
        event Login { user: "ada", password: Password(…), mechanism: "PLAIN", client_properties: FieldTable(b"") }
        event Closed(Some(ConnectionError { code: SyntaxError, text: "SYNTAX_ERROR - the PLAIN response is not of the form [id] 0 user 0 password, in UTF-8", method: { class: 10, method: 11 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 502, reply_text: "SYNTAX_ERROR - the PLAIN response is not of the form [id] 0 user 0 password, in UTF-8", class_id: 10, method_id: 11 }))
        event Closed(Some(ConnectionError { code: SyntaxError, text: "SYNTAX_ERROR - the PLAIN response is not of the form [id] 0 user 0 password, in UTF-8", method: { class: 10, method: 11 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 502, reply_text: "SYNTAX_ERROR - the PLAIN response is not of the form [id] 0 user 0 password, in UTF-8", class_id: 10, method_id: 11 }))
        event Closed(Some(ConnectionError { code: CommandInvalid, text: "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'", method: { class: 10, method: 11 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 503, reply_text: "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'", class_id: 10, method_id: 11 }))
    "#]].assert_eq(&log);
    assert!(!log.contains("a\\0b"), "no password in a log");
}

#[test]
fn what_is_answered_without_the_broker() {
    let mut session = Session::with_channel();
    session.method(1, channel::Flow { active: true });
    session.method(1, access::Request::default());
    session.method(0, connection::UpdateSecret::default());
    session.method(
        1,
        basic::CancelOk {
            consumer_tag: short("c"),
        },
    );
    session.say("flow: stop");
    session.method(1, channel::Flow { active: false });
    expect![[r#"
        sent  Method(channel(1), ChannelFlowOk(FlowOk { active: true }))
        sent  Method(channel(1), AccessRequestOk(RequestOk { ticket: 1 }))
        sent  Method(channel(0), ConnectionUpdateSecretOk(UpdateSecretOk))
        -- flow: stop
        event Closed(Some(ConnectionError { code: NotImplemented, text: "NOT_IMPLEMENTED - channel.flow with active=false", method: { class: 20, method: 20 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 540, reply_text: "NOT_IMPLEMENTED - channel.flow with active=false", class_id: 20, method_id: 20 }))
    "#]].assert_eq(&session.log());
}

#[test]
fn a_channel_that_breaks_is_deaf_until_close_ok_and_free_after() {
    let mut session = Session::with_channel();
    let error = ChannelError::new(
        ReplyCode::NotFound,
        "no queue 'q' in vhost '/'",
        queue::Delete::ID,
    );
    session.server.close_channel(ONE, &error);
    session.server.deliver(
        ONE,
        &short("c"),
        DeliveryTag(1),
        false,
        content(b"goes nowhere"),
    );
    session.say("a publish that was on its way");
    session
        .method(1, basic::Publish::default())
        .content(1, b"dropped");
    session.say("close-ok, then acknowledgements of a slow thread, and the rest of its publish");
    session.method(1, channel::CloseOk);
    session.method(
        1,
        basic::Ack {
            delivery_tag: DeliveryTag(1),
            multiple: true,
        },
    );
    session.method(1, basic::Nack::default());
    session.method(1, basic::Reject::default());
    session.method(1, basic::Cancel::default());
    session.content(1, b"dropped");
    session.say("open again");
    session.method(1, channel::Open::default());
    session.method(1, basic::Publish::default()).content(1, b"");
    expect![[r#"
        -- a publish that was on its way
        sent  Method(channel(1), ChannelClose(Close { reply_code: 404, reply_text: "NOT_FOUND - no queue 'q' in vhost '/'", class_id: 50, method_id: 40 }))
        -- close-ok, then acknowledgements of a slow thread, and the rest of its publish
        -- open again
        event ChannelOpened(channel(1))
        sent  Method(channel(1), ChannelOpenOk(OpenOk { channel_id: b"" }))
        event Publish(channel(1), Publish { exchange: "", routing_key: "", mandatory: false, immediate: false, properties: Properties(b"\0\0"), body: b"" })
    "#]].assert_eq(&session.log());
}

#[test]
fn both_ends_close_a_channel_at_once() {
    let error = ChannelError::new(ReplyCode::NotFound, "gone", basic::Publish::ID);
    let mut session = Session::with_channel();
    session.say("ours is written first");
    session.server.close_channel(ONE, &error);
    session.method(1, channel::Close::default());
    session.method(1, channel::CloseOk);
    session.method(1, channel::Open::default());
    let log = session.log();

    let mut session = Session::open(&Limits::default());
    session.method(1, channel::Open::default());
    session.log();
    session.say("theirs is read first, the broker had an error to tell before it saw it");
    let mut input = bytes::BytesMut::new();
    crate::encode_method(&mut input, ONE, &channel::Close::default().into());
    session.server.handle(session.now, &mut input);
    session.server.close_channel(ONE, &error);
    session.server.send(ONE, &channel::CloseOk.into());
    session.note();
    session.method(1, channel::CloseOk);
    session.method(1, channel::Open::default());
    expect![[r#"
        -- ours is written first
        sent  Method(channel(1), ChannelClose(Close { reply_code: 404, reply_text: "NOT_FOUND - gone", class_id: 60, method_id: 40 }))
        sent  Method(channel(1), ChannelCloseOk(CloseOk))
        event ChannelOpened(channel(1))
        sent  Method(channel(1), ChannelOpenOk(OpenOk { channel_id: b"" }))
        -- theirs is read first, the broker had an error to tell before it saw it
        event ChannelClosed(channel(1))
        sent  Method(channel(1), ChannelClose(Close { reply_code: 404, reply_text: "NOT_FOUND - gone", class_id: 60, method_id: 40 }))
        sent  Method(channel(1), ChannelCloseOk(CloseOk))
        event ChannelOpened(channel(1))
        sent  Method(channel(1), ChannelOpenOk(OpenOk { channel_id: b"" }))
    "#]].assert_eq(&(log + &session.log()));
}

#[test]
fn what_was_meant_for_a_channel_before_does_not_reach_the_one_that_has_its_number_now() {
    let mut session = Session::open(&Limits {
        message_size_max: 10,
        ..Limits::default()
    });
    session.method(1, channel::Open::default());
    session.log();
    session
        .method(1, basic::Publish::default())
        .content(1, b"more than ten bytes");
    session.method(1, channel::CloseOk);
    let mut input = bytes::BytesMut::new();
    crate::encode_method(&mut input, ONE, &channel::Open::default().into());
    session.server.handle(session.now, &mut input);
    session.say("the broker answers what came before");
    session
        .server
        .deliver(ONE, &short("c"), DeliveryTag(1), false, content(b"old"));
    let error = ChannelError::new(ReplyCode::NotFound, "old", basic::Publish::ID);
    session.server.close_channel(ONE, &error);
    session.server.send(ONE, &channel::CloseOk.into());
    session.say("and then the new channel");
    session.note();
    session
        .server
        .deliver(ONE, &short("c"), DeliveryTag(1), false, content(b"new"));
    session.note();
    expect![[r#"
        event ChannelClosed(channel(1))
        sent  Method(channel(1), ChannelClose(Close { reply_code: 406, reply_text: "PRECONDITION_FAILED - message size 19 is larger than configured max size 10", class_id: 60, method_id: 40 }))
        -- the broker answers what came before
        -- and then the new channel
        event ChannelOpened(channel(1))
        sent  Method(channel(1), ChannelOpenOk(OpenOk { channel_id: b"" }))
        sent  Method(channel(1), BasicDeliver(Deliver { consumer_tag: "c", delivery_tag: DeliveryTag(1), redelivered: false, exchange: "news", routing_key: "a.b" }))
        sent  Header(channel(1), ContentHeader { class: 60, body_size: 3, properties: Properties(b"\0\0") })
        sent  Body(channel(1), b"new")
    "#]].assert_eq(&session.log());
}

#[test]
fn messages_go_out_whole() {
    let mut session = Session::with_channel();
    session
        .server
        .deliver(ONE, &short("c"), DeliveryTag(7), true, content(b"first"));
    session
        .server
        .get_ok(ONE, DeliveryTag(8), false, 3, content(b""));
    let message = Publish {
        exchange: short("news"),
        routing_key: short("nobody"),
        mandatory: true,
        properties: Properties::default(),
        body: Bytes::from_static(b"back"),
        ..Publish::default()
    };
    session
        .server
        .give_back(ONE, ReplyCode::NoRoute, "NO_ROUTE", &message);
    session.note();
    expect![[r#"
        sent  Method(channel(1), BasicDeliver(Deliver { consumer_tag: "c", delivery_tag: DeliveryTag(7), redelivered: true, exchange: "news", routing_key: "a.b" }))
        sent  Header(channel(1), ContentHeader { class: 60, body_size: 5, properties: Properties(b"\0\0") })
        sent  Body(channel(1), b"first")
        sent  Method(channel(1), BasicGetOk(GetOk { delivery_tag: DeliveryTag(8), redelivered: false, exchange: "news", routing_key: "a.b", message_count: 3 }))
        sent  Header(channel(1), ContentHeader { class: 60, body_size: 0, properties: Properties(b"\0\0") })
        sent  Method(channel(1), BasicReturn(Return { reply_code: 312, reply_text: "NO_ROUTE", exchange: "news", routing_key: "nobody" }))
        sent  Header(channel(1), ContentHeader { class: 60, body_size: 4, properties: Properties(b"\0\0") })
        sent  Body(channel(1), b"back")
    "#]].assert_eq(&session.log());
}

#[test]
fn large_bodies_are_cut_at_frame_max() {
    let mut session = Session::accepted(&Limits {
        frame_max: 20_000,
        ..Limits::default()
    });
    session
        .bytes(PROTOCOL_HEADER)
        .method(0, start_ok(&FieldTable::new()));
    session.server.accept_login();
    session
        .method(0, tune_ok(10, 20_000))
        .method(0, connection::Open::default());
    session
        .server
        .send(ChannelNumber(0), &connection::OpenOk::default().into());
    session.method(1, channel::Open::default());
    session.server.send(ONE, &channel::OpenOk::default().into());
    session.note();
    session.log();

    let body: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
    session
        .server
        .deliver(ONE, &short("c"), DeliveryTag(1), false, content(&body));
    session.server.send(ONE, &basic::RecoverOk.into());
    let mut output = super::written(&mut session.server);
    let mut reader = crate::FrameReader::new(20_000 - 8);
    let mut parts = Vec::new();
    let mut lengths = Vec::new();
    while let Some(frame) = reader
        .read(&mut output)
        .expect("well-formed, and no larger than agreed")
    {
        if let crate::Frame::Body(_, part) = frame {
            lengths.push(part.len());
            parts.extend_from_slice(&part);
        }
    }
    assert_eq!(lengths, [19_992, 19_992, 10_016]);
    assert!(parts == body);
}

#[test]
fn the_shell_closes() {
    let forced = ConnectionError::new(
        ReplyCode::ConnectionForced,
        "the node stops",
        MethodId::default(),
    );
    let mut session = Session::with_channel();
    session.server.close(&forced);
    session.server.send(ONE, &channel::CloseOk.into());
    session.note();
    session.say("what comes is ignored");
    session
        .method(1, basic::Publish::default())
        .content(1, b"late");
    session.method(0, connection::CloseOk);
    session.say("a client that has said nothing yet is not told");
    let log = session.log();

    let mut session = Session::accepted(&Limits::default());
    session.server.close(&forced);
    session.note();
    expect![[r#"
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 320, reply_text: "CONNECTION_FORCED - the node stops", class_id: 0, method_id: 0 }))
        -- what comes is ignored
        -- a client that has said nothing yet is not told
        finished
        finished
    "#]].assert_eq(&(log + &session.log()));
}

#[test]
fn both_ends_close_the_connection_at_once() {
    let forced = ConnectionError::new(
        ReplyCode::ConnectionForced,
        "the node stops",
        MethodId::default(),
    );
    let mut session = Session::with_channel();
    session.server.close(&forced);
    session.method(0, connection::Close::default());
    expect![[r#"
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 320, reply_text: "CONNECTION_FORCED - the node stops", class_id: 0, method_id: 0 }))
        sent  Method(channel(0), ConnectionCloseOk(CloseOk))
        finished
    "#]].assert_eq(&session.log());
}
