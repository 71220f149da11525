//! The server's end of one connection: its phases, its timers, and what the shell may ask of it.
//!
//! Reading is split by what is read: `handshake` is the way from the protocol header to connection.open, `frames`
//! sorts what comes after by channel, `publish` is its short cut for what
//! comes most. `ending` is every way in which a connection ends.

mod ending;
mod frames;
mod handshake;
mod publish;

use crate::channel::{Channels, State};
use crate::content::{Content, put_content};
use crate::event::Event;
use crate::frame::{Kind, encode_heartbeat, put_frame};
use crate::heartbeat::{Due, Heartbeat};
use crate::method::{encode_method, put_id, put_short};
use crate::output::Output;
use bytes::{BufMut, BytesMut};
use model::method::{basic, channel, connection};
use model::{
    ChannelError, ChannelNumber, DeliveryTag, FieldTable, Limits, Method, MethodId, Publish,
    ReplyCode, ShortStr, Timestamp,
};
use std::collections::VecDeque;

/// How far a connection's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Waiting for the protocol header.
    ProtocolHeader,
    /// connection.start is sent.
    StartOk,
    /// The shell is asked about the login.
    Login,
    /// connection.tune is sent.
    TuneOk,
    /// Waiting for connection.open.
    Open,
    /// connection.open has come: channels may be used, though open-ok is to come.
    Opening,
    /// open-ok is sent.
    Running,
    /// We sent connection.close; the client's close-ok is to come.
    Closing,
    /// The same, but what comes has no meaning any more: it is thrown away until the client goes.
    Deaf,
    /// Nothing more is read.
    Finished,
}

/// What the client said about itself.
#[derive(Debug, Default)]
struct Client {
    properties: FieldTable,
    mechanism: ShortStr,
}

/// The server's end of one connection, from the protocol header to the last close-ok, without a socket or a clock.
///
/// The shell reads into a buffer and hands it to [`handle`](Self::handle), takes the events out, performs them,
/// and writes [`output`](Self::output) to the socket. Between, it calls [`tick`](Self::tick) when
/// [`wake_at`](Self::wake_at) says so; both may change with every other call.
///
/// What is sent to a channel that is not open, or to a connection that is ending, goes nowhere: the shell need not
/// know how far the client's own closing has come.
#[derive(Debug)]
pub struct ServerConnection {
    /// What was offered, and from connection.tune-ok on, what was agreed.
    limits: Limits,
    server_properties: FieldTable,
    mechanisms: String,
    phase: Phase,
    client: Client,
    channels: Channels,
    heartbeat: Option<Heartbeat>,
    reading: bool,
    /// The end of the handshake, before it; the end of the wait for close-ok, after connection.close.
    deadline: Option<Timestamp>,
    /// The last time that we were told.
    now: Timestamp,
    /// What the last [`handle`](Self::handle) left in its input: only more than that is a sign of life.
    left_over: usize,
    events: VecDeque<Event>,
    output: Output,
}

impl ServerConnection {
    /// A connection that was accepted `now`. `server_properties` and `mechanisms` (space-separated; "PLAIN" and
    /// "AMQPLAIN" are known here) go into connection.start.
    pub fn new(
        limits: &Limits,
        server_properties: FieldTable,
        mechanisms: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            deadline: Some(now + limits.handshake_timeout),
            limits: limits.clone(),
            server_properties,
            mechanisms: mechanisms.to_owned(),
            phase: Phase::ProtocolHeader,
            client: Client::default(),
            channels: Channels::default(),
            heartbeat: None,
            reading: true,
            now,
            left_over: 0,
            events: VecDeque::new(),
            output: Output::default(),
        }
    }

    /// Takes all whole frames out of `input` and turns them into events. Errors of the protocol become output
    /// (channel.close, connection.close) and events; they are never the caller's.
    pub fn handle(&mut self, now: Timestamp, input: &mut BytesMut) {
        self.now = now;
        if input.len() > self.left_over
            && let Some(heartbeat) = &mut self.heartbeat
        {
            heartbeat.heard(now);
        }
        let mut more = true;
        while more {
            more = match self.phase {
                Phase::ProtocolHeader => self.read_protocol_header(input),
                Phase::Deaf | Phase::Finished => {
                    input.clear();
                    false
                }
                _ => self.read_frames(input),
            };
        }
        self.left_over = input.len();
    }

    /// What the client did next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Does what is due: heartbeats, and giving up on a client that does not finish its handshake in time, that
    /// was silent for two heartbeat intervals, or that does not answer connection.close for 30 seconds.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = now;
        match self.phase {
            Phase::Finished => {}
            Phase::Closing | Phase::Deaf => self.wait_for_close_ok(),
            _ => {
                if self.deadline.is_some_and(|at| at <= now) {
                    self.give_up_handshake();
                } else {
                    self.check_heartbeat();
                }
            }
        }
    }

    fn check_heartbeat(&mut self) {
        let Some(heartbeat) = &mut self.heartbeat else {
            return;
        };
        match heartbeat.check(self.now, self.output.written(), self.output.is_empty()) {
            Due::Nothing => {}
            Due::Send => encode_heartbeat(self.output.tail()),
            Due::PeerIsGone => {
                let interval = heartbeat.interval();
                self.give_up_silent_peer(interval);
            }
        }
    }

    /// When [`tick`](Self::tick) has something to do; a time that is past means at once.
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Finished => None,
            Phase::Closing | Phase::Deaf => Some(self.deadline.unwrap_or(self.now)),
            _ => {
                let heartbeat = self.heartbeat.as_ref().map(Heartbeat::wake_at);
                self.deadline.into_iter().chain(heartbeat).min()
            }
        }
    }

    /// Says whether the shell reads the socket (at first it does). While it does not, the client's silence is not
    /// held against it.
    pub fn set_reading(&mut self, now: Timestamp, reading: bool) {
        self.now = now;
        self.reading = reading;
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.set_listening(now, reading);
        }
    }

    /// What is to be written to the socket.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// How many bytes were written to the socket so far.
    pub fn octets_written(&self) -> u64 {
        self.output.written()
    }

    /// What was agreed with the client; before connection.tune-ok, what is offered.
    pub fn agreed(&self) -> connection::TuneOk {
        let heartbeat = self.heartbeat.as_ref().map(Heartbeat::interval);
        let seconds = heartbeat.map_or(0, |interval| interval.as_secs());
        connection::TuneOk {
            channel_max: self.limits.channel_max,
            frame_max: self.limits.frame_max,
            heartbeat_s: u16::try_from(seconds).unwrap_or(u16::MAX),
        }
    }

    /// How many bytes of messages are held whose content has not come whole.
    pub fn unfinished_bytes(&self) -> usize {
        self.channels.held()
    }

    /// Whether nothing more is to be read: the socket is dropped once the output is written.
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Sends a method that carries no content. connection.open-ok ends the handshake, channel.open-ok opens the
    /// channel and channel.close-ok frees it.
    pub fn send(&mut self, number: ChannelNumber, method: &Method) {
        if !matches!(self.phase, Phase::Opening | Phase::Running) {
            return;
        }
        if number == ChannelNumber(0) {
            if matches!(method, Method::ConnectionOpenOk(_)) {
                self.phase = Phase::Running;
                self.deadline = None;
            }
        } else {
            let state = self.channels.state(number);
            match (state, method) {
                (State::Opening, Method::ChannelOpenOk(_)) => self.channels.opened(number),
                (State::Leaving, Method::ChannelCloseOk(_)) => {
                    self.channels.set_state(number, State::Closed);
                }
                (_, Method::ChannelCloseOk(_)) => return,
                (State::Open, _) => {}
                _ => return,
            }
        }
        encode_method(self.output.tail(), number, method);
    }

    /// Sends basic.deliver with its content. A body of 16 KiB and more is not copied.
    pub fn deliver(
        &mut self,
        number: ChannelNumber,
        consumer_tag: &ShortStr,
        tag: DeliveryTag,
        redelivered: bool,
        content: Content<'_>,
    ) {
        self.send_content(number, basic::Deliver::ID, content, |out, content| {
            put_short(out, consumer_tag.as_bytes());
            out.put_u64(tag.0);
            out.put_u8(redelivered.into());
            put_short(out, content.exchange);
            put_short(out, content.routing_key);
        });
    }

    /// Sends basic.get-ok with its content.
    pub fn get_ok(
        &mut self,
        number: ChannelNumber,
        tag: DeliveryTag,
        redelivered: bool,
        message_count: u32,
        content: Content<'_>,
    ) {
        self.send_content(number, basic::GetOk::ID, content, |out, content| {
            out.put_u64(tag.0);
            out.put_u8(redelivered.into());
            put_short(out, content.exchange);
            put_short(out, content.routing_key);
            out.put_u32(message_count);
        });
    }

    /// Sends basic.return with its content: a message comes back whole. `text` is cut to 255 bytes.
    pub fn give_back(
        &mut self,
        number: ChannelNumber,
        code: ReplyCode,
        text: &str,
        message: &Publish,
    ) {
        let content = Content {
            exchange: message.exchange.as_bytes(),
            routing_key: message.routing_key.as_bytes(),
            properties: message.properties.as_bytes(),
            body: message.body.clone(),
        };
        self.send_content(number, basic::Return::ID, content, |out, content| {
            out.put_u16(code.number());
            put_short(out, ShortStr::truncated(text).as_bytes());
            put_short(out, content.exchange);
            put_short(out, content.routing_key);
        });
    }

    fn send_content(
        &mut self,
        number: ChannelNumber,
        id: MethodId,
        content: Content<'_>,
        write_fields: impl FnOnce(&mut BytesMut, &Content<'_>),
    ) {
        let sending = matches!(self.phase, Phase::Opening | Phase::Running);
        if !sending || self.channels.state(number) != State::Open {
            return;
        }
        put_frame(self.output.tail(), Kind::Method, number, |out| {
            put_id(out, id);
            write_fields(out, &content);
        });
        put_content(
            &mut self.output,
            number,
            content.properties,
            &content.body,
            self.limits.frame_max,
        );
    }

    /// Sends channel.close and ignores everything on the channel until channel.close-ok.
    pub fn close_channel(&mut self, number: ChannelNumber, error: &ChannelError) {
        if !matches!(self.phase, Phase::Opening | Phase::Running) {
            return;
        }
        let state = self.channels.state(number);
        if !matches!(state, State::Open | State::Leaving) {
            return;
        }
        let close = channel::Close {
            reply_code: error.code.number(),
            reply_text: error.text.clone(),
            class_id: error.method.class,
            method_id: error.method.method,
        };
        encode_method(self.output.tail(), number, &close.into());
        if state == State::Leaving {
            // Both ends close at once: each answers the other.
            encode_method(self.output.tail(), number, &channel::CloseOk.into());
        }
        self.channels.set_state(number, State::Closing);
    }
}
