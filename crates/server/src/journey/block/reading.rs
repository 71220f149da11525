//! Reading a block again. Reading is total: whatever the bytes are, it ends with items or with nothing.

use super::{
    BY_CLIENT, DELAYED, HEADER, Item, LEAVES, LENGTH_MAX, MAGIC, MOVE, NUMBERED, OUTCOMES, Peer,
    READY, REDRIVE, TO_CONSUMER, TO_GET, VERSION, checksum, kind,
};
use broker::journey::{ConsumerName, Errand, Event, Origin, Published, QueueName, Receiver, Then};
use model::record::{Ending, Reason};
use model::{
    ChannelNumber, ConnectionId, Position, PublishingId, QueueId, Run, Runs, ShortStr, Timestamp,
};
use smallvec::SmallVec;

/// What a block says about itself; believe it after [`items`] has checked the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journey) struct Header {
    pub(in crate::journey) length: usize,
    pub(in crate::journey) from: Timestamp,
    pub(in crate::journey) to: Timestamp,
    pub(in crate::journey) lowest: u64,
    pub(in crate::journey) highest: u64,
}

/// Reads a header; `None` where no block of this version begins.
pub(in crate::journey) fn header(bytes: &[u8; HEADER]) -> Option<Header> {
    let u64_at = |at: usize| {
        let field = bytes[at..].first_chunk().expect("a field lies within");
        u64::from_le_bytes(*field)
    };
    if bytes[..4] != MAGIC || bytes[4..8] != [VERSION as u8, 0, 0, 0] {
        return None;
    }
    let header = Header {
        length: (u64_at(8) & u64::from(u32::MAX)) as usize,
        from: Timestamp(u64_at(16)),
        to: Timestamp(u64_at(24)),
        lowest: u64_at(32),
        highest: u64_at(40),
    };
    (HEADER..=LENGTH_MAX)
        .contains(&header.length)
        .then_some(header)
}

/// The items of a whole block; `None` if it is damaged.
pub(in crate::journey) fn items(block: &[u8]) -> Option<Vec<Item>> {
    let crc = block
        .get(12..16)?
        .first_chunk()
        .map(|crc| u32::from_le_bytes(*crc))?;
    if block.len() < HEADER || checksum(block) != crc {
        return None;
    }
    let mut rest = &block[HEADER..];
    let mut items = Vec::new();
    while !rest.is_empty() {
        items.push(take_item(&mut rest)?);
    }
    Some(items)
}

pub(in crate::journey) fn take_item(rest: &mut &[u8]) -> Option<Item> {
    let kind = take_u8(rest)?;
    Some(match kind {
        kind::TIME => Item::Time(take(rest)?),
        kind::QUEUE => {
            let id = QueueId(take(rest)?);
            let vhost = take_short(rest)?;
            let name = take_short(rest)?;
            Item::Queue(id, QueueName { vhost, name })
        }
        kind::CONNECTION => {
            let id = ConnectionId(take(rest)?);
            let user = take_short(rest)?;
            let address = take_short(rest)?;
            Item::Connection(id, Peer { user, address })
        }
        kind::CONSUMER => {
            let number = take(rest)?;
            let name = ConsumerName {
                connection: ConnectionId(take(rest)?),
                channel: take_channel(rest)?,
                tag: take_short(rest)?,
            };
            Item::Consumer(number, name)
        }
        kind::PUBLISHED => Item::Published(take_published(rest)?),
        kind::MESSAGE_ID => Item::MessageId(Position(take(rest)?), take_short(rest)?),
        kind::STARTED => Item::Started,
        kind::LEFT_OUT => Item::LeftOut(take(rest)?),
        _ => Item::Event(take_event(kind, rest)?),
    })
}

fn take_published(rest: &mut &[u8]) -> Option<Published> {
    let flags = take_u8(rest)?;
    let mut queues = SmallVec::new();
    for _ in 0..take(rest)? {
        queues.push(QueueId(take(rest)?));
    }
    let exchange = take_short(rest)?;
    let routing_key = take_short(rest)?;
    let origin = match flags & BY_CLIENT {
        0 => Origin::Server,
        _ => Origin::Client(ConnectionId(take(rest)?), take_channel(rest)?),
    };
    let publisher = match flags & NUMBERED {
        0 => None,
        _ => Some((take_short(rest)?, PublishingId(take(rest)?))),
    };
    Some(Published {
        origin,
        queues,
        exchange,
        routing_key,
        publisher,
        run: take_run(rest)?,
    })
}

fn take_event(kind: u8, rest: &mut &[u8]) -> Option<Event> {
    let queue = QueueId(take(rest)?);
    if kind == kind::DELIVERED {
        let to = match take_u8(rest)? {
            TO_CONSUMER => Receiver::Consumer(take(rest)?),
            TO_GET => Receiver::Get(ConnectionId(take(rest)?), take_channel(rest)?),
            _ => return None,
        };
        return Some(Event::Delivered {
            queue,
            to,
            attempt: take(rest)?.try_into().ok()?,
            run: take_run(rest)?,
        });
    }
    if kind == kind::SETTLED {
        let ending = *Ending::ALL.get(usize::from(take_u8(rest)?))?;
        let positions = take_runs(rest)?;
        return Some(Event::Settled {
            queue,
            ending,
            positions,
        });
    }
    let position = Position(take(rest)?);
    Some(match kind {
        kind::ATTEMPT_ENDED => Event::AttemptEnded {
            queue,
            position,
            attempt: take(rest)?.try_into().ok()?,
            outcome: *OUTCOMES.get(usize::from(take_u8(rest)?))?,
            then: match take_u8(rest)? {
                READY => Then::Ready,
                DELAYED => Then::Delayed(Timestamp(take(rest)?)),
                LEAVES => Then::Leaves,
                _ => return None,
            },
        },
        kind::DELAYED => Event::Delayed {
            queue,
            position,
            due: Timestamp(take(rest)?),
        },
        kind::DUE => Event::Due { queue, position },
        kind::PARKED => Event::Parked {
            queue,
            position,
            why: *Reason::ALL.get(usize::from(take_u8(rest)?))?,
        },
        kind::COPIED => Event::Copied {
            queue,
            position,
            copy: Position(take(rest)?),
            errand: match take_u8(rest)? {
                REDRIVE => Errand::Redrive,
                MOVE => Errand::Move,
                reason => Errand::DeadLetter(*Reason::ALL.get(usize::from(reason))?),
            },
        },
        kind::REDRIVEN => Event::Redriven { queue, position },
        _ => return None,
    })
}

fn take_runs(rest: &mut &[u8]) -> Option<Runs> {
    let mut end = 0u64;
    let mut runs = Vec::new();
    for _ in 0..take(rest)? {
        let first = end.checked_add(take(rest)?)?;
        let count = take(rest)?.checked_add(1)?;
        end = first.checked_add(count)?;
        runs.push(Run { first, count });
    }
    Some(runs.into_iter().collect())
}

fn take_run(rest: &mut &[u8]) -> Option<Run> {
    let first = take(rest)?;
    let count = take(rest)?.checked_add(1)?;
    first.checked_add(count)?;
    Some(Run { first, count })
}

fn take_channel(rest: &mut &[u8]) -> Option<ChannelNumber> {
    Some(ChannelNumber(take(rest)?.try_into().ok()?))
}

fn take_u8(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

fn take_short(rest: &mut &[u8]) -> Option<ShortStr> {
    let length = usize::from(take_u8(rest)?);
    let (text, others) = rest.split_at_checked(length)?;
    *rest = others;
    ShortStr::try_from(std::str::from_utf8(text).ok()?).ok()
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let octet = take_u8(rest)?;
        let bits = u64::from(octet & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
