//! Random histories of a queue that deduplicates, with crashes in between and old segments reclaimed. The model is a
//! list of what was published and landed: what is in the window is confirmed and does not land again, what was never
//! sent before lands.

use crate::{Broker, Effect, Input, Opened, Recovery, Written};
use model::method::{basic, confirm, queue};
use model::{
    ChannelNumber, ConnectionId, Limits, Method, Position, PropertiesBuilder, Publish, Record,
    Runs, ShortStr, TableBuilder, Timestamp, Value,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    /// On this channel a message of this key, perhaps with its own time to be remembered.
    Publish(u16, u8, Option<u64>),
    Land(usize),
    Get,
    Wait(u64),
    Checkpoint,
    Stop,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (PUBLISHING, 0u8..12, prop::option::weighted(0.2, 0u64..60))
            .prop_map(|(channel, key, time)| Step::Publish(channel, key, time)),
        6 => (1usize..12).prop_map(Step::Land),
        4 => Just(Step::Get),
        3 => (1u64..30).prop_map(Step::Wait),
        2 => Just(Step::Checkpoint),
        1 => Just(Step::Stop),
        2 => Just(Step::Crash),
    ]
}

const CONNECTION: ConnectionId = ConnectionId(1);
/// The channels that publish.
const PUBLISHING: std::ops::RangeInclusive<u16> = 1..=2;
/// Where nothing was published a basic.get waits for nothing.
const GETTER: u16 = 3;
/// How many messages the queue remembers.
const SIZE: usize = 6;
/// And for how long.
const TIME: u64 = 100;

/// A message that landed or is about to.
struct Taken {
    position: Position,
    key: u8,
    until: Timestamp,
}

struct World {
    broker: Broker,
    lane: Vec<(Position, Record)>,
    landed: usize,
    now: Timestamp,
    taken: Vec<Taken>,
    /// By the channel and the number of the confirm that is awaited: the key.
    unconfirmed: BTreeMap<(u16, u64), u8>,
    /// How many were published on each channel.
    published: BTreeMap<u16, u64>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            broker: Recovery::new(&Limits::default()).finish(Timestamp(0)),
            lane: Vec::new(),
            landed: 0,
            now: Timestamp(1000),
            taken: Vec::new(),
            unconfirmed: BTreeMap::new(),
            published: BTreeMap::new(),
        };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.unconfirmed.clear();
        self.published.clear();
        self.input(Input::ConnectionOpened(Opened {
            connection: CONNECTION,
            user: ShortStr::from_static("guest"),
            vhost: ShortStr::from_static("/"),
            consumer_cancel_notify: true,
            blocked_notify: true,
        }));
        for channel in PUBLISHING.chain([GETTER]) {
            self.input(Input::ChannelOpened(CONNECTION, ChannelNumber(channel)));
            self.call(channel, confirm::Select { no_wait: true });
        }
        let arguments = TableBuilder::new()
            .field("x-message-deduplication", Value::Bool(true))
            .field("x-cache-size", Value::I64(SIZE as i64))
            .field("x-cache-ttl", Value::I64(TIME.cast_signed()))
            .build();
        self.call(
            GETTER,
            queue::Declare {
                queue: ShortStr::from_static("q"),
                durable: true,
                no_wait: true,
                arguments,
                ..Default::default()
            },
        );
        self.land(usize::MAX);
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Publish(channel, key, time) => self.publish(*channel, *key, *time),
            Step::Land(count) => self.land(*count),
            Step::Get => self.call(
                GETTER,
                basic::Get {
                    queue: ShortStr::from_static("q"),
                    no_ack: true,
                    ..Default::default()
                },
            ),
            Step::Wait(time) => self.now = Timestamp(self.now.0 + time),
            Step::Checkpoint => self.input(Input::CheckpointWanted),
            Step::Stop => {
                self.land(usize::MAX);
                self.input(Input::Stopping);
                self.land(usize::MAX);
                self.come_back();
            }
            Step::Crash => self.come_back(),
        }
    }

    fn publish(&mut self, channel: u16, key: u8, time: Option<u64>) {
        let mut headers =
            TableBuilder::new().field("x-deduplication-header", Value::I16(key.into()));
        if let Some(time) = time {
            headers = headers.field("x-cache-ttl", Value::I64(time.cast_signed()));
        }
        let properties = PropertiesBuilder::new().headers(&headers.build()).build();
        let publish = Publish {
            routing_key: ShortStr::from_static("q"),
            properties,
            ..Default::default()
        };
        let must_be_known = self.window().contains(&key);
        let may_be_known = self.is_timely(key);
        let number = self.published.entry(channel).or_default();
        *number += 1;
        self.unconfirmed.insert((channel, *number), key);
        let asked = self.lane.len();
        self.input(Input::Publish(CONNECTION, ChannelNumber(channel), publish));
        if self.lane.len() == asked {
            assert!(may_be_known, "P2: {key} was taken for one that never came");
            return;
        }
        assert!(!must_be_known, "P5: {key} landed again");
        self.taken.push(Taken {
            position: self.lane[asked].0,
            key,
            until: Timestamp(self.now.0 + time.unwrap_or(TIME)),
        });
    }

    /// The keys of the newest messages, which the queue must know.
    fn window(&self) -> Vec<u8> {
        let mut newest: Vec<&Taken> = Vec::new();
        for taken in self.taken.iter().rev() {
            if newest.len() < SIZE && newest.iter().all(|known| known.key != taken.key) {
                newest.push(taken);
            }
        }
        let timely = newest.iter().filter(|taken| taken.until > self.now);
        timely.map(|taken| taken.key).collect()
    }

    fn is_timely(&self, key: u8) -> bool {
        let mut of_key = self.taken.iter().filter(|taken| taken.key == key);
        of_key.any(|taken| taken.until > self.now)
    }

    fn land(&mut self, count: usize) {
        self.landed = self.landed.saturating_add(count).min(self.lane.len());
        if let Some((upto, _)) = self.landed.checked_sub(1).map(|last| &self.lane[last]) {
            self.input(Input::Landed(*upto));
        }
    }

    /// What has not landed is gone, and so is what nobody needs from before the last checkpoint.
    fn come_back(&mut self) {
        self.lane.truncate(self.landed);
        let upto = self.lane.last().map_or(Position::NONE, |(last, _)| *last);
        self.taken.retain(|taken| taken.position <= upto);
        let (mut settled, mut needed_from) = (Runs::new(), Position::NONE);
        for (_, record) in &self.lane {
            match record {
                Record::Settled(_, _, runs) => settled.insert_all(runs),
                Record::Checkpoint { begin, .. } => needed_from = *begin,
                _ => {}
            }
        }
        self.lane.retain(|(position, record)| {
            let waits = matches!(record, Record::Message(_)) && !settled.contains(position.0);
            *position >= needed_from || waits
        });
        self.landed = self.lane.len();
        let mut recovery = Recovery::new(&Limits::default());
        for (position, record) in &self.lane {
            recovery.apply(*position, record.clone());
        }
        self.broker = recovery.finish(self.now);
        self.connect();
    }

    fn call(&mut self, channel: u16, method: impl Into<Method>) {
        self.input(Input::Method(
            CONNECTION,
            ChannelNumber(channel),
            method.into(),
        ));
    }

    fn input(&mut self, input: Input) {
        self.broker.handle(self.now, input);
        self.broker.tick(self.now);
        while let Some(effect) = self.broker.poll_effect() {
            match effect {
                Effect::Land {
                    position, record, ..
                } => self.lane.push((position, record)),
                Effect::Send(_, channel, Method::BasicAck(ack)) => {
                    self.confirmed(channel.0, ack.delivery_tag.0);
                }
                Effect::GetOk {
                    channel, delivery, ..
                } => {
                    let settled = vec![(channel, delivery.tag)];
                    let written = Written {
                        deliveries: 1,
                        settled,
                    };
                    let written = Input::Written(CONNECTION, written);
                    self.broker.handle(self.now, written);
                    self.broker.tick(self.now);
                }
                Effect::CloseChannel(_, _, error) => panic!("{error}"),
                Effect::CloseConnection(_, error) => panic!("{error}"),
                _ => {}
            }
        }
    }
}

impl World {
    fn confirmed(&mut self, channel: u16, upto: u64) {
        let landed = self.lane[self.landed - 1].0;
        let confirmed = self
            .unconfirmed
            .extract_if((channel, 0)..=(channel, upto), |_, _| true);
        for (_, key) in confirmed {
            let mut of_key = self.taken.iter().filter(|taken| taken.key == key);
            assert!(
                of_key.any(|taken| taken.position <= landed),
                "P1: {key} was confirmed before the original landed"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_was_sent_lands_once_in_its_window(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
        world.land(usize::MAX);
        prop_assert!(world.unconfirmed.is_empty(), "all is confirmed in the end");
    }
}
