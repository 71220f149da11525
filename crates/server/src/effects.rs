//! Performing what the broker wants done: records go into the growing chunk, everything else to the outbox of
//! its connection, one batch for each connection and turn.

use crate::audit;
use crate::outbox::{OutboxSender, Outgoing};
use crate::publishing::HandedOut;
use admin::histogram::{Gathered, Histogram};
use broker::{Answer, Command, CommandId, CommandRefused, Effect, Input};
use model::{ConnectionId, Position, QueueId, Record};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use store::{Chunk, ChunkBuilder};
use tokio::sync::oneshot;

/// A chunk is full at this size. Larger ones would not land faster (the disk is at its best from a quarter of
/// it), and a chunk is read as a whole when one of its messages is delivered from the disk.
const CHUNK_BYTES_FULL: usize = 1024 * 1024;

/// The most room that is made for a batch before anything is in it.
const BATCH_EXPECTED_MOST: usize = 2048;

/// Where effects go.
#[derive(Default)]
pub struct Effects {
    /// Full chunks, in order.
    full: VecDeque<Chunk>,
    full_bytes: usize,
    growing: ChunkBuilder,
    /// How large the bodies of messages were, since that was last asked.
    message_bytes: Gathered,
    /// Someone waits for a record of the growing chunk.
    awaited: bool,
    /// How many records somebody waits for, since that was last asked.
    awaited_count: u64,
    outboxes: FxHashMap<ConnectionId, Outbox>,
    /// Messages that the broker wants to read.
    wanted: Vec<(QueueId, Position)>,
    /// Connections with something in this turn's batch.
    touched: Vec<ConnectionId>,
    /// What consumers got since that was last asked.
    handed_out: HandedOut,
    /// Operators who wait for answers.
    asking: FxHashMap<CommandId, AnswerSender>,
    commands: u64,
}

/// Where the answer to an operator goes.
pub type AnswerSender = oneshot::Sender<Result<Answer, CommandRefused>>;

struct Outbox {
    sender: OutboxSender,
    batch: Vec<Outgoing>,
    /// How long the last batch was: the next is probably alike.
    expected: usize,
}

impl Effects {
    /// A connection is there.
    pub fn join(&mut self, connection: ConnectionId, sender: OutboxSender) {
        let outbox = Outbox {
            sender,
            batch: Vec::new(),
            expected: 0,
        };
        self.outboxes.insert(connection, outbox);
    }

    /// A connection is gone: what is still said to it is dropped.
    pub fn leave(&mut self, connection: ConnectionId) {
        self.outboxes.remove(&connection);
    }

    /// Those who joined and did not leave.
    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.outboxes.keys().copied()
    }

    /// Whether nobody is connected.
    pub fn is_alone(&self) -> bool {
        self.outboxes.is_empty()
    }

    /// What an operator asks for, as an input; the answer will go to `asking`.
    pub fn ask(&mut self, command: Command, asking: AnswerSender) -> Input {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.asking.insert(id, asking);
        Input::Command(id, command)
    }

    /// Performs one effect; what is said to connections leaves with [`flush`](Self::flush).
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Land {
                position,
                record,
                awaited,
            } => {
                self.growing.push(position, &record);
                if let Record::Message(message) = &record {
                    self.message_bytes.note(message.body.len() as u64);
                }
                self.awaited |= awaited;
                self.awaited_count += u64::from(awaited);
                if self.growing.bytes() >= CHUNK_BYTES_FULL {
                    self.full_bytes += self.growing.bytes();
                    self.full.push_back(self.growing.take());
                    self.awaited = false;
                }
            }
            Effect::LoginChecked { connection, result } => {
                self.say(connection, Outgoing::LoginChecked(result));
            }
            Effect::PasswordSlow { connection, slow } => {
                self.say(connection, Outgoing::PasswordSlow(Box::new(slow)));
            }
            Effect::Answer(id, answer) => {
                if let Some(asking) = self.asking.remove(&id) {
                    // Whoever does not wait any more need not know.
                    let _ = asking.send(answer);
                }
            }
            Effect::Send(connection, channel, method) => {
                self.say(connection, Outgoing::Send(channel, Box::new(method)));
            }
            Effect::Deliver {
                connection,
                channel,
                consumer_tag,
                delivery,
            } => {
                let outgoing = Outgoing::Deliver {
                    channel,
                    consumer_tag,
                    delivery,
                };
                self.say(connection, outgoing);
            }
            Effect::GetOk {
                connection,
                channel,
                delivery,
                message_count,
            } => {
                let outgoing = Outgoing::GetOk {
                    channel,
                    delivery,
                    message_count,
                };
                self.say(connection, outgoing);
            }
            Effect::Return {
                connection,
                channel,
                message,
            } => {
                let message = Box::new(message);
                self.say(connection, Outgoing::Return { channel, message });
            }
            Effect::CloseChannel(connection, channel, error) => {
                self.say(connection, Outgoing::CloseChannel(channel, Box::new(error)));
            }
            Effect::CloseConnection(connection, error) => {
                self.say(connection, Outgoing::Close(error));
            }
            Effect::Unbalanced(account) => audit::log(&account),
            Effect::Fetch { queue, position } => self.wanted.push((queue, position)),
            Effect::Block {
                connection,
                reason,
                notify,
            } => self.say(connection, Outgoing::Block { reason, notify }),
            Effect::Unblock { connection, notify } => {
                self.say(connection, Outgoing::Unblock { notify });
            }
        }
    }

    /// Hands on how large messages were, of those that came since the last time.
    pub fn tell_sizes(&mut self, to: &Histogram) {
        to.take(&mut self.message_bytes);
    }

    /// Takes what is to be read for the broker.
    pub fn take_wanted(&mut self) -> Vec<(QueueId, Position)> {
        std::mem::take(&mut self.wanted)
    }

    /// How many records somebody waits for, of those that came since the last time.
    pub fn take_awaited(&mut self) -> u64 {
        std::mem::take(&mut self.awaited_count)
    }

    /// Tells what consumers got since the last time.
    pub fn take_handed_out(&mut self) -> HandedOut {
        std::mem::take(&mut self.handed_out)
    }

    /// Adds to a connection's batch of this turn.
    pub fn say(&mut self, connection: ConnectionId, outgoing: Outgoing) {
        let Some(outbox) = self.outboxes.get_mut(&connection) else {
            return;
        };
        if outbox.batch.is_empty() {
            self.touched.push(connection);
            outbox.batch.reserve(outbox.expected);
        }
        if matches!(outgoing, Outgoing::Deliver { .. }) {
            self.handed_out.deliveries += 1;
            let is_first = !matches!(outbox.batch.last(), Some(Outgoing::Deliver { .. }));
            self.handed_out.connections += usize::from(is_first);
        }
        outbox.batch.push(outgoing);
    }

    /// Sends each connection its batch of this turn.
    pub fn flush(&mut self) {
        for connection in self.touched.drain(..) {
            if let Some(outbox) = self.outboxes.get_mut(&connection) {
                let batch = std::mem::take(&mut outbox.batch);
                outbox.expected = batch.len().min(BATCH_EXPECTED_MOST);
                // A connection that ended meanwhile says so itself; until then its batches go nowhere.
                let _ = outbox.sender.send(batch);
            }
        }
    }

    /// The bytes of all records that wait for their landing to begin.
    pub fn growing_bytes(&self) -> usize {
        self.full_bytes + self.growing.bytes()
    }

    /// Whether no record waits for its landing to begin.
    pub fn nothing_grows(&self) -> bool {
        self.full.is_empty() && self.growing.is_empty()
    }

    /// Whether someone waits for a record of the next chunk; of a full one, somebody surely does.
    pub fn is_awaited(&self) -> bool {
        self.awaited || !self.full.is_empty()
    }

    /// The position of the last record that waits for its landing to begin, if there is one.
    pub fn last_position(&self) -> Position {
        let full = self.full.back().map_or(Position::NONE, Chunk::last);
        self.growing.last().max(full)
    }

    /// Takes the next chunk to land: the oldest full one, or what has grown.
    pub fn take_chunk(&mut self) -> Chunk {
        if let Some(chunk) = self.full.pop_front() {
            self.full_bytes -= chunk.bytes_len();
            return chunk;
        }
        self.awaited = false;
        self.growing.take()
    }
}
