//! Transcripts: what the owner and the client hear, as one owner follows the other.

use super::numbers::Numbers;
use super::session::Session;
use bytes::{Buf, BytesMut};
use expect_test::{Expect, expect};
use model::method::{basic, channel, confirm, connection, queue, tx};
use model::publish::{NUMBERED_ROUTING_KEY, PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER};
use model::{
    ChannelNumber, DeliveryTag, FieldTable, Limits, Method, Properties, ShortStr, Timestamp,
};
use std::fmt::Write;
use std::sync::Arc;
use wire::{Arrival, Event, Frame, FrameReader, PROTOCOL_HEADER, ServerConnection};

const ONE: ChannelNumber = ChannelNumber(1);
const FRAME_MAX: u32 = 131_072;

/// A client with channel 1 open, and what was said.
struct Talk {
    wire: ServerConnection,
    session: Session,
    said: String,
}

fn short(text: &str) -> ShortStr {
    ShortStr::truncated(text)
}

fn frames(bytes: &mut BytesMut) -> Vec<Frame> {
    let mut reader = FrameReader::new(FRAME_MAX);
    let mut frames = Vec::new();
    while let Some(frame) = reader.read(bytes).expect("our own frames") {
        frames.push(frame);
    }
    frames
}

impl Talk {
    fn new() -> Self {
        let limits = Limits::default();
        let mut wire = ServerConnection::new(&limits, FieldTable::new(), "PLAIN", Timestamp(1));
        let start_ok = connection::StartOk {
            mechanism: short("PLAIN"),
            response: bytes::Bytes::from_static(b"\0guest\0guest"),
            locale: short("en_US"),
            ..connection::StartOk::default()
        };
        let mut input = BytesMut::from(&PROTOCOL_HEADER[..]);
        wire::encode_method(&mut input, ChannelNumber(0), &start_ok.into());
        wire.handle(Timestamp(1), &mut input);
        wire.accept_login();
        let mut input = BytesMut::new();
        let tune_ok = connection::TuneOk {
            channel_max: 10,
            frame_max: FRAME_MAX,
            heartbeat_s: 0,
        };
        wire::encode_method(&mut input, ChannelNumber(0), &tune_ok.into());
        let open = connection::Open {
            virtual_host: short("/"),
            ..connection::Open::default()
        };
        wire::encode_method(&mut input, ChannelNumber(0), &open.into());
        wire.handle(Timestamp(1), &mut input);
        wire.send(ChannelNumber(0), &connection::OpenOk::default().into());
        while wire.poll_event().is_some() {}
        let mut talk = Self {
            wire,
            session: Session::new(Arc::new(Numbers::new(7)), short("/")),
            said: String::new(),
        };
        talk.session.resume(FRAME_MAX);
        talk.drain();
        talk.said.clear();
        talk.client(channel::Open::default());
        talk.owner(channel::OpenOk::default());
        talk.said.clear();
        talk
    }

    /// The client says it.
    fn client(&mut self, method: impl Into<Method>) {
        let mut input = BytesMut::new();
        wire::encode_method(&mut input, ONE, &method.into());
        self.client_bytes(input);
    }

    fn client_bytes(&mut self, mut input: BytesMut) {
        self.wire.handle(Timestamp(1), &mut input);
        while let Some(event) = self.wire.poll_event() {
            self.session.client_did(event, &mut self.wire);
        }
        self.drain();
    }

    fn publish(&mut self, body: &str) {
        self.publish_with(body, &Properties::default());
    }

    fn publish_with(&mut self, body: &str, properties: &Properties) {
        let publish = basic::Publish {
            routing_key: short("q"),
            ..basic::Publish::default()
        };
        let mut input = BytesMut::new();
        wire::encode_method(&mut input, ONE, &publish.into());
        let body = body.as_bytes();
        wire::encode_content(&mut input, ONE, 60, properties.as_bytes(), body, FRAME_MAX);
        self.client_bytes(input);
    }

    /// The owner says it.
    fn owner(&mut self, method: impl Into<Method>) {
        self.owner_says(Arrival::Method(method.into()));
    }

    fn owner_says(&mut self, arrival: Arrival) {
        let heard = self.session.owner_said(ONE, arrival, &mut self.wire);
        if let Err(out_of_turn) = heard {
            let _ = writeln!(self.said, "{out_of_turn}");
        }
        self.drain();
    }

    fn deliver(&mut self, tag: u64, body: &'static str) {
        let deliver = basic::Deliver {
            consumer_tag: short("c"),
            delivery_tag: DeliveryTag(tag),
            ..basic::Deliver::default()
        };
        let body = bytes::Bytes::from_static(body.as_bytes());
        self.owner_says(Arrival::Content(
            deliver.into(),
            Properties::default(),
            body,
        ));
    }

    fn ack(&mut self, tag: u64, multiple: bool) -> basic::Ack {
        basic::Ack {
            delivery_tag: DeliveryTag(tag),
            multiple,
        }
    }

    /// One owner goes, the next one comes; between them the client does something.
    fn another_owner(&mut self, meanwhile: impl FnOnce(&mut Self)) {
        self.said += "-- the owner is gone\n";
        self.session.lost(&mut self.wire);
        self.drain();
        meanwhile(self);
        self.said += "-- another one\n";
        self.session.resume(FRAME_MAX);
        self.drain();
    }

    fn drain(&mut self) {
        let mut owner = self.session.output().split();
        self.tell("to the owner", &mut owner);
        let output = self.wire.output();
        let mut client = output.copy_to_bytes(output.remaining()).into();
        self.tell("to the client", &mut client);
    }

    fn tell(&mut self, whom: &str, bytes: &mut BytesMut) {
        for frame in frames(bytes) {
            let text = match frame {
                Frame::Method(_, Method::BasicPublish(publish)) => {
                    if publish.routing_key == NUMBERED_ROUTING_KEY {
                        "numbered"
                    } else {
                        "publish"
                    }
                    .to_owned()
                }
                Frame::Method(_, method) => brief(&method),
                Frame::Header(_, header) => match header.properties.headers() {
                    Some(headers) => format!(
                        "{:?}",
                        headers
                            .get(PUBLISHING_ID_HEADER)
                            .and_then(|id| id.as_integer())
                    ),
                    None => continue,
                },
                Frame::Body(_, body) => String::from_utf8_lossy(&body).into_owned(),
                Frame::Heartbeat => continue,
            };
            let _ = writeln!(self.said, "{whom}: {text}");
        }
    }

    fn is(self, expected: &Expect) {
        expected.assert_eq(&self.said);
    }
}

/// A method, with the fields that matter here.
fn brief(method: &Method) -> String {
    let name = method.name();
    match method {
        Method::BasicAck(ack) => format!("{name} {} {}", ack.delivery_tag.0, ack.multiple),
        Method::BasicNack(nack) => format!("{name} {} {}", nack.delivery_tag.0, nack.multiple),
        Method::BasicDeliver(deliver) => format!("{name} {}", deliver.delivery_tag.0),
        Method::BasicQos(qos) => format!("{name} {} {}", qos.prefetch_count, qos.global),
        Method::BasicConsume(consume) => {
            format!(
                "{name} {} as '{}' {}",
                consume.queue, consume.consumer_tag, consume.no_wait
            )
        }
        Method::QueueBind(bind) => format!("{name} '{}' by '{}'", bind.queue, bind.routing_key),
        Method::QueueDeclare(declare) => format!("{name} '{}' {}", declare.queue, declare.no_wait),
        Method::BasicGet(get) => format!("{name} '{}'", get.queue),
        _ => name.to_owned(),
    }
}

fn qos(prefetch_count: u16, global: bool) -> basic::Qos {
    basic::Qos {
        prefetch_count,
        global,
        ..basic::Qos::default()
    }
}

#[test]
fn a_channel_is_made_again_as_it_was() {
    let mut talk = Talk::new();
    talk.client(qos(10, false));
    talk.owner(basic::QosOk);
    talk.client(basic::Consume {
        queue: short("q"),
        no_wait: true,
        ..basic::Consume::default()
    });
    talk.owner(basic::ConsumeOk {
        consumer_tag: short("made-by-the-owner"),
    });
    talk.client(qos(0, false));
    talk.owner(basic::QosOk);
    talk.client(qos(100, true));
    talk.owner(basic::QosOk);
    talk.client(basic::Get {
        queue: short("asked"),
        ..basic::Get::default()
    });
    talk.another_owner(|talk| talk.client(queue::Declare::default()));
    talk.owner(channel::OpenOk::default());
    for _ in 0..2 {
        talk.owner(basic::QosOk);
    }
    talk.owner(basic::ConsumeOk {
        consumer_tag: short("made-by-the-owner"),
    });
    talk.owner(basic::QosOk);
    talk.owner(basic::GetEmpty::default());
    talk.owner(queue::DeclareOk::default());
    talk.is(&expect![[r#"
        to the owner: basic.qos 10 false
        to the client: basic.qos-ok
        to the owner: basic.consume q as '' false
        to the owner: basic.qos 0 false
        to the client: basic.qos-ok
        to the owner: basic.qos 100 true
        to the client: basic.qos-ok
        to the owner: basic.get 'asked'
        -- the owner is gone
        -- another one
        to the owner: channel.open
        to the owner: basic.qos 100 true
        to the owner: basic.qos 10 false
        to the owner: basic.consume q as 'made-by-the-owner' false
        to the owner: basic.qos 0 false
        to the owner: basic.get 'asked'
        to the owner: queue.declare '' false
        to the client: basic.get-empty
        to the client: queue.declare-ok
    "#]]);
}

#[test]
fn what_is_not_confirmed_goes_again_under_its_numbers() {
    let mut talk = Talk::new();
    talk.publish("before the client asks for confirms");
    talk.owner(confirm::SelectOk);
    talk.client(confirm::Select::default());
    talk.owner(confirm::SelectOk);
    talk.publish("one");
    talk.publish("two");
    talk.publish("three");
    let confirm = talk.ack(4, false);
    talk.owner(confirm);
    talk.another_owner(|talk| talk.publish("four"));
    talk.publish("five");
    let confirm = talk.ack(5, true);
    talk.owner(confirm);
    let nack = basic::Nack {
        delivery_tag: DeliveryTag(6),
        ..basic::Nack::default()
    };
    talk.owner(nack);
    assert!(talk.session.held() > 0, "one is not answered");
    talk.is(&expect![[r#"
        to the owner: confirm.select
        to the owner: numbered
        to the owner: Some(1)
        to the owner: publish
        to the owner: before the client asks for confirms
        to the owner: confirm.select
        to the client: confirm.select-ok
        to the owner: publish
        to the owner: one
        to the owner: publish
        to the owner: two
        to the owner: publish
        to the owner: three
        to the client: basic.ack 2 false
        -- the owner is gone
        -- another one
        to the owner: channel.open
        to the owner: confirm.select
        to the owner: numbered
        to the owner: Some(1)
        to the owner: publish
        to the owner: before the client asks for confirms
        to the owner: publish
        to the owner: one
        to the owner: numbered
        to the owner: Some(4)
        to the owner: publish
        to the owner: three
        to the owner: publish
        to the owner: four
        to the owner: numbered
        to the owner: Some(1)
        to the owner: publish
        to the owner: five
        to the client: basic.ack 3 true
        to the client: basic.nack 4 false
    "#]]);
}

#[test]
fn delivery_tags_go_on_and_old_ones_settle_nothing() {
    let mut talk = Talk::new();
    talk.deliver(1, "one");
    talk.deliver(2, "two");
    let ack = talk.ack(1, false);
    talk.client(ack);
    talk.another_owner(|talk| {
        let ack = talk.ack(2, false);
        talk.client(ack);
    });
    talk.deliver(1, "two");
    talk.deliver(2, "three");
    for (tag, multiple) in [(2, true), (3, false), (4, true), (0, true)] {
        let ack = talk.ack(tag, multiple);
        talk.client(ack);
    }
    talk.is(&expect![[r#"
        to the client: basic.deliver 1
        to the client: one
        to the client: basic.deliver 2
        to the client: two
        to the owner: basic.ack 1 false
        -- the owner is gone
        -- another one
        to the owner: channel.open
        to the client: basic.deliver 3
        to the client: two
        to the client: basic.deliver 4
        to the client: three
        to the owner: basic.ack 1 false
        to the owner: basic.ack 2 true
        to the owner: basic.ack 0 true
    "#]]);
}

#[test]
fn an_empty_name_stands_for_the_same_queue_at_the_next_owner() {
    let mut talk = Talk::new();
    talk.client(queue::Declare::default());
    talk.client(queue::Bind::default());
    talk.owner(queue::DeclareOk {
        queue: short("amq.gen-1"),
        ..queue::DeclareOk::default()
    });
    talk.owner(queue::BindOk);
    talk.another_owner(|_| {});
    talk.owner(channel::OpenOk::default());
    talk.client(queue::Bind::default());
    talk.client(basic::Get::default());
    talk.is(&expect![[r#"
        to the owner: queue.declare '' false
        to the owner: queue.bind '' by ''
        to the client: queue.declare-ok
        to the client: queue.bind-ok
        -- the owner is gone
        -- another one
        to the owner: channel.open
        to the owner: queue.bind 'amq.gen-1' by 'amq.gen-1'
        to the owner: basic.get 'amq.gen-1'
    "#]]);
}

#[test]
fn what_goes_with_the_connection_cannot_go_on_elsewhere() {
    let mut talk = Talk::new();
    assert_eq!(talk.session.cannot_go_on(), None);
    let declare = queue::Declare {
        queue: short("mine"),
        exclusive: true,
        ..queue::Declare::default()
    };
    talk.client(declare);
    talk.owner(queue::DeclareOk {
        queue: short("mine"),
        ..queue::DeclareOk::default()
    });
    assert_eq!(
        talk.session.cannot_go_on(),
        Some("its exclusive queues were there")
    );
    talk.client(queue::Delete {
        queue: short("mine"),
        ..queue::Delete::default()
    });
    talk.owner(queue::DeleteOk::default());
    assert_eq!(talk.session.cannot_go_on(), None);
    talk.client(basic::Consume {
        queue: short("amq.rabbitmq.reply-to"),
        no_ack: true,
        ..basic::Consume::default()
    });
    talk.owner(basic::ConsumeOk {
        consumer_tag: short("replies"),
    });
    assert_eq!(
        talk.session.cannot_go_on(),
        Some("it waits for direct replies there")
    );

    let mut talk = Talk::new();
    talk.client(tx::Select);
    talk.owner(tx::SelectOk);
    assert_eq!(
        talk.session.cannot_go_on(),
        None,
        "nothing is in the transaction"
    );
    talk.publish("one");
    assert_eq!(
        talk.session.cannot_go_on(),
        Some("a transaction was open there")
    );
    talk.client(tx::Commit);
    talk.owner(tx::CommitOk);
    assert_eq!(talk.session.cannot_go_on(), None);
}

#[test]
fn a_number_may_be_used_again_before_the_owner_knows_that_it_is_free() {
    let mut talk = Talk::new();
    // A message that is too large: the client's channel is closed by its own node.
    let publish = basic::Publish::default();
    let mut input = BytesMut::new();
    wire::encode_method(&mut input, ONE, &publish.into());
    let mut header = BytesMut::new();
    wire::encode_content(
        &mut header,
        ONE,
        60,
        Properties::default().as_bytes(),
        b"",
        FRAME_MAX,
    );
    header[11..19].copy_from_slice(&(200 * 1024 * 1024_u64).to_be_bytes());
    input.extend_from_slice(&header);
    talk.client_bytes(input);
    talk.client(channel::CloseOk);
    talk.client(channel::Open::default());
    talk.publish("on the new channel");
    talk.owner(channel::CloseOk);
    talk.owner(channel::OpenOk::default());
    talk.is(&expect![[r#"
        to the owner: channel.close
        to the client: channel.close
        to the owner: channel.open
        to the owner: confirm.select
        to the owner: numbered
        to the owner: Some(1)
        to the owner: publish
        to the owner: on the new channel
        to the client: channel.open-ok
    "#]]);
}

#[test]
fn behind_a_close_nothing_else_is_answered() {
    let mut talk = Talk::new();
    talk.publish("and goodbye");
    talk.client(channel::Close::default());
    talk.owner(channel::CloseOk);
    talk.is(&expect![[r#"
        to the owner: confirm.select
        to the owner: numbered
        to the owner: Some(1)
        to the owner: publish
        to the owner: and goodbye
        to the owner: channel.close
        to the client: channel.close-ok
    "#]]);
}

#[test]
fn closes_that_cross_do_not_answer_the_channel_that_comes_after() {
    let mut talk = Talk::new();
    talk.client(channel::Close::default());
    talk.owner(channel::Close {
        reply_code: 406,
        ..channel::Close::default()
    });
    talk.client(channel::CloseOk);
    talk.client(channel::Open::default());
    // The owner's answer to the client's close.
    talk.owner(channel::CloseOk);
    talk.owner(channel::OpenOk::default());
    talk.is(&expect![[r#"
        to the owner: channel.close
        to the owner: channel.close-ok
        to the client: channel.close
        to the client: channel.close-ok
        to the owner: channel.open
        to the client: channel.open-ok
    "#]]);
}

#[test]
fn what_comes_into_a_transaction_while_there_is_no_owner_is_not_committed_without_it() {
    let mut talk = Talk::new();
    talk.client(tx::Select);
    talk.owner(tx::SelectOk);
    talk.another_owner(|talk| {
        assert_eq!(talk.session.cannot_go_on(), None, "it is empty");
        talk.publish("to nobody");
        let open = Some("a transaction was open there");
        assert_eq!(talk.session.cannot_go_on(), open);
    });

    let mut talk = Talk::new();
    talk.client(tx::Select);
    talk.owner(tx::SelectOk);
    talk.publish("in the first");
    talk.client(tx::Commit);
    talk.publish("in the next");
    talk.owner(tx::CommitOk);
    let open = Some("a transaction was open there");
    assert_eq!(talk.session.cannot_go_on(), open);
}

#[test]
fn a_publisher_of_ours_is_free_when_its_channel_is_closed_and_a_message_with_its_own_needs_none() {
    let mut talk = Talk::new();
    let headers = model::TableBuilder::new()
        .text(PUBLISHER_ID_HEADER, "its own")
        .field(PUBLISHING_ID_HEADER, model::Value::I64(7))
        .build();
    let own = model::PropertiesBuilder::new().headers(&headers).build();
    talk.publish_with("numbered by the client", &own);
    talk.publish("numbered here");
    talk.publish_with("by the client", &own);
    talk.publish("here");
    talk.client(channel::Close::default());
    talk.owner(channel::CloseOk);
    talk.client(channel::Open::default());
    talk.owner(channel::OpenOk::default());
    talk.publish("the same publisher counts on");
    talk.is(&expect![[r#"
        to the owner: confirm.select
        to the owner: publish
        to the owner: Some(7)
        to the owner: numbered by the client
        to the owner: numbered
        to the owner: Some(1)
        to the owner: publish
        to the owner: numbered here
        to the owner: publish
        to the owner: Some(7)
        to the owner: by the client
        to the owner: publish
        to the owner: here
        to the owner: channel.close
        to the client: channel.close-ok
        to the owner: channel.open
        to the client: channel.open-ok
        to the owner: confirm.select
        to the owner: numbered
        to the owner: Some(3)
        to the owner: publish
        to the owner: the same publisher counts on
    "#]]);
}

#[test]
fn what_is_held_is_known_and_a_client_that_is_ahead_of_the_owner_waits() {
    let mut talk = Talk::new();
    assert_eq!(talk.session.held(), 0);
    talk.another_owner(|talk| {
        talk.client(queue::Declare::default());
        assert!(talk.session.held() > 0 && !talk.session.has_messages());
        talk.client(channel::Close::default());
        assert!(!talk.session.waits_for_number());
        talk.session
            .client_did(Event::ChannelOpened(ONE), &mut talk.wire);
        assert!(talk.session.waits_for_number());
    });
}

#[test]
fn an_answer_that_nobody_asked_for_is_an_error() {
    let mut talk = Talk::new();
    talk.owner(queue::DeclareOk::default());
    talk.session.client_did(Event::Closed(None), &mut talk.wire);
    talk.is(&expect![[r#"
        the owner says queue.declare-ok where nothing asked for it
    "#]]);
}
