//! What the shell knows of its clients, and the broker need not: where they are, and what they said of themselves.

use model::{ConnectionId, FieldTable, Timestamp};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes that are kept of what a client says about itself: there may be very many clients, and a client may
/// say much.
const PROPERTIES_MOST: usize = 4096;

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Where it is.
    pub peer: SocketAddr,
    /// Where it came in.
    pub local: SocketAddr,
    /// What it says about itself; nothing if that is very much.
    pub properties: FieldTable,
    /// The most channels that it may open.
    pub channel_max: u16,
    /// The largest frame, in bytes.
    pub frame_max: u32,
    /// The interval of heartbeats, in seconds; 0 for none.
    pub heartbeat: u16,
    /// Since when it is connected.
    pub connected_at: Timestamp,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Client {
    /// A client that is there since `connected_at`.
    pub fn new(addresses: (SocketAddr, SocketAddr), connected_at: Timestamp) -> Self {
        let (peer, local) = addresses;
        Self {
            peer: canonical(peer),
            local: canonical(local),
            properties: FieldTable::new(),
            channel_max: 0,
            frame_max: 0,
            heartbeat: 0,
            connected_at,
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    /// The same client, who says that about itself.
    pub fn saying(self, properties: &FieldTable) -> Self {
        let few = properties.as_bytes().len() <= PROPERTIES_MOST;
        let properties = if few {
            properties.detached()
        } else {
            FieldTable::new()
        };
        Self { properties, ..self }
    }

    /// The same client, with whom that was agreed.
    pub fn agreeing(self, channel_max: u16, frame_max: u32, heartbeat: u16) -> Self {
        Self {
            channel_max,
            frame_max,
            heartbeat,
            ..self
        }
    }

    /// What RabbitMQ calls the connection.
    pub fn name(&self) -> String {
        format!("{} -> {}", self.peer, self.local)
    }

    /// So many bytes came from it and went to it.
    pub fn note(&self, received: u64, sent: u64) {
        self.received.store(received, Relaxed);
        self.sent.store(sent, Relaxed);
    }

    /// How many bytes came from it and went to it.
    pub fn octets(&self) -> (u64, u64) {
        (self.received.load(Relaxed), self.sent.load(Relaxed))
    }
}

/// An address as people write it: one of the older kind in the guise of the newer is of the older.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The clients that are there.
#[derive(Debug, Default)]
pub struct Clients(Mutex<HashMap<ConnectionId, Arc<Client>>>);

impl Clients {
    /// A client is there.
    pub fn join(&self, id: ConnectionId, client: Arc<Client>) {
        self.all().insert(id, client);
    }

    /// It has left.
    pub fn leave(&self, id: ConnectionId) {
        self.all().remove(&id);
    }

    /// One of them.
    pub fn get(&self, id: ConnectionId) -> Option<Arc<Client>> {
        self.all().get(&id).cloned()
    }

    /// All of them as they are now.
    pub fn snapshot(&self) -> HashMap<ConnectionId, Arc<Client>> {
        self.all().clone()
    }

    /// The one whose connection has that name.
    pub fn named(&self, name: &str) -> Option<ConnectionId> {
        let (peer, local) = name.split_once(" -> ")?;
        let (peer, local) = (peer.parse().ok()?, local.parse().ok()?);
        let all = self.all();
        let mut found = all.iter();
        let is_it = |client: &Client| client.peer == peer && client.local == local;
        found.find(|(_, client)| is_it(client)).map(|(id, _)| *id)
    }

    /// Nothing is left half done in the map: a panic elsewhere does not make it wrong.
    fn all(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Client>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
