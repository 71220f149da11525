//! A whole connection: any bytes in any pieces, with a shell that answers, sends, closes and lets time pass in
//! any order. Nothing panics, what is written is well-formed and bounded, and the connection can always be ended.

#![no_main]

#[path = "../requests.rs"]
mod requests;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model::method::{basic, channel, connection};
use model::{
    ChannelError, ChannelNumber, ConnectionError, DeliveryTag, FieldTable, Limits, MethodId,
    ReplyCode, ShortStr, TableBuilder, Timestamp, Value,
};
use requests::{Envelope, Request, name};
use wire::{
    Content, Event, FrameReader, PROTOCOL_HEADER, ServerConnection, encode_heartbeat, encode_method,
};

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Bytes as they are.
    Bytes(&'a [u8]),
    /// A frame that is whole and ends well.
    Frame {
        kind: u8,
        channel: u8,
        payload: &'a [u8],
    },
    Open(u8),
    Close(u8),
    CloseOk(u8),
    /// A method that has a meaning, whole.
    Request(u8, Request<'a>),
    /// A method of any class, with any fields.
    Fields {
        channel: u8,
        class: u8,
        method: u8,
        fields: &'a [u8],
    },
    /// basic.publish alone, or its header, or a part of its body: contents of several channels come together.
    PublishOf(u8, u8, u8),
    HeaderOf(u8, u8, Envelope<'a>),
    BodyOf(u8, u8),
    /// basic.publish with its header and one frame of body.
    Publish {
        channel: u8,
        announced: u8,
        body: &'a [u8],
    },
    Heartbeat,
    /// What came is handed over, in pieces of this length.
    Hand(u8),
    Wait(u16),
    Deliver(u8),
    CloseChannel(u8),
    CloseConnection,
    Reading(bool),
}

#[derive(Arbitrary, Debug)]
struct Story<'a> {
    /// Whether a well-formed handshake comes first.
    handshake: bool,
    accepts: bool,
    steps: Vec<Step<'a>>,
}

struct Play {
    server: ServerConnection,
    now: Timestamp,
    accepts: bool,
    /// Sent by the client, not handed over yet.
    sent: BytesMut,
    input: BytesMut,
    /// How much the client sent, and how much the shell did.
    caused: usize,
    output: BytesMut,
    ended: bool,
}

fuzz_target!(|story: Story| {
    let limits = Limits {
        message_size_max: 200,
        channel_max: 200,
        ..Limits::default()
    };
    let now = Timestamp(0);
    let mut play = Play {
        server: ServerConnection::new(&limits, FieldTable::new(), "PLAIN AMQPLAIN", now),
        now,
        accepts: story.accepts,
        sent: BytesMut::new(),
        input: BytesMut::new(),
        caused: 0,
        output: BytesMut::new(),
        ended: false,
    };
    if story.handshake {
        play.shake_hands(&limits);
    }
    for step in &story.steps {
        play.step(step);
    }
    play.end();
});

fn short(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

impl Play {
    fn shake_hands(&mut self, limits: &Limits) {
        let capabilities =
            TableBuilder::new().field("authentication_failure_close", Value::Bool(true));
        let client_properties = TableBuilder::new().table("capabilities", &capabilities.build());
        self.sent.put_slice(PROTOCOL_HEADER);
        let start_ok = connection::StartOk {
            client_properties: client_properties.build(),
            mechanism: short("PLAIN"),
            response: Bytes::from_static(b"\0u\0p"),
            locale: short("en_US"),
        };
        encode_method(&mut self.sent, ChannelNumber(0), &start_ok.into());
        self.hand(usize::MAX);
        let tune_ok = connection::TuneOk {
            channel_max: limits.channel_max,
            frame_max: 4096,
            heartbeat_s: 5,
        };
        encode_method(&mut self.sent, ChannelNumber(0), &tune_ok.into());
        let open = connection::Open::default();
        encode_method(&mut self.sent, ChannelNumber(0), &open.into());
        encode_method(
            &mut self.sent,
            ChannelNumber(1),
            &channel::Open::default().into(),
        );
        self.hand(usize::MAX);
    }

    fn step(&mut self, step: &Step) {
        let number = |channel: &u8| ChannelNumber((*channel).into());
        match step {
            Step::Bytes(bytes) => self.sent.put_slice(bytes),
            Step::Frame {
                kind,
                channel,
                payload,
            } => self.frame(*kind, *channel, payload),
            Step::Open(channel) => {
                encode_method(
                    &mut self.sent,
                    number(channel),
                    &channel::Open::default().into(),
                );
            }
            Step::Close(channel) => {
                encode_method(
                    &mut self.sent,
                    number(channel),
                    &channel::Close::default().into(),
                );
            }
            Step::CloseOk(channel) => {
                encode_method(&mut self.sent, number(channel), &channel::CloseOk.into());
            }
            Step::Publish {
                channel,
                announced,
                body,
            } => {
                encode_method(
                    &mut self.sent,
                    number(channel),
                    &basic::Publish::default().into(),
                );
                self.frame(
                    2,
                    *channel,
                    &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, *announced, 0, 0],
                );
                self.frame(3, *channel, body);
            }
            Step::Request(channel, request) => {
                encode_method(&mut self.sent, number(channel), &request.method());
            }
            Step::Fields {
                channel,
                class,
                method,
                fields,
            } => {
                const CLASSES: [u8; 8] = [10, 20, 30, 40, 50, 60, 85, 90];
                let class = CLASSES[usize::from(class % 8)];
                let payload = [&[0, class, 0, method % 13 * 10], *fields].concat();
                self.frame(1, *channel, &payload);
            }
            Step::PublishOf(channel, exchange, key) => {
                let publish = basic::Publish {
                    exchange: name(*exchange),
                    routing_key: name(*key),
                    ..basic::Publish::default()
                };
                encode_method(&mut self.sent, number(channel), &publish.into());
            }
            Step::HeaderOf(channel, announced, envelope) => {
                let mut payload = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, *announced];
                payload.extend_from_slice(envelope.build().as_bytes());
                self.frame(2, *channel, &payload);
            }
            Step::BodyOf(channel, length) => {
                self.frame(3, *channel, &vec![b'x'; usize::from(*length)]);
            }
            Step::Heartbeat => encode_heartbeat(&mut self.sent),
            Step::Hand(length) => self.hand(usize::from(*length).max(1)),
            Step::Wait(millis) => {
                self.now = Timestamp(self.now.0 + u64::from(*millis));
                self.caused += 8;
                self.server.tick(self.now);
                self.answer();
            }
            Step::Deliver(channel) => self.deliver(number(channel)),
            Step::CloseChannel(channel) => {
                let error = ChannelError::new(ReplyCode::NotFound, "x", basic::Publish::ID);
                self.server.close_channel(number(channel), &error);
                self.caused += 100;
            }
            Step::CloseConnection => self.close(),
            Step::Reading(reading) => self.server.set_reading(self.now, *reading),
        }
    }

    fn frame(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        self.sent.put_u8(kind);
        self.sent.put_u16(channel.into());
        self.sent.put_u32(payload.len() as u32);
        self.sent.put_slice(payload);
        self.sent.put_u8(206);
    }

    fn hand(&mut self, length: usize) {
        let sent = std::mem::take(&mut self.sent);
        self.caused += sent.len();
        for piece in sent.chunks(length) {
            self.input.extend_from_slice(piece);
            self.server.handle(self.now, &mut self.input);
            self.answer();
        }
    }

    fn deliver(&mut self, number: ChannelNumber) {
        let content = Content {
            exchange: b"e",
            routing_key: b"k",
            properties: &[0, 0],
            body: Bytes::from_static(&[b'x'; 20_000]),
        };
        self.server
            .deliver(number, &short("c"), DeliveryTag(1), false, content);
        self.caused += 25_000;
    }

    fn close(&mut self) {
        let error = ConnectionError::new(ReplyCode::ConnectionForced, "x", MethodId::default());
        self.server.close(&error);
        self.caused += 100;
    }

    /// Answers events as the broker would, and takes the output as the socket would.
    fn answer(&mut self) {
        while let Some(event) = self.server.poll_event() {
            assert!(!self.ended, "nothing happens after the end");
            let server = &mut self.server;
            match event {
                Event::Login { .. } if self.accepts => server.accept_login(),
                Event::Login { .. } => server.refuse_login(),
                Event::Open { .. } => {
                    server.send(ChannelNumber(0), &connection::OpenOk::default().into());
                }
                Event::SecretUpdated(_) => {
                    server.send(ChannelNumber(0), &connection::UpdateSecretOk.into());
                }
                Event::ChannelOpened(number) => {
                    assert!((1..=200).contains(&number.0));
                    server.send(number, &channel::OpenOk::default().into());
                }
                Event::ChannelClosed(number) => server.send(number, &channel::CloseOk.into()),
                Event::Publish(_, publish) => assert!(publish.body.len() <= 200),
                Event::Method(..) => {}
                Event::Closed(_) => self.ended = true,
            }
        }
        let output = self.server.output();
        while output.has_remaining() {
            let chunk = output.chunk();
            assert!(!chunk.is_empty());
            let length = chunk.len();
            self.output.extend_from_slice(chunk);
            output.advance(length);
        }
        assert!(self.output.len() <= 3 * self.caused + 10_000);
    }

    fn end(&mut self) {
        self.hand(usize::MAX);
        self.close();
        self.answer();
        for _ in 0..2 {
            self.now = Timestamp(self.now.0 + 30_000);
            self.server.tick(self.now);
            self.answer();
        }
        assert!(self.server.is_finished());
        assert_eq!(self.server.wake_at(), None);
        self.server.handle(self.now, &mut self.input);
        assert!(self.input.is_empty());
        let mut output = std::mem::take(&mut self.output);
        if output.starts_with(PROTOCOL_HEADER) {
            output.advance(PROTOCOL_HEADER.len());
        }
        let mut reader = FrameReader::new(131_072);
        while reader
            .read(&mut output)
            .expect("what we write is well-formed")
            .is_some()
        {}
        assert!(output.is_empty(), "only whole frames are written");
    }
}
