//! The server of a run: the real broker and the real store, and between them what the shell of the real server does,
//! without threads and sockets. The store's answers take their time, and what goes to a client waits its turn.
//!
//! In a cluster the store is elsewhere: there the world takes the chunks that are to land, and tells when they have.

use crate::actor::Down;
use crate::ledger::Ledger;
use crate::plan::{MS, Plan};
use crate::plant::{self, Plant};
use crate::random::Random;
use crate::trace::Trace;
use broker::{Broker, Command, CommandId, Delivery, Effect, Input, Recovery, Written};
use model::method::basic;
use model::{
    ChannelNumber, ConnectionId, Limits, Method, Position, Properties, QueueId, Record, Timestamp,
};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use store::memory::{Disk, Fault};
use store::{Chunk, ChunkBuilder, Landed, ReadError, Reader, Room, Store};

/// Records that nobody waits for wait so long for company.
const COMPANY_WAIT: u64 = 5 * MS;

/// The wall clock when a run begins, in milliseconds.
pub(crate) const BEGINNING: u64 = 1_700_000_000_000;

/// Something on its way to a client.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Say(Down),
    /// channel.close-ok: behind it the channel's number may be used again.
    ChannelGone(Down),
    Deliver(Delivery),
    GetOk(Delivery),
}

/// The server's end of a connection.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    pub(crate) waiting: VecDeque<Outgoing>,
    pub(crate) written: Written,
    pub(crate) blocked: bool,
    /// What came while it was blocked.
    pub(crate) unread: Vec<Input>,
    /// A pump is under way.
    pub(crate) pumping: bool,
}

/// What a turn leaves to be done by the world.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Connections with something to say.
    pub(crate) touched: Vec<ConnectionId>,
    /// The broker or the store failed: the process ends.
    pub(crate) failed: bool,
    /// A landing began that takes so long.
    pub(crate) landing: bool,
    /// Messages to be read from the disk.
    pub(crate) to_read: Vec<(QueueId, Position)>,
}

/// The server while it runs.
pub(crate) struct Shell {
    broker: Broker,
    store: Option<Box<dyn Store>>,
    pub(crate) reader: Arc<dyn Reader>,
    growing: ChunkBuilder,
    awaited: bool,
    company_by: Option<u64>,
    landing: Option<Chunk>,
    /// The chunk that lands was taken to where the store is.
    away: bool,
    /// All clients are gone: nothing waits for company any more.
    stopping: bool,
    pub(crate) inbox: Vec<Input>,
    pub(crate) outlets: BTreeMap<ConnectionId, Outlet>,
    wanted: Vec<(QueueId, Position)>,
    checkpoint_heard: Position,
    in_checkpoint: bool,
    room: bool,
    asks_room_at: Option<u64>,
    /// What the wall clock said when the process started.
    started_at: u64,
    started: u64,
    plant: Option<Plant>,
    commands: u64,
    /// Confirms that a planted bug holds back.
    held: Vec<Effect>,
    random: Random,
}

/// A lane that was opened.
pub(crate) struct Opened {
    /// None if the store is elsewhere.
    pub(crate) store: Option<Box<dyn Store>>,
    pub(crate) reader: Arc<dyn Reader>,
}

/// What a start needs.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) now: u64,
    /// How far the wall clock has been set, in milliseconds.
    pub(crate) clock_set: i64,
    pub(crate) clean: bool,
    pub(crate) plant: Option<Plant>,
    /// Somebody else has the lane by now: what is told here is not news.
    pub(crate) stale: bool,
}

impl Shell {
    /// Opens the lane, which tells its records, and recovers the broker. None if it does not open.
    pub(crate) fn start(
        start: Start,
        plan: &Plan,
        ledger: &mut Ledger,
        trace: &mut Trace,
        seed: u64,
        open: impl FnOnce(&mut dyn FnMut(Position, Record)) -> Result<Opened, String>,
    ) -> Option<(Self, Outcome)> {
        let mut recovery = Recovery::new(&Limits::default());
        let mut told = FxHashMap::default();
        let mut last = Position::NONE;
        let opened = open(&mut |position, record| {
            last = last.max(position);
            if let Record::Message(message) = &record
                && let Some(number) = crate::lane::message_of(&message.body)
            {
                told.insert(position, number);
            }
            let record = match start.plant {
                Some(plant) => plant.on_told(record),
                None => record,
            };
            recovery.apply(position, record);
        });
        let Opened { store, reader } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                ledger.blame("P1", format!("the store does not open: {error}"));
                return None;
            }
        };
        trace.number(last.0);
        let started_at = BEGINNING + start.now / 1000;
        let started_at = started_at.saturating_add_signed(start.clock_set);
        if !start.stale {
            ledger.recovered(plan, Timestamp(started_at), last, start.clean);
            ledger.check_told(&told);
        }
        let mut shell = Self {
            broker: recovery.finish(Timestamp(started_at)),
            store,
            reader,
            growing: ChunkBuilder::new(),
            awaited: false,
            company_by: None,
            landing: None,
            away: false,
            stopping: false,
            inbox: Vec::new(),
            outlets: BTreeMap::new(),
            wanted: Vec::new(),
            checkpoint_heard: Position::NONE,
            in_checkpoint: false,
            room: true,
            asks_room_at: None,
            started_at,
            started: start.now,
            plant: start.plant,
            commands: 0,
            held: Vec::new(),
            random: Random::new(seed),
        };
        let mut it = Turn::new(start.now, plan, ledger, trace).by(start.stale);
        shell.perform(&mut it);
        shell.end_turn(&mut it);
        if shell.store.is_some() {
            // Nobody is served before it.
            while shell.landing.is_some() && !it.outcome.failed {
                shell.landed(&mut it);
            }
            it.outcome.landing = false;
        }
        Some((shell, it.outcome))
    }

    fn clock(&self, now: u64) -> Timestamp {
        Timestamp(self.started_at + (now - self.started) / 1000)
    }

    /// When a turn is due though nothing comes.
    pub(crate) fn wake_at(&self) -> Option<u64> {
        let broker = match self.plant {
            Some(Plant::NeverWakes) => None,
            _ => self.broker.wake_at(),
        };
        let broker = broker.map(|at| self.started + at.0.saturating_sub(self.started_at) * MS);
        [broker, self.company_by, self.asks_room_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes in what came, ends the turn.
    pub(crate) fn turn(&mut self, it: &mut Turn<'_>) {
        let mut inputs = std::mem::take(&mut self.inbox);
        if self.plant == Some(Plant::OrderSwapped) {
            swap_publishes(&mut inputs);
        }
        for input in inputs {
            self.handle(it, input);
        }
        self.end_turn(it);
    }

    pub(crate) fn handle(&mut self, it: &mut Turn<'_>, input: Input) {
        note_input(it.trace, &input);
        it.input(self.clock(it.now), &input);
        let input = match self.plant {
            Some(plant) => plant.on_input(input),
            None => Some(input),
        };
        if let Some(input) = input {
            self.broker.handle(self.clock(it.now), input);
        }
        self.perform(it);
    }

    fn end_turn(&mut self, it: &mut Turn<'_>) {
        let now = self.clock(it.now);
        self.broker.tick(now);
        self.perform(it);
        self.perform_held(it);
        self.begin_landing(it);
        for (queue, position) in std::mem::take(&mut self.wanted) {
            it.outcome.to_read.push((queue, position));
        }
    }

    fn begin_landing(&mut self, it: &mut Turn<'_>) {
        if self.is_landing() || it.outcome.failed {
            return;
        }
        let asks = self.asks_room_at.take_if(|at| *at <= it.now).is_some();
        if asks {
            self.asks_room_at = Some(it.now + 1000 * MS);
        }
        if !asks {
            if self.growing.is_empty() {
                return;
            }
            let company_by = *self.company_by.get_or_insert(it.now + COMPANY_WAIT);
            if !self.awaited && !self.stopping && it.now < company_by {
                return;
            }
        }
        self.company_by = None;
        self.awaited = false;
        let chunk = self.growing.take();
        let last = chunk.last();
        self.landing = Some(chunk);
        it.outcome.landing = true;
        if self.plant == Some(Plant::ConfirmBeforeSync) && last > Position::NONE {
            self.broker.handle(self.clock(it.now), Input::Landed(last));
            self.perform(it);
        }
        if self.plant == Some(Plant::DeliverBeforeLanding) && last > Position::NONE {
            self.broker.handle(self.clock(it.now), Input::Landed(last));
            while let Some(effect) = self.broker.poll_effect() {
                match effect {
                    Effect::Send(..) => self.held.push(effect),
                    other => self.perform_one(it, other),
                }
            }
        }
    }

    /// The disk is done with the chunk.
    pub(crate) fn landed(&mut self, it: &mut Turn<'_>) {
        let Some(chunk) = self.landing.take() else {
            return;
        };
        let last = chunk.last();
        let store = self.store.as_mut().expect("it runs");
        let landed = match store.land(chunk) {
            Ok(landed) => landed,
            Err(_) if self.plant == Some(Plant::FailedSyncIgnored) => Landed {
                upto: last,
                room: Room::Open,
                checkpoint_wanted: false,
                busy: false,
            },
            Err(_) => {
                it.outcome.failed = true;
                return;
            }
        };
        it.ledger.landed(landed.upto);
        self.heard(it, landed);
    }

    /// Gives the chunk that is to land to where the store is.
    pub(crate) fn take_landing(&mut self) -> Chunk {
        self.away = true;
        self.landing.take().expect("a landing begins with a chunk")
    }

    /// The store says that the chunk has landed.
    pub(crate) fn heard(&mut self, it: &mut Turn<'_>, landed: Landed) {
        self.away = false;
        self.hear(it, landed);
        self.end_turn(it);
    }

    fn hear(&mut self, it: &mut Turn<'_>, landed: Landed) {
        it.trace.number(landed.upto.0);
        if self.plant == Some(Plant::DeliverBeforeLanding) {
            for effect in std::mem::take(&mut self.held) {
                self.perform_one(it, effect);
            }
        }
        self.handle(it, Input::Landed(landed.upto));
        let room = landed.room == Room::Open;
        if room != self.room {
            self.room = room;
            self.asks_room_at = (!room).then_some(it.now + 1000 * MS);
            self.handle(it, Input::Room(room));
        }
        if landed.checkpoint_wanted && landed.upto > self.checkpoint_heard {
            self.checkpoint(it);
            self.checkpoint_heard = self.growing.last().max(landed.upto);
        }
    }

    pub(crate) fn checkpoint(&mut self, it: &mut Turn<'_>) {
        self.in_checkpoint = true;
        self.handle(it, Input::CheckpointWanted);
        self.in_checkpoint = false;
    }

    /// Tells all clients that they are to leave.
    pub(crate) fn bid_farewell(&mut self, it: &mut Turn<'_>) {
        let connections: Vec<ConnectionId> = self.outlets.keys().copied().collect();
        for connection in connections {
            self.say(it, connection, Outgoing::Say(Down::ConnectionClosed));
        }
    }

    /// Nobody is served any more: what is left lands.
    pub(crate) fn finish(&mut self, it: &mut Turn<'_>) {
        self.stopping = true;
        self.close(it);
        self.begin_landing(it);
    }

    fn close(&mut self, it: &mut Turn<'_>) {
        self.handle(it, Input::Farewell);
        let connections: Vec<ConnectionId> = self.outlets.keys().copied().collect();
        for connection in connections {
            self.handle(it, Input::ConnectionClosed(connection));
        }
        self.handle(it, Input::Stopping);
        self.broker.tick(self.clock(it.now));
        self.perform(it);
        self.perform_held(it);
    }

    /// Stops in good order; false if the store fails.
    pub(crate) fn stop(mut self, it: &mut Turn<'_>) -> bool {
        self.close(it);
        let mut store = self.store.take().expect("it runs");
        let chunks = [self.landing.take(), Some(self.growing.take())];
        for chunk in chunks
            .into_iter()
            .flatten()
            .filter(|chunk| !chunk.is_empty())
        {
            match store.land(chunk) {
                Ok(landed) => it.ledger.landed(landed.upto),
                Err(_) => return false,
            }
        }
        store.close().is_ok()
    }

    /// The power goes. A chunk on its way to the disk is there afterwards, or not, or in part.
    pub(crate) fn crash(mut self, disk: &Disk, random: &mut Random) {
        if let Some(chunk) = self.landing.take().filter(|chunk| !chunk.is_empty()) {
            let length = chunk.bytes_len() as u64;
            let fault = match random.below(3) {
                0 => Fault::Lost,
                1 => Fault::Torn(usize::try_from(random.below(length)).expect("small")),
                _ => Fault::Kept,
            };
            disk.fail_after(random.below(2), fault);
            let mut store = self.store.take().expect("it runs");
            // Nobody is left who could hear what came of it.
            let _ = store.land(chunk);
        }
        disk.crash();
    }

    fn perform(&mut self, it: &mut Turn<'_>) {
        while let Some(effect) = self.broker.poll_effect() {
            let effect = match self.plant {
                Some(plant) => plant.on_effect(self.in_checkpoint, effect),
                None => effect,
            };
            if self.plant == Some(Plant::EndBeforeCopy) {
                self.held.push(effect);
            } else {
                self.perform_one(it, effect);
            }
        }
    }

    /// What a planted bug has held back until the end of the turn.
    fn perform_held(&mut self, it: &mut Turn<'_>) {
        if self.plant == Some(Plant::EndBeforeCopy) {
            for effect in plant::ends_before_copies(std::mem::take(&mut self.held)) {
                self.perform_one(it, effect);
            }
        }
    }

    fn perform_one(&mut self, it: &mut Turn<'_>, effect: Effect) {
        note_effect(it.trace, &effect);
        it.effect(self.clock(it.now), &effect);
        match effect {
            Effect::Land {
                position,
                record,
                awaited,
            } => {
                self.growing.push(position, &record);
                self.awaited |= awaited;
            }
            Effect::Fetch { queue, position } => self.wanted.push((queue, position)),
            Effect::Send(connection, number, method) => {
                let gone = matches!(method, Method::ChannelCloseOk(_));
                let down = Down::Method(method);
                let outgoing = if gone {
                    Outgoing::ChannelGone(down)
                } else {
                    Outgoing::Say(down)
                };
                let _: ChannelNumber = number;
                self.say(it, connection, outgoing);
            }
            Effect::Deliver {
                connection,
                delivery,
                ..
            } => {
                self.say(it, connection, Outgoing::Deliver(delivery));
            }
            Effect::GetOk {
                connection,
                delivery,
                ..
            } => {
                self.say(it, connection, Outgoing::GetOk(delivery));
            }
            Effect::Return {
                connection,
                message,
                ..
            } => {
                self.say(it, connection, Outgoing::Say(Down::Return(message)));
            }
            Effect::CloseChannel(connection, _, error) => {
                let down = Down::ChannelClosed(error.code.number(), error.text);
                self.say(it, connection, Outgoing::ChannelGone(down));
            }
            Effect::CloseConnection(connection, _) => {
                self.say(it, connection, Outgoing::Say(Down::ConnectionClosed));
            }
            Effect::Block { connection, .. } => {
                if let Some(outlet) = self.outlets.get_mut(&connection) {
                    outlet.blocked = true;
                }
            }
            Effect::Unblock { connection, .. } => {
                if let Some(outlet) = self.outlets.get_mut(&connection) {
                    outlet.blocked = false;
                    self.inbox.append(&mut outlet.unread);
                }
            }
            Effect::LoginChecked { .. }
            | Effect::PasswordSlow { .. }
            | Effect::Answer(..)
            | Effect::Unbalanced(_) => {}
        }
    }

    fn say(&mut self, it: &mut Turn<'_>, connection: ConnectionId, outgoing: Outgoing) {
        if let Some(outlet) = self.outlets.get_mut(&connection) {
            outlet.waiting.push_back(outgoing);
            it.outcome.touched.push(connection);
        }
    }

    /// Makes what waits for a connection into what reaches its client; stops where the disk must be asked and it is
    /// not `read` yet.
    pub(crate) fn hand_out(
        &mut self,
        ledger: &mut Ledger,
        connection: ConnectionId,
        mut may_read: bool,
    ) -> (Vec<Down>, bool) {
        let mut batch = Vec::new();
        let Some(outlet) = self.outlets.get_mut(&connection) else {
            return (batch, false);
        };
        while let Some(outgoing) = outlet.waiting.pop_front() {
            let (delivery, is_get) = match &outgoing {
                Outgoing::Deliver(delivery) => (*delivery, false),
                Outgoing::GetOk(delivery) => (*delivery, true),
                Outgoing::ChannelGone(_) => {
                    outlet.written.settled.clear();
                    if let Outgoing::ChannelGone(down) = outgoing {
                        batch.push(down);
                    }
                    continue;
                }
                Outgoing::Say(_) => {
                    if let Outgoing::Say(down) = outgoing {
                        batch.push(down);
                    }
                    continue;
                }
            };
            let chunk = match self.reader.cached(delivery.position) {
                Some(chunk) => Some(chunk),
                None if !may_read => {
                    outlet.waiting.push_front(outgoing);
                    return (batch, true);
                }
                None => {
                    may_read = self.random.percent(50);
                    match self.reader.read(delivery.position) {
                        Ok(chunk) => Some(chunk),
                        Err(ReadError::Gone(_)) => None,
                        Err(error) => {
                            ledger.blame("P1", format!("a message cannot be read: {error}"));
                            return (batch, false);
                        }
                    }
                }
            };
            let Some(view) = chunk
                .as_ref()
                .and_then(|chunk| ledger.check_read(delivery.position, chunk))
            else {
                let channel = crate::actor::CHANNEL;
                self.inbox
                    .push(Input::Undeliverable(connection, channel, delivery.tag));
                if is_get {
                    let empty = basic::GetEmpty::default();
                    batch.push(Down::Method(empty.into()));
                }
                continue;
            };
            let mut body = view.body.clone();
            if self.plant == Some(Plant::ByteChanged) && self.random.below(500) == 0 {
                let mut changed = body.to_vec();
                if let Some(last) = changed.last_mut() {
                    *last ^= 1;
                }
                body = changed.into();
            }
            let properties = Properties::from_bytes(bytes::Bytes::copy_from_slice(view.properties));
            batch.push(Down::Content {
                tag: delivery.tag,
                properties: properties.expect("what landed was checked"),
                body,
            });
            outlet.written.deliveries += 1;
            if delivery.no_ack {
                outlet
                    .written
                    .settled
                    .push((crate::actor::CHANNEL, delivery.tag));
            }
        }
        (batch, false)
    }

    /// The socket took what was handed out.
    pub(crate) fn report_written(&mut self, connection: ConnectionId) {
        if let Some(outlet) = self.outlets.get_mut(&connection) {
            let written = std::mem::take(&mut outlet.written);
            if written.deliveries > 0 || !written.settled.is_empty() {
                self.inbox.push(Input::Written(connection, written));
            }
        }
    }

    /// Reads messages for the broker.
    pub(crate) fn fetch(&mut self, ledger: &mut Ledger, wanted: &[(QueueId, Position)]) {
        for (queue, position) in wanted {
            let message = match self.reader.read(*position) {
                Ok(chunk) => match chunk.record(*position) {
                    Ok(Record::Message(message)) => Some(Box::new(message)),
                    other => {
                        ledger.blame("P1", format!("no message at {position}: {other:?}"));
                        None
                    }
                },
                Err(_) => None,
            };
            if self.plant == Some(Plant::FetchedTwice) && self.random.below(50) == 0 {
                self.inbox
                    .push(Input::Fetched(*queue, *position, message.clone()));
            }
            self.inbox.push(Input::Fetched(*queue, *position, message));
        }
    }

    /// The memory that waits for landing must be nothing when nothing is under way (P9).
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.broker.waiting_bytes()
    }

    /// An operator asks for something.
    pub(crate) fn operate(&mut self, it: &mut Turn<'_>, command: Command) {
        self.commands += 1;
        self.handle(it, Input::Command(CommandId(self.commands), command));
        self.end_turn(it);
    }

    pub(crate) fn is_landing(&self) -> bool {
        self.landing.is_some() || self.away
    }

    /// Nothing is under way between broker and disk.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.is_landing() && self.growing.is_empty() && self.inbox.is_empty()
    }
}

/// What a turn works with.
pub(crate) struct Turn<'a> {
    pub(crate) now: u64,
    pub(crate) plan: &'a Plan,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) trace: &'a mut Trace,
    pub(crate) outcome: Outcome,
    /// Somebody else has the lane by now.
    stale: bool,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        now: u64,
        plan: &'a Plan,
        ledger: &'a mut Ledger,
        trace: &'a mut Trace,
    ) -> Self {
        Self {
            now,
            plan,
            ledger,
            trace,
            outcome: Outcome::default(),
            stale: false,
        }
    }

    /// The same for a server that is perhaps not the one that has the lane.
    pub(crate) fn by(self, stale: bool) -> Self {
        Self { stale, ..self }
    }

    fn input(&mut self, now: Timestamp, input: &Input) {
        if self.stale {
            self.ledger.stale_input(self.plan, input);
        } else {
            self.ledger.input(self.plan, now, input);
        }
    }

    fn effect(&mut self, now: Timestamp, effect: &Effect) {
        if self.stale {
            self.ledger.stale_effect(self.plan, effect);
        } else {
            self.ledger.effect(self.plan, now, effect);
        }
    }
}

fn swap_publishes(inputs: &mut [Input]) {
    for at in 1..inputs.len() {
        if let (Input::Publish(one, ..), Input::Publish(two, ..)) = (&inputs[at - 1], &inputs[at])
            && one == two
        {
            inputs.swap(at - 1, at);
            return;
        }
    }
}

fn note_input(trace: &mut Trace, input: &Input) {
    if trace.told {
        eprintln!("  < {}", shown(input));
    }
    match input {
        Input::Publish(connection, _, publish) => {
            trace.number(connection.0);
            trace.bytes(&publish.body);
        }
        Input::Fetched(queue, position, message) => {
            trace.number(queue.0 ^ position.0 << 20 ^ u64::from(message.is_some()));
        }
        other => trace.words(format_args!("{other:?}")),
    }
}

fn shown(input: &Input) -> String {
    match input {
        Input::Publish(connection, _, publish) => {
            let message = crate::lane::message_of(&publish.body);
            format!(
                "publish on {connection}: {message:?} to '{}' {}",
                publish.exchange, publish.routing_key
            )
        }
        Input::Fetched(queue, position, _) => format!("fetched {queue} {position}"),
        other => format!("{other:?}"),
    }
}

fn note_effect(trace: &mut Trace, effect: &Effect) {
    if trace.told {
        match effect {
            Effect::Land {
                position,
                record: Record::Message(message),
                ..
            } => eprintln!(
                "  > land {position}: message {:?} in {:?}",
                crate::lane::message_of(&message.body),
                message.queues
            ),
            Effect::Return { connection, .. } => eprintln!("  > return to {connection}"),
            other => eprintln!("  > {other:?}"),
        }
    }
    match effect {
        Effect::Land {
            position,
            record: Record::Message(message),
            ..
        } => {
            trace.number(position.0);
            trace.number(message.accepted.0);
            trace.bytes(message.properties.as_bytes());
            trace.bytes(&message.body);
        }
        Effect::Deliver {
            connection,
            delivery,
            ..
        } => {
            trace.number(connection.0);
            trace.words(format_args!("{delivery:?}"));
        }
        Effect::Return {
            connection,
            message,
            ..
        } => {
            trace.number(connection.0);
            trace.bytes(&message.body);
        }
        other => trace.words(format_args!("{other:?}")),
    }
}
