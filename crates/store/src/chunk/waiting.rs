//! Messages that wait otherwise than as they came. The picture, in the notation of `chunk.rs`:
//!
//! ```text
//! 8 waiting     queue varint, then to the end of the record, by rising position:
//!               {position less the last one varint (the first: less 0),
//!                flags u8 (the two lowest bits: 0 ready, 1 delayed, 2 parked; 4: it was handed out in vain),
//!                if parked: why u8 (0 rejected, 1 expired, 2 maxlen, 3 delivery limit),
//!                if delayed or parked: due, or since when, in ms since 1970 less the last time told in this
//!                    record (the first: less 0), zigzag varint,
//!                if flags & 4: failed varint, lost varint}
//! zigzag = twice the number, or twice its negative less one
//! ```

use super::cursor::{Cursor, Put};
use super::{ChunkError, damaged};
use model::record::{Attempts, Place, Reason, Waiting};
use model::{Position, QueueId, Record, Timestamp};

mod place {
    pub(super) const READY: u8 = 0;
    pub(super) const DELAYED: u8 = 1;
    pub(super) const PARKED: u8 = 2;
    pub(super) const MASK: u8 = 3;
}

const HAS_ATTEMPTS: u8 = 4;

/// Reads what stands behind the kind.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Record, ChunkError> {
    let queue = QueueId(cursor.varint()?);
    let mut all = Vec::new();
    let (mut position, mut time) = (0u64, 0u64);
    while !cursor.is_at_end() {
        position = match cursor.varint()? {
            0 => return Err(damaged("positions do not rise")),
            gap => position
                .checked_add(gap)
                .ok_or_else(|| damaged("a position is too high"))?,
        };
        let flags = cursor.u8()?;
        let place = match flags & place::MASK {
            place::READY => Place::Ready,
            place::DELAYED => Place::Delayed {
                due: read_time(cursor, &mut time)?,
            },
            place::PARKED => {
                let why = Reason::ALL.get(usize::from(cursor.u8()?)).copied();
                Place::Parked {
                    why: why.ok_or_else(|| damaged("a message is parked for no known reason"))?,
                    at: read_time(cursor, &mut time)?,
                }
            }
            _ => return Err(damaged("a message waits nowhere")),
        };
        let attempts = match flags & !place::MASK {
            0 => Attempts::NONE,
            HAS_ATTEMPTS => Attempts {
                failed: read_count(cursor)?,
                lost: read_count(cursor)?,
            },
            _ => return Err(damaged("a waiting message has unknown flags")),
        };
        all.push(Waiting {
            position: Position(position),
            place,
            attempts,
        });
    }
    Ok(Record::Waiting(queue, all))
}

/// Writes what stands behind the kind.
///
/// # Panics
/// If the messages do not come by rising position.
pub(super) fn write(out: &mut Vec<u8>, queue: QueueId, all: &[Waiting]) {
    out.put_varint(queue.0);
    let (mut position, mut time) = (0, 0);
    for waiting in all {
        let gap = waiting.position.0.checked_sub(position);
        let gap = gap.filter(|gap| *gap > 0);
        out.put_varint(gap.expect("messages come by rising position, from 1"));
        position = waiting.position.0;
        let attempts = waiting.attempts;
        let counted = if attempts == Attempts::NONE {
            0
        } else {
            HAS_ATTEMPTS
        };
        match waiting.place {
            Place::Ready => out.push(counted | place::READY),
            Place::Delayed { due } => {
                out.push(counted | place::DELAYED);
                put_time(out, due, &mut time);
            }
            Place::Parked { why, at } => {
                out.push(counted | place::PARKED);
                out.push(why as u8);
                put_time(out, at, &mut time);
            }
        }
        if counted != 0 {
            out.put_varint(attempts.failed.into());
            out.put_varint(attempts.lost.into());
        }
    }
}

fn read_count(cursor: &mut Cursor<'_>) -> Result<u32, ChunkError> {
    u32::try_from(cursor.varint()?).map_err(|_| damaged("a count is too high"))
}

fn read_time(cursor: &mut Cursor<'_>, last: &mut u64) -> Result<Timestamp, ChunkError> {
    *last = cursor.zigzag(*last)?;
    Ok(Timestamp(*last))
}

fn put_time(out: &mut Vec<u8>, time: Timestamp, last: &mut u64) {
    out.put_zigzag(time.0, *last);
    *last = time.0;
}
