//! The life of one message, as a pure state machine: no IO, no clock, no threads, no randomness.
//!
//! The shell hands in what happened and when ([`Broker::handle`]), ends each turn with [`Broker::tick`], and
//! performs what the broker wants done ([`Broker::poll_effect`]). One rule is above all others: nothing leaves
//! before the record that it depends on has landed.
//!
//! One file is one arrow of the journey: a message comes in by `publish`, finds its queues by `route`, is left out of
//! those that know it (`deduplication`), is put off where that is asked for (`put_off`), waits for
//! `landing`, goes out by `deliver` and is done with in `settle`; or its time is over (`expire`), there is no room
//! for it (`overflow`), and it goes to the dead letters (`dead`). `tx` holds what a
//! transaction will do. Beside them: who is connected (`connection`,
//! `request`), what is declared (`declare_queue`, `declare_exchange`, `bind`), who consumes (`consume`), and how
//! all of it comes back after a crash (`checkpoint`, `recover`). `journey` tells what happened to messages, and `audit`
//! balances how many came, went and are here; `statistics` counts what goes through (`traffic`). Operators have their own door: what they ask for
//! (`command`, `definitions`, `snapshot`) and how it is done (`operate`, `import`, `export`; `choose`, and `copies` with
//! `redrive` and `moving`, for messages; `on_behalf` for what clients could do as well), on users and what they may do
//! (`access`, `permit`, `quota`, `pattern`, `password`, `login`), virtual hosts (`vhosts`) and policies (`policy`,
//! `operator_policy`).

mod input;
pub use input::{Input, Login, Opened, Proof, Written};

mod effect;
pub use effect::{Delivery, Effect};

mod ages;
pub mod arguments;
mod audit;
pub use audit::Account;

pub mod journey;

mod backlog;
mod command;
pub use command::{
    Answer, Chosen, Command, CommandId, CommandRefused, Deed, Edited, Move, OnBehalf, Outcome,
    Stayed,
};

mod definitions;
pub use definitions::{Definitions, NamedBinding, NamedExchange, NamedQueue};

pub mod snapshot;

mod password;
pub use password::{Mark, SALT_BYTES, Slow, password_hash};

mod login;
pub use login::LoginRefused;

mod access;
mod bearer;
mod wildcard;
pub use access::Right;
pub use bearer::Bearer;
mod directory;
mod export;
mod import;
mod numbered;
mod on_behalf;
mod operate;
mod operator_policy;
mod pattern;
mod permit;
mod policy;
mod quota;
mod share;
pub use share::{Share, shard_of};
mod vhosts;

mod again;
mod connection;
mod due;
mod ended;
mod level;
mod queue;
mod rules;
mod willing;

mod request;
mod route;
mod unacked;
mod varint;

mod bind;
mod capacity;
mod declare_exchange;
mod declare_queue;

mod envelope;
mod publish;
mod publishers;
mod put_off;

mod landing;

mod consume;
mod deliver;
mod reply_to;
mod seldom;
mod settle;
mod shortage;
mod tx;

mod choose;
mod copies;
mod dead;
mod death;
mod deduplication;
mod delayed;
mod expire;
mod extend;
mod moving;
mod overflow;
mod parked;
mod pause;
mod redrive;
mod retry;
mod schedule;
mod statistics;
mod traffic;
mod window;
pub use statistics::Recent;
pub use traffic::{Churn, InVain, Passage, Traffic};

mod calendar;
mod checkpoint;
mod found;
mod otherwise;
mod recover;
mod relearned;
pub use recover::Recovery;

#[cfg(test)]
mod tests;

use access::Access;
use audit::Audit;
use calendar::Calendar;
use capacity::Capacity;
use connection::{ChannelId, Connection, Consumer, ConsumerId};
use copies::Copies;
use deduplication::Deduplication;
use journey::Journey;
use landing::Landing;
use model::{ConnectionId, DeclareMismatch, Limits, QueueId, ShortStr, Timestamp};
use policy::Policies;
use publishers::Publishers;
use queue::Queue;
use quota::Quota;
use route::Vhost;
use rustc_hash::{FxHashMap, FxHashSet};
use schedule::{Deadline, Schedule};
use shortage::Shortage;
use statistics::Statistics;
use std::collections::VecDeque;
use std::sync::Arc;
use tx::TransactionRoom;

/// The heart: everything that one shard knows.
#[derive(Debug)]
pub struct Broker {
    vhosts: Vec<Vhost>,
    /// Which of them have their queues here.
    share: Share,
    access: Access,
    /// Who came with a token, by connection; from the login to the end.
    bearers: FxHashMap<ConnectionId, Arc<Bearer>>,
    /// What those logged in with who have not entered a virtual host yet.
    logged_in: FxHashMap<ConnectionId, Mark>,
    policies: Policies,
    quota: Quota,
    /// Users who may only come from this machine.
    loopback_users: Vec<ShortStr>,
    declare_mismatch: DeclareMismatch,
    /// Clients are being told to go.
    says_farewell: bool,
    /// In boxes: a map that grows moves what is in it, and keeps room for more.
    queues: FxHashMap<QueueId, Box<Queue>>,
    /// The lowest queue id that was never used.
    next_queue: QueueId,
    connections: FxHashMap<ConnectionId, Connection>,
    consumers: FxHashMap<ConsumerId, Consumer>,
    /// How many names (of queues, of consumers) were made up so far.
    names_made: u64,
    publishers: Publishers,
    deduplication: Deduplication,
    transaction_room: TransactionRoom,
    capacity: Capacity,
    landing: Landing,
    /// While there is any, connections that publish are blocked.
    shortage: Shortage,
    /// Queues that may have something to hand out to somebody at the end of this turn.
    active: Vec<QueueId>,
    /// Consumers had no room for all that was ready, since that was last asked.
    consumers_behind: bool,
    /// Queues whose last messages have not landed yet.
    unlanded: Vec<QueueId>,
    /// Queues that settled something in this turn.
    settling: Vec<QueueId>,
    /// Queues with messages on their way to the dead letters.
    dying: VecDeque<QueueId>,
    /// How many messages the shell was asked for.
    fetches: usize,
    copies: Copies,
    /// Queues that hand nothing out: mostly none.
    paused: FxHashSet<QueueId>,
    schedule: Schedule,
    /// How many queues refuse publishes when they are full: mostly none, and then nobody looks.
    refusing_queues: usize,
    audit: Audit,
    statistics: Statistics,
    /// When which position was given out.
    calendar: Calendar,
    journey: Journey,
    /// How many queues put off what comes to them: as with those that refuse.
    delaying_queues: usize,
    effects: VecDeque<Effect>,
}

impl Broker {
    fn empty(limits: &Limits) -> Self {
        Self {
            vhosts: Vec::new(),
            share: Share::default(),
            access: Access::default(),
            bearers: FxHashMap::default(),
            logged_in: FxHashMap::default(),
            policies: Policies::default(),
            quota: Quota::default(),
            loopback_users: limits.loopback_users.clone(),
            declare_mismatch: limits.declare_mismatch,
            says_farewell: false,
            queues: FxHashMap::default(),
            next_queue: QueueId(1),
            connections: FxHashMap::default(),
            consumers: FxHashMap::default(),
            names_made: 0,
            publishers: Publishers::new(limits),
            deduplication: Deduplication::new(limits),
            transaction_room: TransactionRoom::new(limits.transactions_bytes_max),
            capacity: Capacity::new(limits),
            landing: Landing::default(),
            shortage: Shortage::default(),
            active: Vec::new(),
            consumers_behind: false,
            unlanded: Vec::new(),
            settling: Vec::new(),
            dying: VecDeque::new(),
            fetches: 0,
            copies: Copies::default(),
            paused: FxHashSet::default(),
            schedule: Schedule::default(),
            refusing_queues: 0,
            audit: Audit::default(),
            statistics: Statistics::default(),
            calendar: Calendar::default(),
            journey: Journey::default(),
            delaying_queues: 0,
            effects: VecDeque::new(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Publish(connection, number, publish) => {
                self.request(now, ChannelId { connection, number }, publish.into());
            }
            Input::Method(connection, number, method) => {
                self.request(now, ChannelId { connection, number }, method.into());
            }
            Input::ChannelOpened(connection, number) => {
                self.request(
                    now,
                    ChannelId { connection, number },
                    request::Request::Open,
                );
            }
            Input::ChannelClosed(connection, number) => {
                self.request(
                    now,
                    ChannelId { connection, number },
                    request::Request::Close,
                );
            }
            Input::Login(login) => self.log_in(login),
            Input::TokenRenewed(connection, bearer) => self.renew_token(connection, bearer),
            Input::ConnectionOpened(opened) => self.open_connection(opened),
            Input::ConnectionClosed(connection) => self.close_connection(now, connection),
            Input::Landed(upto) => self.landed(now, upto),
            Input::Written(connection, written) => self.written(connection, &written),
            Input::Undeliverable(connection, number, tag) => {
                self.undeliverable(ChannelId { connection, number }, tag);
            }
            Input::Fetched(queue, position, message) => {
                self.fetched(now, queue, position, message);
            }
            Input::CheckpointWanted => self.write_checkpoint(now),
            Input::Room(room) => self.room_changed(room),
            Input::Memory(enough) => self.memory_changed(enough),
            Input::Command(id, command) => self.command(now, id, command),
            Input::Farewell => self.says_farewell = true,
            Input::Stopping => self.tell_delivered(now),
        }
    }

    /// Ends a turn: what is ready is handed out, what is over its time goes, what was settled becomes records.
    pub fn tick(&mut self, now: Timestamp) {
        self.pass_turn(now);
        self.fetch_dying();
        self.read_copied();
        self.release_due_confirms();
        self.record_settled();
        self.look_around(now);
        self.sample(now);
        self.landing.end_turn();
        self.calendar.end_turn(self.landing.last(), now);
    }

    /// The memory of what clients asked for and what waits for landing before it is done or answered, in bytes,
    /// roughly. While it is much, the shell should take nothing more in (promise P9).
    pub fn waiting_bytes(&self) -> usize {
        self.landing.waiting_bytes()
    }

    /// Whether consumers had no room for all that their queues had ready, since the last time: then it helps to hear
    /// their acknowledgements before more publishes.
    pub fn take_consumers_behind(&mut self) -> bool {
        std::mem::take(&mut self.consumers_behind)
    }

    /// What is ready is handed out, what is over its time goes.
    fn pass_turn(&mut self, now: Timestamp) {
        while let Some(due) = self.schedule.pop_due(now) {
            match due {
                Deadline::Queue(queue) => self.activate(queue),
                Deadline::Channel(channel) => self.time_out(now, channel),
            }
        }
        self.deliver(now);
    }

    /// When to end a turn though nothing happens: something is over its time then.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.schedule.next()
    }

    /// What the broker wants done next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }
}
