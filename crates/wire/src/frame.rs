//! Frames: the envelope of everything on the wire.
//!
//! ```text
//! type u8 (1 method, 2 content header, 3 body, 8 heartbeat)   channel u16   size u32   size octets   206
//! ```
//! Type and size are judged as soon as the seven octets of the head are there, before anything waits for the rest.

use crate::content::ContentHeader;
use crate::method;
use bytes::{BufMut, Bytes, BytesMut};
use model::{ChannelNumber, ConnectionError, Method, MethodId, ReplyCode};

/// What a client says first.
pub const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

/// The octets of a frame that are not payload: its head, and the octet at its end.
pub(crate) const OVERHEAD: usize = HEAD + 1;
const HEAD: usize = 7;
const FRAME_END: u8 = 206;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Method = 1,
    Header = 2,
    Body = 3,
    Heartbeat = 8,
}

/// A frame's first seven octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) channel: ChannelNumber,
    size: usize,
}

impl Head {
    /// Reads the head at the start of `bytes`; `None` if it is not there yet. A frame may have `frame_max` octets
    /// of payload: peers disagree whether the limit counts the eight around it.
    pub(crate) fn read(bytes: &[u8], frame_max: u32) -> Result<Option<Self>, ConnectionError> {
        let Some(&[kind, c1, c0, s3, s2, s1, s0]) = bytes.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let kind = match kind {
            1 => Kind::Method,
            2 => Kind::Header,
            3 => Kind::Body,
            8 => Kind::Heartbeat,
            unknown => return Err(frame_error(format_args!("unknown frame type {unknown}"))),
        };
        let size = u32::from_be_bytes([s3, s2, s1, s0]);
        if size > frame_max {
            return Err(frame_error(format_args!(
                "a frame of {size} octets is larger than the frame_max of {frame_max}"
            )));
        }
        Ok(Some(Self {
            kind,
            channel: ChannelNumber(u16::from_be_bytes([c1, c0])),
            size: size as usize,
        }))
    }

    /// The whole frame's length.
    pub(crate) fn frame_length(self) -> usize {
        OVERHEAD + self.size
    }

    /// Where the payload lies in a buffer whose frame starts at `start`, if the end octet stands where it must.
    pub(crate) fn payload(
        self,
        buffer: &[u8],
        start: usize,
    ) -> Result<std::ops::Range<usize>, ConnectionError> {
        let payload = start + HEAD..start + HEAD + self.size;
        match buffer[payload.end] {
            FRAME_END => Ok(payload),
            octet => Err(frame_error(format_args!(
                "a frame ends with octet {octet} instead of {FRAME_END}"
            ))),
        }
    }
}

/// An error of framing: what follows cannot be trusted.
pub(crate) fn frame_error(explanation: impl std::fmt::Display) -> ConnectionError {
    ConnectionError::new(ReplyCode::FrameError, explanation, MethodId::default())
}

/// How many octets at the start of `bytes` are whole frames, at most `frames_max` of them. Fails only if the first
/// frame is bad, so that what came before a bad one is handled first.
pub(crate) fn whole_frames(
    bytes: &[u8],
    frame_max: u32,
    frames_max: usize,
) -> Result<usize, ConnectionError> {
    let mut at = 0;
    for _ in 0..frames_max {
        match Head::read(&bytes[at..], frame_max) {
            Ok(Some(head)) if head.frame_length() <= bytes.len() - at => at += head.frame_length(),
            Err(error) if at == 0 => return Err(error),
            _ => break,
        }
    }
    Ok(at)
}

/// One frame, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A method.
    Method(ChannelNumber, Method),
    /// The header of the content that follows a method.
    Header(ChannelNumber, ContentHeader),
    /// A part of a body.
    Body(ChannelNumber, Bytes),
    /// A sign of life.
    Heartbeat,
}

/// Reads frames one by one: for clients. It keeps no state but the limit.
#[derive(Clone, Debug)]
pub struct FrameReader {
    frame_max: u32,
}

impl FrameReader {
    /// A reader that refuses frames larger than `frame_max` octets.
    pub fn new(frame_max: u32) -> Self {
        Self { frame_max }
    }

    /// Another limit, once it is negotiated.
    pub fn set_frame_max(&mut self, frame_max: u32) {
        self.frame_max = frame_max;
    }

    /// Takes one frame from the start of `input`; `None`, and `input` as it was, if it is not whole yet.
    ///
    /// # Errors
    /// The reply code that a malformed frame is answered with. The connection is over then: what follows in
    /// `input` has no meaning.
    pub fn read(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, ConnectionError> {
        let Some(head) = Head::read(input, self.frame_max)? else {
            return Ok(None);
        };
        if input.len() < head.frame_length() {
            return Ok(None);
        }
        let frame = input.split_to(head.frame_length()).freeze();
        let payload = head.payload(&frame, 0)?;
        Ok(Some(match head.kind {
            Kind::Method => Frame::Method(head.channel, method::read_method(&frame, payload)?),
            Kind::Header => Frame::Header(head.channel, ContentHeader::read(&frame, payload)?),
            Kind::Body => Frame::Body(head.channel, frame.slice(payload)),
            Kind::Heartbeat => Frame::Heartbeat,
        }))
    }
}

/// Appends a frame whose payload is what `write_payload` appends.
pub(crate) fn put_frame(
    out: &mut BytesMut,
    kind: Kind,
    channel: ChannelNumber,
    write_payload: impl FnOnce(&mut BytesMut),
) {
    let start = out.len();
    put_head(out, kind, channel, 0);
    write_payload(out);
    let size = out.len() - start - HEAD;
    let size = u32::try_from(size).expect("what one frame carries is under 4 GiB");
    out[start + 3..start + HEAD].copy_from_slice(&size.to_be_bytes());
    out.put_u8(FRAME_END);
}

/// Appends a frame's head; the caller appends `size` octets of payload and [`put_end`].
pub(crate) fn put_head(out: &mut BytesMut, kind: Kind, channel: ChannelNumber, size: u32) {
    let [c1, c0] = channel.0.to_be_bytes();
    let [s3, s2, s1, s0] = size.to_be_bytes();
    out.put_slice(&[kind as u8, c1, c0, s3, s2, s1, s0]);
}

/// Appends a frame's end.
pub(crate) fn put_end(out: &mut BytesMut) {
    out.put_u8(FRAME_END);
}

/// Appends a heartbeat frame.
pub fn encode_heartbeat(out: &mut BytesMut) {
    put_frame(out, Kind::Heartbeat, ChannelNumber(0), |_| {});
}
