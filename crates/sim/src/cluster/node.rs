//! A node: one process after the other, and what the one that runs knows and has.

use super::line::Line;
use super::link::Link;
use super::membership::{Membership, blank};
use super::stir::Stir;
use crate::shell::Shell;
use cluster::members::{About, MemberId, Standing, State, View};
use model::Position;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{LandedChunk, ReadError, Reader};

/// The one shard that a cluster has.
pub(super) const SHARD: u32 = 0;

/// What a node has of the shard.
pub(super) enum Holding {
    Nothing,
    /// It is being taken, under this epoch.
    Taking(u64),
    Serving(Box<Serving>),
    /// It is not to be served here any more: clients are told, and what is in flight ends.
    Leaving(Box<Serving>),
}

/// A shard that is served.
pub(super) struct Serving {
    pub(super) epoch: u64,
    /// A number that no other ownership of any node has.
    pub(super) tenure: u64,
    pub(super) shell: Shell,
    pub(super) lane: Arc<Lane>,
    /// Where its owner believes the head to be.
    pub(super) head: usize,
    /// Until when it may act as the owner.
    pub(super) lease: u64,
    /// The database is asked who owns the shard.
    pub(super) asking: bool,
    pub(super) turn_at: u64,
    /// Nobody is served before what recovery wanted to land has landed.
    pub(super) starting: bool,
    /// Landed, and not handled while there is no lease.
    pub(super) landed: Option<Position>,
    /// Clients are to be told that they must leave.
    pub(super) stop: Stop,
}

/// How far an end in order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    No,
    Asked,
    /// Clients have until then.
    Farewell(u64),
    /// What is left lands.
    Finishing,
}

/// Who serves clients, as a node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Here(u64),
    There(usize),
    Nobody,
}

pub(super) struct Node {
    pub(super) name: String,
    /// Counts the processes.
    pub(super) life: u64,
    pub(super) up: bool,
    pub(super) paused_until: u64,
    /// What waits while it is paused.
    pub(super) held: VecDeque<Stir>,
    pub(super) clock_set: i64,
    pub(super) view: View,
    pub(super) membership: Option<Membership>,
    pub(super) link: Link,
    /// The membership's timer.
    pub(super) tick_at: u64,
    pub(super) holding: Holding,
    /// Up to here epochs are over.
    pub(super) over: u64,
    pub(super) line: Line,
    pub(super) host: Host,
    /// It was told to stop: so long it waits for others to take over.
    pub(super) stopping: Option<u64>,
    pub(super) zookeeper_cut_until: u64,
    pub(super) database_cut_until: u64,
    pub(super) clients_cut_until: u64,
}

impl Node {
    pub(super) fn new(number: usize) -> Self {
        let name = format!("mq-{}", number + 1);
        let me = MemberId::new(&name, 0).expect("a good name");
        Self {
            name,
            life: 0,
            up: false,
            paused_until: 0,
            held: VecDeque::new(),
            clock_set: 0,
            view: blank(me, State::Active),
            membership: None,
            link: Link::default(),
            tick_at: u64::MAX,
            holding: Holding::Nothing,
            over: 0,
            line: Line::default(),
            host: Host::Nobody,
            stopping: None,
            zookeeper_cut_until: 0,
            database_cut_until: 0,
            clients_cut_until: 0,
        }
    }

    /// A new process, which knows nothing; its number is higher if the clock says so.
    pub(super) fn begin(&mut self, incarnation: u64) {
        let me = MemberId::new(&self.name, incarnation).expect("a good name");
        self.life += 1;
        self.up = true;
        self.view = blank(me, State::Active);
        self.forget();
    }

    /// What a process knows ends with it.
    pub(super) fn forget(&mut self) {
        self.held.clear();
        self.membership = None;
        self.link = Link::after(&self.link);
        self.tick_at = u64::MAX;
        self.holding = Holding::Nothing;
        self.over = 0;
        self.line = Line::default();
        self.host = Host::Nobody;
        self.stopping = None;
    }

    /// What a member says of itself when it joins.
    pub(super) fn about(&self) -> About {
        let address = |port: u16| format!("{}:{port}", self.name);
        About {
            amqp: address(5672),
            node: address(25672),
            admin: address(15672),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            format: 2,
            protocol: 1,
            state: State::Active,
            database_ok: true,
            serving: Vec::new(),
            prepared: Vec::new(),
        }
    }

    pub(super) fn serving(&mut self) -> Option<&mut Serving> {
        match &mut self.holding {
            Holding::Serving(serving) | Holding::Leaving(serving) => Some(serving),
            Holding::Nothing | Holding::Taking(_) => None,
        }
    }

    /// The same if it is that tenure.
    pub(super) fn tenure(&mut self, tenure: u64) -> Option<&mut Serving> {
        self.serving().filter(|serving| serving.tenure == tenure)
    }

    /// The epoch with which this node is to own the shard.
    pub(super) fn is_to_own(&self) -> Option<u64> {
        let mine = self.view.mine().find(|(shard, _)| *shard == SHARD);
        mine.map(|(_, epoch)| epoch)
            .filter(|epoch| *epoch > self.over)
    }

    /// Whether another member could own the shard.
    pub(super) fn has_heir(&self) -> bool {
        let ready = |one: &&cluster::members::Member| {
            one.id != self.view.me && one.about.standing() == Standing::Ready
        };
        self.view.members.iter().any(|one| ready(&one))
    }
}

/// The chunks of a lane as its owner knows them.
#[derive(Debug)]
pub(super) struct Lane {
    chunks: Mutex<BTreeMap<Position, Arc<LandedChunk>>>,
    cold: bool,
}

impl Lane {
    pub(super) fn new(chunks: &[Arc<LandedChunk>], cold: bool) -> Self {
        let chunks = chunks.iter().map(|chunk| (chunk.first(), chunk.clone()));
        Self {
            chunks: Mutex::new(chunks.collect()),
            cold,
        }
    }

    pub(super) fn add(&self, chunk: &Arc<LandedChunk>) {
        self.chunks().insert(chunk.first(), chunk.clone());
    }

    fn find(&self, position: Position) -> Option<Arc<LandedChunk>> {
        let chunks = self.chunks();
        let (_, chunk) = chunks.range(..=position).next_back()?;
        chunk.contains(position).then(|| chunk.clone())
    }

    fn chunks(&self) -> MutexGuard<'_, BTreeMap<Position, Arc<LandedChunk>>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader for Lane {
    fn cached(&self, position: Position) -> Option<Arc<LandedChunk>> {
        if self.cold { None } else { self.find(position) }
    }

    fn read(&self, position: Position) -> Result<Arc<LandedChunk>, ReadError> {
        self.find(position).ok_or(ReadError::Gone(position))
    }
}
