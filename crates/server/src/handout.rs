//! Handing out: what the shard wants done at a connection becomes bytes, in order.
//!
//! A message is read where it landed, in its chunk: mostly the one that has just been written and is still in
//! memory, else one from the disk, read on a thread of its own. What a slow client does not take waits here as
//! a few numbers for each message, not as its bytes (promise P9).

use crate::inbox::Batch;
use crate::outbox::Outgoing;
use broker::{Delivery, Input, LoginRefused, Slow, Written};
use bytes::{Buf, Bytes};
use model::method::{basic, connection};
use model::publish::{ACQUIRED_COUNT_HEADER, DELIVERY_COUNT_HEADER};
use model::record::Attempts;
use model::{
    ChannelNumber, ConnectionId, Method, Position, Properties, PropertiesBuilder, ReplyCode,
    TableBuilder, Value,
};
use std::collections::VecDeque;
use std::sync::Arc;
use store::{LandedChunk, MessageView, ReadError, Reader};
use tokio::task::JoinHandle;
use tracing::info;
use wire::{Content, ServerConnection};

/// With so many bytes unwritten, nothing more is handed out until the socket has taken them. What is written while
/// it is still in the processor's cache costs half of what it costs from memory.
const OUTPUT_MAX: usize = 128 * 1024;

/// The same while memory is short.
const OUTPUT_MAX_WHEN_SHORT: usize = 16 * 1024;

/// The bytes of chunks held while deliveries are made from them, unless a single one is larger.
const CHUNKS_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How many deliveries ahead one visit to the disk looks.
const FETCH_AHEAD: usize = 2048;

/// Written deliveries are reported when there are so many, or with the next inputs: rarely enough to cost
/// nothing, often enough that the broker never thinks the client slow.
const REPORT_AT: u32 = 512;

/// The side of a connection that speaks to the client.
pub struct Handout {
    connection: ConnectionId,
    reader: Arc<dyn Reader>,
    waiting: VecDeque<Outgoing>,
    waiting_bytes: usize,
    chunks: Chunks,
    fetching: Option<JoinHandle<Result<Fetched, ReadError>>>,
    /// A waiting delivery whose record was found to be gone.
    gone: Option<Position>,
    /// Deliveries in the output.
    unwritten: Written,
    /// Deliveries that the socket took, not yet reported.
    written: Written,
    blocked: bool,
    login_refused: Option<LoginRefused>,
    password_slow: Option<Box<Slow>>,
}

/// What one visit to the disk brought.
#[derive(Debug)]
pub enum Fetched {
    /// The chunks of the next deliveries.
    Chunks(Vec<Arc<LandedChunk>>),
    /// The next delivery's record was reclaimed.
    Gone(Position),
}

impl Handout {
    /// Nothing to do yet.
    pub fn new(connection: ConnectionId, reader: Arc<dyn Reader>) -> Self {
        Self {
            connection,
            reader,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            chunks: Chunks::default(),
            fetching: None,
            gone: None,
            unwritten: Written::default(),
            written: Written::default(),
            blocked: false,
            login_refused: None,
            password_slow: None,
        }
    }

    /// Queues what the shard sent.
    pub fn extend(&mut self, outgoing: Vec<Outgoing>) {
        self.waiting_bytes += outgoing.iter().map(Outgoing::weight).sum::<usize>();
        if self.waiting.is_empty() {
            self.waiting = outgoing.into();
        } else {
            self.waiting.extend(outgoing);
        }
    }

    /// The memory of what waits, in bytes, roughly.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Why the login was refused, told once.
    pub fn take_login_refused(&mut self) -> Option<LoginRefused> {
        self.login_refused.take()
    }

    /// What the client's password has to fit, if somebody has to look at it, told once.
    pub fn take_password_slow(&mut self) -> Option<Box<Slow>> {
        self.password_slow.take()
    }

    /// Whether the client must not be read: its publishes would find no room on the disk, or in memory.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether [`perform`](Self::perform) would do something, if the output had room.
    pub fn can_perform(&self) -> bool {
        self.fetching.is_none() && !self.waiting.is_empty()
    }

    /// Whether a visit to the disk is under way.
    pub fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// Waits for the visit to the disk; for ever if there is none. May be dropped and called again.
    pub async fn fetched(&mut self) -> Result<Fetched, ReadError> {
        let Some(fetching) = &mut self.fetching else {
            return std::future::pending().await;
        };
        let fetched = fetching.await;
        self.fetching = None;
        fetched.expect("a visit to the disk neither panics nor is cancelled while the server runs")
    }

    /// Takes in what the disk had.
    pub fn take_in(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::Chunks(chunks) => self.chunks.replace(chunks),
            Fetched::Gone(position) => self.gone = Some(position),
        }
    }

    /// Does what waits, in order, until nothing does, the output is full, or the disk must be asked.
    pub fn perform(&mut self, wire: &mut ServerConnection, batch: &mut Batch, short: bool) {
        let output_max = if short {
            OUTPUT_MAX_WHEN_SHORT
        } else {
            OUTPUT_MAX
        };
        while self.fetching.is_none() && wire.output().remaining() < output_max {
            let Some(outgoing) = self.waiting.pop_front() else {
                self.chunks.clear();
                return;
            };
            let weight = outgoing.weight();
            match self.perform_one(wire, batch, outgoing) {
                Performed::Done => self.waiting_bytes -= weight,
                Performed::NotInMemory(outgoing) => {
                    self.waiting.push_front(outgoing);
                    self.fetch();
                }
            }
        }
    }

    fn perform_one(
        &mut self,
        wire: &mut ServerConnection,
        batch: &mut Batch,
        outgoing: Outgoing,
    ) -> Performed {
        match outgoing {
            Outgoing::Deliver {
                channel,
                ref consumer_tag,
                delivery,
            } => {
                if self
                    .gone
                    .take_if(|gone| *gone == delivery.position)
                    .is_some()
                {
                    batch.push(Input::Undeliverable(self.connection, channel, delivery.tag));
                } else if self.locate(delivery.position) {
                    let content = self.chunks.content(&delivery);
                    let (tag, again) = (delivery.tag, delivery.redelivered);
                    wire.deliver(channel, consumer_tag, tag, again, content.as_wire());
                    self.note_unwritten(channel, &delivery);
                } else {
                    return Performed::NotInMemory(outgoing);
                }
            }
            Outgoing::GetOk {
                channel,
                delivery,
                message_count,
            } => {
                if self
                    .gone
                    .take_if(|gone| *gone == delivery.position)
                    .is_some()
                {
                    wire.send(channel, &Method::BasicGetEmpty(basic::GetEmpty::default()));
                    batch.push(Input::Undeliverable(self.connection, channel, delivery.tag));
                } else if self.locate(delivery.position) {
                    let content = self.chunks.content(&delivery);
                    let (tag, again) = (delivery.tag, delivery.redelivered);
                    wire.get_ok(channel, tag, again, message_count, content.as_wire());
                    self.note_unwritten(channel, &delivery);
                } else {
                    return Performed::NotInMemory(outgoing);
                }
            }
            other => self.say(wire, other),
        }
        Performed::Done
    }

    /// What needs no message from the store.
    fn say(&mut self, wire: &mut ServerConnection, outgoing: Outgoing) {
        match outgoing {
            Outgoing::LoginChecked(Ok(())) => wire.accept_login(),
            Outgoing::LoginChecked(Err(why)) => self.login_refused = Some(why),
            Outgoing::PasswordSlow(slow) => self.password_slow = Some(slow),
            Outgoing::Send(channel, method) => {
                if matches!(*method, Method::ChannelCloseOk(_)) {
                    self.forget(channel);
                }
                wire.send(channel, &method);
            }
            Outgoing::Return { channel, message } => {
                wire.give_back(channel, ReplyCode::NoRoute, "NO_ROUTE", &message);
            }
            Outgoing::CloseChannel(channel, error) => {
                let text = error.text.as_str();
                info!(connection = %self.connection, %channel, error = text, "closing a channel");
                self.forget(channel);
                wire.close_channel(channel, &error);
            }
            Outgoing::Close(error) => {
                // Quoted: it may name what the client named, which must not forge a line of the log.
                let text = error.text.as_str();
                info!(connection = %self.connection, error = text, "closing a connection");
                // The answer can only be seen by reading.
                self.blocked = false;
                wire.close(&error);
            }
            Outgoing::Block { reason, notify } => {
                self.blocked = true;
                if notify {
                    let blocked = connection::Blocked { reason };
                    wire.send(ChannelNumber(0), &Method::ConnectionBlocked(blocked));
                }
            }
            Outgoing::Unblock { notify } => {
                self.blocked = false;
                if notify {
                    let unblocked = connection::Unblocked;
                    wire.send(ChannelNumber(0), &Method::ConnectionUnblocked(unblocked));
                }
            }
            Outgoing::Deliver { .. } | Outgoing::GetOk { .. } => {
                unreachable!("deliveries are performed where the message is")
            }
        }
    }

    /// Makes the chunk with this message the current one, if it is in memory.
    fn locate(&mut self, position: Position) -> bool {
        if self.chunks.locate(position) {
            return true;
        }
        let Some(chunk) = self.reader.cached(position) else {
            return false;
        };
        self.chunks.add(chunk);
        self.chunks.locate(position)
    }

    fn note_unwritten(&mut self, channel: ChannelNumber, delivery: &Delivery) {
        self.unwritten.deliveries += 1;
        if delivery.no_ack {
            self.unwritten.settled.push((channel, delivery.tag));
        }
    }

    /// A channel is over, and its number and tags may be used again: reported later, they would settle the
    /// messages of its successor.
    fn forget(&mut self, channel: ChannelNumber) {
        for written in [&mut self.unwritten, &mut self.written] {
            written.settled.retain(|(number, _)| *number != channel);
        }
    }

    /// The socket took the whole output.
    pub fn note_written(&mut self) {
        self.written.deliveries += std::mem::take(&mut self.unwritten.deliveries);
        self.written.settled.append(&mut self.unwritten.settled);
    }

    /// Reports written deliveries, if it is worth it.
    pub fn report(&mut self, batch: &mut Batch) {
        let written = &mut self.written;
        let worth_it = written.deliveries >= REPORT_AT
            || !written.settled.is_empty()
            || written.deliveries > 0 && !batch.is_empty();
        if worth_it {
            batch.push(Input::Written(self.connection, std::mem::take(written)));
        }
    }

    /// Asks the disk for the next deliveries' chunks.
    fn fetch(&mut self) {
        let positions: Vec<Position> = self
            .waiting
            .iter()
            .filter_map(|outgoing| match outgoing {
                Outgoing::Deliver { delivery, .. } | Outgoing::GetOk { delivery, .. } => {
                    Some(delivery.position)
                }
                _ => None,
            })
            .take(FETCH_AHEAD)
            .collect();
        let reader = self.reader.clone();
        self.fetching = Some(tokio::task::spawn_blocking(move || {
            fetch(&*reader, &positions)
        }));
    }
}

enum Performed {
    Done,
    NotInMemory(Outgoing),
}

/// Reads the chunks of `positions` as far as is reasonable; at least the first one's.
fn fetch(reader: &dyn Reader, positions: &[Position]) -> Result<Fetched, ReadError> {
    let mut chunks: Vec<Arc<LandedChunk>> = Vec::new();
    let mut bytes = 0;
    for &position in positions {
        if chunks.iter().rev().any(|chunk| chunk.contains(position)) {
            continue;
        }
        match reader.read(position) {
            Ok(chunk) if chunk.message(position).is_none() => {
                let what = "no message in the chunk that should hold it".to_owned();
                return Err(ReadError::Damaged { position, what });
            }
            Ok(chunk) => {
                bytes += chunk.bytes().len();
                chunks.push(chunk);
            }
            Err(ReadError::Gone(position)) if chunks.is_empty() => {
                return Ok(Fetched::Gone(position));
            }
            // Told when it is this one's turn.
            Err(ReadError::Gone(_)) => break,
            Err(error) => return Err(error),
        }
        if bytes >= CHUNKS_BYTES_MAX {
            break;
        }
    }
    Ok(Fetched::Chunks(chunks))
}

/// The chunks that deliveries are being made from. Neighbours in a queue are mostly neighbours in a chunk.
#[derive(Default)]
struct Chunks {
    held: Vec<Arc<LandedChunk>>,
    bytes: usize,
    /// The one found last.
    current: usize,
}

impl Chunks {
    fn clear(&mut self) {
        self.held.clear();
        self.bytes = 0;
        self.current = 0;
    }

    fn replace(&mut self, chunks: Vec<Arc<LandedChunk>>) {
        self.bytes = chunks.iter().map(|chunk| chunk.bytes().len()).sum();
        self.held = chunks;
        self.current = 0;
    }

    fn add(&mut self, chunk: Arc<LandedChunk>) {
        let bytes = chunk.bytes().len();
        if self.bytes + bytes > CHUNKS_BYTES_MAX {
            self.clear();
        }
        self.bytes += bytes;
        self.held.push(chunk);
    }

    /// Looks from the one found last onwards: the next message is there, or in the next.
    fn locate(&mut self, position: Position) -> bool {
        if (self.held.get(self.current)).is_some_and(|chunk| chunk.contains(position)) {
            return true;
        }
        let count = self.held.len();
        let found = (self.current..self.current + count)
            .map(|index| index % count)
            .find(|&index| self.held[index].contains(position));
        self.current = found.unwrap_or(self.current);
        found.is_some()
    }

    /// The message of a delivery that was located.
    fn content(&self, delivery: &Delivery) -> Found<'_> {
        let view = self.held[self.current]
            .message(delivery.position)
            .expect("the message was located in this chunk");
        let counted = (delivery.attempts != Attempts::NONE)
            .then(|| with_attempts(view.properties, delivery.attempts));
        Found { view, counted }
    }
}

/// A message in its chunk.
struct Found<'a> {
    view: MessageView<'a>,
    /// Its properties with how often it was handed out in vain, from the second delivery on.
    counted: Option<Properties>,
}

impl Found<'_> {
    fn as_wire(&self) -> Content<'_> {
        Content {
            exchange: self.view.exchange,
            routing_key: self.view.routing_key,
            properties: match &self.counted {
                Some(properties) => properties.as_bytes(),
                None => self.view.properties,
            },
            body: self.view.body.clone(),
        }
    }
}

/// The properties with the headers x-delivery-count (how often the message failed) and x-acquired-count (how often it
/// was handed out), in place of what the sender may have set.
fn with_attempts(properties: &[u8], attempts: Attempts) -> Properties {
    let properties = Properties::from_bytes(Bytes::copy_from_slice(properties))
        .expect("properties were checked before they landed");
    let headers = properties.headers().into_iter().flatten();
    let headers = headers
        .filter(|(name, _)| ![DELIVERY_COUNT_HEADER, ACQUIRED_COUNT_HEADER].contains(name))
        .fold(TableBuilder::new(), |table, (name, value)| {
            table.field(name, value)
        })
        .field(DELIVERY_COUNT_HEADER, Value::I64(attempts.failed.into()))
        .field(ACQUIRED_COUNT_HEADER, Value::I64(attempts.total().into()))
        .build();
    PropertiesBuilder::from(&properties)
        .headers(&headers)
        .build()
}

#[cfg(test)]
mod tests;
