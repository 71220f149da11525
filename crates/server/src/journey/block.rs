//! The bytes of a block: what happened in some turns, with the names that it needs, so that each block can be read
//! alone and whatever is damaged costs itself only.
//!
//! All integers are little-endian. The numbers below are frozen: a later version may add, never change.
//!
//! ```text
//! block = header, items
//!
//! header, 48 bytes:
//!   0 magic    "LFJB"
//!   4 version  u16   1
//!   6 zero     u16   0
//!   8 length   u32   bytes of the whole block, header included
//!  12 crc      u32   CRC-32C of bytes 0..12 and 16..length
//!  16 from     u64   the time of the first item, in ms since 1970
//!  24 to       u64   the time of the last one
//!  32 lowest   u64   the lowest position that is named; 0 where something concerns all messages
//!  40 highest  u64   the highest one
//!
//! item = kind u8, and by kind
//!   1 time           ms since the last time in this block (at first: since `from`)
//!   2 queue          id, vhost short, name short
//!   3 connection     id, user short, peer short
//!   4 consumer       number, connection, channel, tag short
//!   5 published      flags u8 (1: by a client, 2: with a publishing id), how many queues, queue ids, exchange short,
//!                    routing key short, with flag 1: connection, channel; with flag 2: publisher short, publishing
//!                    id of the first; then run
//!   6 message id     position, text short
//!   7 delivered      queue, to u8 (0: a consumer: number; 1: basic.get: connection, channel), attempt, run
//!   8 attempt ended  queue, position, attempt, outcome u8 (0 returned, 1 refused, 2 timed out, 3 lost, 4 acknowledged
//!                    late), then u8 (0: ready, 1: delayed: due time in ms since 1970, 2: leaves)
//!   9 delayed        queue, position, due time
//!  10 due            queue, position
//!  11 parked         queue, position, why u8 (0 rejected, 1 expired, 2 maxlen, 3 delivery limit)
//!  12 copied         queue, position, the copy's position, for u8 (as `why`; 4: redriven, 5: moved)
//!  13 redriven       queue, position
//!  14 settled        queue, how u8 (0 acknowledged, 1 expired, 2 dead-lettered, 3 dropped, 4 redriven, 5 moved), how many
//!                    runs, and for each: numbers left out since the last, run's count less one
//!  15 started        nothing: the server came up
//!  16 left out       how many blocks could not be written before this one
//!
//! run = first position, count less one
//! short = length u8, UTF-8; integers without a type are varints: seven bits an octet, the lowest first
//! ```

use broker::journey::Origin;
mod reading;
#[cfg(test)]
pub(super) use reading::take_item;
pub(super) use reading::{Header, header, items};

use broker::journey::{ConsumerName, Errand, Event, Outcome, Published, QueueName, Receiver, Then};
use model::record::{Ending, Reason};
use model::{ConnectionId, Position, QueueId, Run, Runs, ShortStr, Timestamp};

/// The bytes before the items.
pub(super) const HEADER: usize = 48;

const MAGIC: [u8; 4] = *b"LFJB";
const VERSION: u16 = 1;

/// The most runs of one item: more are told by several.
const RUNS_MAX: usize = 16_384;

/// No block is longer.
pub(super) const LENGTH_MAX: usize = 64 * 1024 * 1024;

/// What a block tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Time(u64),
    Queue(QueueId, QueueName),
    Connection(ConnectionId, Peer),
    Consumer(u64, ConsumerName),
    Published(Published),
    MessageId(Position, ShortStr),
    Event(Event),
    Started,
    LeftOut(u64),
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) user: ShortStr,
    pub(super) address: ShortStr,
}

mod kind {
    pub(super) const TIME: u8 = 1;
    pub(super) const QUEUE: u8 = 2;
    pub(super) const CONNECTION: u8 = 3;
    pub(super) const CONSUMER: u8 = 4;
    pub(super) const PUBLISHED: u8 = 5;
    pub(super) const MESSAGE_ID: u8 = 6;
    pub(super) const DELIVERED: u8 = 7;
    pub(super) const ATTEMPT_ENDED: u8 = 8;
    pub(super) const DELAYED: u8 = 9;
    pub(super) const DUE: u8 = 10;
    pub(super) const PARKED: u8 = 11;
    pub(super) const COPIED: u8 = 12;
    pub(super) const REDRIVEN: u8 = 13;
    pub(super) const SETTLED: u8 = 14;
    pub(super) const STARTED: u8 = 15;
    pub(super) const LEFT_OUT: u8 = 16;
}

const BY_CLIENT: u8 = 1;
const NUMBERED: u8 = 2;

const TO_CONSUMER: u8 = 0;
const TO_GET: u8 = 1;

const READY: u8 = 0;
const DELAYED: u8 = 1;
const LEAVES: u8 = 2;

const REDRIVE: u8 = Reason::ALL.len() as u8;
const MOVE: u8 = REDRIVE + 1;

const OUTCOMES: [Outcome; 5] = [
    Outcome::Returned,
    Outcome::Refused,
    Outcome::TimedOut,
    Outcome::Lost,
    Outcome::AcknowledgedLate,
];

/// A block that grows.
#[derive(Debug, Default)]
pub(super) struct Builder {
    /// Empty, or the header's place and the items.
    bytes: Vec<u8>,
    from: Timestamp,
    to: Timestamp,
    positions: Option<(u64, u64)>,
}

impl Builder {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What follows happened now.
    pub(super) fn time(&mut self, now: Timestamp) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER, 0);
            (self.from, self.to) = (now, now);
        } else if now > self.to {
            self.bytes.push(kind::TIME);
            self.bytes.put(now.0 - self.to.0);
            self.to = now;
        }
    }

    pub(super) fn queue(&mut self, id: QueueId, name: &QueueName) {
        self.bytes.push(kind::QUEUE);
        self.bytes.put(id.0);
        self.bytes.put_short(name.vhost.as_bytes());
        self.bytes.put_short(name.name.as_bytes());
    }

    pub(super) fn connection(&mut self, id: ConnectionId, peer: &Peer) {
        self.bytes.push(kind::CONNECTION);
        self.bytes.put(id.0);
        self.bytes.put_short(peer.user.as_bytes());
        self.bytes.put_short(peer.address.as_bytes());
    }

    pub(super) fn consumer(&mut self, number: u64, name: &ConsumerName) {
        self.bytes.push(kind::CONSUMER);
        self.bytes.put(number);
        self.bytes.put(name.connection.0);
        self.bytes.put(name.channel.0.into());
        self.bytes.put_short(name.tag.as_bytes());
    }

    pub(super) fn published(&mut self, message: &Published) {
        let by_client = u8::from(matches!(message.origin, Origin::Client(..))) * BY_CLIENT;
        let numbered = u8::from(message.publisher.is_some()) * NUMBERED;
        self.bytes.push(kind::PUBLISHED);
        self.bytes.push(by_client | numbered);
        self.bytes.put(message.queues.len() as u64);
        for queue in &message.queues {
            self.bytes.put(queue.0);
        }
        self.bytes.put_short(message.exchange.as_bytes());
        self.bytes.put_short(message.routing_key.as_bytes());
        if let Origin::Client(connection, channel) = message.origin {
            self.bytes.put(connection.0);
            self.bytes.put(channel.0.into());
        }
        if let Some((publisher, first)) = &message.publisher {
            self.bytes.put_short(publisher.as_bytes());
            self.bytes.put(first.0);
        }
        self.run(message.run);
    }

    pub(super) fn message_id(&mut self, position: Position, id: &str) {
        self.bytes.push(kind::MESSAGE_ID);
        self.position(position);
        self.bytes.put_short(id.as_bytes());
    }

    pub(super) fn started(&mut self) {
        self.bytes.push(kind::STARTED);
        self.widen(0, 0);
    }

    pub(super) fn left_out(&mut self, blocks: u64) {
        self.bytes.push(kind::LEFT_OUT);
        self.bytes.put(blocks);
        self.widen(0, 0);
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Delivered {
                queue,
                to,
                attempt,
                run,
            } => {
                self.of_queue(kind::DELIVERED, *queue);
                match *to {
                    Receiver::Consumer(number) => {
                        self.bytes.push(TO_CONSUMER);
                        self.bytes.put(number);
                    }
                    Receiver::Get(connection, channel) => {
                        self.bytes.push(TO_GET);
                        self.bytes.put(connection.0);
                        self.bytes.put(channel.0.into());
                    }
                }
                self.bytes.put((*attempt).into());
                self.run(*run);
            }
            Event::AttemptEnded {
                queue,
                position,
                attempt,
                outcome,
                then,
            } => {
                self.of_message(kind::ATTEMPT_ENDED, *queue, *position);
                self.bytes.put((*attempt).into());
                self.bytes.push(*outcome as u8);
                match then {
                    Then::Ready => self.bytes.push(READY),
                    Then::Delayed(due) => {
                        self.bytes.push(DELAYED);
                        self.bytes.put(due.0);
                    }
                    Then::Leaves => self.bytes.push(LEAVES),
                }
            }
            Event::Delayed {
                queue,
                position,
                due,
            } => {
                self.of_message(kind::DELAYED, *queue, *position);
                self.bytes.put(due.0);
            }
            Event::Due { queue, position } => self.of_message(kind::DUE, *queue, *position),
            Event::Parked {
                queue,
                position,
                why,
            } => {
                self.of_message(kind::PARKED, *queue, *position);
                self.bytes.push(*why as u8);
            }
            Event::Copied {
                queue,
                position,
                copy,
                errand,
            } => {
                self.of_message(kind::COPIED, *queue, *position);
                self.position(*copy);
                self.bytes.push(match errand {
                    Errand::DeadLetter(reason) => *reason as u8,
                    Errand::Redrive => REDRIVE,
                    Errand::Move => MOVE,
                });
            }
            Event::Redriven { queue, position } => {
                self.of_message(kind::REDRIVEN, *queue, *position);
            }
            Event::Settled {
                queue,
                ending,
                positions,
            } => self.settled(*queue, *ending, positions),
        }
    }

    fn settled(&mut self, queue: QueueId, ending: Ending, positions: &Runs) {
        for runs in positions.as_slice().chunks(RUNS_MAX) {
            self.of_queue(kind::SETTLED, queue);
            self.bytes.push(ending as u8);
            self.bytes.put(runs.len() as u64);
            let mut end = 0;
            for run in runs {
                self.bytes.put(run.first - end);
                self.bytes.put(run.count - 1);
                end = run.end();
            }
            self.widen(runs[0].first, end - 1);
        }
    }

    fn of_queue(&mut self, kind: u8, queue: QueueId) {
        self.bytes.push(kind);
        self.bytes.put(queue.0);
    }

    fn of_message(&mut self, kind: u8, queue: QueueId, position: Position) {
        self.of_queue(kind, queue);
        self.position(position);
    }

    fn position(&mut self, position: Position) {
        self.bytes.put(position.0);
        self.widen(position.0, position.0);
    }

    fn run(&mut self, run: Run) {
        self.bytes.put(run.first);
        self.bytes.put(run.count - 1);
        self.widen(run.first, run.end() - 1);
    }

    fn widen(&mut self, lowest: u64, highest: u64) {
        let (low, high) = self.positions.unwrap_or((lowest, highest));
        self.positions = Some((low.min(lowest), high.max(highest)));
    }

    /// The whole block; the builder begins the next.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let (lowest, highest) = self.positions.take().unwrap_or((0, 0));
        let length = u32::try_from(bytes.len()).expect("a block is cut long before 4 GiB");
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(4, &VERSION.to_le_bytes());
        put(8, &length.to_le_bytes());
        put(16, &self.from.0.to_le_bytes());
        put(24, &self.to.0.to_le_bytes());
        put(32, &lowest.to_le_bytes());
        put(40, &highest.to_le_bytes());
        let crc = checksum(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn checksum(block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block[..12]), &block[16..])
}

/// Writes what `reading` reads.
trait Put {
    fn put(&mut self, value: u64);
    fn put_short(&mut self, text: &[u8]);
}

impl Put for Vec<u8> {
    fn put(&mut self, mut value: u64) {
        while value > 0x7f {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    fn put_short(&mut self, text: &[u8]) {
        self.push(u8::try_from(text.len()).expect("names are at most 255 bytes"));
        self.extend_from_slice(text);
    }
}
