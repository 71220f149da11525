//! One run: a list of events in the order of their times, and what each of them does to the server, the network, the
//! disk and the clients. Nothing else decides what happens next.

mod faults;
mod network;

use crate::actor::{Actor, Down, Founder, Surroundings, Wake};
use crate::agenda::Agenda;
use crate::feature::Feature;
use crate::ledger::Ledger;
use crate::plan::{MS, Plan, SECOND};
use crate::plant::Plant;
use crate::random::Random;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::shell::{Opened, Outcome, Shell, Start, Turn};
use crate::trace::Trace;
use broker::snapshot::State;
use broker::{Chosen, Command, Input};
use model::{ConnectionId, Position, QueueId};
use store::memory::Disk;
use store::{MemoryStore, Room, Store};

/// As many messages a run confirms at least.
const CONFIRMED_LEAST: u64 = 1000;

/// When all is calm everything must be settled after so long.
const DRAINED_WITHIN: u64 = 4 * 3600 * SECOND;

/// The most events of a run: more are a circle.
const EVENTS_MOST: u64 = 3_000_000;

#[derive(Debug)]
enum Event {
    /// A client writes reach the server.
    Arrive(usize, Vec<Input>),
    /// What the server says reaches the client.
    Reach(usize, Vec<Down>),
    /// The server looks at what is there.
    Turn(u64),
    /// The disk is done with a chunk.
    Landed(u64),
    /// What waits for a connection is handed out; the disk has been asked.
    HandOut(u64, usize),
    /// A connection's socket has taken what was handed out.
    Taken(u64, usize),
    /// The disk has read for the broker.
    Read(u64, Vec<(QueueId, Position)>),
    /// The server notices that a connection is gone.
    ServerSees(usize),
    /// The client does.
    ClientSees(usize),
    /// A client wakes.
    Wake(usize, Option<usize>, Wake),
    Fault,
    /// An operator looks for dead letters.
    Operate,
    /// The server starts.
    Start,
    /// The disk has room again.
    Emptied,
    /// Faults end.
    Calm,
    /// Is everything settled?
    Look,
}

/// A connection; its number is its place in the list.
#[derive(Debug)]
struct Connection {
    actor: usize,
    life: u64,
    latency: u64,
    /// When the last thing on its way arrives: nothing overtakes.
    up_at: u64,
    down_at: u64,
    /// What arrives later is lost.
    cut_at: u64,
    server_gone: bool,
    client_gone: bool,
}

pub(crate) struct World {
    plan: Plan,
    random: Random,
    now: u64,
    events: Agenda<Event>,
    disk: Disk,
    shell: Option<Shell>,
    /// How often the server was started.
    life: u64,
    turn_at: u64,
    /// The server stands still until then.
    paused_until: u64,
    slow_until: u64,
    clock_set: i64,
    clean: bool,
    actors: Vec<Actor>,
    connected: Vec<Option<usize>>,
    connections: Vec<Connection>,
    ledger: Ledger,
    trace: Trace,
    calm: bool,
    calm_since: u64,
    faults: u64,
    plant: Option<Plant>,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was wrong, if something was.
    pub violation: Option<crate::ledger::Violation>,
    /// All inputs and effects in one number.
    pub hash: u64,
    /// How long it would have taken, in microseconds.
    pub time: u64,
    /// Messages sent, confirmed, and deliveries.
    pub sent: u64,
    /// Messages of which the sender was told that they had landed.
    pub confirmed: u64,
    /// How often a message was handed out.
    pub deliveries: u64,
    /// Faults.
    pub faults: u64,
    /// How often the server started.
    pub starts: u64,
}

impl World {
    pub(crate) fn new(seed: u64, plant: Option<Plant>, told: bool) -> Self {
        let mut random = Random::new(crate::random::mixed(seed ^ 0x6c61_6e64_6661_6c6c));
        let plan = Plan::drawn(&mut random, CONFIRMED_LEAST, 10 * SECOND..120 * SECOND);
        if told {
            eprintln!("{plan:#?}");
        }
        let mut actors = vec![Actor::Founder(Founder::default())];
        let senders = plan.senders.iter().enumerate();
        actors.extend(senders.map(|(number, plan)| Actor::Sender(Sender::new(number, plan))));
        let receivers = plan.receivers.iter().enumerate();
        actors.extend(
            receivers.map(|(number, plan)| Actor::Receiver(Box::new(Receiver::new(number, plan)))),
        );
        let disk = Disk::new(plan.segment_bytes);
        disk.set_caches(!plan.mix.has(Feature::ColdCache));
        Self {
            ledger: Ledger::new(&plan),
            connected: vec![None; actors.len()],
            actors,
            plan,
            random,
            now: 0,
            events: Agenda::default(),
            disk,
            shell: None,
            life: 0,
            turn_at: u64::MAX,
            paused_until: 0,
            slow_until: 0,
            clock_set: 0,
            clean: true,
            connections: Vec::new(),
            trace: Trace::new(told),
            calm: false,
            calm_since: 0,
            faults: 0,
            plant,
        }
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Report {
        self.at(0, Event::Start);
        self.at(10 * MS, Event::Wake(0, None, Wake::Connect));
        let mut events = 0;
        let mut ended = false;
        while !ended
            && self.ledger.violation.is_none()
            && let Some((at, event)) = self.events.pop()
        {
            self.now = at;
            events += 1;
            ended = self.happen(event);
            if events > EVENTS_MOST {
                self.ledger.blame("run", "it goes in a circle".to_owned());
            }
        }
        if ended {
            let audit = Command::Audit {
                vhost: None,
                queue: None,
            };
            let _ = self.with_shell(|shell, it| shell.operate(it, audit));
            self.check_end();
        }
        Report {
            violation: self.ledger.violation,
            hash: self.trace.hash(),
            time: self.now,
            sent: self.ledger.sent.len() as u64,
            confirmed: self.ledger.confirmed,
            deliveries: self.ledger.deliveries,
            faults: self.faults,
            starts: self.life,
        }
    }

    fn check_end(&mut self) {
        self.ledger.check_settled(&self.plan);
        if let Some(shell) = &self.shell
            && shell.waiting_bytes() > 0
        {
            let bytes = shell.waiting_bytes();
            self.ledger.blame(
                "P9",
                format!("{bytes} bytes wait for landing though all has landed"),
            );
        }
        if self.faults == 0 {
            self.ledger.blame("run", "no fault was injected".to_owned());
        }
        if self.ledger.confirmed < self.plan.confirmed_least {
            let confirmed = self.ledger.confirmed;
            self.ledger
                .blame("run", format!("only {confirmed} messages were confirmed"));
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.push(time, event);
    }

    fn after(&mut self, time: u64, event: Event) {
        self.at(self.now + time, event);
    }

    /// True when the run is at its end.
    fn happen(&mut self, event: Event) -> bool {
        if self.trace.told && !matches!(event, Event::Look | Event::Turn(_)) {
            eprintln!("{} us: {}", self.now, brief(&event));
        }
        match event {
            Event::Arrive(connection, inputs) => self.arrive(connection, inputs),
            Event::Reach(connection, batch) => self.reach(connection, batch),
            Event::Turn(life) if life == self.life => self.turn(),
            Event::Landed(life) if life == self.life => {
                let outcome = self.with_shell(|shell, it| shell.landed(it));
                self.follow(outcome);
            }
            Event::HandOut(life, connection) if life == self.life => {
                self.hand_out(connection, true);
            }
            Event::Taken(life, connection) if life == self.life => {
                if let Some(shell) = &mut self.shell {
                    shell.report_written(ConnectionId(connection as u64));
                }
                self.turn_soon();
            }
            Event::Read(life, wanted) if life == self.life => {
                if let Some(shell) = &mut self.shell {
                    shell.fetch(&mut self.ledger, &wanted);
                }
                self.turn_soon();
            }
            Event::Turn(_)
            | Event::Landed(_)
            | Event::HandOut(..)
            | Event::Taken(..)
            | Event::Read(..) => {}
            Event::ServerSees(connection) => self.server_sees(connection),
            Event::ClientSees(connection) => self.client_sees(connection),
            Event::Wake(actor, connection, wake) => self.wake(actor, connection, wake),
            Event::Fault => self.fault(),
            Event::Operate => self.operate(),
            Event::Start => self.start(),
            Event::Emptied => self.disk.set_room(Room::Open),
            Event::Calm => self.calm_down(),
            Event::Look => return self.look(),
        }
        false
    }

    // The server.

    fn start(&mut self) {
        self.life += 1;
        self.turn_at = u64::MAX;
        let seed = self.random.next();
        let start = Start {
            now: self.now,
            clock_set: self.clock_set,
            clean: self.clean,
            plant: self.plant,
            stale: false,
        };
        let disk = &self.disk;
        let open = |tell: &mut dyn FnMut(Position, model::Record)| {
            let store = MemoryStore::open(disk, tell).map_err(|error| error.to_string())?;
            let reader = store.reader();
            let store: Option<Box<dyn Store>> = Some(Box::new(store));
            Ok(Opened { store, reader })
        };
        let (ledger, trace) = (&mut self.ledger, &mut self.trace);
        ledger.hung_up();
        let started = Shell::start(start, &self.plan, ledger, trace, seed, open);
        self.clean = false;
        if let Some((shell, outcome)) = started {
            self.shell = Some(shell);
            self.follow(outcome);
        }
    }

    /// Lets the server do something, if it is there.
    fn with_shell(&mut self, what: impl FnOnce(&mut Shell, &mut Turn<'_>)) -> Outcome {
        let Some(shell) = &mut self.shell else {
            return Outcome::default();
        };
        let mut it = Turn::new(self.now, &self.plan, &mut self.ledger, &mut self.trace);
        what(shell, &mut it);
        it.outcome
    }

    fn turn_soon(&mut self) {
        let after = self.random.within(1..200);
        self.turn_by(self.now + after);
    }

    fn turn_by(&mut self, at: u64) {
        let at = at.max(self.paused_until).max(self.now);
        if at < self.turn_at {
            self.turn_at = at;
            self.at(at, Event::Turn(self.life));
        }
    }

    fn turn(&mut self) {
        if self.now < self.paused_until {
            self.turn_at = u64::MAX;
            return self.turn_by(self.paused_until);
        }
        if self.now < self.turn_at {
            return;
        }
        self.turn_at = u64::MAX;
        let outcome = self.with_shell(|shell, it| shell.turn(it));
        self.follow(outcome);
    }

    /// Does what a turn has left to do.
    fn follow(&mut self, mut outcome: Outcome) {
        if outcome.failed {
            self.faults += 1;
            return self.crash();
        }
        if outcome.landing {
            let slow = if self.now < self.slow_until { 200 } else { 1 };
            let time = 20 + self.random.around(self.plan.landing) * slow;
            self.after(time, Event::Landed(self.life));
        }
        outcome.touched.sort_unstable();
        outcome.touched.dedup();
        for connection in outcome.touched {
            self.hand_out(usize::try_from(connection.0).expect("small"), false);
        }
        if !outcome.to_read.is_empty() {
            let time = 10 + self.random.around(self.plan.landing);
            self.after(time, Event::Read(self.life, outcome.to_read));
        }
        if let Some(shell) = &self.shell {
            if !shell.inbox.is_empty() {
                self.turn_soon();
            }
            if let Some(at) = self.shell.as_ref().and_then(Shell::wake_at) {
                // The broker's time is in milliseconds: not before the next one.
                self.turn_by(at.max(self.now + MS));
            }
        }
    }

    fn hand_out(&mut self, number: usize, has_read: bool) {
        let Some(shell) = &mut self.shell else {
            return;
        };
        let id = ConnectionId(number as u64);
        let Some(outlet) = shell.outlets.get_mut(&id) else {
            return;
        };
        if outlet.pumping && !has_read {
            return;
        }
        outlet.pumping = false;
        let (batch, must_read) = shell.hand_out(&mut self.ledger, id, has_read);
        if must_read {
            if let Some(outlet) = shell.outlets.get_mut(&id) {
                outlet.pumping = true;
            }
            let time = 10 + self.random.around(self.plan.landing);
            self.after(time, Event::HandOut(self.life, number));
        }
        if !shell_is_quiet(&self.shell) {
            self.turn_soon();
        }
        if batch.is_empty() {
            return;
        }
        let taken = self.random.around(self.connections[number].latency);
        self.after(taken, Event::Taken(self.life, number));
        let connection = &mut self.connections[number];
        let at = self.now + 1 + self.random.around(connection.latency);
        connection.down_at = connection.down_at.max(at);
        let at = connection.down_at;
        self.at(at, Event::Reach(number, batch));
    }

    /// The process is gone; what the disk holds stays.
    fn crash(&mut self) {
        if let Some(shell) = self.shell.take() {
            shell.crash(&self.disk, &mut self.random);
            self.clean = false;
            self.ended();
        }
    }

    fn stop(&mut self) {
        let Some(shell) = self.shell.take() else {
            return;
        };
        let mut it = Turn::new(self.now, &self.plan, &mut self.ledger, &mut self.trace);
        let stopped = shell.stop(&mut it);
        if !stopped {
            self.disk.crash();
        }
        self.clean = stopped;
        self.ended();
    }

    /// The server is gone: so are all connections, and it starts again some time.
    fn ended(&mut self) {
        for number in 0..self.connections.len() {
            let connection = &mut self.connections[number];
            if connection.life == self.life && !connection.server_gone {
                connection.server_gone = true;
                connection.cut_at = connection.cut_at.min(self.now);
                let after = 1 + self.random.around(200 * MS);
                self.after(after, Event::ClientSees(number));
            }
        }
        if self.plan.mix.has(Feature::ClockChange) && self.random.percent(50) {
            let millis = i64::try_from(self.random.around(5000)).expect("small");
            self.clock_set += if self.random.percent(70) {
                millis
            } else {
                -millis
            };
        }
        let down = 10 * MS + self.random.around(2 * SECOND);
        self.after(down, Event::Start);
    }

    // The clients.

    fn with_actor(&mut self, number: usize, what: impl FnOnce(&mut Actor, &mut Surroundings<'_>)) {
        let connection = self.connected[number];
        let mut it = Surroundings {
            now: self.now,
            plan: &self.plan,
            random: &mut self.random,
            ledger: &mut self.ledger,
            calm: self.calm,
            connection,
            out: Vec::new(),
            wakes: Vec::new(),
            leaves: false,
        };
        what(&mut self.actors[number], &mut it);
        let (out, wakes, leaves) = (it.out, it.wakes, it.leaves);
        for (after, wake) in wakes {
            let connection = if wake == Wake::Poll { connection } else { None };
            self.after(after, Event::Wake(number, connection, wake));
        }
        if let Some(connection) = connection {
            self.write(connection, out);
            if leaves && !self.connections[connection].client_gone {
                self.leave(connection);
            }
        }
        if number == 0 && leaves {
            self.founded();
        }
    }

    fn wake(&mut self, actor: usize, connection: Option<usize>, wake: Wake) {
        if wake == Wake::Connect {
            let founded = matches!(&self.actors[0], Actor::Founder(founder) if founder.done);
            if actor > 0 || !founded {
                self.connect(actor);
            }
        } else if connection.is_none() || connection == self.connected[actor] {
            self.with_actor(actor, |actor, it| actor.woken(it, wake));
        }
    }

    /// Everything is declared: the others come.
    fn founded(&mut self) {
        for actor in 1..self.actors.len() {
            let after = self.random.around(100 * MS);
            self.after(after, Event::Wake(actor, None, Wake::Connect));
            if matches!(self.actors[actor], Actor::Sender(_)) {
                self.after(after, Event::Wake(actor, None, Wake::Send));
            }
        }
        if self.plan.mix.has(Feature::Redrive) {
            self.after(SECOND, Event::Operate);
        }
        let first = self.random.around(self.plan.fault_every);
        self.after(first, Event::Fault);
        self.after(self.plan.stormy, Event::Calm);
    }

    /// Some dead letters go back to where they died.
    fn operate(&mut self) {
        let dead = self
            .plan
            .queues
            .iter()
            .position(|queue| queue.name == "dead");
        let Some(dead) = dead.filter(|_| !self.calm || self.now < self.calm_since + 10 * SECOND)
        else {
            return;
        };
        let positions = self.ledger.dead_letters(dead, 20);
        if self.shell.is_some() && !positions.is_empty() && self.now >= self.paused_until {
            self.ledger.redrives(dead, &positions);
            let chosen = Chosen {
                vhost: crate::plan::short("/"),
                queue: crate::plan::short("dead"),
                state: State::Ready,
                positions,
            };
            let outcome = self.with_shell(|shell, it| shell.operate(it, Command::Redrive(chosen)));
            self.follow(outcome);
        }
        let next = self.random.within(SECOND..10 * SECOND);
        self.after(next, Event::Operate);
    }

    fn calm_down(&mut self) {
        if self.faults == 0 {
            // Chance has spared this run.
            self.inflict(Feature::Crash);
        }
        self.calm = true;
        self.calm_since = self.now;
        self.slow_until = 0;
        self.disk.set_room(Room::Open);
        for actor in 1..self.actors.len() {
            let after = 1 + self.random.around(10 * MS);
            self.after(after, Event::Wake(actor, None, Wake::Send));
        }
        self.after(SECOND, Event::Look);
    }

    /// Whether all is done and settled.
    fn look(&mut self) -> bool {
        let done = self.actors.iter().all(|actor| actor.is_done(&self.plan));
        let confirmed = self.ledger.confirmed >= self.plan.confirmed_least;
        let quiet = self.shell.as_ref().is_some_and(Shell::is_quiet);
        if done && confirmed && quiet && self.ledger.is_drained() {
            return true;
        }
        if self.now - self.calm_since > DRAINED_WITHIN {
            let unsettled = self.ledger.unsettled();
            let senders = self
                .actors
                .iter()
                .filter(|actor| !actor.is_done(&self.plan))
                .count();
            let first = unsettled.first();
            let what = format!(
                "not drained: {} messages are unsettled, the first is {first:?}; {senders} senders are not done, {} confirmed",
                unsettled.len(),
                self.ledger.confirmed
            );
            self.ledger.blame("P2", what);
            return false;
        }
        // Receivers that kept something may have come back meanwhile.
        let next = if self.now - self.calm_since < 60 * SECOND {
            SECOND
        } else {
            60 * SECOND
        };
        self.after(next, Event::Look);
        false
    }
}

fn shell_is_quiet(shell: &Option<Shell>) -> bool {
    shell.as_ref().is_none_or(|shell| shell.inbox.is_empty())
}

fn brief(event: &Event) -> String {
    match event {
        Event::Arrive(connection, inputs) => {
            format!("{} inputs on {connection} arrive", inputs.len())
        }
        Event::Reach(connection, batch) => {
            format!("{} things reach the client of {connection}", batch.len())
        }
        other => format!("{other:?}"),
    }
}
