//! The same work with nothing around it: ready-made frames, a blocking socket, counters.

use landfall_client::Address;
use model::method::{basic, channel, confirm, connection};
use model::{ChannelNumber, Method, PropertiesBuilder, ShortStr, TableBuilder, Value};
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use wire::{Frame, FrameReader, PROTOCOL_HEADER, encode_content, encode_method};

use bytes::BytesMut;

const CHANNEL: ChannelNumber = ChannelNumber(1);
const CONNECTION: ChannelNumber = ChannelNumber(0);
const FRAME_MAX: u32 = 131_072;
/// So much goes to the socket at a time, and comes from it.
const AT_ONCE: usize = 256 * 1024;
/// A delivery mode and two frame ends follow the publishing id, and the head of the body's frame.
const AFTER_ID: usize = 1 + 1 + 7 + 1;

/// Publishes messages with publishing ids and counts their confirms.
pub(crate) fn send(
    address: &Address,
    queue: &'static str,
    body: &[u8],
    window: u64,
    messages: u64,
) -> Result<(), Box<dyn Error>> {
    let mut bare = Bare::open(address)?;
    bare.call(CHANNEL, confirm::Select::default())?;
    let frames = message(queue, body);
    let id_at = frames.len() - body.len() - AFTER_ID - 8;
    let (mut sent, mut confirmed) = (0, 0);
    while confirmed < messages {
        while sent < messages && sent - confirmed < window && bare.output.len() < AT_ONCE {
            sent += 1;
            let start = bare.output.len();
            bare.output.extend_from_slice(&frames);
            bare.output[start + id_at..][..8].copy_from_slice(&sent.to_be_bytes());
        }
        bare.flush()?;
        if sent < messages && sent - confirmed < window {
            continue;
        }
        bare.fill()?;
        while let Some(frame) = bare.frames.read(&mut bare.input)? {
            if let Frame::Method(_, Method::BasicAck(ack)) = frame {
                confirmed = ack.delivery_tag.0;
            }
        }
    }
    bare.close()
}

/// A message as bytes.
fn message(queue: &'static str, body: &[u8]) -> BytesMut {
    let headers = TableBuilder::new()
        .text("x-publisher-id", &uuid::Uuid::new_v4().to_string())
        .field("x-publishing-id", Value::I64(0))
        .build();
    let properties = PropertiesBuilder::new()
        .headers(&headers)
        .delivery_mode(2)
        .build();
    let publish = basic::Publish {
        routing_key: ShortStr::from_static(queue),
        mandatory: true,
        ..basic::Publish::default()
    };
    let class = basic::Publish::ID.class;
    let mut frames = BytesMut::new();
    encode_method(&mut frames, CHANNEL, &publish.into());
    encode_content(
        &mut frames,
        CHANNEL,
        class,
        properties.as_bytes(),
        body,
        FRAME_MAX,
    );
    frames
}

/// Receives messages and acknowledges each.
pub(crate) fn receive(
    address: &Address,
    queue: &'static str,
    prefetch_count: u16,
    messages: u64,
) -> Result<(), Box<dyn Error>> {
    let mut bare = Bare::open(address)?;
    let qos = basic::Qos {
        prefetch_count,
        ..basic::Qos::default()
    };
    bare.call(CHANNEL, qos)?;
    let consume = basic::Consume {
        queue: ShortStr::from_static(queue),
        ..basic::Consume::default()
    };
    bare.call(CHANNEL, consume)?;
    let mut received = 0;
    let mut delivery_tag = None;
    loop {
        while let Some(frame) = bare.frames.read(&mut bare.input)? {
            match frame {
                Frame::Method(_, Method::BasicDeliver(deliver)) => {
                    delivery_tag = Some(deliver.delivery_tag);
                }
                Frame::Body(..) => {
                    let ack = basic::Ack {
                        delivery_tag: delivery_tag.take().ok_or("a body without a delivery")?,
                        multiple: false,
                    };
                    encode_method(&mut bare.output, CHANNEL, &ack.into());
                    received += 1;
                }
                _ => {}
            }
        }
        bare.flush()?;
        if received == messages {
            return bare.close();
        }
        bare.fill()?;
    }
}

/// A blocking connection with one channel.
struct Bare {
    stream: TcpStream,
    frames: FrameReader,
    /// Where the socket is read into, before it goes to `input`.
    landing_strip: Vec<u8>,
    input: BytesMut,
    output: BytesMut,
}

impl Bare {
    fn open(address: &Address) -> Result<Self, Box<dyn Error>> {
        let stream = TcpStream::connect((address.host.as_str(), address.port))?;
        stream.set_nodelay(true)?;
        let mut bare = Self {
            stream,
            frames: FrameReader::new(FRAME_MAX),
            landing_strip: vec![0; AT_ONCE],
            input: BytesMut::with_capacity(2 * AT_ONCE),
            output: BytesMut::with_capacity(2 * AT_ONCE),
        };
        bare.output.extend_from_slice(PROTOCOL_HEADER);
        bare.flush()?;
        bare.method()?;
        let start_ok = connection::StartOk {
            mechanism: ShortStr::from_static("PLAIN"),
            response: format!("\0{}\0{}", address.user, address.password).into(),
            ..connection::StartOk::default()
        };
        bare.call(CONNECTION, start_ok)?;
        let tune_ok = connection::TuneOk {
            channel_max: 1,
            frame_max: FRAME_MAX,
            heartbeat_s: 0,
        };
        encode_method(&mut bare.output, CONNECTION, &tune_ok.into());
        let open = connection::Open {
            virtual_host: ShortStr::from_static("/"),
            ..connection::Open::default()
        };
        bare.call(CONNECTION, open)?;
        bare.call(CHANNEL, channel::Open::default())?;
        Ok(bare)
    }

    fn call(
        &mut self,
        channel: ChannelNumber,
        method: impl Into<Method>,
    ) -> Result<Method, Box<dyn Error>> {
        encode_method(&mut self.output, channel, &method.into());
        self.flush()?;
        self.method()
    }

    fn flush(&mut self) -> Result<(), Box<dyn Error>> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    fn fill(&mut self) -> Result<(), Box<dyn Error>> {
        let count = self.stream.read(&mut self.landing_strip)?;
        if count == 0 {
            return Err("the server hung up".into());
        }
        self.input.extend_from_slice(&self.landing_strip[..count]);
        Ok(())
    }

    fn method(&mut self) -> Result<Method, Box<dyn Error>> {
        loop {
            match self.frames.read(&mut self.input)? {
                Some(Frame::Method(_, method)) => return Ok(method),
                Some(_) => {}
                None => self.fill()?,
            }
        }
    }

    /// Makes sure that the server has heard everything.
    fn close(mut self) -> Result<(), Box<dyn Error>> {
        let close = connection::Close {
            reply_code: 200,
            ..connection::Close::default()
        };
        self.call(CONNECTION, close).map(drop)
    }
}
