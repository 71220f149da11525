//! The heart: clients that ask for anything in any order, a store that lands when it likes, crashes, and time.
//! Nothing panics, positions come without gaps, nothing is handed out or confirmed that has not landed, and the audit
//! balances.

#![no_main]

#[path = "../requests.rs"]
mod requests;

use broker::snapshot::State;
use broker::{Broker, Chosen, Command, CommandId, Effect, Input, Opened, Recovery, Written};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use model::record::PolicyDefinition;
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, Limits, Method, Position, Publish, QueueId, Record,
    ShortStr, Timestamp,
};
use requests::{Envelope, Request, name};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Request(u8, Request<'a>),
    Publish {
        channel: u8,
        exchange: u8,
        key: u8,
        mandatory: bool,
        envelope: Envelope<'a>,
        body: u8,
    },
    /// channel.close.
    Close(u8),
    Disconnect(bool),
    /// So many records land; 255 for all.
    Land(u8),
    /// The socket takes what was delivered.
    Written,
    /// What the broker asked for is read.
    Fetched,
    Wait(u16),
    Room(bool),
    Checkpoint,
    /// An operator acts on messages.
    Operate {
        queue: u8,
        state: u8,
        redrive: bool,
        from: u8,
        count: u8,
    },
    Policy(u8, Request<'a>),
    Crash,
}

struct Play {
    broker: Broker,
    lane: Vec<(Position, Record)>,
    landed: Position,
    now: Timestamp,
    connections: [Option<ConnectionId>; 2],
    next_connection: u64,
    open: BTreeSet<(ConnectionId, ChannelNumber)>,
    /// Closed by the client and not answered: nothing comes on them.
    leaving: BTreeSet<(ConnectionId, ChannelNumber)>,
    written: BTreeMap<ConnectionId, Written>,
    wanted: Vec<(QueueId, Position)>,
}

fuzz_target!(|steps: Vec<Step>| {
    let mut play = Play {
        broker: Recovery::new(&limits()).finish(Timestamp(0)),
        lane: Vec::new(),
        landed: Position::NONE,
        now: Timestamp(1000),
        connections: [None; 2],
        next_connection: 1,
        open: BTreeSet::new(),
        leaving: BTreeSet::new(),
        written: BTreeMap::new(),
        wanted: Vec::new(),
    };
    play.end_turn();
    play.land(255);
    for step in &steps {
        play.step(step);
    }
    play.audit();
    play.input(Input::Stopping);
    play.land(255);
    play.crash();
});

/// Small enough to be reached.
fn limits() -> Limits {
    Limits {
        queues_max: 6,
        bindings_max: 20,
        unacked_max: 20,
        publishers_max: 3,
        publisher_gaps_max: 4,
        transactions_bytes_max: 2000,
        deduplication_max: 30,
        ..Limits::default()
    }
}

impl Play {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Request(channel, request) => {
                if let Some((connection, number)) = self.channel(*channel) {
                    self.input(Input::Method(connection, number, request.method()));
                }
            }
            Step::Publish {
                channel,
                exchange,
                key,
                mandatory,
                envelope,
                body,
            } => {
                let Some((connection, number)) = self.channel(*channel) else {
                    return;
                };
                let publish = Publish {
                    exchange: name(*exchange),
                    routing_key: name(*key),
                    mandatory: *mandatory,
                    immediate: false,
                    properties: envelope.build(),
                    body: vec![*body; usize::from(*body)].into(),
                };
                self.input(Input::Publish(connection, number, publish));
            }
            Step::Close(channel) => {
                if let Some(at) = self.channel(*channel) {
                    self.leaving.insert(at);
                    self.input(Input::ChannelClosed(at.0, at.1));
                }
            }
            Step::Disconnect(which) => {
                if let Some(connection) = self.connections[usize::from(*which)].take() {
                    self.forget(connection);
                    self.input(Input::ConnectionClosed(connection));
                }
            }
            Step::Land(count) => self.land(*count),
            Step::Written => {
                for (connection, written) in std::mem::take(&mut self.written) {
                    self.input(Input::Written(connection, written));
                }
            }
            Step::Fetched => self.fetched(),
            Step::Wait(millis) => {
                self.now = Timestamp(self.now.0 + u64::from(*millis));
                self.end_turn();
            }
            Step::Room(room) => self.input(Input::Room(*room)),
            Step::Checkpoint => self.input(Input::CheckpointWanted),
            Step::Operate {
                queue,
                state,
                redrive,
                from,
                count,
            } => {
                let first = u64::from(*from);
                let chosen = Chosen {
                    vhost: ShortStr::from_static("/"),
                    queue: name(*queue),
                    state: State::ALL[usize::from(*state) % State::ALL.len()],
                    positions: (first..first + u64::from(*count % 8))
                        .map(Position)
                        .collect(),
                };
                self.ask(if *redrive {
                    Command::Redrive(chosen)
                } else {
                    Command::Cancel(chosen)
                });
            }
            Step::Policy(queue, request) => {
                let definition = request.rules();
                self.ask(Command::PutPolicy(PolicyDefinition {
                    vhost: ShortStr::from_static("/"),
                    name: ShortStr::from_static("policy"),
                    pattern: name(*queue).to_string(),
                    apply_to: ShortStr::from_static("all"),
                    priority: 0,
                    definition,
                }));
            }
            Step::Crash => self.crash(),
        }
    }

    fn ask(&mut self, command: Command) {
        self.input(Input::Command(CommandId(1), command));
    }

    /// A channel that is open, opened and connected for it if it was not; `None` while it is being closed.
    fn channel(&mut self, number: u8) -> Option<(ConnectionId, ChannelNumber)> {
        let which = usize::from(number & 1);
        let connection = match self.connections[which] {
            Some(connection) => connection,
            None => {
                let connection = ConnectionId(self.next_connection);
                self.next_connection += 1;
                self.connections[which] = Some(connection);
                self.input(Input::ConnectionOpened(Opened {
                    connection,
                    user: ShortStr::from_static("guest"),
                    vhost: ShortStr::from_static("/"),
                    consumer_cancel_notify: true,
                    blocked_notify: true,
                }));
                connection
            }
        };
        let at = (connection, ChannelNumber(1 + u16::from(number >> 1) % 2));
        if self.open.insert(at) {
            self.input(Input::ChannelOpened(at.0, at.1));
        }
        (!self.leaving.contains(&at)).then_some(at)
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.open.retain(|(of, _)| *of != connection);
        self.leaving.retain(|(of, _)| *of != connection);
        self.written.remove(&connection);
        for known in &mut self.connections {
            known.take_if(|known| *known == connection);
        }
    }

    fn input(&mut self, input: Input) {
        self.broker.handle(self.now, input);
        self.end_turn();
    }

    fn end_turn(&mut self) {
        self.broker.tick(self.now);
        while let Some(effect) = self.broker.poll_effect() {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Land {
                position, record, ..
            } => {
                let last = self.lane.last().map_or(self.landed, |(last, _)| *last);
                assert_eq!(position.0, last.0 + 1, "positions come without gaps");
                self.lane.push((position, record));
            }
            Effect::Deliver {
                connection,
                channel,
                delivery,
                ..
            }
            | Effect::GetOk {
                connection,
                channel,
                delivery,
                ..
            } => {
                assert!(
                    delivery.position <= self.landed,
                    "nothing leaves before it has landed"
                );
                self.delivered(connection, channel, delivery.tag, delivery.no_ack);
            }
            Effect::Fetch { queue, position } => self.wanted.push((queue, position)),
            Effect::CloseChannel(connection, channel, _)
            | Effect::Send(connection, channel, Method::ChannelCloseOk(_)) => {
                self.open.remove(&(connection, channel));
                self.leaving.remove(&(connection, channel));
            }
            Effect::CloseConnection(connection, _) => self.forget(connection),
            Effect::Unbalanced(account) => panic!("{account:?}"),
            _ => {}
        }
    }

    fn delivered(
        &mut self,
        connection: ConnectionId,
        channel: ChannelNumber,
        tag: DeliveryTag,
        no_ack: bool,
    ) {
        let written = self.written.entry(connection).or_default();
        written.deliveries += 1;
        if no_ack {
            written.settled.push((channel, tag));
        }
    }

    fn land(&mut self, count: u8) {
        let waiting = self.lane.iter().filter(|(at, _)| *at > self.landed);
        let count = match count {
            255 => usize::MAX,
            count => usize::from(count),
        };
        if let Some((upto, _)) = waiting.take(count).last() {
            self.landed = *upto;
            self.input(Input::Landed(*upto));
        }
    }

    fn fetched(&mut self) {
        for (queue, wanted) in std::mem::take(&mut self.wanted) {
            let record = self.lane.iter().find(|(at, _)| *at == wanted);
            let message = match record {
                Some((_, Record::Message(message))) => Some(Box::new(message.clone())),
                _ => None,
            };
            self.input(Input::Fetched(queue, wanted, message));
        }
    }

    fn audit(&mut self) {
        self.ask(Command::Audit {
            vhost: None,
            queue: None,
        });
    }

    /// What has not landed is gone; the rest is told to a new broker.
    fn crash(&mut self) {
        self.audit();
        self.lane.retain(|(at, _)| *at <= self.landed);
        let mut recovery = Recovery::new(&limits());
        for (position, record) in &self.lane {
            recovery.apply(*position, record.clone());
        }
        self.broker = recovery.finish(self.now);
        self.connections = [None; 2];
        self.open.clear();
        self.leaving.clear();
        self.written.clear();
        self.wanted.clear();
        self.end_turn();
        self.audit();
    }
}
