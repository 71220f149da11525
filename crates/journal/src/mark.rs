//! The end mark: written behind the last chunk of a segment, and synced, before the next segment begins. So a
//! segment that is not the last one is whole, or damaged; there is nothing to guess.
//!
//! ```text
//! end mark, 32 bytes, little-endian:
//!   0 magic     "LFEN"
//!   4 version   u16   1
//!   6 zero      u16   0, for later versions
//!   8 crc       u32   CRC-32C of bytes 0..8 and 12..32
//!  12 zero      u32   0
//!  16 epoch     u64   which opening of the directory wrote it
//!  24 segment   u64   the segment that it ends
//! ```

/// The bytes of an end mark.
pub(crate) const LENGTH: usize = 32;

/// The first four bytes of an end mark.
pub(crate) const MAGIC: [u8; 4] = *b"LFEN";

const VERSION: u16 = 1;
const CRC: std::ops::Range<usize> = 8..12;

/// The end mark of a segment.
pub(crate) fn write(epoch: u64, segment: u64) -> [u8; LENGTH] {
    let mut mark = [0; LENGTH];
    mark[..4].copy_from_slice(&MAGIC);
    mark[4..6].copy_from_slice(&VERSION.to_le_bytes());
    mark[16..24].copy_from_slice(&epoch.to_le_bytes());
    mark[24..].copy_from_slice(&segment.to_le_bytes());
    let crc = checksum(&mark);
    mark[CRC].copy_from_slice(&crc.to_le_bytes());
    mark
}

/// The end mark of a segment, with zeros behind it up to the end of a block of so many bytes.
pub(crate) fn block(epoch: u64, segment: u64, granularity: usize) -> Vec<u8> {
    let mut block = write(epoch, segment).to_vec();
    block.resize(LENGTH.next_multiple_of(granularity), 0);
    block
}

/// The epoch of the end mark of `segment` at the start of `bytes`, if one is there.
pub(crate) fn read(bytes: &[u8], segment: u64) -> Option<u64> {
    let mark = bytes.first_chunk::<LENGTH>()?;
    let epoch = u64::from_le_bytes(*mark[16..].first_chunk()?);
    (write(epoch, segment) == *mark).then_some(epoch)
}

fn checksum(mark: &[u8; LENGTH]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&mark[..CRC.start]), &mark[CRC.end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_mark_is_read_whole_or_not_at_all() {
        let mark = write(9, 4);
        assert_eq!(read(&mark, 4), Some(9));
        assert_eq!(read(&mark, 5), None);
        assert_eq!(read(&mark[..LENGTH - 1], 4), None);
        for bit in 0..LENGTH * 8 {
            let mut flipped = mark;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&flipped, 4), None, "bit {bit}");
        }
    }
}
