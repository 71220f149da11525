//! A client's side of the table, for tests: it says things to a [`ServerConnection`] and writes down what happens.

mod channels;
mod connections;
mod cuts;
mod malformed;
mod oracle;
mod output;
mod rules;
mod timers;

use crate::*;
use bytes::{Buf, BytesMut};
use model::method::{channel, connection};
use model::{
    ChannelNumber, FieldTable, Limits, Method, Properties, ShortStr, TableBuilder, Timestamp, Value,
};
use std::fmt::Write;

/// The answer of a shell that says yes to everything.
pub(crate) fn answer(server: &mut ServerConnection, event: &Event) {
    match event {
        Event::Login { .. } => server.accept_login(),
        Event::Open { .. } => {
            let open_ok = connection::OpenOk::default();
            server.send(ChannelNumber(0), &open_ok.into());
        }
        Event::ChannelOpened(number) => server.send(*number, &channel::OpenOk::default().into()),
        Event::ChannelClosed(number) => server.send(*number, &channel::CloseOk.into()),
        Event::SecretUpdated(_) => {
            server.send(ChannelNumber(0), &connection::UpdateSecretOk.into());
        }
        Event::Method(..) | Event::Publish(..) | Event::Closed(_) => {}
    }
}

/// Takes everything out of the output.
pub(crate) fn written(server: &mut ServerConnection) -> BytesMut {
    let output = server.output();
    let length = output.remaining();
    let bytes = BytesMut::from(&output.copy_to_bytes(length)[..]);
    assert!(server.output().is_empty());
    bytes
}

/// One connection and the protocol of what happened on it.
pub(crate) struct Session {
    pub(crate) server: ServerConnection,
    pub(crate) now: Timestamp,
    input: BytesMut,
    log: String,
    yes: bool,
}

impl Session {
    /// A connection that was just accepted; the shell answers nothing by itself.
    pub(crate) fn accepted(limits: &Limits) -> Self {
        let now = Timestamp(1_000_000);
        Self {
            server: ServerConnection::new(limits, FieldTable::new(), "PLAIN AMQPLAIN", now),
            now,
            input: BytesMut::new(),
            log: String::new(),
            yes: false,
        }
    }

    /// A connection that is past its handshake, with a shell that says yes to everything. Nothing is in the log.
    pub(crate) fn open(limits: &Limits) -> Self {
        let mut session = Self::accepted(limits);
        session.yes = true;
        session.bytes(PROTOCOL_HEADER);
        session.method(
            0,
            start_ok(&capabilities(&["authentication_failure_close"])),
        );
        session.method(
            0,
            connection::TuneOk {
                channel_max: limits.channel_max,
                frame_max: limits.frame_max,
                heartbeat_s: 0,
            },
        );
        session.method(0, connection::Open::default());
        session.log.clear();
        session
    }

    /// The same, with channel 1 open.
    pub(crate) fn with_channel() -> Self {
        let mut session = Self::open(&Limits::default());
        session.method(1, channel::Open::default());
        session.log.clear();
        session
    }

    pub(crate) fn method(&mut self, channel: u16, method: impl Into<Method>) -> &mut Self {
        let mut bytes = BytesMut::new();
        encode_method(&mut bytes, ChannelNumber(channel), &method.into());
        self.bytes(&bytes)
    }

    pub(crate) fn content(&mut self, channel: u16, body: &[u8]) -> &mut Self {
        let properties = Properties::default();
        let mut bytes = BytesMut::new();
        let channel = ChannelNumber(channel);
        encode_content(&mut bytes, channel, 60, properties.as_bytes(), body, 4096);
        self.bytes(&bytes)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.input.extend_from_slice(bytes);
        self.server.handle(self.now, &mut self.input);
        self.note();
        self
    }

    pub(crate) fn say(&mut self, line: &str) -> &mut Self {
        writeln!(self.log, "-- {line}").expect("a string takes it");
        self
    }

    /// Lets time pass up to the next deadline, or less.
    pub(crate) fn wait_at_most(&mut self, millis: u64) -> &mut Self {
        let until = Timestamp(self.now.0 + millis);
        let wake_at = self.server.wake_at().map_or(until, |at| at.min(until));
        self.now = wake_at.max(self.now);
        self.server.tick(self.now);
        self.note();
        self
    }

    /// Writes down events and output so far.
    pub(crate) fn note(&mut self) {
        while let Some(event) = self.server.poll_event() {
            writeln!(self.log, "event {}", brief(format!("{event:?}"))).expect("a string takes it");
            if self.yes {
                answer(&mut self.server, &event);
            }
        }
        let mut output = written(&mut self.server);
        if output.starts_with(PROTOCOL_HEADER) {
            output.advance(PROTOCOL_HEADER.len());
            self.log.push_str("sent  the protocol header\n");
        }
        let mut reader = FrameReader::new(u32::MAX - 8);
        while let Some(frame) = reader
            .read(&mut output)
            .expect("what we write is well-formed")
        {
            writeln!(self.log, "sent  {}", brief(format!("{frame:?}"))).expect("a string takes it");
        }
        assert!(output.is_empty(), "only whole frames are written");
    }

    /// What happened since the last time.
    pub(crate) fn log(&mut self) -> String {
        let mut log = std::mem::take(&mut self.log);
        if self.server.is_finished() {
            log.push_str("finished\n");
        }
        log
    }

    pub(crate) fn left_over(&self) -> usize {
        self.input.len()
    }
}

/// Shortens what the eye skips.
fn brief(text: String) -> String {
    let text = text
        .replace("ChannelNumber", "channel")
        .replace("MethodId ", "");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub(crate) fn short(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

pub(crate) fn tune_ok(channel_max: u16, frame_max: u32) -> connection::TuneOk {
    connection::TuneOk {
        channel_max,
        frame_max,
        heartbeat_s: 0,
    }
}

pub(crate) fn start_ok(client_properties: &FieldTable) -> connection::StartOk {
    connection::StartOk {
        client_properties: client_properties.clone(),
        mechanism: "PLAIN".try_into().expect("short"),
        response: b"\0guest\0secret"[..].into(),
        locale: "en_US".try_into().expect("short"),
    }
}

pub(crate) fn capabilities(names: &[&str]) -> FieldTable {
    let capabilities = names.iter().fold(TableBuilder::new(), |table, name| {
        table.field(name, Value::Bool(true))
    });
    TableBuilder::new()
        .table("capabilities", &capabilities.build())
        .build()
}
