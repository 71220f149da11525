//! A snapshot: what a checkpoint keeps of what stands before it, in the pages of the lane itself.
//!
//! ```text
//! content of a frame with the magic "LFSN":
//!   begin u64          the position of the checkpoint's first record
//!   page u64           no chunk behind that record, and no copies that are not among the stretches, before this page
//!   next stretch u64   higher than the numbers of all stretches
//!   how many u32, {stretch}: those that hold something before `begin`, by rising position
//!   live map           as in `store::chunk::LiveMap`
//!
//! stretch = number u64, table u32, density u32 (0: one record behind the other, 1: copies), from u64, last u64, bytes u64,
//!           the page behind it u64, the page of its heads u64 (2^64 - 1 for none),
//!           how many u32, {position that a chunk begins with u64, the chunk's page u64}
//! ```

use crate::frame::{self, u32_of, u64_of};
use crate::places::Stretch;
use bytes::Bytes;
use model::Position;
use store::{ChunkError, Density, LiveMap};

const MAGIC: [u8; 4] = *b"LFSN";
const NO_HEADS: u64 = u64::MAX;

/// The last checkpoint: nothing before `begin` is needed but the live messages that the map names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) begin: Position,
    /// The page where reading what came since begins.
    pub(crate) page: i64,
    pub(crate) next_stretch: u64,
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) map: LiveMap,
}

impl Snapshot {
    /// Its bytes.
    pub(crate) fn write(&self, epoch: i64) -> Bytes {
        let mut out = frame::begin(MAGIC, epoch);
        let mut put = |number: u64| out.extend_from_slice(&number.to_le_bytes());
        put(self.begin.0);
        put(self.page.cast_unsigned());
        put(self.next_stretch);
        put_count(&mut out, self.stretches.len());
        for stretch in &self.stretches {
            write_stretch(&mut out, stretch);
        }
        out.extend_from_slice(&self.map.write());
        frame::finish(out)
    }

    /// Reads what [`write`](Self::write) has written.
    pub(crate) fn read(bytes: &Bytes) -> Result<Self, ChunkError> {
        let mut rest = frame::read(bytes, MAGIC)?;
        let mut snapshot = Self {
            begin: Position(u64_of(&mut rest)?),
            page: u64_of(&mut rest)?.cast_signed(),
            next_stretch: u64_of(&mut rest)?,
            ..Self::default()
        };
        for _ in 0..u32_of(&mut rest)? {
            snapshot.stretches.push(read_stretch(&mut rest)?);
        }
        snapshot.map = LiveMap::read(&rest)?;
        Ok(snapshot)
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("fewer than 2^32 of anything");
    out.extend_from_slice(&count.to_le_bytes());
}

fn write_stretch(out: &mut Vec<u8>, stretch: &Stretch) {
    let density = match stretch.density {
        Density::Dense => 0u32,
        Density::Sparse => 1,
    };
    let heads = stretch.heads.map_or(NO_HEADS, i64::cast_unsigned);
    out.extend_from_slice(&stretch.number.to_le_bytes());
    out.extend_from_slice(&stretch.table.to_le_bytes());
    out.extend_from_slice(&density.to_le_bytes());
    let Stretch {
        from,
        last,
        bytes,
        end,
        ..
    } = stretch;
    for number in [from.0, last.0, *bytes, end.cast_unsigned(), heads] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    put_count(out, stretch.index.len());
    for (position, page) in &stretch.index {
        out.extend_from_slice(&position.0.to_le_bytes());
        out.extend_from_slice(&page.to_le_bytes());
    }
}

fn read_stretch(rest: &mut Bytes) -> Result<Stretch, ChunkError> {
    let (number, table) = (u64_of(rest)?, u32_of(rest)?);
    let density = match u32_of(rest)? {
        0 => Density::Dense,
        1 => Density::Sparse,
        _ => {
            let what = "a stretch is of no known density";
            return Err(ChunkError::Damaged { what });
        }
    };
    let mut stretch = Stretch::new(number, table, density, Position(u64_of(rest)?));
    stretch.last = Position(u64_of(rest)?);
    stretch.bytes = u64_of(rest)?;
    stretch.end = u64_of(rest)?.cast_signed();
    let heads = u64_of(rest)?;
    stretch.heads = (heads != NO_HEADS).then_some(heads.cast_signed());
    for _ in 0..u32_of(rest)? {
        let entry = (Position(u64_of(rest)?), u64_of(rest)?.cast_signed());
        stretch.index.push(entry);
    }
    stretch.indexed = stretch.bytes;
    Ok(stretch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Run;

    #[test]
    fn a_snapshot_is_read_as_it_was_written_or_not_at_all() {
        let runs = [(3, 4), (100, 1)].map(|(first, count)| Run { first, count });
        let mut copies = Stretch::new(4, 2, Density::Sparse, Position(3));
        copies.index = vec![(Position(3), 90), (Position(5), 95)];
        copies.heads = Some(99);
        let snapshot = Snapshot {
            begin: Position(200),
            page: 17,
            next_stretch: 8,
            stretches: vec![copies, Stretch::new(7, 5, Density::Dense, Position(50))],
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
