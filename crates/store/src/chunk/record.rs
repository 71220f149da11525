//! The payloads of records. The picture, in the notation of `chunk.rs`:
//!
//! ```text
//! kind              payload
//!  1 message        flags u8 (1: has a publisher, 2: has a due time, 4: has fingerprints),
//!                   accepted u64 (ms since 1970), queues,
//!                   if flags & 2: due u64 (ms since 1970),
//!                   if flags & 4: how many varint, {queue varint, fingerprint}, drawn in chunk/fingerprint.rs;
//!                   exchange short, routing key short,
//!                   if flags & 1: vhost short, publisher short, publishing id u64;
//!                   properties long, body (the rest)
//!  2 relocated      original position u64, then as 1; the queues are those that still need the message
//!  3 settled        queue varint, runs: acknowledged
//!  4 delivered      queue varint, runs
//!  5 checkpoint     begin u64 (position), next queue id u64
//!  6 stopped        nothing
//!  7 ended          queue varint, how u8 (1 expired, 2 dead-lettered, 3 dropped, 4 redriven, 5 moved), runs
//!  8 waiting        drawn in chunk/waiting.rs
//!  9 remembered     drawn in chunk/fingerprint.rs
//! from 16           definitions, drawn in chunk/definition.rs
//!
//! varint = seven bits an octet, the lowest first, the eighth bit set if more follow; at most 64 bits
//! short  = length u8, bytes (UTF-8)          long = length u32, bytes
//! queues = bytes of the list varint, queue ids varint
//! runs   = to the end of the record: {numbers left out since the last run varint, numbers in the run - 1 varint}
//! ```

use super::cursor::{Cursor, Put, Queues};
use super::{ChunkError, damaged, definition, fingerprint, waiting};
use bytes::Bytes;
use model::record::{Ending, Publishing};
use model::{MessageRecord, Position, Properties, PublishingId, QueueId, Record, Timestamp};
use std::ops::Range;

/// The octets of the length in front of a record.
pub(super) const LENGTH_OCTETS: usize = 4;

/// The numbers of the kinds that are not definitions.
mod kind {
    pub(super) const MESSAGE: u8 = 1;
    pub(super) const RELOCATED: u8 = 2;
    pub(super) const SETTLED: u8 = 3;
    pub(super) const DELIVERED: u8 = 4;
    pub(super) const CHECKPOINT: u8 = 5;
    pub(super) const STOPPED: u8 = 6;
    pub(super) const ENDED: u8 = 7;
    pub(super) const WAITING: u8 = 8;
    pub(super) const REMEMBERED: u8 = 9;
}

const HAS_PUBLISHER: u8 = 1;
const HAS_DUE: u8 = 2;
const HAS_FINGERPRINTS: u8 = 4;

/// A message where it stands in its chunk: reading it allocates nothing.
#[derive(Clone, Debug)]
pub struct MessageView<'a> {
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The queues that it was routed to; of a relocated message those that still needed it then.
    pub queues: Queues<'a>,
    /// The exchange that it was published to.
    pub exchange: &'a [u8],
    /// The routing key that it was published with.
    pub routing_key: &'a [u8],
    /// Its properties, as they came, flags first.
    pub properties: &'a [u8],
    /// Its body, sharing the chunk.
    pub body: Bytes,
    /// The record's flags, and what follows the list of queues: a relocated copy takes it over as it is.
    flags: u8,
    tail: &'a [u8],
}

impl<'a> MessageView<'a> {
    /// Reads the message of a record; an error if the record is of another kind.
    pub(super) fn read(chunk: &'a Bytes, payload: Range<usize>) -> Result<Self, ChunkError> {
        let mut cursor = Cursor::new(chunk, payload);
        match cursor.u8()? {
            kind::MESSAGE => {}
            kind::RELOCATED => {
                cursor.u64()?;
            }
            _ => return Err(damaged("the record is not a message")),
        }
        Self::read_body(&mut cursor)
    }

    fn read_body(cursor: &mut Cursor<'a>) -> Result<Self, ChunkError> {
        let flags = cursor.u8()?;
        let accepted = Timestamp(cursor.u64()?);
        let queues = cursor.queues()?;
        let tail = cursor.rest();
        if flags & HAS_DUE != 0 {
            cursor.u64()?;
        }
        if flags & HAS_FINGERPRINTS != 0 {
            fingerprint::skip_of_message(cursor)?;
        }
        let exchange = cursor.short()?;
        let routing_key = cursor.short()?;
        if flags & HAS_PUBLISHER != 0 {
            cursor.short()?;
            cursor.short()?;
            cursor.u64()?;
        }
        Ok(Self {
            accepted,
            queues,
            exchange,
            routing_key,
            properties: cursor.long()?,
            body: cursor.take_rest(),
            flags,
            tail,
        })
    }
}

/// Finds the record at `offset`: its payload, kind included, and where the next begins.
pub(super) fn at(chunk: &Bytes, offset: usize) -> Result<(Range<usize>, usize), ChunkError> {
    let start = offset + LENGTH_OCTETS;
    let octets = chunk
        .get(offset..start)
        .and_then(|octets| octets.first_chunk());
    let length = octets.map(|octets| u32::from_le_bytes(*octets) as usize);
    match length {
        Some(length) if length >= 1 && length <= chunk.len() - start => {
            Ok((start..start + length, start + length))
        }
        _ => Err(damaged("a record's length points past the end")),
    }
}

/// Checks that a record can be read; returns the original position of a relocated message.
pub(super) fn check(chunk: &Bytes, payload: Range<usize>) -> Result<Option<Position>, ChunkError> {
    let mut cursor = Cursor::new(chunk, payload.clone());
    match cursor.u8()? {
        kind::MESSAGE => MessageView::read_body(&mut cursor).map(|_| None),
        kind::RELOCATED => {
            let original = Position(cursor.u64()?);
            MessageView::read_body(&mut cursor).map(|_| Some(original))
        }
        _ => read(chunk, payload).map(|_| None),
    }
}

/// Decodes a record; with it comes the original position of a relocated message.
pub(super) fn read(
    chunk: &Bytes,
    payload: Range<usize>,
) -> Result<(Option<Position>, Record), ChunkError> {
    let mut cursor = Cursor::new(chunk, payload);
    let mut original = None;
    let record = match cursor.u8()? {
        kind::MESSAGE => read_message(&mut cursor)?,
        kind::RELOCATED => {
            original = Some(Position(cursor.u64()?));
            read_message(&mut cursor)?
        }
        kind::SETTLED => {
            let queue = QueueId(cursor.varint()?);
            Record::Settled(queue, Ending::Acknowledged, cursor.runs()?)
        }
        kind::ENDED => {
            let queue = QueueId(cursor.varint()?);
            let how = Ending::ALL.get(usize::from(cursor.u8()?)).copied();
            let how = how.filter(|how| *how != Ending::Acknowledged);
            let how = how.ok_or_else(|| damaged("messages ended in no known way"))?;
            Record::Settled(queue, how, cursor.runs()?)
        }
        kind::WAITING => waiting::read(&mut cursor)?,
        kind::REMEMBERED => fingerprint::read(&mut cursor)?,
        kind::DELIVERED => Record::Delivered(QueueId(cursor.varint()?), cursor.runs()?),
        kind::CHECKPOINT => Record::Checkpoint {
            begin: Position(cursor.u64()?),
            next_queue: QueueId(cursor.u64()?),
        },
        kind::STOPPED => Record::Stopped,
        other => Record::Definition(definition::read(other, &mut cursor)?),
    };
    cursor.finish()?;
    Ok((original, record))
}

fn read_message(cursor: &mut Cursor<'_>) -> Result<Record, ChunkError> {
    let flags = cursor.u8()?;
    let accepted = Timestamp(cursor.u64()?);
    let queues = cursor.queues()?.collect();
    let due = match flags & HAS_DUE {
        0 => None,
        _ => Some(Timestamp(cursor.u64()?)),
    };
    let fingerprints = match flags & HAS_FINGERPRINTS {
        0 => Vec::new(),
        _ => fingerprint::read_of_message(cursor)?,
    };
    let exchange = cursor.short_str()?;
    let routing_key = cursor.short_str()?;
    let publisher = if flags & HAS_PUBLISHER == 0 {
        None
    } else {
        Some(Publishing {
            vhost: cursor.short_str()?,
            publisher: cursor.short_str()?,
            id: PublishingId(cursor.u64()?),
        })
    };
    Ok(Record::Message(MessageRecord {
        queues,
        publisher,
        accepted,
        due,
        fingerprints,
        exchange,
        routing_key,
        properties: Properties::from_bytes(cursor.long_bytes()?)
            .map_err(|_| damaged("properties are malformed"))?,
        body: cursor.take_rest(),
    }))
}

/// Appends a record's kind and payload.
pub(super) fn write(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Message(message) => write_message(out, message),
        Record::Settled(queue, Ending::Acknowledged, runs) => {
            write_runs(out, kind::SETTLED, *queue, runs);
        }
        Record::Settled(queue, how, runs) => {
            out.push(kind::ENDED);
            out.put_varint(queue.0);
            out.push(*how as u8);
            out.put_runs(runs);
        }
        Record::Waiting(queue, all) => {
            out.push(kind::WAITING);
            waiting::write(out, *queue, all);
        }
        Record::Remembered(queue, all) => {
            out.push(kind::REMEMBERED);
            fingerprint::write(out, *queue, all);
        }
        Record::Delivered(queue, runs) => write_runs(out, kind::DELIVERED, *queue, runs),
        Record::Definition(definition) => definition::write(out, definition),
        Record::Checkpoint { begin, next_queue } => {
            out.push(kind::CHECKPOINT);
            out.extend_from_slice(&begin.0.to_le_bytes());
            out.extend_from_slice(&next_queue.0.to_le_bytes());
        }
        Record::Stopped => out.push(kind::STOPPED),
    }
}

fn write_runs(out: &mut Vec<u8>, kind: u8, queue: QueueId, runs: &model::Runs) {
    out.push(kind);
    out.put_varint(queue.0);
    out.put_runs(runs);
}

fn write_message(out: &mut Vec<u8>, message: &MessageRecord) {
    let mut flags = 0;
    if message.publisher.is_some() {
        flags |= HAS_PUBLISHER;
    }
    if message.due.is_some() {
        flags |= HAS_DUE;
    }
    if !message.fingerprints.is_empty() {
        flags |= HAS_FINGERPRINTS;
    }
    out.push(kind::MESSAGE);
    out.push(flags);
    out.extend_from_slice(&message.accepted.0.to_le_bytes());
    out.put_queues(&message.queues);
    if let Some(due) = message.due {
        out.extend_from_slice(&due.0.to_le_bytes());
    }
    if !message.fingerprints.is_empty() {
        fingerprint::write_of_message(out, &message.fingerprints);
    }
    out.put_short(&message.exchange);
    out.put_short(&message.routing_key);
    if let Some(Publishing {
        vhost,
        publisher,
        id,
    }) = &message.publisher
    {
        out.put_short(vhost);
        out.put_short(publisher);
        out.extend_from_slice(&id.0.to_le_bytes());
    }
    out.put_long(message.properties.as_bytes());
    out.extend_from_slice(&message.body);
}

/// Appends a copy of a message that keeps its position.
pub(super) fn write_relocated(
    out: &mut Vec<u8>,
    original: Position,
    queues: &[QueueId],
    view: &MessageView<'_>,
) {
    out.push(kind::RELOCATED);
    out.extend_from_slice(&original.0.to_le_bytes());
    out.push(view.flags);
    out.extend_from_slice(&view.accepted.0.to_le_bytes());
    out.put_queues(queues);
    out.extend_from_slice(view.tail);
}
