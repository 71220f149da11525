//! The payloads of definitions, in the notation of `chunk/record.rs`; those that operators make are in
//! `chunk/access.rs`:
//!
//! ```text
//! kind                  payload
//! 18 exchange made      vhost short, name short, kind short, flags u8 (1 durable, 2 auto-delete, 4 internal),
//!                       arguments long
//! 19 exchange removed   vhost short, name short
//! 20 queue made         vhost short, id u64, name short, flags u8 (1 durable, 2 auto-delete, 8 exclusive),
//!                       arguments long
//! 21 queue removed      id u64
//! 22 bound              vhost short, source short, destination, routing key short, arguments long
//! 23 unbound            as 22
//! 24 publisher landed   vhost short, publisher short, runs (publishing ids)
//! 37 queue paused       id u64, u8 (1 it hands nothing out, 0 it does again)
//! 34 queue counted      id u64; varints: accepted, acknowledged, expired, dead-lettered, dropped, redriven, and moved if
//!                       any were
//!
//! destination = 0 u8, queue id u64   or   1 u8, exchange short
//! ```

use super::cursor::{Cursor, Put};
use super::{ChunkError, access, damaged};
use model::record::{
    BindingDefinition, Destination, Ending, ExchangeDefinition, QueueDefinition, Tally,
};
use model::{Definition, QueueId, ShortStr};

/// The numbers of the kinds.
mod kind {
    pub(super) const EXCHANGE_MADE: u8 = 18;
    pub(super) const EXCHANGE_REMOVED: u8 = 19;
    pub(super) const QUEUE_MADE: u8 = 20;
    pub(super) const QUEUE_REMOVED: u8 = 21;
    pub(super) const BOUND: u8 = 22;
    pub(super) const UNBOUND: u8 = 23;
    pub(super) const PUBLISHER_LANDED: u8 = 24;
    pub(super) const QUEUE_COUNTED: u8 = 34;
    pub(super) const QUEUE_PAUSED: u8 = 37;
}

const DURABLE: u8 = 1;
const AUTO_DELETE: u8 = 2;
const INTERNAL: u8 = 4;
const EXCLUSIVE: u8 = 8;

/// So many ways to end are always told; those that came later, where messages ended so.
const ENDINGS_AT_FIRST: usize = 5;

const TO_QUEUE: u8 = 0;
const TO_EXCHANGE: u8 = 1;

/// Decodes the definition of a kind.
pub(super) fn read(kind: u8, cursor: &mut Cursor<'_>) -> Result<Definition, ChunkError> {
    Ok(match kind {
        kind::EXCHANGE_MADE => Definition::ExchangeMade {
            vhost: cursor.short_str()?,
            exchange: read_exchange(cursor)?,
        },
        kind::EXCHANGE_REMOVED => Definition::ExchangeRemoved {
            vhost: cursor.short_str()?,
            exchange: cursor.short_str()?,
        },
        kind::QUEUE_MADE => Definition::QueueMade {
            vhost: cursor.short_str()?,
            queue: read_queue(cursor)?,
        },
        kind::QUEUE_REMOVED => Definition::QueueRemoved {
            queue: QueueId(cursor.u64()?),
        },
        kind::BOUND => Definition::Bound(read_binding(cursor)?),
        kind::UNBOUND => Definition::Unbound(read_binding(cursor)?),
        kind::PUBLISHER_LANDED => Definition::PublisherLanded {
            vhost: cursor.short_str()?,
            publisher: cursor.short_str()?,
            landed: cursor.runs()?,
        },
        kind::QUEUE_COUNTED => Definition::QueueCounted {
            queue: QueueId(cursor.u64()?),
            tally: read_tally(cursor)?,
        },
        kind::QUEUE_PAUSED => Definition::QueuePaused {
            queue: QueueId(cursor.u64()?),
            paused: cursor.u8()? != 0,
        },
        _ => return access::read(kind, cursor),
    })
}

fn read_tally(cursor: &mut Cursor<'_>) -> Result<Tally, ChunkError> {
    let mut tally = Tally::of_accepted(cursor.varint()?);
    for (place, how) in Ending::ALL.into_iter().enumerate() {
        if place < ENDINGS_AT_FIRST || !cursor.rest().is_empty() {
            tally.add_ended(how, cursor.varint()?);
        }
    }
    Ok(tally)
}

fn read_exchange(cursor: &mut Cursor<'_>) -> Result<ExchangeDefinition, ChunkError> {
    let name = cursor.short_str()?;
    let kind = cursor.short_str()?;
    let flags = cursor.u8()?;
    Ok(ExchangeDefinition {
        name,
        kind,
        durable: flags & DURABLE != 0,
        auto_delete: flags & AUTO_DELETE != 0,
        internal: flags & INTERNAL != 0,
        arguments: cursor.table()?,
    })
}

fn read_queue(cursor: &mut Cursor<'_>) -> Result<QueueDefinition, ChunkError> {
    let id = QueueId(cursor.u64()?);
    let name = cursor.short_str()?;
    let flags = cursor.u8()?;
    Ok(QueueDefinition {
        id,
        name,
        durable: flags & DURABLE != 0,
        exclusive: flags & EXCLUSIVE != 0,
        auto_delete: flags & AUTO_DELETE != 0,
        arguments: cursor.table()?,
    })
}

fn read_binding(cursor: &mut Cursor<'_>) -> Result<BindingDefinition, ChunkError> {
    Ok(BindingDefinition {
        vhost: cursor.short_str()?,
        source: cursor.short_str()?,
        destination: match cursor.u8()? {
            TO_QUEUE => Destination::Queue(QueueId(cursor.u64()?)),
            TO_EXCHANGE => Destination::Exchange(cursor.short_str()?),
            _ => {
                return Err(damaged("unknown destination of a binding"));
            }
        },
        routing_key: cursor.short_str()?,
        arguments: cursor.table()?,
    })
}

/// Appends a definition's kind and payload.
pub(super) fn write(out: &mut Vec<u8>, definition: &Definition) {
    let names = |out: &mut Vec<u8>, kind: u8, names: &[&ShortStr]| {
        out.push(kind);
        for name in names {
            out.put_short(name);
        }
    };
    match definition {
        Definition::ExchangeMade { vhost, exchange } => {
            names(
                out,
                kind::EXCHANGE_MADE,
                &[vhost, &exchange.name, &exchange.kind],
            );
            out.push(flags(&[
                (exchange.durable, DURABLE),
                (exchange.auto_delete, AUTO_DELETE),
                (exchange.internal, INTERNAL),
            ]));
            out.put_long(exchange.arguments.as_bytes());
        }
        Definition::ExchangeRemoved { vhost, exchange } => {
            names(out, kind::EXCHANGE_REMOVED, &[vhost, exchange]);
        }
        Definition::QueueMade { vhost, queue } => {
            names(out, kind::QUEUE_MADE, &[vhost]);
            out.extend_from_slice(&queue.id.0.to_le_bytes());
            out.put_short(&queue.name);
            out.push(flags(&[
                (queue.durable, DURABLE),
                (queue.exclusive, EXCLUSIVE),
                (queue.auto_delete, AUTO_DELETE),
            ]));
            out.put_long(queue.arguments.as_bytes());
        }
        Definition::QueueRemoved { queue } => {
            out.push(kind::QUEUE_REMOVED);
            out.extend_from_slice(&queue.0.to_le_bytes());
        }
        Definition::Bound(binding) => write_binding(out, kind::BOUND, binding),
        Definition::Unbound(binding) => write_binding(out, kind::UNBOUND, binding),
        Definition::PublisherLanded {
            vhost,
            publisher,
            landed,
        } => {
            names(out, kind::PUBLISHER_LANDED, &[vhost, publisher]);
            out.put_runs(landed);
        }
        Definition::QueueCounted { queue, tally } => {
            out.push(kind::QUEUE_COUNTED);
            out.extend_from_slice(&queue.0.to_le_bytes());
            out.put_varint(tally.accepted);
            let all = Ending::ALL.map(|how| tally.ended(how));
            let told = all.iter().rposition(|count| *count > 0);
            let told = told.map_or(0, |last| last + 1).max(ENDINGS_AT_FIRST);
            for count in &all[..told] {
                out.put_varint(*count);
            }
        }
        Definition::QueuePaused { queue, paused } => {
            out.push(kind::QUEUE_PAUSED);
            out.extend_from_slice(&queue.0.to_le_bytes());
            out.push((*paused).into());
        }
        operators => {
            let known = access::write(out, operators);
            assert!(known, "every definition has a kind");
        }
    }
}

fn flags(flags: &[(bool, u8)]) -> u8 {
    flags
        .iter()
        .filter(|(set, _)| *set)
        .fold(0, |all, (_, flag)| all | flag)
}

fn write_binding(out: &mut Vec<u8>, kind: u8, binding: &BindingDefinition) {
    out.push(kind);
    out.put_short(&binding.vhost);
    out.put_short(&binding.source);
    match &binding.destination {
        Destination::Queue(queue) => {
            out.push(TO_QUEUE);
            out.extend_from_slice(&queue.0.to_le_bytes());
        }
        Destination::Exchange(name) => {
            out.push(TO_EXCHANGE);
            out.put_short(name);
        }
    }
    out.put_short(&binding.routing_key);
    out.put_long(binding.arguments.as_bytes());
}
