//! One run of a cluster: a list of events in the order of their times, and what each of them does to nodes, clients, the
//! database and ZooKeeper.

use super::clients::Connection;
use super::database::Database;
use super::line::OnWay;
use super::node::Node;
use super::stir::{Event, Stir};
use super::trouble::{Trouble, Troubles};
use super::zookeeper::ZooKeeper;
use super::{ClusterPlant, ClusterReport, SESSION};
use crate::actor::{Actor, Founder, Wake};
use crate::agenda::Agenda;
use crate::feature::Feature;
use crate::ledger::Ledger;
use crate::plan::{MS, Plan, SECOND};
use crate::random::Random;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::shell::BEGINNING;
use crate::trace::Trace;
use broker::Command;
use std::collections::BTreeMap;
use std::time::Instant;

const NODES: usize = 3;
/// As many messages a run confirms at least.
const CONFIRMED_LEAST: u64 = 300;
/// When all is calm somebody must serve after so long: a session that ends, a database that is given up, a process that
/// starts again.
const SERVED_WITHIN: u64 = 120 * SECOND;
/// And the shard must stay where it is from then on.
const SETTLED_WITHIN: u64 = 180 * SECOND;
/// Everything must be settled after so long.
const DRAINED_WITHIN: u64 = 4 * 3600 * SECOND;
/// The most events of a run: more are a circle.
const EVENTS_MOST: u64 = 3_000_000;

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) mix: Vec<Trouble>,
    pub(super) random: Random,
    pub(super) now: u64,
    /// The instant at which the run began, for what knows time only as instants.
    pub(super) base: Instant,
    pub(super) events: Agenda<Event>,
    pub(super) nodes: Vec<Node>,
    pub(super) database: Database,
    pub(super) statements: BTreeMap<u64, OnWay>,
    pub(super) zookeeper: ZooKeeper,
    pub(super) actors: Vec<Actor>,
    pub(super) connected: Vec<Option<usize>>,
    pub(super) connections: Vec<Connection>,
    pub(super) ledger: Ledger,
    pub(super) trace: Trace,
    pub(super) calm: bool,
    pub(super) calm_since: u64,
    pub(super) troubles: Troubles,
    pub(super) plant: Option<ClusterPlant>,
    /// The number of the last statement, and of the last tenure.
    pub(super) next: u64,
    pub(super) tenures: u64,
    /// Every taking of the shard that counted: its epoch, and when.
    pub(super) takes: Vec<(u64, u64)>,
    starts: u64,
    unserved: u64,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "leases are instants: only what lies between two of them counts"
    )]
    pub(super) fn new(seed: u64, plant: Option<ClusterPlant>, told: bool) -> Self {
        let mut random = Random::new(crate::random::mixed(seed ^ 0x636c_7573_7465_7221));
        let mut plan = Plan::drawn(&mut random, CONFIRMED_LEAST, 20 * SECOND..150 * SECOND);
        plan.fault_every = plan.stormy / random.within(2..12);
        let mix = Trouble::drawn(&mut random);
        if told {
            eprintln!("{plan:#?}\n{mix:?}");
        }
        let mut actors = vec![Actor::Founder(Founder::default())];
        let senders = plan.senders.iter().enumerate();
        actors.extend(senders.map(|(number, plan)| Actor::Sender(Sender::new(number, plan))));
        let receivers = plan.receivers.iter().enumerate();
        actors.extend(
            receivers.map(|(number, plan)| Actor::Receiver(Box::new(Receiver::new(number, plan)))),
        );
        Self {
            ledger: Ledger::new(&plan),
            connected: vec![None; actors.len()],
            actors,
            plan,
            mix,
            random,
            now: 0,
            base: Instant::now(),
            events: Agenda::default(),
            nodes: (0..NODES).map(Node::new).collect(),
            database: Database::new(),
            statements: BTreeMap::new(),
            zookeeper: ZooKeeper::new(),
            connections: Vec::new(),
            trace: Trace::new(told),
            calm: false,
            calm_since: 0,
            troubles: Troubles::default(),
            plant,
            next: 0,
            tenures: 0,
            takes: Vec::new(),
            starts: 0,
            unserved: 0,
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> ClusterReport {
        for n in 0..NODES {
            let at = self.random.around(SECOND);
            self.events.push(at, Event::Start(n));
        }
        self.events
            .push(10 * MS, Event::Wake(0, None, Wake::Connect));
        let mut events = 0;
        let mut ended = false;
        while !ended
            && self.ledger.violation.is_none()
            && let Some((at, event)) = self.events.pop()
        {
            if self.owner().is_none() {
                self.unserved += at - self.now;
            }
            self.now = at;
            events += 1;
            ended = self.happen(event);
            if events > EVENTS_MOST {
                self.ledger.blame("run", "it goes in a circle".to_owned());
            }
        }
        if ended {
            self.check_end();
        }
        ClusterReport {
            violation: self.ledger.violation,
            hash: self.trace.hash(),
            time: self.now,
            sent: self.ledger.sent.len() as u64,
            confirmed: self.ledger.confirmed,
            deliveries: self.ledger.deliveries,
            duplicates: self.ledger.stale_deliveries,
            takes: self.takes.len() as u64,
            starts: self.starts,
            unserved: self.unserved,
            troubles: self.troubles,
        }
    }

    fn check_end(&mut self) {
        self.ledger.check_settled(&self.plan);
        if let Some((n, tenure)) = self.owner() {
            let audit = Command::Audit {
                vhost: None,
                queue: None,
            };
            let _ = self.with_shell(n, tenure, |serving, it| serving.shell.operate(it, audit));
            let waiting = self.nodes[n].tenure(tenure);
            let bytes = waiting.map_or(0, |serving| serving.shell.waiting_bytes());
            if bytes > 0 {
                let what = format!("{bytes} bytes wait for landing though all has landed");
                self.ledger.blame("P9", what);
            }
        }
        let last = self.takes.last().map_or(0, |(_, at)| *at);
        if last > self.calm_since + SETTLED_WITHIN {
            let after = (last - self.calm_since) / SECOND;
            let what = format!("the shard changes hands {after} s after the last trouble");
            self.ledger.blame("liveness", what);
        }
        if self.troubles.sum() == 0 {
            self.ledger.blame("run", "nothing went wrong".to_owned());
        }
    }

    /// True when the run is at its end.
    fn happen(&mut self, event: Event) -> bool {
        if self.trace.told && !matches!(event, Event::Look | Event::Inside(_, _, Stir::Turn(_))) {
            eprintln!("{} us: {}", self.now, brief(&event));
        }
        match event {
            Event::Start(n) => self.start(n),
            Event::Inside(n, life, stir) => {
                if life == self.nodes[n].life && self.nodes[n].up {
                    if self.now < self.nodes[n].paused_until || !self.nodes[n].held.is_empty() {
                        self.nodes[n].held.push_back(stir);
                    } else {
                        self.stir(n, stir);
                    }
                }
            }
            Event::Resume(n) => self.resume(n),
            Event::Reach(connection, batch) => self.reach(connection, batch),
            Event::ClientSees(connection) => self.client_sees(connection),
            Event::Wake(actor, connection, wake) => self.wake(actor, connection, wake),
            Event::Execute(number) => self.execute(number),
            Event::Owners(asking) => self.owner_asked(asking),
            Event::Arrive(n, link, number, question) => {
                self.question_arrives(n, link, number, &question);
            }
            Event::Follow(n, link) => self.server_follows(n, link),
            Event::Expire(session) => self.expire(session),
            Event::ZooKeeperUp => self.zookeeper_up(),
            Event::Fault => self.fault(),
            Event::Calm => self.calm_down(),
            Event::Look => return self.look(),
        }
        false
    }

    /// Something happens inside a process.
    fn stir(&mut self, n: usize, stir: Stir) {
        match stir {
            Stir::Inputs(connection, inputs) => self.arrive(connection, inputs),
            Stir::ServerSees(connection) => self.server_sees(connection),
            Stir::Turn(tenure) => self.turn(n, tenure),
            Stir::HandOut(tenure, connection) => self.hand_out(n, tenure, connection, true),
            Stir::Taken(tenure, connection) => self.taken(n, tenure, connection),
            Stir::Read(tenure, wanted) => self.read(n, tenure, &wanted),
            Stir::Hold(tenure) => self.hold(n, tenure),
            Stir::Late(tenure) => self.too_late(n, tenure),
            Stir::Connected(connected) => self.connected(n, connected),
            Stir::Answered(number, answer) => self.statement_answered(n, number, answer),
            Stir::Again => self.line_again(n),
            Stir::Recover(epoch, head, since) => self.recover(n, epoch, head, since),
            Stir::Owner(why, asked, epoch) => self.owner_told(n, why, asked, epoch),
            Stir::Try => self.try_zookeeper(n),
            Stir::Replied(link, number, answer) => self.replied(n, link, number, answer),
            Stir::Fired(link, watch) => self.watch_fired(n, link, watch),
            Stir::Lost(link) => self.lost_link(n, link),
            Stir::Tick(at) => self.tick_membership(n, at),
            Stir::HandedOver => self.follow(n),
        }
    }

    pub(super) fn inside_after(&mut self, n: usize, after: u64, stir: Stir) {
        self.inside_of(n, self.nodes[n].life, after, stir);
    }

    /// Something for a process that perhaps is not that one any more.
    pub(super) fn inside_of(&mut self, n: usize, life: u64, after: u64, stir: Stir) {
        let inside = Event::Inside(n, life, stir);
        self.events.push(self.now + after, inside);
    }

    // Processes.

    fn start(&mut self, n: usize) {
        if self.nodes[n].up {
            return;
        }
        self.starts += 1;
        if self.plan.mix.has(Feature::ClockChange) && self.random.percent(50) {
            let millis = i64::try_from(self.random.around(2000)).expect("small");
            let back = self.random.percent(50);
            self.nodes[n].clock_set = if back { -millis } else { millis };
        }
        let wall = BEGINNING * 1000 + self.now;
        let wall = wall.saturating_add_signed(self.nodes[n].clock_set * 1000);
        self.nodes[n].begin(wall);
        self.inside_after(n, 1, Stir::Try);
    }

    /// The process ends, whatever it was about to do; its operator's tools start it again.
    pub(super) fn exit(&mut self, n: usize) {
        if let Some(serving) = self.nodes[n].serving() {
            let tenure = serving.tenure;
            self.hang_up(n, tenure);
        }
        self.end_relays(n);
        self.nodes[n].up = false;
        self.nodes[n].paused_until = 0;
        self.nodes[n].forget();
        let times = [300 * MS, 3 * SECOND, 2 * SESSION];
        let about = *self.random.pick(&times);
        let at = self.now + MS + self.random.around(about);
        self.events.push(at, Event::Start(n));
    }

    pub(super) fn pause(&mut self, n: usize, until: u64) {
        let node = &mut self.nodes[n];
        node.paused_until = node.paused_until.max(until);
        self.events.push(node.paused_until, Event::Resume(n));
    }

    /// Everything that waited happens, as quickly as it can.
    fn resume(&mut self, n: usize) {
        while self.now >= self.nodes[n].paused_until
            && let Some(stir) = self.nodes[n].held.pop_front()
        {
            self.stir(n, stir);
        }
    }

    /// When a higher epoch than that one was taken first.
    pub(super) fn superseded(&self, epoch: u64) -> u64 {
        let higher = self.takes.iter().find(|(taken, _)| *taken > epoch);
        higher.map_or(self.now, |(_, at)| *at)
    }

    // The end.

    fn calm_down(&mut self) {
        if self.troubles.sum() == 0 {
            // Chance has spared this run.
            self.inflict(Trouble::Pause);
        }
        self.calm = true;
        // What has begun lasts as long as it does.
        let nodes = self.nodes.iter().flat_map(|node| {
            [
                node.paused_until,
                node.zookeeper_cut_until,
                node.database_cut_until,
                node.clients_cut_until,
            ]
        });
        let services = [
            self.database.down_until,
            self.database.slow_until,
            self.database.doubtful_until,
            self.database.warns_until,
            self.zookeeper.down_until,
            self.zookeeper.lags_until,
        ];
        self.calm_since = nodes.chain(services).fold(self.now, u64::max);
        self.wake_all();
        self.events.push(self.now + SECOND, Event::Look);
    }

    /// Whether all is done and settled.
    fn look(&mut self) -> bool {
        let owner = self.owner();
        let quiet = owner.is_some_and(|(n, tenure)| {
            let serving = self.nodes[n].tenure(tenure);
            serving.is_some_and(|serving| serving.shell.is_quiet())
        });
        let done = self.actors.iter().all(|actor| actor.is_done(&self.plan));
        let confirmed = self.ledger.confirmed >= self.plan.confirmed_least;
        let calm_for = self.now.saturating_sub(self.calm_since);
        if calm_for > 0 && done && confirmed && quiet && self.ledger.is_drained() {
            return true;
        }
        if owner.is_none() && calm_for > SERVED_WITHIN {
            let what = format!(
                "nobody serves {} s after the last trouble",
                calm_for / SECOND
            );
            self.ledger.blame("liveness", what);
        }
        if calm_for > DRAINED_WITHIN {
            let unsettled = self.ledger.unsettled();
            let actors = self.actors.iter();
            let busy = actors.filter(|actor| !actor.is_done(&self.plan)).count();
            let what = format!(
                "not drained: {} messages are unsettled, the first is {:?}; {busy} senders are not done, {} confirmed",
                unsettled.len(),
                unsettled.first(),
                self.ledger.confirmed
            );
            self.ledger.blame("P2", what);
        }
        // Receivers that kept something may have come back meanwhile.
        let next = if calm_for < 60 * SECOND { 1 } else { 60 };
        self.events.push(self.now + next * SECOND, Event::Look);
        false
    }
}

fn brief(event: &Event) -> String {
    match event {
        Event::Inside(n, _, Stir::Inputs(connection, inputs)) => {
            format!("{} inputs on {connection} arrive at node {n}", inputs.len())
        }
        Event::Reach(connection, batch) => {
            format!("{} things reach the client of {connection}", batch.len())
        }
        other => format!("{other:?}"),
    }
}
