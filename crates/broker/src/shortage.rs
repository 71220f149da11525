//! Back-pressure on publishers: while the disk or the memory is short their connections are blocked, and consumers are
//! handed no more than they need to go on (promise P9). What is settled still counts.

use crate::Broker;
use crate::effect::Effect;
use model::{ConnectionId, ShortStr};

/// The deliveries of one channel that may wait for their acknowledgements while memory is short: enough to work on, so
/// that queues can be drained, and no more.
pub(crate) const UNACKED_WHEN_SHORT: u32 = 1_000;

/// What there is too little of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) disk: bool,
    pub(crate) memory: bool,
}

impl Shortage {
    pub(crate) fn is_any(self) -> bool {
        self.disk || self.memory
    }

    /// For connection.blocked, in RabbitMQ's words.
    pub(crate) fn reason(self) -> ShortStr {
        ShortStr::from_static(match (self.memory, self.disk) {
            (true, true) => "low on memory & disk",
            (true, false) => "low on memory",
            (false, _) => "low on disk",
        })
    }
}

impl Broker {
    /// The shell says how much memory there is. Where it is enough again, consumers that were held back may get more.
    pub(crate) fn memory_changed(&mut self, enough: bool) {
        let memory = !enough;
        let ends = self.shortage.memory && enough;
        self.shortage_changed(Shortage {
            memory,
            ..self.shortage
        });
        if ends {
            for id in self.connection_ids() {
                self.wake_connection(id);
            }
        }
    }

    /// The store says whether there is room on the disk.
    pub(crate) fn room_changed(&mut self, room: bool) {
        self.shortage_changed(Shortage {
            disk: !room,
            ..self.shortage
        });
    }

    /// Publishes may go on, or must wait until there is enough of everything again. What is in flight still lands.
    fn shortage_changed(&mut self, shortage: Shortage) {
        let before = std::mem::replace(&mut self.shortage, shortage);
        if before.is_any() == shortage.is_any() {
            return;
        }
        for id in self.connection_ids() {
            let connection = &self.connections[&id];
            if connection.blocked {
                self.unblock(id);
            } else if shortage.is_any() && connection.publishes {
                self.block(id);
            }
        }
    }

    /// In an order that does not depend on a hash.
    fn connection_ids(&self) -> Vec<ConnectionId> {
        let mut ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn block(&mut self, id: ConnectionId) {
        let reason = self.shortage.reason();
        let connection = self
            .connections
            .get_mut(&id)
            .expect("the connection is open");
        if !std::mem::replace(&mut connection.blocked, true) {
            let notify = connection.blocked_notify;
            self.effects.push_back(Effect::Block {
                connection: id,
                reason,
                notify,
            });
        }
    }

    fn unblock(&mut self, id: ConnectionId) {
        let connection = self
            .connections
            .get_mut(&id)
            .expect("the connection is open");
        connection.blocked = false;
        let notify = connection.blocked_notify;
        self.effects.push_back(Effect::Unblock {
            connection: id,
            notify,
        });
    }

    /// The deliveries of one channel that may wait for their acknowledgements, for now.
    pub(crate) fn unacked_max(&self) -> u32 {
        let most = self.capacity.unacked_max;
        if self.shortage.memory {
            most.min(UNACKED_WHEN_SHORT)
        } else {
            most
        }
    }
}
