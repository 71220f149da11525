//! Random histories of a queue whose messages expire, overflow and are rejected, and are sent back by an operator:
//! whatever happens when, and whenever the node dies, a confirmed message that nobody acknowledged is in its queue or
//! among the dead letters (promise P2), and nothing is there that was not sent (P4).

use crate::snapshot::State;
use crate::{Broker, Chosen, Command, CommandId, Edited, Effect, Input, Move, Opened, Recovery};
use model::method::{basic, confirm, queue};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, Limits, MessageRecord, Method, Position, Publish,
    QueueId, Record, ShortStr, TableBuilder, Timestamp, Value,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Clone, Debug)]
enum Step {
    Publish {
        expires: bool,
    },
    Land(usize),
    Get,
    Ack,
    Reject,
    Requeue,
    /// So many of the messages that the broker asked for are handed in.
    Fetch(usize),
    Wait(u64),
    /// An operator sends so many dead letters back; some may be gone, or in somebody's hands.
    Redrive(usize),
    /// An operator sends so many messages of a queue to the other one, or what is there behind its own end.
    Move(usize, bool),
    Checkpoint,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<bool>().prop_map(|expires| Step::Publish { expires }),
        6 => (1usize..12).prop_map(Step::Land),
        5 => Just(Step::Get),
        1 => Just(Step::Ack),
        3 => Just(Step::Reject),
        2 => Just(Step::Requeue),
        4 => (1usize..4).prop_map(Step::Fetch),
        3 => (1u64..40).prop_map(Step::Wait),
        3 => (1usize..6).prop_map(Step::Redrive),
        3 => ((1usize..6), any::<bool>()).prop_map(|(count, dead)| Step::Move(count, dead)),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Crash),
    ]
}

const CONNECTION: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);

struct World {
    broker: Broker,
    lane: Vec<(Position, Record)>,
    landed: usize,
    now: Timestamp,
    wanted: VecDeque<(QueueId, Position)>,
    sent: u64,
    /// By the number of the confirm that is awaited.
    unconfirmed: BTreeMap<u64, u64>,
    published: u64,
    confirmed: BTreeSet<u64>,
    acked: BTreeSet<u64>,
    /// By delivery tag.
    unacked: BTreeMap<u64, u64>,
    got: Vec<u64>,
}

fn name(text: &'static str) -> ShortStr {
    ShortStr::from_static(text)
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            broker: Recovery::new(&Limits::default()).finish(Timestamp(0)),
            lane: Vec::new(),
            landed: 0,
            now: Timestamp(1000),
            wanted: VecDeque::new(),
            sent: 0,
            unconfirmed: BTreeMap::new(),
            published: 0,
            confirmed: BTreeSet::new(),
            acked: BTreeSet::new(),
            unacked: BTreeMap::new(),
            got: Vec::new(),
        };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.unacked.clear();
        self.unconfirmed.clear();
        self.published = 0;
        self.input(Input::ConnectionOpened(Opened {
            connection: CONNECTION,
            user: name("guest"),
            vhost: name("/"),
            consumer_cancel_notify: true,
            blocked_notify: true,
        }));
        self.input(Input::ChannelOpened(CONNECTION, CHANNEL));
        self.call(confirm::Select { no_wait: true });
        let rules = TableBuilder::new()
            .field("x-message-ttl", Value::I32(50))
            .field("x-max-length", Value::I32(4))
            .text("x-dead-letter-exchange", "")
            .text("x-dead-letter-routing-key", "dead")
            .build();
        for (queue, arguments) in [("work", rules), ("dead", TableBuilder::new().build())] {
            self.call(queue::Declare {
                queue: name(queue),
                durable: true,
                no_wait: true,
                arguments,
                ..Default::default()
            });
        }
        self.land(usize::MAX);
    }

    fn run(&mut self, step: &Step) {
        let tag = self.unacked.keys().next().map(|tag| DeliveryTag(*tag));
        match (step, tag) {
            (Step::Publish { expires }, _) => self.publish(*expires),
            (Step::Land(count), _) => self.land(*count),
            (Step::Get, _) => self.get("work"),
            (Step::Ack, Some(delivery_tag)) => {
                let message = self.unacked.remove(&delivery_tag.0);
                self.acked.extend(message);
                let multiple = false;
                self.call(basic::Ack {
                    delivery_tag,
                    multiple,
                });
            }
            (Step::Reject, Some(tag)) => self.reject(tag, false),
            (Step::Requeue, Some(tag)) => self.reject(tag, true),
            (Step::Fetch(count), _) => self.fetch(*count),
            (Step::Wait(time), _) => {
                self.now = self.now + std::time::Duration::from_millis(*time);
                self.end_turn();
            }
            (Step::Redrive(count), _) => self.redrive(*count),
            (Step::Move(count, dead), _) => self.send_on(*count, *dead),
            (Step::Checkpoint, _) => self.input(Input::CheckpointWanted),
            (Step::Crash, _) => self.come_back(),
            (Step::Ack | Step::Reject | Step::Requeue, None) => {}
        }
    }

    fn publish(&mut self, expires: bool) {
        self.sent += 1;
        self.published += 1;
        self.unconfirmed.insert(self.published, self.sent);
        let properties = model::PropertiesBuilder::new();
        let properties = if expires {
            properties.expiration(&name("7"))
        } else {
            properties
        };
        let publish = Publish {
            routing_key: name("work"),
            properties: properties.build(),
            body: self.sent.to_string().into(),
            ..Default::default()
        };
        self.input(Input::Publish(CONNECTION, CHANNEL, publish));
    }

    fn reject(&mut self, delivery_tag: DeliveryTag, requeue: bool) {
        self.unacked.remove(&delivery_tag.0);
        self.call(basic::Reject {
            delivery_tag,
            requeue,
        });
    }

    fn get(&mut self, queue: &'static str) {
        self.call(basic::Get {
            queue: name(queue),
            ..Default::default()
        });
    }

    /// The positions are those of all messages that were ever meant for the dead letters.
    fn redrive(&mut self, count: usize) {
        let chosen = self.chosen("dead", count, |message| {
            let headers = message.properties.headers();
            headers.is_some_and(|headers| headers.get("x-death").is_some())
        });
        self.input(Input::Command(CommandId(1), Command::Redrive(chosen)));
    }

    /// The last so many of all messages that ever came, of some.
    fn chosen(
        &self,
        queue: &'static str,
        count: usize,
        is_meant: impl Fn(&MessageRecord) -> bool,
    ) -> Chosen {
        let records = self.lane.iter().rev();
        let meant = records.filter_map(|(position, record)| match record {
            Record::Message(message) => is_meant(message).then_some(*position),
            _ => None,
        });
        Chosen {
            vhost: name("/"),
            queue: name(queue),
            state: State::Ready,
            positions: meant.take(count).collect(),
        }
    }

    fn send_on(&mut self, count: usize, dead: bool) {
        let from = if dead { "dead" } else { "work" };
        let asked = Move {
            user: name("guest"),
            bearer: None,
            chosen: self.chosen(from, count, |_| true),
            exchange: name(""),
            routing_key: (!dead).then(|| name("dead")),
            edited: Edited::default(),
        };
        self.input(Input::Command(CommandId(1), Command::Move(Box::new(asked))));
    }

    fn land(&mut self, count: usize) {
        self.landed = self.landed.saturating_add(count).min(self.lane.len());
        if let Some((upto, _)) = self.landed.checked_sub(1).map(|last| &self.lane[last]) {
            self.input(Input::Landed(*upto));
        }
    }

    fn fetch(&mut self, count: usize) {
        for _ in 0..count {
            let Some((queue, position)) = self.wanted.pop_front() else {
                return;
            };
            let message = Box::new(self.message(position).clone());
            self.input(Input::Fetched(queue, position, Some(message)));
        }
    }

    fn message(&self, position: Position) -> &MessageRecord {
        let at = self.lane.binary_search_by_key(&position, |(at, _)| *at);
        match &self.lane[at.expect("P4: it was asked to land")].1 {
            Record::Message(message) => message,
            other => panic!("P4: {other:?} is no message"),
        }
    }

    fn come_back(&mut self) {
        self.lane.truncate(self.landed);
        let mut recovery = Recovery::new(&Limits::default());
        for (position, record) in &self.lane {
            recovery.apply(*position, record.clone());
        }
        self.broker = recovery.finish(self.now);
        self.wanted.clear();
        self.connect();
    }

    fn call(&mut self, method: impl Into<Method>) {
        self.input(Input::Method(CONNECTION, CHANNEL, method.into()));
    }

    fn input(&mut self, input: Input) {
        self.broker.handle(self.now, input);
        self.end_turn();
    }

    fn end_turn(&mut self) {
        self.broker.tick(self.now);
        super::auditing::check(&mut self.broker);
        while let Some(effect) = self.broker.poll_effect() {
            match effect {
                Effect::Land {
                    position, record, ..
                } => self.lane.push((position, record)),
                Effect::Fetch { queue, position } => self.wanted.push_back((queue, position)),
                Effect::GetOk { delivery, .. } => {
                    let landed = self.lane[self.landed - 1].0;
                    assert!(
                        delivery.position <= landed,
                        "P3: handed out before it landed"
                    );
                    let message = number(&self.message(delivery.position).body);
                    self.unacked.insert(delivery.tag.0, message);
                    self.got.push(message);
                }
                Effect::Send(_, _, Method::BasicAck(ack)) => {
                    let later = self.unconfirmed.split_off(&(ack.delivery_tag.0 + 1));
                    let confirmed = std::mem::replace(&mut self.unconfirmed, later);
                    self.confirmed.extend(confirmed.into_values());
                }
                Effect::CloseChannel(_, _, error) => panic!("{error}"),
                Effect::CloseConnection(_, error) => panic!("{error}"),
                _ => {}
            }
        }
    }

    /// All that is not acknowledged is found again.
    fn check(mut self) {
        self.input(Input::ConnectionClosed(CONNECTION));
        self.connect();
        self.got.clear();
        for queue in ["work", "dead"] {
            // What was dying arrives while the first queue is emptied.
            while !self.wanted.is_empty() || self.landed < self.lane.len() {
                self.fetch(usize::MAX);
                self.land(usize::MAX);
            }
            let before = self.got.len();
            for _ in 0..=4 * self.sent {
                self.get(queue);
            }
            assert!(
                queue == "dead" || self.got.len() - before <= 4,
                "the limit holds"
            );
        }
        let got: BTreeSet<u64> = self.got.iter().copied().collect();
        assert!(
            got.iter().all(|message| (1..=self.sent).contains(message)),
            "P4: something was invented"
        );
        let lost: Vec<_> = self
            .confirmed
            .difference(&self.acked)
            .filter(|message| !got.contains(message))
            .collect();
        assert!(lost.is_empty(), "P2: {lost:?} are lost");
    }
}

fn number(body: &[u8]) -> u64 {
    let text = std::str::from_utf8(body).expect("bodies are numbers");
    text.parse().expect("bodies are numbers")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_dies_is_found_again(steps in proptest::collection::vec(step(), 0..100)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
        world.check();
    }
}
