//! Content: the header and the body that follow a publish, a delivery or a return.
//!
//! ```text
//! header frame = class u16   weight u16 (0)   body size u64   properties (see model::properties)
//! body frames  = the body, cut at the negotiated frame_max; none for an empty body
//! ```

use crate::frame::{Kind, OVERHEAD, put_end, put_frame, put_head};
use crate::method::Reader;
use crate::output::{Output, SHARED_BODY_MIN};
use bytes::{BufMut, Bytes, BytesMut};
use model::method::basic;
use model::{ChannelError, ChannelNumber, ConnectionError, Limits, Properties, Publish, ReplyCode};
use std::ops::Range;

/// The class of every method that carries content.
pub(crate) const BASIC_CLASS: u16 = basic::Publish::ID.class;

/// The largest body that any setting allows: 512 MiB, as in RabbitMQ.
const BODY_SIZE_MAX: u64 = 512 * 1024 * 1024;

/// A message on its way out, with everything as it came in.
#[derive(Clone, Debug)]
pub struct Content<'a> {
    /// The exchange that it was published to.
    pub exchange: &'a [u8],
    /// Its routing key.
    pub routing_key: &'a [u8],
    /// Its properties as on the wire, flags first.
    pub properties: &'a [u8],
    /// Its body.
    pub body: Bytes,
}

/// A content header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHeader {
    /// The class of the method that the content belongs to.
    pub class: u16,
    /// The length of the body that follows, in octets.
    pub body_size: u64,
    /// The message's properties.
    pub properties: Properties,
}

impl ContentHeader {
    /// Reads the payload at `payload` of `buffer`; the properties are a slice of the buffer.
    pub(crate) fn read(buffer: &Bytes, payload: Range<usize>) -> Result<Self, ConnectionError> {
        let mut reader = Reader::new(buffer, payload);
        let mut read = || {
            let class = reader.number()?;
            let _weight: u16 = reader.number()?;
            Ok(Self {
                class,
                body_size: reader.number()?,
                properties: Properties::from_bytes(reader.take_rest())?,
            })
        };
        read()
            .map_err(|malformed: crate::method::Malformed| malformed.in_method(basic::Publish::ID))
    }
}

/// Why a publish is not taken.
pub(crate) enum Refusal {
    /// Its channel is closed; others go on.
    Channel(ChannelError),
    /// The connection is closed.
    Connection(ConnectionError),
}

impl From<ConnectionError> for Refusal {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

/// A publish whose content is still coming.
#[derive(Debug)]
pub(crate) struct Assembly {
    publish: Publish,
    /// The announced size of the body, once its header has come.
    announced: Option<usize>,
    /// The parts of the body so far. A body that is one frame never comes here.
    parts: Vec<u8>,
    /// Nothing in `publish` is a slice of a larger buffer.
    detached: bool,
}

impl Assembly {
    pub(crate) fn new(publish: basic::Publish) -> Self {
        Self {
            publish: Publish {
                exchange: publish.exchange,
                routing_key: publish.routing_key,
                mandatory: publish.mandatory,
                immediate: publish.immediate,
                ..Publish::default()
            },
            announced: None,
            parts: Vec::new(),
            detached: false,
        }
    }

    /// Takes the content header. True if the message is complete: its body is empty.
    pub(crate) fn header(&mut self, header: ContentHeader, size_max: u64) -> Result<bool, Refusal> {
        if self.announced.is_some() {
            return Err(unexpected("expected content body, got content header").into());
        }
        if header.class != BASIC_CLASS {
            let text = format!(
                "expected content header for class {BASIC_CLASS}, got one for class {} instead",
                header.class
            );
            return Err(unexpected(&text).into());
        }
        let size = header.body_size;
        if size > BODY_SIZE_MAX {
            let text = format!("message size {size} is larger than {BODY_SIZE_MAX}");
            return Err(
                ConnectionError::new(ReplyCode::FrameError, text, basic::Publish::ID).into(),
            );
        }
        if size > size_max {
            return Err(Refusal::Channel(ChannelError::new(
                ReplyCode::PreconditionFailed,
                format_args!("message size {size} is larger than configured max size {size_max}"),
                basic::Publish::ID,
            )));
        }
        self.publish.properties = header.properties;
        self.detached = false;
        self.announced = Some(usize::try_from(size).expect("512 MiB fit"));
        Ok(size == 0)
    }

    /// Takes a body frame. True if the message is complete.
    pub(crate) fn body(&mut self, part: Bytes) -> Result<bool, ConnectionError> {
        let Some(announced) = self.announced else {
            return Err(unexpected("expected content header, got content body"));
        };
        let length = self.parts.len() + part.len();
        if length > announced {
            let text =
                format!("content body of {length} octets or more, announced were {announced}");
            return Err(unexpected(&text));
        }
        if part.len() == announced {
            self.publish.body = part;
            return Ok(true);
        }
        if length > self.parts.capacity() {
            // Doubling, but never past what was announced, and never ahead of what has come.
            let room = announced.min(2 * length);
            self.parts.reserve_exact(room - self.parts.len());
        }
        self.parts.extend_from_slice(&part);
        if length == announced {
            self.publish.body = std::mem::take(&mut self.parts).into();
        }
        Ok(length == announced)
    }

    /// The complete message.
    pub(crate) fn finish(self) -> Publish {
        self.publish
    }

    /// Lets go of the buffer that it came in, which may be much larger, and tells what it holds itself.
    pub(crate) fn detach(&mut self) -> usize {
        let publish = &mut self.publish;
        if !self.detached {
            publish.exchange = publish.exchange.detached();
            publish.routing_key = publish.routing_key.detached();
            publish.properties = publish.properties.detached();
            self.detached = true;
        }
        publish.exchange.len()
            + publish.routing_key.len()
            + publish.properties.as_bytes().len()
            + self.parts.capacity()
    }
}

/// A frame that is in order by itself, at the wrong time.
pub(crate) fn unexpected(explanation: &str) -> ConnectionError {
    ConnectionError::new(ReplyCode::UnexpectedFrame, explanation, basic::Publish::ID)
}

/// Appends the header frame of a content, and its body in frames of at most `frame_max` octets.
pub fn encode_content(
    out: &mut BytesMut,
    channel: ChannelNumber,
    class: u16,
    properties: &[u8],
    body: &[u8],
    frame_max: u32,
) {
    put_header(out, channel, class, properties, body.len());
    encode_body(out, channel, body, frame_max);
}

/// Appends a body in frames of at most `frame_max` octets: for who has the header frame already.
pub fn encode_body(out: &mut BytesMut, channel: ChannelNumber, body: &[u8], frame_max: u32) {
    for part in body.chunks(part_max(frame_max)) {
        put_part_head(out, channel, part.len());
        out.put_slice(part);
        put_end(out);
    }
}

/// The same for deliveries: large parts of the body are not copied.
pub(crate) fn put_content(
    output: &mut Output,
    channel: ChannelNumber,
    properties: &[u8],
    body: &Bytes,
    frame_max: u32,
) {
    if body.len() < SHARED_BODY_MIN {
        encode_content(
            output.tail(),
            channel,
            BASIC_CLASS,
            properties,
            body,
            frame_max,
        );
        return;
    }
    put_header(output.tail(), channel, BASIC_CLASS, properties, body.len());
    for part in body.chunks(part_max(frame_max)) {
        put_part_head(output.tail(), channel, part.len());
        if part.len() < SHARED_BODY_MIN {
            output.tail().put_slice(part);
        } else {
            output.put_shared(body.slice_ref(part));
        }
        put_end(output.tail());
    }
}

fn put_header(
    out: &mut BytesMut,
    channel: ChannelNumber,
    class: u16,
    properties: &[u8],
    body_size: usize,
) {
    put_frame(out, Kind::Header, channel, |out| {
        out.put_u16(class);
        out.put_u16(0);
        out.put_u64(body_size as u64);
        out.put_slice(properties);
    });
}

fn put_part_head(out: &mut BytesMut, channel: ChannelNumber, length: usize) {
    let size = u32::try_from(length).expect("a part is no longer than frame_max");
    put_head(out, Kind::Body, channel, size);
}

fn part_max(frame_max: u32) -> usize {
    frame_max.max(Limits::FRAME_MAX_LEAST) as usize - OVERHEAD
}
