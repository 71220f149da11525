//! Performing what the broker wants done: records go into the growing chunk, everything else to the outbox of
//! its connection, one batch for each connection and turn.

use crate::outbox::{OutboxSender, Outgoing};
use broker::Effect;
use model::{ConnectionId, Position};
use rustc_hash::FxHashMap;
use store::{Chunk, ChunkBuilder};

/// Where effects go.
#[derive(Default)]
pub struct Effects {
    growing: ChunkBuilder,
    /// Someone waits for a record of the growing chunk.
    awaited: bool,
    outboxes: FxHashMap<ConnectionId, Outbox>,
    /// Connections with something in this turn's batch.
    touched: Vec<ConnectionId>,
}

struct Outbox {
    sender: OutboxSender,
    batch: Vec<Outgoing>,
}

impl Effects {
    /// A connection is there.
    pub fn join(&mut self, connection: ConnectionId, sender: OutboxSender) {
        let outbox = Outbox {
            sender,
            batch: Vec::new(),
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

    /// Performs one effect; what is said to connections leaves with [`flush`](Self::flush).
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Land {
                position,
                record,
                awaited,
            } => {
                self.growing.push(position, &record);
                self.awaited |= awaited;
            }
            Effect::Send(connection, channel, method) => {
                self.say(connection, Outgoing::Send(channel, method));
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
            } => self.say(connection, Outgoing::Return { channel, message }),
            Effect::CloseChannel(connection, channel, error) => {
                self.say(connection, Outgoing::CloseChannel(channel, error));
            }
            Effect::CloseConnection(connection, error) => {
                self.say(connection, Outgoing::Close(error));
            }
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

    /// Adds to a connection's batch of this turn.
    pub fn say(&mut self, connection: ConnectionId, outgoing: Outgoing) {
        let Some(outbox) = self.outboxes.get_mut(&connection) else {
            return;
        };
        if outbox.batch.is_empty() {
            self.touched.push(connection);
        }
        outbox.batch.push(outgoing);
    }

    /// Sends each connection its batch of this turn.
    pub fn flush(&mut self) {
        for connection in self.touched.drain(..) {
            if let Some(outbox) = self.outboxes.get_mut(&connection) {
                // A connection that ended meanwhile says so itself; until then its batches go nowhere.
                let _ = outbox.sender.send(std::mem::take(&mut outbox.batch));
            }
        }
    }

    /// The bytes of the growing chunk.
    pub fn growing_bytes(&self) -> usize {
        self.growing.bytes()
    }

    /// Whether no record waits for its landing to begin.
    pub fn nothing_grows(&self) -> bool {
        self.growing.is_empty()
    }

    /// Whether someone waits for a record of the growing chunk.
    pub fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// The position of the last record asked for, if the growing chunk holds it.
    pub fn last_position(&self) -> Position {
        self.growing.last()
    }

    /// Takes the grown chunk; the next one begins.
    pub fn take_chunk(&mut self) -> Chunk {
        self.awaited = false;
        self.growing.take()
    }
}
