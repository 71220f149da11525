//! Those who hear what happens to messages: the journeys on the disk, and the traces of a collector. The broker tells
//! once in a turn, and only if somebody listens.

use crate::clock::Clock;
use crate::config::Config;
use crate::journey::Teller;
use crate::traces::Follower;
use admin::instruments::Instruments;
use broker::Broker;
use broker::journey::Journey;
use model::{ConnectionId, Position, Timestamp};
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// Who listens.
#[derive(Default)]
pub struct Telling {
    teller: Option<Teller>,
    follower: Option<Follower>,
    /// What the broker told last, and room for what it tells next.
    told: Journey,
}

impl Telling {
    /// Whoever is configured, and the broker tells them from now on.
    ///
    /// # Errors
    /// If the thread of the traces cannot be started.
    pub fn start(
        config: &Config,
        clock: Clock,
        broker: &mut Broker,
        instruments: &Instruments,
    ) -> anyhow::Result<Self> {
        let teller = Teller::start(&config.journeys, clock.now());
        if teller.is_some() {
            broker.tell_journeys();
        }
        let mut follower = None;
        if let Some(collector) = &config.collector {
            let who = config.who();
            let counts = instruments.spans.clone();
            follower = Some(Follower::start(collector, &who, counts)?);
            broker.tell_refusals();
        }
        Ok(Self {
            teller,
            follower,
            told: Journey::default(),
        })
    }

    /// Whether journeys are kept.
    pub fn keeps_journeys(&self) -> bool {
        self.teller.is_some()
    }

    /// Who looks at messages on their way in, if anybody does.
    pub fn follower(&mut self) -> Option<&mut Follower> {
        self.follower.as_mut()
    }

    /// A client has joined.
    pub fn joined(&mut self, connection: ConnectionId, peer: SocketAddr) {
        if let Some(teller) = &mut self.teller {
            teller.joined(connection, peer);
        }
    }

    /// A client has left.
    pub fn left(&mut self, connection: ConnectionId) {
        if let Some(teller) = &mut self.teller {
            teller.left(connection);
        }
    }

    /// All up to here has landed.
    pub fn landed(&mut self, upto: Position) {
        if let Some(follower) = &mut self.follower {
            follower.landed(upto);
        }
    }

    /// When there is something to do though nothing more happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.teller.as_ref().and_then(Teller::wake_at)
    }

    /// Tells what happened in the turn that ends.
    pub fn tell(&mut self, now: Timestamp, broker: &mut Broker) {
        if self.teller.is_none() && self.follower.is_none() {
            return;
        }
        broker.take_journey(&mut self.told);
        if let Some(teller) = &mut self.teller {
            teller.tell(now, &self.told, broker);
        }
        if let Some(follower) = &mut self.follower {
            follower.tell(&self.told, broker);
        }
        // Names share the buffers that they came in.
        self.told.clear();
    }

    /// Has all journeys written, and `written` told of it.
    pub fn write_out(&mut self, written: oneshot::Sender<()>) {
        if let Some(teller) = &mut self.teller {
            teller.write_out(written);
        }
    }

    /// Writes out and sends what there is, and waits for it.
    pub fn end(self) {
        if let Some(teller) = self.teller {
            teller.end();
        }
        if let Some(follower) = self.follower {
            follower.end();
        }
    }
}
