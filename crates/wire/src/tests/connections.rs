//! Conversations of a whole connection: the way in and the way out.

use super::{Session, capabilities, short, start_ok, tune_ok};
use crate::PROTOCOL_HEADER;
use bytes::Bytes;
use expect_test::expect;
use model::method::{basic, channel, connection};
use model::{
    ChannelNumber, ConnectionError, FieldTable, Limits, MethodId, ReplyCode, TableBuilder,
};

const ONE: ChannelNumber = ChannelNumber(1);

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
