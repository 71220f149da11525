//! What a checkpoint keeps of the settlings before it: which of the messages before it are live. The picture, in the
//! notation of `chunk/record.rs`:
//!
//! ```text
//! live map = how many runs varint, {positions left out since the last run varint, positions in the run - 1 varint},
//!            to the end, the messages that some of their queues have settled, by rising position:
//!            {position less that of the one before it varint (the first: less 0), queues that still need it}
//! ```

use super::cursor::{Cursor, Put};
use super::{ChunkError, damaged};
use bytes::Bytes;
use model::{Position, QueueId, Run, Runs};
use smallvec::SmallVec;

/// The live messages before a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveMap {
    /// Their positions.
    pub live: Runs,
    /// Those whose records name more queues than still need them, with those that do; by rising position.
    pub in_part: Vec<(Position, SmallVec<[QueueId; 2]>)>,
}

impl LiveMap {
    /// Its bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let runs = self.live.as_slice();
        out.put_varint(runs.len() as u64);
        out.put_runs(&self.live);
        let mut last = 0;
        for (position, queues) in &self.in_part {
            out.put_varint(position.0 - last);
            out.put_queues(queues);
            last = position.0;
        }
        out
    }

    /// Reads what [`write`](Self::write) has written.
    ///
    /// # Errors
    /// `Damaged` for anything else.
    pub fn read(bytes: &Bytes) -> Result<Self, ChunkError> {
        let mut cursor = Cursor::new(bytes, 0..bytes.len());
        let mut map = Self::default();
        let mut end = 0u64;
        for _ in 0..cursor.varint()? {
            let (gap, more) = (cursor.varint()?, cursor.varint()?);
            let run = (|| {
                let first = end.checked_add(gap)?;
                let count = more.checked_add(1)?;
                end = first.checked_add(count)?;
                Some(Run { first, count })
            })();
            let run = run.ok_or_else(|| damaged("a run ends over 64 bits"))?;
            map.live.insert_run(run);
        }
        let mut last = 0u64;
        while !cursor.is_at_end() {
            let next = last.checked_add(cursor.varint()?);
            last = next.ok_or_else(|| damaged("a position is over 64 bits"))?;
            map.in_part
                .push((Position(last), cursor.queues()?.collect()));
        }
        Ok(map)
    }

    /// The queues that still need a live message, where its record names more.
    pub fn queues_in_part(&self, position: Position) -> Option<&SmallVec<[QueueId; 2]>> {
        let found = self.in_part.binary_search_by_key(&position, |(at, _)| *at);
        found.ok().map(|at| &self.in_part[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_map_is_read_as_it_was_written() {
        let runs = [(1u64, 3u64), (9, 1), (1 << 40, 1 << 20)];
        let runs = runs.map(|(first, count)| Run { first, count });
        let map = LiveMap {
            live: runs.into_iter().collect(),
            in_part: vec![
                (Position(2), [QueueId(7)].into_iter().collect()),
                (
                    Position(9),
                    [QueueId(1), QueueId(300)].into_iter().collect(),
                ),
            ],
        };
        let bytes = Bytes::from(map.write());
        assert_eq!(LiveMap::read(&bytes), Ok(map.clone()));
        assert_eq!(
            map.queues_in_part(Position(9)).map(|queues| queues.len()),
            Some(2)
        );
        assert_eq!(map.queues_in_part(Position(3)), None);
        for cut in 1..bytes.len() {
            // Cut anywhere it is another map or none, and never a panic.
            assert_ne!(LiveMap::read(&bytes.slice(..cut)), Ok(map.clone()));
        }
        assert_eq!(
            LiveMap::read(&Bytes::from_static(&[0])),
            Ok(LiveMap::default())
        );
    }
}
