//! The way to the node that owns a client's queues: a connection to it, which speaks the client's protocol behind a greeting.

use super::answers::connection_error;
use super::conversation::Happened;
use crate::clock::Clock;
use crate::login::EXTERNAL;
use crate::relay::{self, Secret};
use crate::shard::SHUTDOWN;
use broker::Proof;
use bytes::{Buf, BytesMut};
use model::method::connection;
use model::{
    ChannelNumber, ConnectionError, FieldTable, Method, Password, ReplyCode, ShortStr, Timestamp,
};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::{
    Arrival, Assembly, Frame, FrameReader, PROTOCOL_HEADER, encode_heartbeat, encode_method,
};

/// The owner has so long to accept the connection.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// And so long for all until the client is in. A shard that moves is waited for there; then this end tries again.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// The largest frame that is asked for.
const FRAME_MAX: u32 = 131_072;
/// Both ends show that they live twice in this time, and give the other up after two of it: a node that is cut off says
/// nothing.
const HEARTBEAT: Duration = Duration::from_secs(3);
const CONNECTION: ChannelNumber = ChannelNumber(0);
/// The least room that is made for a read, and the most.
const READ_LEAST: usize = 2 * 1024;
const READ_MOST: usize = 256 * 1024;

/// Who the client is, as the owner is told.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    /// What shows it. The owner believes this node where it says so itself.
    pub(super) proof: Arc<Proof>,
    /// What the client says about itself.
    pub(super) client_properties: FieldTable,
}

/// How to reach the owner for a client.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) address: Arc<str>,
    pub(super) secret: Secret,
    pub(super) shard: u32,
    pub(super) client: SocketAddr,
    pub(super) login: Login,
    /// Where the client wants to go, once it has said so.
    pub(super) vhost: Option<ShortStr>,
}

/// Why there is no way.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    /// The owner lets the client not in: an answer, which is passed on.
    #[error("{0}")]
    Refused(ConnectionError),
    /// The node stops, or owns the queues no more.
    #[error("the node stops")]
    Leaves,
    /// The connection failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// The other end does not speak as a node does.
    #[error(transparent)]
    Misspoke(#[from] ConnectionError),
    /// Nothing came for two intervals of heartbeats.
    #[error("the node is silent")]
    Silent,
}

/// A connection to the owner.
pub(super) struct Way {
    pub(super) address: Arc<str>,
    stream: TcpStream,
    input: BytesMut,
    read_room: usize,
    /// What is to be written.
    pub(super) output: BytesMut,
    frames: FrameReader,
    contents: HashMap<ChannelNumber, Assembly>,
    pub(super) frame_max: u32,
    channel_max: u16,
    /// Whether the owner was told where the client wants to go.
    entered: bool,
    clock: Clock,
    pub(super) heard_at: Timestamp,
    said_at: Timestamp,
}

impl Way {
    /// Connects, and logs in as the client; and goes where it wants to go, if it has said where.
    pub(super) async fn open(to: Destination, clock: Clock) -> Result<Self, Closed> {
        let opening = tokio::time::timeout(OPEN_MAX, Self::connect_and_log_in(to, clock));
        let timed_out = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
        opening.await.unwrap_or_else(timed_out)
    }

    async fn connect_and_log_in(to: Destination, clock: Clock) -> Result<Self, Closed> {
        let connecting = TcpStream::connect(&*to.address);
        let stream = tokio::time::timeout(CONNECT_MAX, connecting).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        stream.set_nodelay(true)?;
        let mut output = BytesMut::from(&relay::greeting(to.secret, to.client, to.shard)[..]);
        output.extend_from_slice(PROTOCOL_HEADER);
        let mut way = Self {
            address: to.address,
            stream,
            input: BytesMut::new(),
            read_room: READ_LEAST,
            output,
            frames: FrameReader::new(FRAME_MAX),
            contents: HashMap::new(),
            frame_max: FRAME_MAX,
            channel_max: 0,
            entered: false,
            clock,
            heard_at: clock.now(),
            said_at: clock.now(),
        };
        way.log_in(to.login).await?;
        if let Some(vhost) = to.vhost {
            way.enter(vhost);
            let opened = way.connection_method().await?;
            expect(matches!(opened, Method::ConnectionOpenOk(_)), &opened)?;
        }
        Ok(way)
    }

    async fn log_in(&mut self, login: Login) -> Result<(), Closed> {
        let start = self.connection_method().await?;
        expect(matches!(start, Method::ConnectionStart(_)), &start)?;
        let (mechanism, response) = match &*login.proof {
            Proof::Password(password) => {
                ("PLAIN", format!("\0{}\0{}", login.user, password.as_str()))
            }
            Proof::Vouched | Proof::Checked(_) | Proof::Token(_) => (EXTERNAL, login.user),
        };
        let start_ok = connection::StartOk {
            client_properties: login.client_properties,
            mechanism: ShortStr::from_static(mechanism),
            response: response.into(),
            locale: ShortStr::from_static("en_US"),
        };
        encode_method(&mut self.output, CONNECTION, &start_ok.into());
        let tune = match self.connection_method().await? {
            Method::ConnectionTune(tune) => tune,
            other => return Err(out_of_turn(&other).into()),
        };
        if tune.frame_max > 0 {
            self.frame_max = tune.frame_max.min(FRAME_MAX);
        }
        self.channel_max = tune.channel_max;
        Ok(())
    }

    /// Goes where the client wants to go. The answer comes like all that the owner says.
    pub(super) fn enter(&mut self, virtual_host: ShortStr) {
        self.entered = true;
        let tune_ok = connection::TuneOk {
            channel_max: self.channel_max,
            frame_max: self.frame_max,
            heartbeat_s: HEARTBEAT.as_secs() as u16,
        };
        let open = connection::Open {
            virtual_host,
            ..connection::Open::default()
        };
        encode_method(&mut self.output, CONNECTION, &tune_ok.into());
        encode_method(&mut self.output, CONNECTION, &open.into());
    }

    /// The client shows another secret.
    pub(super) fn update_secret(&mut self, secret: &Password) {
        let update = connection::UpdateSecret {
            new_secret: secret.as_str().to_owned().into(),
            reason: ShortStr::empty(),
        };
        encode_method(&mut self.output, CONNECTION, &update.into());
    }

    /// Whether the owner was told where the client wants to go.
    pub(super) fn has_entered(&self) -> bool {
        self.entered
    }

    /// The client is done: when the owner answers it has heard all that came before.
    pub(super) fn say_goodbye(&mut self) {
        let close = connection::Close {
            reply_code: ReplyCode::ReplySuccess.number(),
            reply_text: ShortStr::from_static("Goodbye"),
            ..connection::Close::default()
        };
        encode_method(&mut self.output, CONNECTION, &close.into());
    }

    /// The next method of the connection, while it is being opened.
    async fn connection_method(&mut self) -> Result<Method, Closed> {
        loop {
            if let Some((_, arrival)) = self.next()? {
                match arrival {
                    Arrival::Method(method) => return Ok(method),
                    Arrival::Content(method, ..) => return Err(out_of_turn(&method).into()),
                }
            }
            self.stream.write_all_buf(&mut self.output).await?;
            self.input.reserve(READ_LEAST);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// The next thing that came, of what was read.
    pub(super) fn next(&mut self) -> Result<Option<(ChannelNumber, Arrival)>, Closed> {
        while let Some(frame) = self.frames.read(&mut self.input)? {
            let (number, arrival) = match frame {
                Frame::Method(CONNECTION, Method::ConnectionClose(close)) => {
                    return Err(closed(close));
                }
                Frame::Method(CONNECTION, method) => (CONNECTION, Some(Arrival::Method(method))),
                Frame::Method(number, method) => (number, self.assembly(number).method(method)?),
                Frame::Header(number, header) => (number, self.assembly(number).header(header)?),
                Frame::Body(number, part) => (number, self.assembly(number).body(part)?),
                Frame::Heartbeat => continue,
            };
            if let Some(arrival) = arrival {
                return Ok(Some((number, arrival)));
            }
        }
        Ok(None)
    }

    fn assembly(&mut self, number: ChannelNumber) -> &mut Assembly {
        self.contents.entry(number).or_default()
    }

    /// Waits until the owner has said something, if this end listens, or takes more of what is to be said. May be dropped and
    /// called again.
    pub(super) async fn happens(&mut self, listens: bool) -> Happened {
        self.input.reserve(self.read_room);
        let says = !self.output.is_empty();
        let (mut reader, writer) = self.stream.split();
        let count = tokio::select! {
            count = reader.read_buf(&mut self.input), if listens => count,
            ready = writer.writable(), if says => return Happened::OwnerWritable(ready),
            else => std::future::pending().await,
        };
        Happened::OwnerRead(
            count
                .map_err(Closed::from)
                .and_then(|count| self.note_read(count)),
        )
    }

    fn note_read(&mut self, count: usize) -> Result<(), Closed> {
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if count >= self.read_room {
            self.read_room = (self.read_room * 2).min(READ_MOST);
        } else if count < self.read_room / 4 {
            self.read_room = (self.read_room / 2).max(READ_LEAST);
        }
        self.heard_at = self.clock.now();
        Ok(())
    }

    /// Writes as much as the socket takes. What the owner said before it went is heard first.
    pub(super) fn write(&mut self) -> Result<(), Closed> {
        self.try_write().or_else(|why| {
            self.input.reserve(READ_LEAST);
            match self.stream.try_read_buf(&mut self.input) {
                Ok(count) if count > 0 => Ok(()),
                _ => Err(why),
            }
        })
    }

    fn try_write(&mut self) -> Result<(), Closed> {
        while !self.output.is_empty() {
            match self.stream.try_write(&self.output) {
                Ok(count) => {
                    self.output.advance(count);
                    self.said_at = self.clock.now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// When [`Self::pulse`] has something to do.
    pub(super) fn wake_at(&self) -> Timestamp {
        let silent_at = self.heard_at + HEARTBEAT * 2;
        if self.output.is_empty() {
            silent_at.min(self.said_at + HEARTBEAT / 2)
        } else {
            silent_at
        }
    }

    /// Shows that this end lives, and looks whether the other one does.
    pub(super) fn pulse(&mut self, listens: bool) -> Result<(), Closed> {
        let now = self.clock.now();
        if !listens {
            // What it says is not read for now, on our own account.
            self.heard_at = now;
        }
        if now >= self.heard_at + HEARTBEAT * 2 {
            return Err(Closed::Silent);
        }
        if now >= self.said_at + HEARTBEAT / 2 && self.output.is_empty() {
            encode_heartbeat(&mut self.output);
        }
        Ok(())
    }
}

/// What the owner means when it closes the connection.
fn closed(close: connection::Close) -> Closed {
    let error = connection_error(close);
    if error.code == ReplyCode::ConnectionForced && error.text.contains(SHUTDOWN) {
        return Closed::Leaves;
    }
    Closed::Refused(error)
}

fn expect(is_so: bool, method: &Method) -> Result<(), ConnectionError> {
    if is_so {
        Ok(())
    } else {
        Err(out_of_turn(method))
    }
}

fn out_of_turn(method: &Method) -> ConnectionError {
    ConnectionError::new(
        ReplyCode::CommandInvalid,
        format_args!("{} out of turn", method.name()),
        method.id(),
    )
}
