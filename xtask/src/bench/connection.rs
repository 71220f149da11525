//! A blocking AMQP connection with one channel: the shortest way from a thread to the server.

use super::socket::{self, MOMENT, PATIENCE, READ_BYTES};
use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use model::method::{basic, channel, connection, exchange, queue};
use model::{ChannelNumber, Method, ShortStr, TableBuilder, Value};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use wire::{Frame, FrameReader};

const FRAME_MAX: u32 = 131_072;
const CHANNEL: ChannelNumber = ChannelNumber(1);

/// The connection, logged in as guest, with its one channel open.
pub(super) struct Connection {
    socket: TcpStream,
    frames: FrameReader,
    /// What was read and not yet taken.
    input: BytesMut,
    /// Where the socket is read into, before it goes to `input`.
    landing_strip: Vec<u8>,
    /// What is sent with the next flush.
    pub(super) output: BytesMut,
}

impl Connection {
    /// Connects, logs in, opens the virtual host "/" and channel 1.
    pub(super) fn open(port: u16) -> Result<Self> {
        let mut connection = Self {
            socket: socket::connect(port)?,
            frames: FrameReader::new(FRAME_MAX),
            input: BytesMut::with_capacity(2 * READ_BYTES),
            landing_strip: vec![0; READ_BYTES],
            output: BytesMut::with_capacity(2 * READ_BYTES),
        };
        connection.log_in()?;
        connection.call(CHANNEL, channel::Open::default())?;
        Ok(connection)
    }

    fn log_in(&mut self) -> Result<()> {
        self.output.extend_from_slice(wire::PROTOCOL_HEADER);
        self.flush()?;
        self.next_method()?;
        let start_ok = connection::StartOk {
            client_properties: TableBuilder::new()
                .text("product", "Landfall bench")
                .build(),
            mechanism: ShortStr::truncated("PLAIN"),
            response: Bytes::from_static(b"\0guest\0guest"),
            locale: ShortStr::truncated("en_US"),
        };
        let Method::ConnectionTune(_) = self.call(ChannelNumber(0), start_ok)? else {
            bail!("the server does not let guest in");
        };
        // No heartbeats: a thread that waits for the disk has no time to send them.
        let tune_ok = connection::TuneOk {
            channel_max: 1,
            frame_max: FRAME_MAX,
            heartbeat_s: 0,
        };
        self.put(ChannelNumber(0), tune_ok);
        let open = connection::Open {
            virtual_host: ShortStr::truncated("/"),
            ..Default::default()
        };
        self.call(ChannelNumber(0), open).map(drop)
    }

    /// Declares a durable queue, with `x-queue-type` where one is named.
    pub(super) fn declare(&mut self, name: &ShortStr, queue_type: Option<&str>) -> Result<()> {
        let mut arguments = TableBuilder::new();
        if let Some(queue_type) = queue_type {
            arguments = arguments.field("x-queue-type", Value::Str(queue_type.as_bytes()));
        }
        let arguments = arguments.build();
        let declare = queue::Declare {
            queue: name.clone(),
            durable: true,
            arguments,
            ..Default::default()
        };
        self.call(CHANNEL, declare).map(drop)
    }

    /// Declares many durable queues, without waiting for each.
    pub(super) fn declare_all(&mut self, names: impl Iterator<Item = ShortStr>) -> Result<()> {
        for queue in names {
            let declare = queue::Declare {
                queue,
                durable: true,
                no_wait: true,
                ..Default::default()
            };
            self.put(CHANNEL, declare);
            if self.output.len() > READ_BYTES {
                self.flush()?;
            }
        }
        // The answer to anything comes after them.
        self.qos(0)
    }

    /// The socket alone: all that a client holds that does nothing.
    pub(super) fn idle(self) -> TcpStream {
        self.socket
    }

    /// Declares a durable exchange.
    pub(super) fn declare_exchange(&mut self, name: &ShortStr, kind: &str) -> Result<()> {
        let declare = exchange::Declare {
            exchange: name.clone(),
            kind: ShortStr::truncated(kind),
            durable: true,
            ..Default::default()
        };
        self.call(CHANNEL, declare).map(drop)
    }

    /// Deletes an exchange, if it is there.
    pub(super) fn delete_exchange(&mut self, name: &ShortStr) -> Result<()> {
        let delete = exchange::Delete {
            exchange: name.clone(),
            ..Default::default()
        };
        self.call(CHANNEL, delete).map(drop)
    }

    /// Binds a queue.
    pub(super) fn bind(
        &mut self,
        queue: &ShortStr,
        exchange: &ShortStr,
        routing_key: &ShortStr,
    ) -> Result<()> {
        let bind = queue::Bind {
            queue: queue.clone(),
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
            ..Default::default()
        };
        self.call(CHANNEL, bind).map(drop)
    }

    /// How many messages wait in a queue.
    pub(super) fn waiting(&mut self, name: &ShortStr) -> Result<u32> {
        let declare = queue::Declare {
            queue: name.clone(),
            passive: true,
            ..Default::default()
        };
        match self.call(CHANNEL, declare)? {
            Method::QueueDeclareOk(ok) => Ok(ok.message_count),
            other => bail!("{} instead of queue.declare-ok", other.name()),
        }
    }

    /// Deletes a queue.
    pub(super) fn delete(&mut self, name: &ShortStr) -> Result<()> {
        self.call(
            CHANNEL,
            queue::Delete {
                queue: name.clone(),
                ..Default::default()
            },
        )
        .map(drop)
    }

    /// How many messages each consumer of this channel may hold from now on; 0 for any number.
    pub(super) fn qos(&mut self, prefetch_count: u16) -> Result<()> {
        let qos = basic::Qos {
            prefetch_count,
            ..Default::default()
        };
        self.call(CHANNEL, qos).map(drop)
    }

    /// Consumes a queue with manual acknowledgements; the consumer's number is in its tag.
    pub(super) fn consume(&mut self, queue: &ShortStr, number: usize) -> Result<()> {
        let tag = format!("{number}/{}", queue.as_str());
        let consume = basic::Consume {
            queue: queue.clone(),
            consumer_tag: ShortStr::truncated(&tag),
            no_wait: true,
            ..Default::default()
        };
        // Deliveries to the first may come before the answer to the second.
        self.put(CHANNEL, consume);
        self.flush()
    }

    /// The number of a consumer from its tag.
    pub(super) fn consumer_number(tag: &ShortStr) -> Result<usize> {
        let number = tag.as_str().split('/').next();
        let number = number.and_then(|number| number.parse().ok());
        number.with_context(|| format!("no consumer of ours has the tag `{}`", tag.as_str()))
    }

    /// Sends a method on the channel and waits for the next method from the server.
    pub(super) fn ask(&mut self, method: impl Into<Method>) -> Result<Method> {
        self.call(CHANNEL, method)
    }

    /// Sends a method on the channel that nothing answers.
    pub(super) fn say(&mut self, method: impl Into<Method>) -> Result<()> {
        self.put(CHANNEL, method);
        self.flush()
    }

    /// Closes the channel, which makes sure that everything sent on it has been handled.
    pub(super) fn close(mut self) -> Result<()> {
        let close = channel::Close {
            reply_code: 200,
            ..Default::default()
        };
        self.put(CHANNEL, close);
        self.flush()?;
        self.wait_at_most(PATIENCE)?;
        loop {
            if let Method::ChannelCloseOk(_) = self.next_method()? {
                return Ok(());
            }
        }
    }

    fn call(&mut self, channel: ChannelNumber, method: impl Into<Method>) -> Result<Method> {
        self.put(channel, method);
        self.flush()?;
        self.next_method()
    }

    fn put(&mut self, channel: ChannelNumber, method: impl Into<Method>) {
        wire::encode_method(&mut self.output, channel, &method.into());
    }

    /// Adds an acknowledgement to what is sent with the next flush.
    pub(super) fn put_ack(&mut self, delivery_tag: model::DeliveryTag) {
        self.put(
            CHANNEL,
            basic::Ack {
                delivery_tag,
                multiple: false,
            },
        );
    }

    /// A persistent message, as bytes to send again and again.
    pub(super) fn encode_publish(
        exchange: &ShortStr,
        routing_key: &ShortStr,
        body: &[u8],
    ) -> BytesMut {
        let mut out = BytesMut::new();
        let publish = basic::Publish {
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
            ..Default::default()
        };
        wire::encode_method(&mut out, CHANNEL, &publish.into());
        let properties = model::PropertiesBuilder::new().delivery_mode(2).build();
        wire::encode_content(
            &mut out,
            CHANNEL,
            basic::Publish::ID.class,
            properties.as_bytes(),
            body,
            FRAME_MAX,
        );
        out
    }

    /// Sends what was put.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.socket.write_all(&self.output).context("cannot send")?;
        self.output.clear();
        Ok(())
    }

    /// The next frame that was read already.
    pub(super) fn buffered_frame(&mut self) -> Result<Option<Frame>> {
        Ok(self.frames.read(&mut self.input)?)
    }

    /// Waits for bytes.
    pub(super) fn fill(&mut self) -> Result<()> {
        let came = self.fill_if_any()?;
        came.then_some(())
            .context("the server says nothing any more")
    }

    /// Waits for bytes, at most so long where a time is given. Whether any came.
    pub(super) fn fill_within(&mut self, time: Option<Duration>) -> Result<bool> {
        if let Some(time) = time
            && !socket::readable_within(&self.socket, time)?
        {
            return Ok(false);
        }
        self.fill().map(|()| true)
    }

    /// From now on `fill_if_any` waits no longer than a moment.
    pub(super) fn wait_a_moment_only(&self) -> Result<()> {
        self.wait_at_most(MOMENT)
    }

    fn wait_at_most(&self, time: Duration) -> Result<()> {
        self.socket
            .set_read_timeout(Some(time))
            .context("read time-out")
    }

    /// Waits for bytes as long as the socket's time-out says. Whether any came.
    pub(super) fn fill_if_any(&mut self) -> Result<bool> {
        let length = socket::read_some(&mut self.socket, &mut self.landing_strip)?;
        self.input
            .extend_from_slice(&self.landing_strip[..length.unwrap_or(0)]);
        Ok(length.is_some())
    }

    /// The next method, heartbeats passed over. That the server closes something is an error.
    fn next_method(&mut self) -> Result<Method> {
        loop {
            match self.buffered_frame()? {
                Some(Frame::Method(_, method)) => return not_a_close(method),
                Some(_) => {}
                None => self.fill()?,
            }
        }
    }
}

/// Passes on what is not the server's refusal.
pub(super) fn not_a_close(method: Method) -> Result<Method> {
    match method {
        Method::ConnectionClose(close) => {
            bail!("{} {}", close.reply_code, close.reply_text.as_str())
        }
        Method::ChannelClose(close) => bail!("{} {}", close.reply_code, close.reply_text.as_str()),
        other => Ok(other),
    }
}
