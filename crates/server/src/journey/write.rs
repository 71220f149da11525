//! Writing down, on the shard's thread, what the broker tells.

use super::block::{Builder, Peer};
use super::files::{Files, Keeping};
use broker::Broker;
use broker::journey::{Event, Journey, Origin, Receiver};
use model::{ConnectionId, QueueId, ShortStr, Timestamp};
use rustc_hash::{FxHashMap, FxHashSet};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::warn;

/// A block is handed over at this size.
const BLOCK_BYTES: usize = 64 * 1024;

/// What happened is handed over after this time at the latest.
const HAND_OVER_AFTER: Duration = Duration::from_millis(500);

/// Tells the files what happened to messages.
pub struct Teller {
    files: Files,
    block: Builder,
    /// What the block has named.
    named: Named,
    /// Where clients are, by connection.
    peers: FxHashMap<ConnectionId, SocketAddr>,
    /// Connections that ended in this turn.
    left: Vec<ConnectionId>,
    hand_over_at: Option<Timestamp>,
    /// Blocks that the files had no room for, not told yet.
    left_out: u64,
}

#[derive(Default)]
struct Named {
    queues: FxHashSet<QueueId>,
    connections: FxHashSet<ConnectionId>,
    consumers: FxHashSet<u64>,
}

impl Teller {
    /// Starts the thread that writes; `None` where no journeys are wanted, or where they cannot be kept: that is not
    /// worth a server that does not start.
    pub fn start(keeping: &Keeping, now: Timestamp) -> Option<Self> {
        if keeping.bytes_max == 0 {
            return None;
        }
        let files = Files::start(keeping);
        let files = files.inspect_err(|error| {
            let dir = keeping.dir.display();
            warn!(%error, %dir, "journeys of messages are not kept");
        });
        let mut teller = Self {
            files: files.ok()?,
            block: Builder::default(),
            named: Named::default(),
            peers: FxHashMap::default(),
            left: Vec::new(),
            hand_over_at: None,
            left_out: 0,
        };
        teller.begin(now);
        teller.block.started();
        Some(teller)
    }

    /// A client has joined.
    pub fn joined(&mut self, connection: ConnectionId, peer: SocketAddr) {
        self.peers.insert(connection, peer);
    }

    /// A client has left.
    pub fn left(&mut self, connection: ConnectionId) {
        self.left.push(connection);
    }

    /// When what happened is to be handed over though nothing more does.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.hand_over_at
    }

    /// Writes down what happened in the turn that ends.
    pub fn tell(&mut self, now: Timestamp, told: &Journey, broker: &Broker) {
        if !told.is_empty() {
            self.begin(now);
            self.write(now, told, broker);
        }
        for connection in self.left.drain(..) {
            self.peers.remove(&connection);
        }
        if self.block.len() >= BLOCK_BYTES || self.hand_over_at.is_some_and(|at| at <= now) {
            self.hand_over();
        }
    }

    /// Hands all over, and has `written` told when it is in the files.
    pub fn write_out(&mut self, written: oneshot::Sender<()>) {
        self.hand_over();
        self.files.tell_when_written(written);
    }

    /// Writes out what there is, and waits for it.
    pub fn end(mut self) {
        self.hand_over();
        self.files.end();
    }

    fn begin(&mut self, now: Timestamp) {
        if self.hand_over_at.is_none() {
            self.hand_over_at = Some(now + HAND_OVER_AFTER);
        }
        self.block.time(now);
        if self.left_out > 0 {
            self.block.left_out(std::mem::take(&mut self.left_out));
        }
    }

    fn hand_over(&mut self) {
        self.hand_over_at = None;
        if self.block.is_empty() {
            return;
        }
        self.named = Named::default();
        let block = self.block.take();
        if !self.files.append(block) {
            self.left_out += 1;
        }
    }

    fn write(&mut self, now: Timestamp, told: &Journey, broker: &Broker) {
        for published in &told.published {
            for queue in &published.queues {
                self.name_queue(*queue, told, broker);
            }
            if let Origin::Client(connection, _) = published.origin {
                self.name_connection(connection, told, broker);
            }
            self.block.published(published);
            self.cut_if_long(now);
        }
        for (position, id) in told.message_ids() {
            self.block.message_id(position, id);
        }
        for event in &told.events {
            self.name_queue(event.queue(), told, broker);
            if let Event::Delivered { to, .. } = event {
                match *to {
                    Receiver::Consumer(number) => self.name_consumer(number, told, broker),
                    Receiver::Get(connection, _) => self.name_connection(connection, told, broker),
                }
            }
            self.block.event(event);
            self.cut_if_long(now);
        }
    }

    /// However much happens in a turn, no block is much longer than others.
    fn cut_if_long(&mut self, now: Timestamp) {
        if self.block.len() >= BLOCK_BYTES {
            self.hand_over();
            self.begin(now);
        }
    }

    fn name_queue(&mut self, id: QueueId, told: &Journey, broker: &Broker) {
        if !self.named.queues.insert(id) {
            return;
        }
        let name = told.name_of_queue(id, broker);
        if let Some(name) = name {
            self.block.queue(id, &name);
        }
    }

    fn name_connection(&mut self, id: ConnectionId, told: &Journey, broker: &Broker) {
        if !self.named.connections.insert(id) {
            return;
        }
        let address = self.peers.get(&id).map(|peer| peer.to_string());
        let peer = Peer {
            user: told.user_of_connection(id, broker).unwrap_or_default(),
            address: ShortStr::truncated(&address.unwrap_or_default()),
        };
        self.block.connection(id, &peer);
    }

    fn name_consumer(&mut self, number: u64, told: &Journey, broker: &Broker) {
        if !self.named.consumers.insert(number) {
            return;
        }
        if let Some(name) = told.name_of_consumer(number, broker) {
            self.name_connection(name.connection, told, broker);
            self.block.consumer(number, &name);
        }
    }
}
