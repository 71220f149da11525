//! Conversations on channels: what goes in and out, and how they are closed.

use super::{Session, short, start_ok, tune_ok};
use crate::{Content, Frame, FrameReader, PROTOCOL_HEADER, encode_method};
use bytes::{Bytes, BytesMut};
use expect_test::expect;
use model::method::{access, basic, channel, connection, queue};
use model::{
    ChannelError, ChannelNumber, DeliveryTag, FieldTable, Limits, Properties, Publish, ReplyCode,
};

const ONE: ChannelNumber = ChannelNumber(1);

fn content(body: &[u8]) -> Content<'static> {
    Content {
        exchange: b"news",
        routing_key: b"a.b",
        properties: &[0, 0],
        body: Bytes::copy_from_slice(body),
    }
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
        event SecretUpdated(Password(…))
        sent  Method(channel(0), ConnectionUpdateSecretOk(UpdateSecretOk))
        -- flow: stop
        event Closed(Some(ConnectionError { code: NotImplemented, text: "NOT_IMPLEMENTED - active=false", method: { class: 20, method: 20 } }))
        sent  Method(channel(0), ConnectionClose(Close { reply_code: 540, reply_text: "NOT_IMPLEMENTED - active=false", class_id: 20, method_id: 20 }))
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
    let mut input = BytesMut::new();
    encode_method(&mut input, ONE, &channel::Close::default().into());
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
    let mut input = BytesMut::new();
    encode_method(&mut input, ONE, &channel::Open::default().into());
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
    let mut reader = FrameReader::new(20_000 - 8);
    let mut parts = Vec::new();
    let mut lengths = Vec::new();
    while let Some(frame) = reader
        .read(&mut output)
        .expect("well-formed, and no larger than agreed")
    {
        if let Frame::Body(_, part) = frame {
            lengths.push(part.len());
            parts.extend_from_slice(&part);
        }
    }
    assert_eq!(lengths, [19_992, 19_992, 10_016]);
    assert!(parts == body);
}
