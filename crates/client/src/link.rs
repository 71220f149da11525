//! One connection with its one channel: bytes in, bytes out, heartbeats; `login` opens it.
//!
//! The thin shell around the state machines. It reads and writes in large batches: whatever is in `output` when
//! the socket takes it is one write, whatever the socket has is one read.

mod login;

use crate::address::Address;
use crate::clock::Clock;
use crate::error::LinkError;
use crate::heartbeat::{Heartbeat, Pulse};
use crate::options::Options;
use crate::socket::{Ready, Socket};
use bytes::{Buf, BytesMut};
use model::method::{channel, connection};
use model::{ChannelNumber, Method, ShortStr, Timestamp};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::sync::Notify;
use wire::{
    Arrival, Assembly, Frame, FrameReader, PROTOCOL_HEADER, encode_heartbeat, encode_method,
};

/// The largest frame that this client asks for.
pub(crate) const FRAME_MAX: u32 = 131_072;
/// The least room that is made for a read.
const READ_LEAST: usize = 8 * 1024;
/// The most, for a server that fills it each time: what comes with one read shares one buffer.
const READ_MOST: usize = 256 * 1024;
const CONNECTION: ChannelNumber = ChannelNumber(0);
/// The channel that is used.
pub(crate) const CHANNEL: ChannelNumber = ChannelNumber(1);

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    socket: Socket,
    input: BytesMut,
    /// The room that the next read gets.
    read_room: usize,
    /// What is to be written. Callers append to it; [`Self::exchange`] writes it.
    pub(crate) output: BytesMut,
    frames: FrameReader,
    assembly: Assembly,
    frame_max: u32,
    heart: Heartbeat,
    clock: Clock,
    blocked: Option<String>,
    extends: bool,
}

impl Link {
    /// Connects and logs in. The caller sets the time limit.
    pub(crate) async fn open(
        address: &Address,
        options: &Options,
        clock: Clock,
    ) -> Result<Self, LinkError> {
        let socket = Socket::connect(address, options).await?;
        let mut link = Self {
            socket,
            input: BytesMut::new(),
            read_room: READ_LEAST,
            output: BytesMut::from(&PROTOCOL_HEADER[..]),
            frames: FrameReader::new(FRAME_MAX),
            assembly: Assembly::default(),
            frame_max: FRAME_MAX,
            heart: Heartbeat::new(Duration::ZERO, clock.now()),
            clock,
            blocked: None,
            extends: false,
        };
        link.log_in(address, options).await?;
        Ok(link)
    }

    /// The most payload of a frame, as negotiated.
    pub(crate) fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// Why the server takes no publishes for now, if it said so.
    pub(crate) fn blocked(&self) -> Option<&str> {
        self.blocked.as_deref()
    }

    /// Whether the server knows the request for more time. One that does not might take it for a message that this
    /// user may not send, and close the channel.
    pub(crate) fn extends(&self) -> bool {
        self.extends
    }

    /// Appends a method on the channel to the output.
    pub(crate) fn send(&mut self, method: impl Into<Method>) {
        self.put(CHANNEL, method);
    }

    fn put(&mut self, channel: ChannelNumber, method: impl Into<Method>) {
        encode_method(&mut self.output, channel, &method.into());
    }

    /// Sends a method that is answered by the one with the next number, and waits for that.
    pub(crate) async fn call(&mut self, method: impl Into<Method>) -> Result<Method, LinkError> {
        let method = method.into();
        let (class, answer) = (method.id().class, method.id().method + 1);
        self.send(method);
        loop {
            match self.next_arrival()? {
                Some(Arrival::Method(Method::ChannelClose(close))) => {
                    return Err(self.channel_closed(&close));
                }
                Some(Arrival::Method(method))
                    if (method.id().class, method.id().method) == (class, answer) =>
                {
                    return Ok(method);
                }
                Some(_) => {}
                None => self.exchange(None, None).await?,
            }
        }
    }

    /// Agrees to the end of the channel, whose number is free then, and says why it ended.
    pub(crate) fn channel_closed(&mut self, close: &channel::Close) -> LinkError {
        self.send(channel::CloseOk);
        LinkError::Refused {
            code: close.reply_code,
            text: close.reply_text.to_string(),
        }
    }

    /// The next thing that came on the channel, of what was read. What concerns the connection is dealt with.
    pub(crate) fn next_arrival(&mut self) -> Result<Option<Arrival>, LinkError> {
        while let Some(frame) = self.frames.read(&mut self.input)? {
            let arrival = match frame {
                Frame::Method(CHANNEL, method) => self.assembly.method(method)?,
                Frame::Header(CHANNEL, header) => self.assembly.header(header)?,
                Frame::Body(CHANNEL, part) => self.assembly.body(part)?,
                Frame::Method(CONNECTION, method) => {
                    self.on_connection(method)?;
                    None
                }
                _ => None,
            };
            if arrival.is_some() {
                return Ok(arrival);
            }
        }
        Ok(None)
    }

    fn on_connection(&mut self, method: Method) -> Result<(), LinkError> {
        match method {
            Method::ConnectionClose(close) => {
                self.put(CONNECTION, connection::CloseOk);
                // The socket is dropped next; a server that does not hear close-ok manages as well.
                let _ = self.socket.try_write(&self.output);
                self.socket.flush();
                return Err(closed(&close));
            }
            Method::ConnectionBlocked(blocked) => self.blocked = Some(blocked.reason.to_string()),
            Method::ConnectionUnblocked(_) => self.blocked = None,
            _ => {}
        }
        Ok(())
    }

    /// Writes what there is to write, then waits until the socket has or takes something, `wake` is notified or
    /// `until` has come, and reads what there is to read.
    pub(crate) async fn exchange(
        &mut self,
        until: Option<Timestamp>,
        wake: Option<&Notify>,
    ) -> Result<(), LinkError> {
        if let Err(error) = self.write() {
            // The server may have said why before it hung up.
            self.input.reserve(self.read_room);
            return match self.socket.try_read(&mut self.input) {
                Ok(count) if count > 0 => Ok(()),
                _ => Err(error),
            };
        }
        let writes = !self.output.is_empty();
        let until = [until, self.heart.wake_at()].into_iter().flatten().min();
        self.input.reserve(self.read_room);
        tokio::select! {
            // One call that reads what is there: asking first whether there is something would be another, and a read
            // that finds nothing a third.
            ready = self.socket.ready(&mut self.input, writes) => match ready {
                Ready::Read(count) => self.read(count?)?,
                Ready::Writable(ready) => ready?,
            },
            () = notified(wake) => {}
            () = sleep_until(self.clock, until) => {}
        }
        match self.heart.pulse(self.clock.now()) {
            Pulse::Fine => Ok(()),
            Pulse::Beat if self.output.is_empty() => {
                encode_heartbeat(&mut self.output);
                self.write()
            }
            // What waits to be written is as good as a heartbeat.
            Pulse::Beat => Ok(()),
            Pulse::Dead => Err(LinkError::Silent),
        }
    }

    /// Writes as much as the socket takes.
    pub(crate) fn write(&mut self) -> Result<(), LinkError> {
        while !self.output.is_empty() {
            match self.socket.try_write(&self.output) {
                Ok(count) => {
                    self.output.advance(count);
                    self.heart.written(self.clock.now());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// So many bytes were read.
    fn read(&mut self, count: usize) -> Result<(), LinkError> {
        if count == 0 {
            return Err(LinkError::Ended);
        }
        if count >= self.read_room {
            self.read_room = (self.read_room * 2).min(READ_MOST);
        } else if count < self.read_room / 4 {
            self.read_room = (self.read_room / 2).max(READ_LEAST);
        }
        self.heart.read(self.clock.now());
        Ok(())
    }

    /// Says goodbye and waits for the server to have heard it, so that it has heard everything before it too.
    /// The caller sets the time limit.
    pub(crate) async fn close(mut self) -> Result<(), LinkError> {
        self.put(
            CONNECTION,
            connection::Close {
                reply_code: 200,
                reply_text: ShortStr::from_static("Goodbye"),
                ..connection::Close::default()
            },
        );
        loop {
            match self.frames.read(&mut self.input)? {
                Some(Frame::Method(CONNECTION, Method::ConnectionCloseOk(_))) => return Ok(()),
                Some(_) => {}
                None => self.exchange(None, None).await?,
            }
        }
    }
}

async fn notified(wake: Option<&Notify>) {
    match wake {
        Some(wake) => wake.notified().await,
        None => std::future::pending().await,
    }
}

/// Waits until `time`; for ever if there is none.
pub(crate) async fn sleep_until(clock: Clock, time: Option<Timestamp>) {
    match time {
        Some(time) => tokio::time::sleep_until(clock.at(time)).await,
        None => std::future::pending().await,
    }
}

fn closed(close: &connection::Close) -> LinkError {
    LinkError::Closed {
        code: close.reply_code,
        text: close.reply_text.to_string(),
    }
}
