//! What lands in pages beside chunks: a frame that begins as a chunk does, so that its length is found in the same place.
//!
//! ```text
//!  0 magic    4 bytes
//!  4 version  u16   1
//!  6 zero     u16   0
//!  8 length   u32   bytes of the whole
//! 12 crc      u32   CRC-32C of bytes 0..12 and 16 to the end
//! 16 epoch    u64   under which it was landed
//! 24 content
//! ```

use bytes::{Buf, Bytes};
use std::ops::Range;
use store::ChunkError;
use store::chunk::MAGIC as CHUNK;

const VERSION: u16 = 1;
const LENGTH: Range<usize> = 8..12;
const CRC: Range<usize> = 12..16;
const HEADER: usize = 24;

/// Whether a chunk begins here, or is meant to.
pub(crate) fn is_chunk(bytes: &[u8]) -> bool {
    bytes.starts_with(&CHUNK)
}

/// A header, to which the content is added.
pub(crate) fn begin(magic: [u8; 4], epoch: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend_from_slice(&magic);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.resize(HEADER - 8, 0);
    out.extend_from_slice(&epoch.to_le_bytes());
    out
}

/// Fills in the length and the checksum.
pub(crate) fn finish(mut out: Vec<u8>) -> Bytes {
    let length = u32::try_from(out.len()).expect("what stands beside chunks is under 4 GiB");
    out[LENGTH].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(&out);
    out[CRC].copy_from_slice(&crc.to_le_bytes());
    out.into()
}

/// The content of what [`finish`] has made.
///
/// # Errors
/// `NoChunk` if something else begins here, `NewerVersion`, `Damaged`.
pub(crate) fn read(bytes: &Bytes, magic: [u8; 4]) -> Result<Bytes, ChunkError> {
    if !bytes.starts_with(&magic) {
        return Err(ChunkError::NoChunk);
    }
    if bytes.len() < HEADER {
        return Err(ChunkError::Short);
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version > VERSION {
        return Err(ChunkError::NewerVersion(version));
    }
    if bytes[CRC] != checksum(bytes).to_le_bytes() {
        return Err(damaged("checksum"));
    }
    Ok(bytes.slice(HEADER..))
}

fn damaged(what: &'static str) -> ChunkError {
    ChunkError::Damaged { what }
}

/// The next number of a content.
pub(crate) fn u64_of(rest: &mut Bytes) -> Result<u64, ChunkError> {
    rest.try_get_u64_le()
        .map_err(|_| damaged("it ends too early"))
}

/// The next number of a content.
pub(crate) fn u32_of(rest: &mut Bytes) -> Result<u32, ChunkError> {
    rest.try_get_u32_le()
        .map_err(|_| damaged("it ends too early"))
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CRC.start]), &bytes[CRC.end..])
}
