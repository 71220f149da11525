//! Frames: whatever comes is read or refused; what is read says the same when it is written again.

#![no_main]

use bytes::{BufMut, BytesMut};
use libfuzzer_sys::fuzz_target;
use wire::{Frame, FrameReader, encode_content, encode_heartbeat, encode_method};

const FRAME_MAX: u32 = 131_072;

fuzz_target!(|data: &[u8]| {
    let mut input = BytesMut::from(data);
    let mut reader = FrameReader::new(FRAME_MAX);
    while let Ok(Some(frame)) = reader.read(&mut input) {
        let mut again = write(&frame);
        let read = reader
            .read(&mut again)
            .expect("what we write is well-formed");
        assert_eq!(read.as_ref(), Some(&frame));
    }
    assert!(input.len() <= data.len());
});

fn write(frame: &Frame) -> BytesMut {
    let mut out = BytesMut::new();
    match frame {
        Frame::Method(channel, method) => encode_method(&mut out, *channel, method),
        Frame::Header(channel, header) => {
            let properties = header.properties.as_bytes();
            encode_content(&mut out, *channel, header.class, properties, b"", FRAME_MAX);
            // The size of a body that is not written, behind the head, the class and the weight.
            out[11..19].copy_from_slice(&header.body_size.to_be_bytes());
        }
        Frame::Body(channel, body) => {
            out.put_u8(3);
            out.put_u16(channel.0);
            out.put_u32(body.len() as u32);
            out.put_slice(body);
            out.put_u8(206);
        }
        Frame::Heartbeat => encode_heartbeat(&mut out),
    }
    out
}
