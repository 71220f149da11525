//! Time: heartbeats and giving up.

use super::{Session, start_ok};
use crate::{PROTOCOL_HEADER, encode_heartbeat};
use bytes::BytesMut;
use expect_test::expect;
use model::method::{channel, connection};
use model::{ChannelNumber, ConnectionError, FieldTable, Limits, MethodId, ReplyCode, Timestamp};

fn with_heartbeat(heartbeat_s: u16) -> Session {
    let mut session = Session::accepted(&Limits::default());
    session
        .bytes(PROTOCOL_HEADER)
        .method(0, start_ok(&FieldTable::new()));
    session.server.accept_login();
    let tune_ok = connection::TuneOk {
        channel_max: 10,
        frame_max: 131_072,
        heartbeat_s,
    };
    session
        .method(0, tune_ok)
        .method(0, connection::Open::default());
    session
        .server
        .send(ChannelNumber(0), &connection::OpenOk::default().into());
    session.note();
    session.log();
    session
}

#[test]
fn we_are_heard_every_half_interval_and_hear_within_two() {
    let mut session = with_heartbeat(10);
    let start = session.now.0;
    let mut heartbeat = BytesMut::new();
    encode_heartbeat(&mut heartbeat);
    for _ in 0..8 {
        session.wait_at_most(60_000);
        let at = session.now.0 - start;
        session.say(&format!("{at} ms"));
        if at == 5_000 {
            session
                .say("the client says something")
                .bytes(&heartbeat[..3]);
        }
    }
    expect![[r#"
        -- 5000 ms
        -- the client says something
        sent  Heartbeat
        -- 10000 ms
        sent  Heartbeat
        -- 15000 ms
        sent  Heartbeat
        -- 20000 ms
        event Closed(Some(ConnectionError { code: ConnectionForced, text: "CONNECTION_FORCED - missed heartbeats from client, timeout: 10s", method: { class: 0, method: 0 } }))
        -- 25000 ms
        -- 85000 ms
        -- 145000 ms
        -- 205000 ms
        finished
    "#]].assert_eq(&session.log());
    assert_eq!(session.server.wake_at(), None);
}

#[test]
fn what_is_written_anyway_is_a_sign_of_life() {
    let mut session = with_heartbeat(10);
    session.method(1, channel::Open::default());
    session
        .server
        .send(ChannelNumber(1), &channel::OpenOk::default().into());
    session.note();
    session.log();
    session.wait_at_most(5_000);
    assert_eq!(session.log(), "");
    session.wait_at_most(5_000);
    assert_eq!(session.log(), "sent  Heartbeat\n");
}

#[test]
fn silence_is_not_held_against_a_client_that_nobody_reads() {
    let mut session = with_heartbeat(10);
    session.server.set_reading(session.now, false);
    for _ in 0..20 {
        session.wait_at_most(60_000);
    }
    assert!(!session.server.is_finished());
    session.server.set_reading(session.now, true);
    let resumed = session.now.0;
    while !session.server.is_finished() {
        session.wait_at_most(60_000);
    }
    assert_eq!(session.now.0 - resumed, 20_000);
}

#[test]
fn without_heartbeats_nothing_is_timed() {
    let session = with_heartbeat(0);
    assert_eq!(session.server.wake_at(), None);
}

#[test]
fn handshakes_that_are_not_finished() {
    let mut session = Session::accepted(&Limits::default());
    session.bytes(b"AMQP");
    session.wait_at_most(60_000);
    let mut log = session.log();

    let mut session = Session::accepted(&Limits::default());
    session
        .bytes(PROTOCOL_HEADER)
        .method(0, start_ok(&FieldTable::new()));
    session.server.accept_login();
    session.note();
    session.log();
    session.wait_at_most(9_999);
    assert_eq!(session.log(), "");
    session.wait_at_most(60_000);
    log.push_str(&session.log());
    assert_eq!(session.now, Timestamp(1_010_000));
    expect![[r#"
        event Closed(Some(ConnectionError { code: ConnectionForced, text: "CONNECTION_FORCED - the handshake was not finished within 10000 ms", method: { class: 0, method: 0 } }))
        finished
        event Closed(Some(ConnectionError { code: ConnectionForced, text: "CONNECTION_FORCED - the handshake was not finished within 10000 ms", method: { class: 0, method: 0 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 320, reply_text: "CONNECTION_FORCED - the handshake was not finished within 10000 ms", class_id: 0, method_id: 0 }))
        finished
    "#]].assert_eq(&log);
}

#[test]
fn a_close_that_is_not_answered() {
    let mut session = Session::with_channel();
    let error = ConnectionError::new(ReplyCode::ConnectionForced, "bye", MethodId::default());
    session.now = Timestamp(session.now.0 + 3_600_000);
    session.server.close(&error);
    let wake_at = session.server.wake_at().expect("the wait is timed");
    assert!(wake_at <= session.now, "the wait is to begin now");
    session.wait_at_most(0);
    session.log();
    let begun = session.now.0;
    session.wait_at_most(60_000);
    assert_eq!(session.now.0 - begun, 30_000);
    assert_eq!(session.log(), "finished\n");
}
