//! What a chunk holds without the bodies of its messages: all that a start must know of it, in a hundredth of the
//! bytes. The picture, in the notation of `chunk/record.rs`:
//!
//! ```text
//! section = items, of records in the order of their positions; what was written of one chunk, or of neighbouring ones
//!           one behind the other
//! item    = positions left out since the last item varint (the first: since the one before the section's first),
//!           flags u8, then
//!             with flag 1:  a record: length varint, kind, payload
//!             else:         messages of neighbouring positions: how many less one varint, the bytes of each record
//!                           varint, queues, came zigzag (ms since 1970, less that of the last item; with flag 64: less 0),
//!                           bytes of each body varint,
//!                           with flag 2:  due zigzag (less came)
//!                           with flag 4:  how many varint, {queue varint, fingerprint}
//!                           with flag 8:  vhost short, publisher short, publishing id of the first varint
//!                           with flag 16: priority u8
//!                           with flag 32: expires zigzag (less came)
//! zigzag  = varint of twice the number, or of twice its negative less one
//! ```

use super::cursor::{Cursor, Put};
use super::{ChunkError, LandedChunk, damaged, fingerprint, record};
use bytes::Bytes;
use model::record::{Arrival, MessageHead, Publishing};
use model::{MessageRecord, Position, PublishingId, Record, Run, Timestamp};

const IS_RECORD: u8 = 1;
const HAS_DUE: u8 = 2;
const HAS_FINGERPRINTS: u8 = 4;
const HAS_PUBLISHER: u8 = 8;
const HAS_PRIORITY: u8 = 16;
const HAS_EXPIRY: u8 = 32;
const BEGINS_TIME: u8 = 64;

/// Collects a section.
#[derive(Debug, Default)]
pub struct SummaryWriter {
    out: Vec<u8>,
    /// The last messages; more of the like may follow.
    open: Option<Messages>,
    /// The position behind the last item.
    next: Option<Position>,
    came: Option<u64>,
}

/// Messages of neighbouring positions that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Their positions.
    pub run: Run,
    /// The bytes that each of their records takes in its chunk.
    pub bytes: u32,
    /// What is known of the first; the others differ in the publishing id, which rises by one.
    pub head: MessageHead,
}

impl Messages {
    /// Those of them that are in `run`, which must lie within theirs.
    pub fn part(&self, run: Run) -> Self {
        let mut part = Self {
            run,
            ..self.clone()
        };
        if let Some(publisher) = &mut part.head.publisher {
            publisher.id.0 += run.first - self.run.first;
        }
        part
    }
}

/// One item of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Anything but a message.
    Record(Position, Record),
    /// Messages.
    Messages(Messages),
}

/// What is wanted of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything.
    All,
    /// Messages only.
    Messages,
}

impl SummaryWriter {
    /// The next record is this message, which takes so many bytes in its chunk.
    pub fn message(&mut self, position: Position, message: &MessageRecord, bytes: u32) {
        if let Some(open) = &mut self.open
            && open.run.end() == position.0
            && open.bytes == bytes
            && open.head.goes_on_with(open.run.count, message)
        {
            open.run.count += 1;
            return;
        }
        self.close_messages();
        self.open = Some(Messages {
            run: Run {
                first: position.0,
                count: 1,
            },
            bytes,
            head: MessageHead::of(message),
        });
    }

    /// The next record is another than a message: its kind and payload.
    pub fn record(&mut self, position: Position, payload: &[u8]) {
        self.close_messages();
        self.put_gap(position);
        self.out.push(IS_RECORD);
        self.out.put_varint(payload.len() as u64);
        self.out.extend_from_slice(payload);
        self.next = Some(position.next());
    }

    /// The section.
    pub fn finish(mut self) -> Vec<u8> {
        self.close_messages();
        self.out
    }

    fn put_gap(&mut self, position: Position) {
        let next = self.next.unwrap_or(position);
        self.out.put_varint(position.0 - next.0);
    }

    fn close_messages(&mut self) {
        let Some(Messages { run, bytes, head }) = self.open.take() else {
            return;
        };
        self.put_gap(Position(run.first));
        self.next = Some(Position(run.end()));
        let Arrival {
            came,
            due,
            priority,
            expires,
            bytes: body,
        } = head.arrival;
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let out = &mut self.out;
        out.push(
            flag(due.is_some(), HAS_DUE)
                | flag(!head.fingerprints.is_empty(), HAS_FINGERPRINTS)
                | flag(head.publisher.is_some(), HAS_PUBLISHER)
                | flag(priority > 0, HAS_PRIORITY)
                | flag(expires.is_some(), HAS_EXPIRY)
                | flag(self.came.is_none(), BEGINS_TIME),
        );
        out.put_varint(run.count - 1);
        out.put_varint(bytes.into());
        out.put_queues(&head.queues);
        out.put_zigzag(came.0, self.came.unwrap_or_default());
        self.came = Some(came.0);
        out.put_varint(body.into());
        if let Some(due) = due {
            out.put_zigzag(due.0, came.0);
        }
        if !head.fingerprints.is_empty() {
            fingerprint::write_of_message(out, &head.fingerprints);
        }
        if let Some(publisher) = &head.publisher {
            out.put_short(&publisher.vhost);
            out.put_short(&publisher.publisher);
            out.put_varint(publisher.id.0);
        }
        if priority > 0 {
            out.push(priority);
        }
        if let Some(expires) = expires {
            out.put_zigzag(expires.0, came.0);
        }
    }
}

/// The section of a chunk that has landed, all of whose records take positions.
///
/// # Errors
/// `Damaged` if a record is none: what had landed can be read.
pub fn of(chunk: &LandedChunk) -> Result<Vec<u8>, ChunkError> {
    let mut writer = SummaryWriter::default();
    for entry in chunk.records() {
        let entry = entry?;
        match &entry.record {
            Record::Message(message) => writer.message(entry.position, message, entry.bytes),
            _ => writer.record(entry.position, chunk.payload(entry.position)?),
        }
    }
    Ok(writer.finish())
}

/// Reads a section whose first record stands at `first`.
///
/// # Errors
/// `Damaged` if it is not one: what reads it has checked a checksum before, so another program wrote it.
pub fn read(
    section: &Bytes,
    first: Position,
    wanted: Wanted,
    each: &mut dyn FnMut(Item),
) -> Result<(), ChunkError> {
    let mut cursor = Cursor::new(section, 0..section.len());
    let mut next = first.0;
    let mut came = 0;
    while !cursor.is_at_end() {
        let gap = cursor.varint()?;
        let at = next.checked_add(gap);
        let at = at.ok_or_else(|| damaged("a position is over 64 bits"))?;
        let flags = cursor.u8()?;
        if flags & IS_RECORD != 0 {
            let payload = cursor.stretch()?;
            if wanted == Wanted::All {
                let (_, record) = record::read(section, payload)?;
                each(Item::Record(Position(at), record));
            }
            next = at + 1;
        } else {
            let messages = read_messages(&mut cursor, flags, at, &mut came)?;
            next = messages.run.end();
            each(Item::Messages(messages));
        }
    }
    Ok(())
}

fn read_messages(
    cursor: &mut Cursor<'_>,
    flags: u8,
    first: u64,
    came: &mut u64,
) -> Result<Messages, ChunkError> {
    let count = cursor.varint()?.checked_add(1);
    let count = count.filter(|count| first.checked_add(*count).is_some());
    let count = count.ok_or_else(|| damaged("a position is over 64 bits"))?;
    let narrow = |number| u32::try_from(number).map_err(|_| damaged("a length is over 32 bits"));
    let bytes = narrow(cursor.varint()?)?;
    let queues = cursor.queues()?.collect();
    let has = |flag| flags & flag != 0;
    *came = cursor.zigzag(if has(BEGINS_TIME) { 0 } else { *came })?;
    let body = narrow(cursor.varint()?)?;
    let due = match has(HAS_DUE) {
        true => Some(Timestamp(cursor.zigzag(*came)?)),
        false => None,
    };
    let fingerprints = match has(HAS_FINGERPRINTS) {
        true => fingerprint::read_of_message(cursor)?,
        false => Vec::new(),
    };
    let publisher = match has(HAS_PUBLISHER) {
        true => Some(Publishing {
            vhost: cursor.short_str()?,
            publisher: cursor.short_str()?,
            id: PublishingId(cursor.varint()?),
        }),
        false => None,
    };
    let priority = if has(HAS_PRIORITY) { cursor.u8()? } else { 0 };
    let expires = match has(HAS_EXPIRY) {
        true => Some(Timestamp(cursor.zigzag(*came)?)),
        false => None,
    };
    Ok(Messages {
        run: Run { first, count },
        bytes,
        head: MessageHead {
            queues,
            arrival: Arrival {
                came: Timestamp(*came),
                due,
                priority,
                expires,
                bytes: body,
            },
            publisher,
            fingerprints,
        },
    })
}

#[cfg(test)]
mod tests;
