//! A snapshot: what a checkpoint keeps of the settlings before it, in the pages of the lane itself.
//!
//! ```text
//!  0 magic    "LFSN"
//!  4 version  u16   1
//!  6 zero     u16   0
//!  8 length   u32   bytes of the whole snapshot
//! 12 crc      u32   CRC-32C of bytes 0..12 and 16 to the end
//! 16 epoch    u64   under which it was landed
//! 24 begin    u64   the position of the checkpoint's first record
//! 32 page     u64   where that record's chunk stands, or one before it
//! 40 live map       as in `store::chunk::LiveMap`
//! ```

use bytes::Bytes;
use model::Position;
use store::{ChunkError, LiveMap};

pub(crate) const MAGIC: [u8; 4] = *b"LFSN";
const VERSION: u16 = 1;
const CRC: std::ops::Range<usize> = 12..16;
const LENGTH: usize = 40;

/// The last checkpoint: nothing before `begin` is needed but the live messages that the map names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) begin: Position,
    /// The page where reading what came since begins.
    pub(crate) page: i64,
    pub(crate) map: LiveMap,
}

impl Snapshot {
    /// Its bytes.
    pub(crate) fn write(&self, epoch: i64) -> Bytes {
        let map = self.map.write();
        let length = u32::try_from(LENGTH + map.len()).expect("a map of runs is under 4 GiB");
        let mut out = Vec::with_capacity(LENGTH + map.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&epoch.to_le_bytes());
        out.extend_from_slice(&self.begin.0.to_le_bytes());
        out.extend_from_slice(&self.page.to_le_bytes());
        out.extend_from_slice(&map);
        let crc = checksum(&out);
        out[CRC].copy_from_slice(&crc.to_le_bytes());
        out.into()
    }

    /// Reads what [`write`](Self::write) has written.
    pub(crate) fn read(bytes: &Bytes) -> Result<Self, ChunkError> {
        let damaged = |what| ChunkError::Damaged { what };
        let field = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk());
        if !is_one(bytes) {
            return Err(damaged("no snapshot begins here"));
        }
        let version = bytes.get(4..).and_then(|rest| rest.first_chunk());
        let version = version.map_or(0, |octets| u16::from_le_bytes(*octets));
        if version > VERSION {
            return Err(ChunkError::NewerVersion(version));
        }
        let (Some(begin), Some(page)) = (field(24), field(32)) else {
            return Err(damaged("length"));
        };
        if bytes[CRC] != checksum(bytes).to_le_bytes() {
            return Err(damaged("checksum"));
        }
        Ok(Self {
            begin: Position(u64::from_le_bytes(*begin)),
            page: i64::from_le_bytes(*page),
            map: LiveMap::read(&bytes.slice(LENGTH..))?,
        })
    }
}

/// Whether a snapshot begins here, or is meant to.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..CRC.start]), &bytes[CRC.end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Run;

    #[test]
    fn a_snapshot_is_read_as_it_was_written_or_not_at_all() {
        let runs = [(3, 4), (100, 1)].map(|(first, count)| Run { first, count });
        let snapshot = Snapshot {
            begin: Position(200),
            page: 17,
            map: LiveMap {
                live: runs.into_iter().collect(),
                in_part: Vec::new(),
            },
        };
        let bytes = snapshot.write(5);
        assert_eq!(Snapshot::read(&bytes), Ok(snapshot));
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 4;
            Snapshot::read(&flipped.into()).expect_err("one flipped bit is noticed");
            Snapshot::read(&bytes.slice(..at)).expect_err("a missing end is noticed");
        }
    }
}
