//! Random histories of the accounting, held against a naive one.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What the naive accounting knows of a live message.
#[derive(Clone, Debug)]
struct Naive {
    segment: u64,
    queues: BTreeSet<u64>,
    bytes: u32,
}

#[derive(Clone, Debug)]
enum Step {
    /// A message for these queues; so many other records before it.
    Born(BTreeSet<u64>, u32, u64),
    Settled(u64, Vec<(u64, u64)>),
    /// A new segment begins.
    Roll,
    /// So many of the first segment's messages are written again.
    Relocate(usize),
    /// A copy of one message is told again, for these queues only: what a recovery may meet.
    CopyAgain(u64, BTreeSet<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let queues = prop_oneof![
        4 => (0u64..4).prop_map(|queue| BTreeSet::from([queue])),
        1 => (0u64..600).prop_map(|queue| BTreeSet::from([queue])),
        2 => proptest::collection::btree_set(0u64..4, 0..4),
    ];
    prop_oneof![
        8 => (queues.clone(), 1u32..100_000, 0u64..3).prop_map(|(queues, bytes, gap)| Step::Born(queues, bytes, gap)),
        4 => (0u64..5, proptest::collection::vec((0u64..150, 1u64..60), 1..4))
            .prop_map(|(queue, runs)| Step::Settled(queue, runs)),
        1 => Just(Step::Roll),
        2 => (0usize..20).prop_map(Step::Relocate),
        1 => (0u64..150, queues).prop_map(|(position, queues)| Step::CopyAgain(position, queues)),
    ]
}

fn message(position: u64, queues: &BTreeSet<u64>, bytes: u32) -> Born {
    Born {
        position: Position(position),
        queues: queues.iter().copied().map(QueueId).collect(),
        bytes,
    }
}

#[derive(Default)]
struct Both {
    set: LiveSet,
    naive: BTreeMap<u64, Naive>,
    position: u64,
    segment: u64,
    first_segment: u64,
}

impl Both {
    fn put(&mut self, born: &Born, relocated: bool) {
        if relocated {
            self.set.relocated(self.segment, born);
        } else {
            self.set.born(self.segment, born);
        }
        self.naive.remove(&born.position.0);
        if !born.queues.is_empty() {
            let naive = Naive {
                segment: self.segment,
                queues: born.queues.iter().map(|queue| queue.0).collect(),
                bytes: born.bytes,
            };
            self.naive.insert(born.position.0, naive);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Born(queues, bytes, gap) => {
                self.position += 1 + gap;
                self.put(&message(self.position, &queues, bytes), false);
            }
            Step::Settled(queue, runs) => {
                let runs: Runs = runs
                    .into_iter()
                    .map(|(first, count)| Run { first, count })
                    .collect();
                self.set.settled(QueueId(queue), &runs);
                for (position, naive) in &mut self.naive {
                    if runs.contains(*position) {
                        naive.queues.remove(&queue);
                    }
                }
                self.naive.retain(|_, naive| !naive.queues.is_empty());
            }
            Step::Roll => self.segment += 1,
            Step::Relocate(count) => self.relocate(count),
            Step::CopyAgain(position, queues) => {
                let naive = self.naive.get(&position);
                if naive.is_some_and(|naive| naive.segment < self.segment) {
                    self.put(&message(position, &queues, 77), true);
                }
            }
        }
    }

    fn relocate(&mut self, count: usize) {
        if self.first_segment == self.segment {
            return;
        }
        let from = self.first_segment;
        let live: Vec<_> = self
            .set
            .live_messages(from, Position(0))
            .take(count)
            .collect();
        for (position, queues) in live {
            let bytes = self.naive[&position.0].bytes;
            let copy = Born {
                position,
                queues,
                bytes,
            };
            self.put(&copy, true);
        }
        if self.set.usage(from).messages == 0 {
            self.set.forget(from);
            self.first_segment += 1;
        }
    }

    fn check(&self, from: u64) {
        let mut total = Usage::default();
        for segment in 0..=self.segment {
            let live: Vec<(u64, &Naive)> = self
                .naive
                .iter()
                .filter(|(_, naive)| naive.segment == segment)
                .map(|(position, naive)| (*position, naive))
                .collect();
            let mut usage = Usage::default();
            live.iter()
                .for_each(|(_, naive)| usage.add(Size::of(naive.bytes)));
            live.iter()
                .for_each(|(_, naive)| total.add(Size::of(naive.bytes)));
            assert_eq!(self.set.usage(segment), usage, "usage of segment {segment}");
            let told: Vec<(u64, BTreeSet<u64>)> = self
                .set
                .live_messages(segment, Position(from))
                .map(|(position, queues)| {
                    (position.0, queues.iter().map(|queue| queue.0).collect())
                })
                .collect();
            let wanted: Vec<(u64, BTreeSet<u64>)> = live
                .into_iter()
                .filter(|(position, _)| *position >= from)
                .map(|(position, naive)| (position, naive.queues.clone()))
                .collect();
            assert_eq!(told, wanted, "live messages of segment {segment}");
        }
        assert_eq!(self.set.total(), total);
        for position in 0..self.position + 2 {
            assert_eq!(
                self.set.segment_of(Position(position)),
                self.naive.get(&position).map(|naive| naive.segment),
                "segment of {position}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn random_histories_agree_with_the_naive_accounting(
        steps in proptest::collection::vec(step(), 0..150),
        from in 0u64..200,
    ) {
        let mut both = Both::default();
        for step in steps {
            both.step(step);
        }
        both.check(0);
        both.check(from);
        let all: Runs = [Run { first: 0, count: u64::MAX }].into_iter().collect();
        for queue in 0..600 {
            both.set.settled(QueueId(queue), &all);
        }
        prop_assert_eq!(both.set.total(), Usage::default());
        prop_assert!(both.set.fanned.is_empty() && both.set.moved.is_empty());
    }

    #[test]
    fn sizes_are_right_to_within_a_sixteenth(bytes in 1u32..) {
        let rough = Size::of(bytes).bytes();
        prop_assert!(rough.abs_diff(bytes.into()) * 16 <= u64::from(bytes), "{bytes} became {rough}");
    }
}

#[test]
fn a_settling_by_a_queue_that_never_had_the_message_is_nothing() {
    let mut set = LiveSet::new();
    set.born(1, &message(5, &BTreeSet::from([1]), 100));
    let runs: Runs = [5u64].into_iter().collect();
    set.settled(QueueId(2), &runs);
    assert_eq!(set.segment_of(Position(5)), Some(1));
    set.settled(QueueId(1), &runs);
    assert_eq!(set.segment_of(Position(5)), None);
}

#[test]
fn ten_million_waiting_messages_of_one_queue_cost_an_octet_each() {
    let mut set = LiveSet::new();
    for position in 0..100_000 {
        set.born(
            position / 50_000,
            &message(position, &BTreeSet::from([7]), 1024),
        );
    }
    assert!(set.fanned.is_empty() && set.moved.is_empty());
    assert!(set.segments.iter().all(Segment::has_one_label));
}

#[test]
fn a_segment_serves_more_queues_than_an_octet_counts() {
    let mut set = LiveSet::new();
    for number in 0..2000 {
        // Every other position holds something else.
        set.born(1, &message(10 + number * 2, &BTreeSet::from([number]), 50));
    }
    let told: Vec<_> = set.live_messages(1, Position(0)).collect();
    for (number, (position, queues)) in (0..).zip(told) {
        assert_eq!(
            (position, &queues[..]),
            (Position(10 + number * 2), &[QueueId(number)][..])
        );
    }
    let all: Runs = (0..5000).collect();
    (0..2000).for_each(|queue| set.settled(QueueId(queue), &all));
    assert_eq!(set.total(), Usage::default());
}
