//! Random histories of a transactional channel: what commit-ok said has landed, what was rolled back never comes,
//! and what happened to a commit that a crash cut short is anyone's guess.

use crate::{Broker, Effect, Input, Opened, Recovery};
use model::method::{basic, queue, tx};
use model::{
    ChannelNumber, ConnectionId, DeliveryTag, Limits, Method, Position, Publish, Record, ShortStr,
    Timestamp,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Publish,
    Get,
    Ack {
        nth: usize,
        multiple: bool,
    },
    Requeue {
        nth: usize,
    },
    Commit,
    Rollback,
    Reopen,
    /// So many of the records asked for land.
    Land(usize),
    Crash,
}

const CLIENT: ConnectionId = ConnectionId(1);
const CHANNEL: ChannelNumber = ChannelNumber(1);
const NOW: Timestamp = Timestamp(0);

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Publish),
        5 => Just(Step::Get),
        4 => (0usize..4, any::<bool>()).prop_map(|(nth, multiple)| Step::Ack { nth, multiple }),
        2 => (0usize..4).prop_map(|nth| Step::Requeue { nth }),
        4 => Just(Step::Commit),
        2 => Just(Step::Rollback),
        1 => Just(Step::Reopen),
        5 => (1usize..8).prop_map(Step::Land),
        1 => Just(Step::Crash),
    ]
}

/// What the client asked to be done at once.
#[derive(Default)]
struct Commit {
    publishes: Vec<u64>,
    acked: Vec<u64>,
}

/// A node, its disk, one client, and the ledger. A message's body is its number.
struct World {
    broker: Broker,
    lane: Vec<(Position, Record)>,
    landed: usize,
    sent: u64,
    /// What the open transaction holds; of what was requeued only the delivery.
    open: Commit,
    held: BTreeMap<u64, u64>,
    /// Handed out, by delivery tag.
    unacked: BTreeMap<u64, u64>,
    /// Commits without an answer.
    asked: VecDeque<Commit>,
    /// Messages of all commits that were asked for, whatever became of them.
    may_have_landed: BTreeSet<u64>,
    may_be_settled: BTreeSet<u64>,
    /// Messages of the commits that were answered.
    has_landed: BTreeSet<u64>,
    is_settled: BTreeSet<u64>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            broker: Recovery::new(&Limits::default()).finish(NOW),
            lane: Vec::new(),
            landed: 0,
            sent: 0,
            open: Commit::default(),
            held: BTreeMap::new(),
            unacked: BTreeMap::new(),
            asked: VecDeque::new(),
            may_have_landed: BTreeSet::new(),
            may_be_settled: BTreeSet::new(),
            has_landed: BTreeSet::new(),
            is_settled: BTreeSet::new(),
        };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.input(Input::ConnectionOpened(Opened {
            connection: CLIENT,
            user: ShortStr::from_static("guest"),
            vhost: ShortStr::from_static("/"),
            consumer_cancel_notify: true,
            blocked_notify: true,
        }));
        self.open_channel();
        self.land(usize::MAX);
    }

    fn open_channel(&mut self) {
        self.open = Commit::default();
        self.held.clear();
        self.unacked.clear();
        self.asked.clear();
        self.input(Input::ChannelOpened(CLIENT, CHANNEL));
        self.call(tx::Select);
        let queue = ShortStr::from_static("q");
        self.call(queue::Declare {
            queue,
            no_wait: true,
            ..Default::default()
        });
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Publish => self.publish(),
            Step::Get => self.call(basic::Get {
                queue: ShortStr::from_static("q"),
                ..Default::default()
            }),
            Step::Ack { nth, multiple } => {
                if let Some(tag) = self.hold(nth, multiple, true) {
                    let delivery_tag = DeliveryTag(tag);
                    self.call(basic::Ack {
                        delivery_tag,
                        multiple,
                    });
                }
            }
            Step::Requeue { nth } => {
                if let Some(tag) = self.hold(nth, false, false) {
                    let delivery_tag = DeliveryTag(tag);
                    self.call(basic::Reject {
                        delivery_tag,
                        requeue: true,
                    });
                }
            }
            Step::Commit => {
                let commit = std::mem::take(&mut self.open);
                self.held.clear();
                self.may_have_landed.extend(&commit.publishes);
                self.may_be_settled.extend(&commit.acked);
                self.asked.push_back(commit);
                self.call(tx::Commit);
            }
            Step::Rollback => {
                self.open = Commit::default();
                self.unacked.append(&mut self.held);
                self.call(tx::Rollback);
            }
            Step::Reopen => {
                // Only what waits on nothing can be closed at once.
                self.land(usize::MAX);
                self.input(Input::ChannelClosed(CLIENT, CHANNEL));
                self.open_channel();
            }
            Step::Land(count) => self.land(count),
            Step::Crash => self.come_back(),
        }
    }

    fn publish(&mut self) {
        self.sent += 1;
        self.open.publishes.push(self.sent);
        let publish = Publish {
            routing_key: ShortStr::from_static("q"),
            body: self.sent.to_string().into(),
            ..Default::default()
        };
        self.input(Input::Publish(CLIENT, CHANNEL, publish));
    }

    /// The tag of the nth unacked delivery, after noting that the transaction holds it.
    fn hold(&mut self, nth: usize, multiple: bool, acked: bool) -> Option<u64> {
        let tag = *self.unacked.keys().nth(nth)?;
        let tags: Vec<u64> = self.unacked.range(..=tag).map(|(tag, _)| *tag).collect();
        for one in tags.into_iter().filter(|one| multiple || *one == tag) {
            let message = self.unacked.remove(&one).expect("just listed");
            self.held.insert(one, message);
            if acked {
                self.open.acked.push(message);
            }
        }
        Some(tag)
    }

    fn land(&mut self, count: usize) {
        let upto = self.landed.saturating_add(count).min(self.lane.len());
        if upto > self.landed {
            self.landed = upto;
            self.input(Input::Landed(self.lane[upto - 1].0));
            if count == usize::MAX {
                self.land(count);
            }
        }
    }

    fn come_back(&mut self) {
        self.lane.truncate(self.landed);
        let mut recovery = Recovery::new(&Limits::default());
        for (position, record) in &self.lane {
            recovery.apply(*position, record.clone());
        }
        self.broker = recovery.finish(NOW);
        self.connect();
    }

    fn call(&mut self, method: impl Into<Method>) {
        self.input(Input::Method(CLIENT, CHANNEL, method.into()));
    }

    fn input(&mut self, input: Input) {
        self.broker.handle(NOW, input);
        self.broker.tick(NOW);
        super::auditing::check(&mut self.broker);
        while let Some(effect) = self.broker.poll_effect() {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Land {
                position, record, ..
            } => {
                if let Record::Message(message) = &record {
                    let number = number(&message.body);
                    let asked = self.may_have_landed.contains(&number);
                    assert!(asked, "message {number} lands, and no commit asked for it");
                }
                self.lane.push((position, record));
            }
            Effect::GetOk { delivery, .. } => {
                let message = self.message_at(delivery.position);
                assert!(!self.is_settled.contains(&message), "{message} was settled");
                let twice = self.unacked.values().chain(self.held.values());
                assert!(!twice.into_iter().any(|other| *other == message));
                self.unacked.insert(delivery.tag.0, message);
            }
            Effect::Send(_, _, Method::TxCommitOk(_)) => self.committed(),
            Effect::CloseChannel(_, _, error) => panic!("{error}"),
            Effect::CloseConnection(_, error) => panic!("{error}"),
            _ => {}
        }
    }

    fn message_at(&self, position: Position) -> u64 {
        let landed = self.lane[..self.landed].iter();
        let found = landed.filter_map(|(at, record)| match record {
            Record::Message(message) if *at == position => Some(number(&message.body)),
            _ => None,
        });
        found.last().expect("P3: what is handed out has landed")
    }

    /// commit-ok: all of it must be on the disk.
    fn committed(&mut self) {
        let commit = self.asked.pop_front().expect("an answer to a question");
        let (mut messages, mut settled) = (BTreeMap::new(), BTreeSet::new());
        for (position, record) in &self.lane[..self.landed] {
            match record {
                Record::Message(message) => {
                    messages.insert(number(&message.body), position.0);
                }
                Record::Settled(_, _, runs) => {
                    for run in runs.as_slice() {
                        settled.extend(run.first..run.end());
                    }
                }
                _ => {}
            }
        }
        for message in &commit.publishes {
            assert!(messages.contains_key(message), "P1: {message} has landed");
        }
        for message in &commit.acked {
            let position = messages[message];
            assert!(
                settled.contains(&position),
                "P1: {message}'s ack has landed"
            );
        }
        self.has_landed.extend(commit.publishes);
        self.is_settled.extend(commit.acked);
    }

    /// What is left after all: exactly what must be, and nothing that must not.
    fn drain(mut self) {
        self.come_back();
        let mut left = BTreeSet::new();
        loop {
            let before = self.unacked.len();
            self.run(Step::Get);
            if self.unacked.len() == before {
                break;
            }
        }
        left.extend(self.unacked.values().copied());
        for message in self.has_landed.difference(&self.may_be_settled) {
            assert!(left.contains(message), "P2: {message} is lost");
        }
        for message in &left {
            assert!(self.may_have_landed.contains(message), "P4: {message}");
        }
    }
}

fn number(body: &[u8]) -> u64 {
    let text = std::str::from_utf8(body).expect("a number");
    text.parse().expect("a number")
}

proptest! {
    #[test]
    fn a_commit_keeps_its_word_in_every_history(steps in proptest::collection::vec(step(), 0..100)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.drain();
    }
}
