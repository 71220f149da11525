//! The shard's loop: inputs, landings and the clock meet here and nowhere else.
//!
//! A turn takes what is there, lets the broker handle all of it, and performs the effects. The loop waits for no
//! socket, for each connection writes for itself; and for the disk only where that is quicker than not to wait
//! ([`Lander`]).

use crate::alarms::Alarms;
use crate::clock::Clock;
use crate::effects::Effects;
use crate::fetch::Fetcher;
use crate::inbox::{Handover, Inbox, Turn};
use crate::lander::{Lander, micros};
use crate::lease::{self, Lease};
use crate::memory::Watch;
use crate::outbox::Outgoing;
use crate::publishing::HandedOut;
use crate::telling::Telling;
use admin::instruments::Instruments;
use broker::{Broker, Input};
use model::{ConnectionError, MethodId, Position, ReplyCode, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Landed, ReadError, Room, StoreFailure};
use tracing::{info, warn};

/// Records that nobody waits for (acknowledgements, mostly) wait so long for company: landing them alone would
/// make the next publish wait behind their sync.
const COMPANY_WAIT: Duration = Duration::from_millis(5);

/// With so much to land nobody need wait for company.
const COMPANY_BYTES: usize = 256 * 1024;

/// While the disk is nearly full, or the store writes beside the lane, and nothing lands that would tell, the store is
/// asked so often how things stand.
const ASKED_EVERY: Duration = Duration::from_millis(200);

/// While something happens it is shown so often how things stand.
const SHOWN_EVERY: Duration = Duration::from_secs(1);

/// Why a shard can not go on: this process confirms nothing more (promise P7).
#[derive(Debug, thiserror::Error)]
pub enum ShardFailure {
    /// Something did not land.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// Something that had landed can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A shard: one broker, one lane, one loop.
pub struct Shard {
    broker: Broker,
    effects: Effects,
    inbox: Inbox,
    lander: Lander,
    fetcher: Fetcher,
    /// Who hears what happens to messages.
    telling: Telling,
    watch: Watch,
    /// What was read for the broker, for the next turn.
    fetched: Vec<Input>,
    clock: Clock,
    lease: Lease,
    alarms: Arc<Alarms>,
    instruments: Arc<Instruments>,
    /// When it is shown how things stand: something has happened since that was shown last.
    show_at: Option<Timestamp>,
    /// When the turn began.
    began: Instant,
    /// Records that somebody waits for, by turns: up to which position, since when, and how many.
    awaited: VecDeque<(Position, Instant, u64)>,
    /// Nothing more is taken in while so much waits for landing (promise P9).
    landing_bytes_max: usize,
    /// Since when only records that nobody waits for have been growing.
    company_by: Option<Timestamp>,
    room: bool,
    /// When to ask the store how things stand.
    ask_at: Option<Timestamp>,
    /// Up to here the store's wish for a checkpoint has been heard.
    checkpoint_heard: Position,
    /// While stopping: when the last clients are given up.
    farewell_by: Option<Timestamp>,
}

impl Shard {
    /// A shard that goes on where recovery ended.
    pub fn new(
        broker: Broker,
        inbox: Inbox,
        lander: Lander,
        fetcher: Fetcher,
        watch: Watch,
        clock: Clock,
        landing_bytes_max: usize,
    ) -> Self {
        Self {
            broker,
            effects: Effects::default(),
            inbox,
            lander,
            fetcher,
            telling: Telling::default(),
            watch,
            fetched: Vec::new(),
            clock,
            lease: Lease::for_ever(),
            alarms: Arc::default(),
            instruments: Arc::default(),
            show_at: None,
            began: Instant::now(),
            awaited: VecDeque::new(),
            landing_bytes_max,
            company_by: None,
            room: true,
            // Recovery may have found what can be let go, though nothing ever lands again.
            ask_at: Some(Timestamp(0)),
            checkpoint_heard: Position::NONE,
            farewell_by: None,
        }
    }

    /// The same shard, which tells what became of its messages.
    pub fn telling(self, telling: Telling) -> Self {
        Self { telling, ..self }
    }

    /// The same shard, which does nothing while its lease has run out.
    pub fn under(self, lease: Lease) -> Self {
        Self { lease, ..self }
    }

    /// The same shard, which says there what publishers wait for.
    pub fn raising(self, alarms: Arc<Alarms>) -> Self {
        Self { alarms, ..self }
    }

    /// The same shard, which shows there how things stand.
    pub fn showing(self, instruments: Arc<Instruments>) -> Self {
        Self {
            instruments,
            ..self
        }
    }

    /// Runs until the server was asked to stop, all clients are gone and all is landed.
    pub async fn run(mut self) -> Result<(), ShardFailure> {
        let mut turn = Turn::new();
        // What recovery's end wants landed comes before anybody is served: after a clean stop it says that the lane
        // goes on, and without it a crash would leave deliveries unmarked (promise P4).
        self.end_turn(self.clock.now())?;
        while self.lander.is_landing() {
            let landed = self.lander.landed().await?;
            self.landed(landed);
            self.end_turn(self.clock.now())?;
        }
        // What was recovered is there from the first look on.
        let now = self.clock.now();
        self.instruments.show(self.broker.standing(now));
        while !self.is_done() {
            let landed = self.wait(&mut turn).await?;
            self.began = Instant::now();
            if let Some(landed) = landed {
                self.landed(landed);
            }
            while !self.lease.holds(self.clock.now()) {
                tokio::time::sleep(lease::LOOK_AGAIN).await;
            }
            let now = self.clock.now();
            if self.takes_more() {
                for input in std::mem::take(&mut self.fetched) {
                    self.broker.handle(now, input);
                }
            }
            let at_work = !turn.is_empty();
            for (handover, taken) in turn.drain(..) {
                self.handle(now, handover)?;
                self.inbox.release(taken);
            }
            self.look_at_memory(now, at_work);
            self.end_turn(now)?;
        }
        self.finish().await
    }

    /// Waits until there is something to do; takes all of it that is there.
    async fn wait(&mut self, turn: &mut Turn) -> Result<Option<Landed>, StoreFailure> {
        let takes_more = self.takes_more();
        let wake_at = [
            self.company_by,
            self.ask_at,
            self.show_at,
            self.farewell_by,
            self.broker.wake_at(),
            self.watch.wake_at(),
            self.telling.wake_at(),
        ];
        let wake_at = wake_at.into_iter().flatten().min();
        let sleep = wake_at.map(|at| tokio::time::sleep_until(self.clock.instant(at)));
        let mut landed = None;
        tokio::select! {
            biased;
            answer = self.lander.landed(), if self.lander.is_landing() => landed = Some(answer?),
            () = std::future::ready(()), if takes_more && !self.fetched.is_empty() => {}
            () = self.inbox.receive(turn), if takes_more => {}
            () = async { sleep.expect("enabled only with a time").await }, if wake_at.is_some() => {}
        }
        if takes_more {
            self.inbox.receive_now(turn);
        }
        if landed.is_none() && self.lander.is_landing() {
            landed = self.lander.landed_now().transpose()?;
        }
        Ok(landed)
    }

    /// Whether what waits for landing leaves room for more.
    fn takes_more(&self) -> bool {
        self.effects.growing_bytes() + self.broker.waiting_bytes() < self.landing_bytes_max
    }

    fn handle(&mut self, now: Timestamp, handover: Handover) -> Result<(), ShardFailure> {
        match handover {
            Handover::Inputs(inputs) => {
                for input in inputs {
                    self.broker.handle(now, input);
                }
            }
            Handover::Joined(connection, peer, outbox) => {
                self.telling.joined(connection, peer);
                self.effects.join(connection, outbox);
                if self.farewell_by.is_some() {
                    self.effects.say(connection, farewell());
                }
            }
            Handover::Left(connection) => {
                self.broker.handle(now, Input::ConnectionClosed(connection));
                self.effects.leave(connection);
                self.telling.left(connection);
            }
            Handover::Fetched(inputs, left) => {
                for input in inputs {
                    self.broker.handle(now, input);
                }
                self.fetcher.visited(left);
            }
            Handover::Asked(command, asking) => {
                let input = self.effects.ask(command, asking);
                self.broker.handle(now, input);
            }
            Handover::JourneysWanted(written) => self.telling.write_out(written),
            Handover::Unreadable(error) => return Err(error.into()),
            Handover::Stop(patience) => self.begin_stop(now, patience),
        }
        Ok(())
    }

    /// Hears what the store says about a landed chunk.
    fn landed(&mut self, landed: Landed) {
        let now = self.clock.now();
        self.broker.handle(now, Input::Landed(landed.upto));
        self.note_confirmed(landed.upto);
        self.telling.landed(landed.upto);
        let room = landed.room == Room::Open;
        self.ask_at = (!room || landed.busy).then_some(now + ASKED_EVERY);
        if room != self.room {
            self.room = room;
            self.alarms.disk_is(room);
            if room {
                info!("the disk has room again: publishers go on");
            } else {
                warn!(
                    "the disk is nearly full: publishers are blocked, acknowledgements still land"
                );
            }
            self.broker.handle(now, Input::Room(room));
        }
        // The wish stands until the checkpoint has landed: one checkpoint answers all of it.
        if landed.checkpoint_wanted && landed.upto > self.checkpoint_heard {
            self.broker.handle(now, Input::CheckpointWanted);
            self.perform();
            self.checkpoint_heard = self.effects.last_position().max(landed.upto);
        }
    }

    fn look_at_memory(&mut self, now: Timestamp, at_work: bool) {
        let Some((enough, used)) = self.watch.look(now, at_work) else {
            return;
        };
        let used_mib = used / (1024 * 1024);
        if enough {
            info!(used_mib, "there is memory again: publishers go on");
        } else {
            warn!(
                used_mib,
                "memory is short: publishers are blocked, acknowledgements go through"
            );
        }
        self.alarms.memory_is(enough);
        self.broker.handle(now, Input::Memory(enough));
    }

    fn end_turn(&mut self, now: Timestamp) -> Result<(), ShardFailure> {
        self.broker.tick(now);
        self.perform();
        // The disk first: it works while the replies are handed out.
        while let Some(landed) = self.land(now)? {
            self.landed(landed);
            self.broker.tick(now);
            self.perform();
        }
        self.effects.flush();
        self.inbox.adapt(HandedOut {
            behind: self.broker.take_consumers_behind(),
            ..self.effects.take_handed_out()
        });
        self.show(now);
        self.telling.tell(now, &mut self.broker);
        let wanted = self.effects.take_wanted().into_iter();
        self.fetched.extend(self.fetcher.fetch(wanted)?);
        Ok(())
    }

    fn perform(&mut self) {
        match self.telling.follower() {
            None => {
                while let Some(effect) = self.broker.poll_effect() {
                    self.effects.perform(effect);
                }
            }
            Some(follower) => {
                while let Some(effect) = self.broker.poll_effect() {
                    follower.sees(self.began, &effect);
                    self.effects.perform(effect);
                }
            }
        }
        let count = self.effects.take_awaited();
        if count > 0 {
            self.effects.tell_sizes(&self.instruments.message_bytes);
            let last = self.effects.last_position();
            self.awaited.push_back((last, self.began, count));
        }
    }

    /// How long publishes waited that have landed.
    fn note_confirmed(&mut self, upto: Position) {
        let now = Instant::now();
        while let Some((_, since, count)) = self.awaited.pop_front_if(|(last, ..)| *last <= upto) {
            let waited = micros(now.saturating_duration_since(since));
            self.instruments.confirm.note(waited, count);
        }
    }

    /// Shows how things stand, a second after something happened: a server at rest sleeps.
    fn show(&mut self, now: Timestamp) {
        if self.show_at.take_if(|at| *at <= now).is_some() {
            self.instruments.show(self.broker.standing(now));
        } else if self.show_at.is_none() {
            self.show_at = Some(now + SHOWN_EVERY);
        }
    }

    /// Lands what has grown, or begins to, if it is time.
    fn land(&mut self, now: Timestamp) -> Result<Option<Landed>, StoreFailure> {
        if self.lander.is_landing() {
            return Ok(None);
        }
        // Only a landing tells; to land nothing is enough.
        let asks = self.ask_at.take_if(|at| *at <= now).is_some();
        if !asks && !self.is_time_to_land(now) {
            return Ok(None);
        }
        self.company_by = None;
        self.lander.land(self.effects.take_chunk())
    }

    fn is_time_to_land(&mut self, now: Timestamp) -> bool {
        if self.effects.nothing_grows() {
            return false;
        }
        let company_by = *self.company_by.get_or_insert(now + COMPANY_WAIT);
        self.effects.is_awaited()
            || self.effects.growing_bytes() >= COMPANY_BYTES
            || now >= company_by
    }

    fn begin_stop(&mut self, now: Timestamp, patience: Duration) {
        self.farewell_by = Some(now + patience);
        self.broker.handle(now, Input::Farewell);
        let connections: Vec<_> = self.effects.connections().collect();
        info!(connections = connections.len(), "stopping");
        for connection in connections {
            self.effects.say(connection, farewell());
        }
    }

    fn is_done(&self) -> bool {
        self.farewell_by
            .is_some_and(|by| self.effects.is_alone() || self.clock.now() >= by)
    }

    /// Lands what is left and closes the store.
    async fn finish(mut self) -> Result<(), ShardFailure> {
        let now = self.clock.now();
        let late: Vec<_> = self.effects.connections().collect();
        for connection in late {
            self.broker.handle(now, Input::ConnectionClosed(connection));
        }
        self.broker.handle(now, Input::Stopping);
        self.broker.tick(now);
        self.perform();
        // Nobody is there any more who could be told.
        while self.lander.is_landing() || !self.effects.nothing_grows() {
            if self.lander.is_landing() {
                let _ = self.lander.landed().await?;
            } else {
                let _ = self.lander.land(self.effects.take_chunk())?;
            }
        }
        self.lander.close()?;
        // Whatever there was.
        self.telling.landed(Position(u64::MAX));
        self.telling.tell(now, &mut self.broker);
        self.telling.end();
        Ok(())
    }
}

/// What clients are told when the server stops: they reconnect on 320.
pub(crate) const SHUTDOWN: &str = "broker forced connection closure with reason 'shutdown'";

fn farewell() -> Outgoing {
    Outgoing::Close(ConnectionError::new(
        ReplyCode::ConnectionForced,
        SHUTDOWN,
        MethodId::default(),
    ))
}

#[cfg(test)]
mod tests;
