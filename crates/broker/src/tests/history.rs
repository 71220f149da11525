//! Random histories against the promises: whatever clients do, however late landing is, and whenever the node
//! dies. The model is a ledger of what was sent, landed, confirmed, handed out and acknowledged.

use super::auditing;
use crate::{Broker, Delivery, Effect, Input, Opened, Recovery, Written};
use model::method::{basic, confirm, queue};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, Limits, Method, Position, Publish, Record, Runs,
    ShortStr, Timestamp,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        channel: u16,
        queue: usize,
    },
    /// So many of the records asked for land.
    Land(usize),
    Ack {
        channel: u16,
        nth: usize,
        multiple: bool,
    },
    Nack {
        channel: u16,
        nth: usize,
        multiple: bool,
        requeue: bool,
    },
    Get {
        channel: u16,
        queue: usize,
    },
    Qos {
        channel: u16,
        count: u16,
    },
    Reopen {
        channel: u16,
    },
    Checkpoint,
    Stop,
    Crash,
}

const CHANNELS: u16 = 3;
const QUEUES: usize = 2;
const CLIENT: u64 = 1;

fn step() -> impl Strategy<Value = Step> {
    let (channel, queue) = (1..=CHANNELS, 0..QUEUES);
    prop_oneof![
        8 => (channel.clone(), queue.clone()).prop_map(|(channel, queue)| Step::Publish { channel, queue }),
        6 => (1usize..20).prop_map(Step::Land),
        4 => (channel.clone(), 0usize..6, any::<bool>())
            .prop_map(|(channel, nth, multiple)| Step::Ack { channel, nth, multiple }),
        3 => (channel.clone(), 0usize..6, any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(channel, nth, multiple, requeue)| Step::Nack { channel, nth, multiple, requeue }),
        2 => (channel.clone(), queue).prop_map(|(channel, queue)| Step::Get { channel, queue }),
        1 => (channel.clone(), 0u16..4).prop_map(|(channel, count)| Step::Qos { channel, count }),
        1 => channel.prop_map(|channel| Step::Reopen { channel }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Stop),
        1 => Just(Step::Crash),
    ]
}

/// A node, its disk, one client, and the ledger. A message's body is its number.
struct World {
    broker: Broker,
    /// What was asked for; `landed` of it is on the disk.
    lane: Vec<(Position, Record)>,
    landed: usize,
    sent: BTreeMap<u64, Sent>,
    channels: BTreeMap<u16, Channel>,
    confirmed: BTreeSet<u64>,
    /// Acknowledged, or refused without requeue, as far as the client knows and no crash forgot.
    settled: BTreeSet<u64>,
    /// Handed out and not settled.
    handed_out: BTreeSet<u64>,
    /// Of each queue and publishing channel: the newest message that was handed out in this life.
    newest: BTreeMap<(usize, u16), u64>,
}

/// A message as its sender knows it.
struct Sent {
    queue: usize,
    channel: u16,
    /// Where it stands in the lane, from when the broker asks for it to land.
    position: Option<Position>,
}

/// The client's side of a channel.
#[derive(Default)]
struct Channel {
    published: u64,
    unconfirmed: VecDeque<(u64, u64)>,
    unacked: BTreeMap<u64, u64>,
}

fn name(queue: usize) -> ShortStr {
    ShortStr::truncated(&format!("q{queue}"))
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            broker: Recovery::new(&Limits::default()).finish(Timestamp(0)),
            lane: Vec::new(),
            landed: 0,
            sent: BTreeMap::new(),
            channels: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            settled: BTreeSet::new(),
            handed_out: BTreeSet::new(),
            newest: BTreeMap::new(),
        };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.handed_out.clear();
        self.newest.clear();
        self.input(Input::ConnectionOpened(Opened {
            connection: ConnectionId(CLIENT),
            user: ShortStr::from_static("guest"),
            vhost: ShortStr::from_static("/"),
            consumer_cancel_notify: true,
            blocked_notify: true,
        }));
        for channel in 1..=CHANNELS {
            self.open(channel);
        }
        self.land_all();
    }

    /// Opens a channel in confirm mode; the first two consume.
    fn open(&mut self, channel: u16) {
        self.input(Input::ChannelOpened(
            ConnectionId(CLIENT),
            ChannelNumber(channel),
        ));
        self.channels.insert(channel, Channel::default());
        self.call(channel, confirm::Select { no_wait: true });
        for number in 0..QUEUES {
            let declare = queue::Declare {
                queue: name(number),
                durable: true,
                no_wait: true,
                ..Default::default()
            };
            self.call(channel, declare);
        }
        self.call(
            channel,
            basic::Qos {
                prefetch_size: 0,
                prefetch_count: 3,
                global: false,
            },
        );
        if let Some(queue) = usize::from(channel)
            .checked_sub(1)
            .filter(|queue| *queue < QUEUES)
        {
            self.call(
                channel,
                basic::Consume {
                    queue: name(queue),
                    no_wait: true,
                    ..Default::default()
                },
            );
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Publish { channel, queue } => self.publish(channel, queue),
            Step::Land(count) => self.land(count),
            Step::Ack {
                channel,
                nth,
                multiple,
            } => {
                if let Some(tag) = self.settle(channel, nth, multiple, true) {
                    self.call(
                        channel,
                        basic::Ack {
                            delivery_tag: tag,
                            multiple,
                        },
                    );
                }
            }
            Step::Nack {
                channel,
                nth,
                multiple,
                requeue,
            } => {
                if let Some(tag) = self.settle(channel, nth, multiple, !requeue) {
                    self.call(
                        channel,
                        basic::Nack {
                            delivery_tag: tag,
                            multiple,
                            requeue,
                        },
                    );
                }
            }
            Step::Get { channel, queue } => self.call(
                channel,
                basic::Get {
                    queue: name(queue),
                    ..Default::default()
                },
            ),
            Step::Qos { channel, count } => {
                self.call(
                    channel,
                    basic::Qos {
                        prefetch_size: 0,
                        prefetch_count: count,
                        global: false,
                    },
                );
            }
            Step::Reopen { channel } => {
                self.land_all();
                self.forget_handed_out(channel);
                self.input(Input::ChannelClosed(
                    ConnectionId(CLIENT),
                    ChannelNumber(channel),
                ));
                self.open(channel);
            }
            Step::Checkpoint => self.input(Input::CheckpointWanted),
            Step::Stop => {
                self.land_all();
                self.input(Input::Stopping);
                self.land_all();
                self.come_back();
            }
            Step::Crash => self.come_back(),
        }
    }

    fn publish(&mut self, channel: u16, queue: usize) {
        let message = self.sent.len() as u64 + 1;
        self.sent.insert(
            message,
            Sent {
                queue,
                channel,
                position: None,
            },
        );
        let own = self.channels.get_mut(&channel).expect("open");
        own.published += 1;
        own.unconfirmed.push_back((own.published, message));
        let publish = Publish {
            routing_key: name(queue),
            body: message.to_string().into(),
            ..Default::default()
        };
        self.input(Input::Publish(
            ConnectionId(CLIENT),
            ChannelNumber(channel),
            publish,
        ));
    }

    /// The tag of the nth unacked delivery, after noting in the ledger what the client says of it.
    fn settle(
        &mut self,
        channel: u16,
        nth: usize,
        multiple: bool,
        done: bool,
    ) -> Option<DeliveryTag> {
        let unacked = &mut self.channels.get_mut(&channel).expect("open").unacked;
        let tag = *unacked.keys().nth(nth)?;
        let tags: Vec<u64> = unacked
            .keys()
            .copied()
            .filter(|one| *one == tag || multiple && *one < tag)
            .collect();
        for message in tags.iter().filter_map(|tag| unacked.remove(tag)) {
            self.handed_out.remove(&message);
            if done {
                self.settled.insert(message);
            }
        }
        Some(DeliveryTag(tag))
    }

    fn forget_handed_out(&mut self, channel: u16) {
        for message in self
            .channels
            .remove(&channel)
            .into_iter()
            .flat_map(|own| own.unacked.into_values())
        {
            self.handed_out.remove(&message);
        }
    }

    fn land(&mut self, count: usize) {
        self.landed = (self.landed + count).min(self.lane.len());
        self.input(Input::Landed(self.landed_upto()));
    }

    /// Lands until nothing more is asked for.
    fn land_all(&mut self) {
        while self.landed < self.lane.len() {
            self.land(usize::MAX - self.landed);
        }
    }

    fn come_back(&mut self) {
        self.lane.truncate(self.landed);
        let mut recovery = Recovery::new(&Limits::default());
        let mut settled = Runs::new();
        // Every other time the store has given back all that it may.
        let kept = match self.landed % 2 {
            0 => auditing::reclaimed(&self.lane),
            _ => self.lane.clone(),
        };
        for (position, record) in kept {
            recovery.apply(position, record);
        }
        for (_, record) in &self.lane {
            if let Record::Settled(_, _, runs) = record {
                runs.as_slice()
                    .iter()
                    .for_each(|run| settled.insert_run(*run));
            }
        }
        self.broker = recovery.finish(Timestamp(0));
        // A crash may forget acknowledgements that had not landed, never one that had (P4).
        let landed = self.landed_upto();
        for sent in self.sent.values_mut() {
            sent.position = sent.position.filter(|position| *position <= landed);
        }
        let sent = &self.sent;
        self.settled.retain(|message| {
            sent[message]
                .position
                .is_some_and(|position| settled.contains(position.0))
        });
        self.connect();
    }

    fn landed_upto(&self) -> Position {
        self.landed
            .checked_sub(1)
            .map_or(Position::NONE, |last| self.lane[last].0)
    }

    fn call(&mut self, channel: u16, method: impl Into<Method>) {
        self.input(Input::Method(
            ConnectionId(CLIENT),
            ChannelNumber(channel),
            method.into(),
        ));
    }

    fn input(&mut self, input: Input) {
        self.broker.handle(Timestamp(0), input);
        self.broker.tick(Timestamp(0));
        while let Some(effect) = self.broker.poll_effect() {
            self.perform(effect);
        }
        auditing::check_against(&mut self.broker, &self.lane);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Land {
                position, record, ..
            } => {
                let next = self.lane.last().map_or(1, |(last, _)| last.0 + 1);
                assert_eq!(position.0, next, "positions have no gaps");
                if let Record::Message(message) = &record {
                    let sent = self
                        .sent
                        .get_mut(&number(&message.body))
                        .expect("P4: nothing is invented");
                    assert_eq!(sent.position.replace(position), None, "it lands once");
                }
                self.lane.push((position, record));
            }
            Effect::Deliver {
                channel, delivery, ..
            } => {
                self.handed_out(channel.0, &delivery);
                let written = Written {
                    deliveries: 1,
                    settled: Vec::new(),
                };
                self.broker
                    .handle(Timestamp(0), Input::Written(ConnectionId(CLIENT), written));
            }
            Effect::GetOk {
                channel, delivery, ..
            } => self.handed_out(channel.0, &delivery),
            Effect::Send(_, channel, Method::BasicAck(ack)) => self.confirmed(channel.0, &ack),
            Effect::CloseChannel(_, _, error) => panic!("{error}"),
            Effect::CloseConnection(_, error) => panic!("{error}"),
            _ => {}
        }
    }

    fn confirmed(&mut self, channel: u16, ack: &basic::Ack) {
        let landed = self.landed_upto();
        let unconfirmed = &mut self.channels.get_mut(&channel).expect("open").unconfirmed;
        let count = unconfirmed.partition_point(|(seq, _)| *seq <= ack.delivery_tag.0);
        assert!(
            ack.multiple && count > 1 || count == 1,
            "a confirm says what it confirms"
        );
        for (_, message) in unconfirmed.drain(..count) {
            let position = self.sent[&message]
                .position
                .expect("only what was asked for can be confirmed");
            assert!(
                position <= landed,
                "P1: {message} was confirmed before it landed"
            );
            self.confirmed.insert(message);
        }
    }

    fn handed_out(&mut self, channel: u16, delivery: &Delivery) {
        let at = self
            .lane
            .binary_search_by_key(&delivery.position, |(position, _)| *position);
        let Ok(Record::Message(record)) = at.map(|at| &self.lane[at].1) else {
            panic!("P4: {delivery:?} is no message");
        };
        let message = number(&record.body);
        assert!(
            delivery.position <= self.landed_upto(),
            "P3: {message} was handed out before it landed"
        );
        assert!(
            !self.settled.contains(&message),
            "P4: {message} came again after it was settled"
        );
        assert!(
            self.handed_out.insert(message),
            "{message} is with two receivers at a time"
        );
        let sent = &self.sent[&message];
        let newest = self.newest.entry((sent.queue, sent.channel)).or_default();
        if !delivery.redelivered {
            assert!(
                *newest < message,
                "P6: {message} was first handed out after {newest}"
            );
        }
        *newest = message.max(*newest);
        self.channels
            .get_mut(&channel)
            .expect("open")
            .unacked
            .insert(delivery.tag.0, message);
    }

    /// Everything that landed and is not settled comes, in order, and nothing else.
    fn drain(mut self) {
        self.land_all();
        for channel in 1..=CHANNELS {
            self.forget_handed_out(channel);
            self.input(Input::ChannelClosed(
                ConnectionId(CLIENT),
                ChannelNumber(channel),
            ));
        }
        self.input(Input::ChannelOpened(ConnectionId(CLIENT), ChannelNumber(9)));
        self.channels.insert(9, Channel::default());
        for queue in 0..QUEUES {
            let waits = |message: &u64| {
                self.sent[message].queue == queue && self.sent[message].position.is_some()
            };
            let mut expected: Vec<u64> = self
                .sent
                .keys()
                .copied()
                .filter(|one| waits(one) && !self.settled.contains(one))
                .collect();
            expected.sort_unstable_by_key(|message| self.sent[message].position);
            let confirmed = self
                .confirmed
                .iter()
                .filter(|one| self.sent[one].queue == queue);
            assert!(
                confirmed
                    .clone()
                    .all(|one| self.settled.contains(one) || expected.contains(one)),
                "P2: something confirmed is missing"
            );
            for _ in 0..=expected.len() {
                self.call(
                    9,
                    basic::Get {
                        queue: name(queue),
                        ..Default::default()
                    },
                );
            }
            let drained: Vec<u64> =
                std::mem::take(&mut self.channels.get_mut(&9).expect("open").unacked)
                    .into_values()
                    .collect();
            assert_eq!(drained, expected, "P2 and P6: what waits in q{queue}");
        }
    }
}

fn number(body: &[u8]) -> u64 {
    std::str::from_utf8(body)
        .expect("bodies are numbers")
        .parse()
        .expect("bodies are numbers")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_promises_hold_in_every_history(steps in proptest::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.drain();
    }
}
