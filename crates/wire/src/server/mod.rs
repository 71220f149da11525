//! The server's end of one connection.

use crate::{Content, Event, Output};
use bytes::BytesMut;
use model::{
    ChannelError, ChannelNumber, ConnectionError, DeliveryTag, FieldTable, Limits, Method, Publish,
    ReplyCode, ShortStr, Timestamp,
};
use std::collections::VecDeque;

/// The server's end of one connection, from the protocol header to the last close-ok, without a socket or a clock.
///
/// The shell reads into a buffer and hands it to [`handle`](Self::handle), takes the events out, performs them,
/// and writes [`output`](Self::output) to the socket. Between, it calls [`tick`](Self::tick) when
/// [`wake_at`](Self::wake_at) says so.
#[derive(Debug)]
pub struct ServerConnection {
    events: VecDeque<Event>,
    output: Output,
}

impl ServerConnection {
    /// A connection that was accepted `now`. `server_properties` and `mechanisms` (space-separated, "PLAIN" and
    /// "AMQPLAIN" are known) go into connection.start.
    pub fn new(
        limits: &Limits,
        server_properties: FieldTable,
        mechanisms: &str,
        now: Timestamp,
    ) -> Self {
        let _ = (limits, server_properties, mechanisms, now);
        Self {
            events: VecDeque::new(),
            output: Output::default(),
        }
    }

    /// Takes all whole frames out of `input` and turns them into events. Errors of the protocol become output
    /// (channel.close, connection.close) and events; they are never the caller's.
    pub fn handle(&mut self, now: Timestamp, input: &mut BytesMut) {
        let _ = (now, input);
    }

    /// What the client did next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Does what is due: heartbeats, and giving up on a client that does not finish its handshake in time, that
    /// was silent for two heartbeat intervals, or that does not answer connection.close for 30 seconds.
    pub fn tick(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// Says whether the shell reads the socket. While it does not, the client's silence is not held against it.
    pub fn set_reading(&mut self, now: Timestamp, reading: bool) {
        let _ = (now, reading);
    }

    /// What is to be written to the socket.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Whether nothing more is to be read: the socket is dropped once the output is written.
    pub fn is_finished(&self) -> bool {
        false
    }

    /// Answers [`Event::Login`]: go on.
    pub fn accept_login(&mut self) {}

    /// Answers [`Event::Login`]: no. A client that understands it is told 403, others see the connection end.
    pub fn refuse_login(&mut self) {}

    /// Sends a method that carries no content.
    pub fn send(&mut self, channel: ChannelNumber, method: &Method) {
        let _ = (channel, method);
    }

    /// Sends basic.deliver with its content.
    pub fn deliver(
        &mut self,
        channel: ChannelNumber,
        consumer_tag: &ShortStr,
        tag: DeliveryTag,
        redelivered: bool,
        content: Content<'_>,
    ) {
        let _ = (channel, consumer_tag, tag, redelivered, content);
    }

    /// Sends basic.get-ok with its content.
    pub fn get_ok(
        &mut self,
        channel: ChannelNumber,
        tag: DeliveryTag,
        redelivered: bool,
        message_count: u32,
        content: Content<'_>,
    ) {
        let _ = (channel, tag, redelivered, message_count, content);
    }

    /// Sends basic.return with its content.
    pub fn give_back(
        &mut self,
        channel: ChannelNumber,
        code: ReplyCode,
        text: &str,
        message: &Publish,
    ) {
        let _ = (channel, code, text, message);
    }

    /// Sends channel.close and ignores everything on the channel until channel.close-ok.
    pub fn close_channel(&mut self, channel: ChannelNumber, error: &ChannelError) {
        let _ = (channel, error);
    }

    /// Sends connection.close and ignores everything until connection.close-ok.
    pub fn close(&mut self, error: &ConnectionError) {
        let _ = error;
    }
}
