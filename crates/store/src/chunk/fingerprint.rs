//! What queues that deduplicate remember of messages. The picture, in the notation of `chunk.rs`:
//!
//! ```text
//! 9 remembered  queue varint, then to the end of the record, by rising position:
//!               {position less the last one varint (the first: less 0), fingerprint}
//! fingerprint = hash 16 bytes, until varint (ms since 1970 plus one; 0: no end)
//! ```

use super::cursor::{Cursor, Put};
use super::{ChunkError, damaged};
use model::record::Fingerprint;
use model::{Position, QueueId, Record, Timestamp};

/// Reads what stands behind the kind.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Record, ChunkError> {
    let queue = QueueId(cursor.varint()?);
    let mut all = Vec::new();
    let mut position = 0u64;
    while !cursor.is_at_end() {
        let gap = cursor.varint()?;
        let next = position.checked_add(gap).filter(|_| gap > 0);
        position = next.ok_or_else(|| damaged("positions do not rise"))?;
        all.push((Position(position), read_one(cursor)?));
    }
    Ok(Record::Remembered(queue, all))
}

/// Writes what stands behind the kind.
///
/// # Panics
/// If the messages do not come by rising position.
pub(super) fn write(out: &mut Vec<u8>, queue: QueueId, all: &[(Position, Fingerprint)]) {
    out.put_varint(queue.0);
    let mut last = 0;
    for (position, fingerprint) in all {
        let gap = position.0.checked_sub(last).filter(|gap| *gap > 0);
        out.put_varint(gap.expect("messages come by rising position, from 1"));
        last = position.0;
        put_one(out, fingerprint);
    }
}

/// Reads the part of a message's record.
pub(super) fn read_of_message(
    cursor: &mut Cursor<'_>,
) -> Result<Vec<(QueueId, Fingerprint)>, ChunkError> {
    let count = cursor.varint()?;
    if count == 0 {
        return Err(damaged("a message has no fingerprint where it should"));
    }
    // Not allocated at once: the count may be anything.
    (0..count)
        .map(|_| Ok((QueueId(cursor.varint()?), read_one(cursor)?)))
        .collect()
}

/// Goes past the part of a message's record.
pub(super) fn skip_of_message(cursor: &mut Cursor<'_>) -> Result<(), ChunkError> {
    for _ in 0..cursor.varint()? {
        cursor.varint()?;
        read_one(cursor)?;
    }
    Ok(())
}

/// Writes the part of a message's record.
pub(super) fn write_of_message(out: &mut Vec<u8>, all: &[(QueueId, Fingerprint)]) {
    out.put_varint(all.len() as u64);
    for (queue, fingerprint) in all {
        out.put_varint(queue.0);
        put_one(out, fingerprint);
    }
}

fn read_one(cursor: &mut Cursor<'_>) -> Result<Fingerprint, ChunkError> {
    Ok(Fingerprint {
        hash: cursor.u128()?,
        // No end is the highest time, which no clock reaches.
        until: Timestamp(cursor.varint()?.wrapping_sub(1)),
    })
}

fn put_one(out: &mut Vec<u8>, fingerprint: &Fingerprint) {
    out.extend_from_slice(&fingerprint.hash.to_le_bytes());
    out.put_varint(fingerprint.until.0.wrapping_add(1));
}
