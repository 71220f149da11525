//! A client that does exactly what a test says, right or wrong: blocking, one frame at a time.

use bytes::{Bytes, BytesMut};
use model::method::{basic, channel, confirm, connection, queue};
use model::{ChannelNumber, DeliveryTag, FieldTable, Method, Properties, ShortStr};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::{Frame, FrameReader, PROTOCOL_HEADER};

/// Longer than anything should take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The channel that tests use.
pub(crate) const CHANNEL: ChannelNumber = ChannelNumber(1);

/// A connection.
pub(crate) struct Raw {
    stream: TcpStream,
    input: BytesMut,
    frames: FrameReader,
}

impl Raw {
    /// A connected socket, nothing said yet.
    pub(crate) fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("an option can be set");
        let raw = Self {
            stream,
            input: BytesMut::new(),
            frames: FrameReader::new(131_072),
        };
        raw.be_patient(PATIENCE);
        raw
    }

    /// Logged in as guest, "/" opened, without heartbeats.
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::open_with(address, 0)
    }

    fn open_with(address: SocketAddr, heartbeat_s: u16) -> Self {
        let mut raw = Self::dial(address);
        raw.login(b"\0guest\0guest");
        raw.tune_and_ask_for_the_vhost(heartbeat_s);
        let answer = raw.method(ChannelNumber(0));
        assert!(matches!(answer, Method::ConnectionOpenOk(_)), "{answer:?}");
        raw
    }

    /// Logged in so, with a virtual host asked for: what the server says to that.
    pub(crate) fn enter(address: SocketAddr, login: &'static [u8], vhost: &str) -> Method {
        let mut raw = Self::dial(address);
        raw.login(login);
        raw.tune_and_ask_for(vhost, 0);
        raw.method(ChannelNumber(0))
    }

    /// Takes what connection.tune offers, and asks for "/".
    pub(crate) fn tune_and_ask_for_the_vhost(&mut self, heartbeat_s: u16) {
        self.tune_and_ask_for("/", heartbeat_s);
    }

    fn tune_and_ask_for(&mut self, vhost: &str, heartbeat_s: u16) {
        let Method::ConnectionTune(tune) = self.method(ChannelNumber(0)) else {
            panic!("connection.tune was expected");
        };
        let tune_ok = connection::TuneOk {
            channel_max: tune.channel_max,
            frame_max: tune.frame_max,
            heartbeat_s,
        };
        self.send(ChannelNumber(0), &tune_ok.into());
        let open = connection::Open {
            virtual_host: ShortStr::truncated(vhost),
            ..connection::Open::default()
        };
        self.send(ChannelNumber(0), &open.into());
    }

    /// The same with [`CHANNEL`] opened.
    pub(crate) fn with_channel(address: SocketAddr) -> Self {
        Self::open(address).and_channel()
    }

    /// The same with heartbeats agreed, of which the client sends none.
    pub(crate) fn with_heartbeat(address: SocketAddr, heartbeat_s: u16) -> Self {
        Self::open_with(address, heartbeat_s).and_channel()
    }

    fn and_channel(mut self) -> Self {
        let raw = &mut self;
        raw.send(CHANNEL, &channel::Open::default().into());
        let answer = raw.method(CHANNEL);
        assert!(matches!(answer, Method::ChannelOpenOk(_)), "{answer:?}");
        self
    }

    /// Protocol header, and what the server says about itself.
    pub(crate) fn start(&mut self) -> connection::Start {
        self.write(PROTOCOL_HEADER);
        match self.method(ChannelNumber(0)) {
            Method::ConnectionStart(start) => start,
            other => panic!("connection.start was expected, not {other:?}"),
        }
    }

    /// Protocol header and connection.start-ok, with a PLAIN response. Clients that say what they can are told
    /// why a login is refused.
    pub(crate) fn login(&mut self, response: &'static [u8]) {
        self.start();
        let able = model::Value::Bool(true);
        let capabilities = model::TableBuilder::new()
            .field("authentication_failure_close", able)
            .field("connection.blocked", able)
            .build();
        let properties = model::TableBuilder::new()
            .table("capabilities", &capabilities)
            .build();
        let start_ok = connection::StartOk {
            client_properties: properties,
            mechanism: ShortStr::from_static("PLAIN"),
            response: Bytes::from_static(response),
            locale: ShortStr::from_static("en_US"),
        };
        self.send(ChannelNumber(0), &start_ok.into());
    }

    /// Writes copies of `bytes` until the server takes no more for `patience`, or takes `most` bytes. Returns how
    /// many it took.
    pub(crate) fn write_until_refused(
        &mut self,
        bytes: &[u8],
        patience: Duration,
        most: usize,
    ) -> usize {
        self.stream
            .set_write_timeout(Some(patience))
            .expect("a time-out can be set");
        let mut taken = 0;
        while taken < most {
            match self.stream.write(&bytes[taken % bytes.len()..]) {
                Ok(count) => taken += count,
                Err(_) => break,
            }
        }
        taken
    }

    /// Writes any bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// Writes a method.
    pub(crate) fn send(&mut self, channel: ChannelNumber, method: &Method) {
        let mut out = BytesMut::new();
        wire::encode_method(&mut out, channel, method);
        self.write(&out);
    }

    /// Writes basic.publish through the default exchange, in one piece.
    pub(crate) fn publish(&mut self, queue: &str, body: &[u8]) {
        self.write(&publish(queue, body, false));
    }

    /// Declares a durable queue.
    pub(crate) fn declare(&mut self, queue: &str) -> queue::DeclareOk {
        self.ask(queue, false)
    }

    /// Declares a queue that goes with the connection.
    pub(crate) fn declare_exclusive(&mut self, queue: &str) {
        let declare = queue::Declare {
            queue: name(queue),
            exclusive: true,
            ..queue::Declare::default()
        };
        self.send(CHANNEL, &declare.into());
        let answer = self.method(CHANNEL);
        assert!(matches!(answer, Method::QueueDeclareOk(_)), "{answer:?}");
    }

    /// How many messages are ready in a queue that somebody declared.
    pub(crate) fn ready(&mut self, queue: &str) -> u32 {
        self.ask(queue, true).message_count
    }

    fn ask(&mut self, queue: &str, passive: bool) -> queue::DeclareOk {
        let declare = queue::Declare {
            queue: name(queue),
            passive,
            durable: true,
            ..queue::Declare::default()
        };
        self.send(CHANNEL, &declare.into());
        match self.method(CHANNEL) {
            Method::QueueDeclareOk(ok) => ok,
            other => panic!("queue.declare-ok was expected, not {other:?}"),
        }
    }

    /// Turns confirms on.
    pub(crate) fn confirm_select(&mut self) {
        self.send(CHANNEL, &confirm::Select::default().into());
        let answer = self.method(CHANNEL);
        assert!(matches!(answer, Method::ConfirmSelectOk(_)), "{answer:?}");
    }

    /// Consumes from a queue.
    pub(crate) fn consume(&mut self, queue: &str, no_ack: bool) {
        let consume = basic::Consume {
            queue: name(queue),
            no_ack,
            arguments: FieldTable::new(),
            ..basic::Consume::default()
        };
        self.send(CHANNEL, &consume.into());
        let answer = self.method(CHANNEL);
        assert!(matches!(answer, Method::BasicConsumeOk(_)), "{answer:?}");
    }

    /// The next frame that is no heartbeat; `None` where the server hung up.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        loop {
            match self
                .frames
                .read(&mut self.input)
                .expect("the server speaks AMQP")
            {
                Some(Frame::Heartbeat) => {}
                Some(frame) => return Some(frame),
                None => {
                    if self.read() == 0 {
                        return None;
                    }
                }
            }
        }
    }

    /// The next frame that is no heartbeat, if one comes in that time and the server stays.
    pub(crate) fn heard_within(&mut self, time: Duration) -> Option<Frame> {
        let until = Instant::now() + time;
        loop {
            let frame = self.frames.read(&mut self.input);
            match frame.expect("the server speaks AMQP") {
                Some(Frame::Heartbeat) => {}
                Some(frame) => return Some(frame),
                None => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() || !self.read_within(left) {
                        return None;
                    }
                }
            }
        }
    }

    /// False when the time was over. That the server hangs up is an error.
    fn read_within(&mut self, time: Duration) -> bool {
        self.be_patient(time);
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer);
        self.be_patient(PATIENCE);
        match read {
            Ok(0) => panic!("the server hung up"),
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(error) => panic!("the server is gone: {error}"),
        }
        true
    }

    fn be_patient(&self, time: Duration) {
        let set = self.stream.set_read_timeout(Some(time));
        set.expect("a time-out can be set");
    }

    /// The next method, which is on this channel.
    pub(crate) fn method(&mut self, channel: ChannelNumber) -> Method {
        match self.frame() {
            Some(Frame::Method(on, method)) if on == channel => method,
            other => panic!("a method on channel {channel} was expected, not {other:?}"),
        }
    }

    /// Fetches a message that is there, and returns its tag and its body.
    pub(crate) fn get(&mut self, queue: &str) -> (DeliveryTag, Vec<u8>) {
        let get = basic::Get {
            queue: name(queue),
            ..basic::Get::default()
        };
        self.send(CHANNEL, &get.into());
        match self.method(CHANNEL) {
            Method::BasicGetOk(got) => (got.delivery_tag, self.body()),
            other => panic!("basic.get-ok was expected, not {other:?}"),
        }
    }

    /// Acknowledges one delivery.
    pub(crate) fn ack(&mut self, delivery_tag: DeliveryTag) {
        let ack = basic::Ack {
            delivery_tag,
            multiple: false,
        };
        self.send(CHANNEL, &ack.into());
    }

    /// The next delivery: its method and its body.
    pub(crate) fn delivery(&mut self) -> (basic::Deliver, Vec<u8>) {
        let Method::BasicDeliver(deliver) = self.method(CHANNEL) else {
            panic!("basic.deliver was expected");
        };
        (deliver, self.body())
    }

    /// A header and the body that it announces.
    fn body(&mut self) -> Vec<u8> {
        let Some(Frame::Header(_, header)) = self.frame() else {
            panic!("a content header was expected");
        };
        let mut body = Vec::new();
        while (body.len() as u64) < header.body_size {
            let Some(Frame::Body(_, part)) = self.frame() else {
                panic!("a body frame was expected");
            };
            body.extend_from_slice(&part);
        }
        body
    }

    /// Everything up to the end of the connection, undecoded.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read() > 0 {}
        self.input.split().to_vec()
    }

    /// The code of the connection.close that the server sends, which is answered.
    pub(crate) fn closed_with(&mut self) -> (u16, String) {
        loop {
            match self.frame() {
                Some(Frame::Method(_, Method::ConnectionClose(close))) => {
                    self.send(ChannelNumber(0), &connection::CloseOk.into());
                    return (close.reply_code, close.reply_text.to_string());
                }
                Some(_) => {}
                None => panic!("the server hung up without connection.close"),
            }
        }
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 65_536];
        let count = match self.stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("the server said nothing: {error}"),
        };
        self.input.extend_from_slice(&buffer[..count]);
        count
    }
}

/// The bytes of basic.publish through the default exchange.
pub(crate) fn publish(queue: &str, body: &[u8], mandatory: bool) -> Bytes {
    let publish = basic::Publish {
        routing_key: name(queue),
        mandatory,
        ..basic::Publish::default()
    };
    let mut out = BytesMut::new();
    wire::encode_method(&mut out, CHANNEL, &publish.into());
    let properties = Properties::default();
    wire::encode_content(&mut out, CHANNEL, 60, properties.as_bytes(), body, 131_072);
    out.freeze()
}

fn name(text: &str) -> ShortStr {
    ShortStr::try_from(text).expect("a short name")
}
