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
    /// What is live in so many of the first segments is copied into one; before it takes their place, one queue
    /// settles messages of them.
    Replace(usize, u64, Vec<(u64, u64)>),
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
        1 => (0usize..4, 0u64..5, proptest::collection::vec((0u64..150, 1u64..60), 0..2))
            .prop_map(|(count, queue, runs)| Step::Replace(count, queue, runs)),
    ]
}

fn message(position: u64, queues: &BTreeSet<u64>, bytes: u32) -> Born {
    Born {
        run: Run {
            first: position,
            count: 1,
        },
        queues: queues.iter().copied().map(QueueId).collect(),
        bytes,
    }
}

#[derive(Default)]
struct Both {
    set: LiveSet,
    naive: BTreeMap<u64, Naive>,
    position: u64,
    /// In the order of their positions.
    segments: Vec<u64>,
    next_segment: u64,
}

impl Both {
    fn roll(&mut self) {
        let from = Position(self.position + 1);
        self.set.begin(self.next_segment, from, Density::Dense);
        self.segments.push(self.next_segment);
        self.next_segment += 1;
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Born(queues, bytes, gap) => {
                self.position += 1 + gap;
                self.set.born(&message(self.position, &queues, bytes));
                if !queues.is_empty() {
                    let naive = Naive {
                        segment: *self.segments.last().expect("one has begun"),
                        queues,
                        bytes,
                    };
                    self.naive.insert(self.position, naive);
                }
            }
            Step::Settled(queue, runs) => self.settle(queue, runs),
            Step::Roll => self.roll(),
            Step::Replace(count, queue, runs) => self.replace(count, queue, runs),
        }
    }

    fn settle(&mut self, queue: u64, runs: Vec<(u64, u64)>) {
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

    fn replace(&mut self, count: usize, queue: u64, settled: Vec<(u64, u64)>) {
        let count = count.min(self.segments.len() - 1);
        if count == 0 {
            return;
        }
        let replaced: Vec<u64> = self.segments.drain(..count).collect();
        let of_these = |naive: &&mut Naive| replaced.contains(&naive.segment);
        let live = self.naive.iter();
        let live = live.filter(|(_, naive)| replaced.contains(&naive.segment));
        let copies: Vec<(Position, u32)> = live
            .map(|(position, naive)| (Position(*position), naive.bytes))
            .collect();
        self.settle(queue, settled);
        let number = self.next_segment;
        self.next_segment += 1;
        self.set.replace(&replaced, number, copies);
        for naive in self.naive.values_mut().filter(of_these) {
            naive.segment = number;
        }
        self.segments.insert(0, number);
        if self.set.usage(number).messages == 0 {
            self.set.forget(number);
            self.segments.remove(0);
        }
    }

    fn check(&self, end: u64) {
        let mut total = Usage::default();
        for segment in 0..self.next_segment {
            let live: Vec<(u64, &Naive)> = self
                .naive
                .iter()
                .filter(|(_, naive)| naive.segment == segment)
                .map(|(position, naive)| (*position, naive))
                .collect();
            let mut usage = Usage::default();
            live.iter()
                .for_each(|(_, naive)| usage.add(Size::of(naive.bytes), 1));
            live.iter()
                .for_each(|(_, naive)| total.add(Size::of(naive.bytes), 1));
            assert_eq!(self.set.usage(segment), usage, "usage of segment {segment}");
            let told: Vec<(u64, BTreeSet<u64>)> = self
                .set
                .live_messages(segment)
                .map(|(position, queues)| {
                    (position.0, queues.iter().map(|queue| queue.0).collect())
                })
                .collect();
            let wanted: Vec<(u64, BTreeSet<u64>)> = live
                .into_iter()
                .map(|(position, naive)| (position, naive.queues.clone()))
                .collect();
            assert_eq!(told, wanted, "live messages of segment {segment}");
        }
        assert_eq!(self.set.total(), total);
        let before = self.naive.range(..end).map(|(position, _)| *position);
        assert_eq!(self.set.live_before(Position(end)), before.collect());
        for (position, queues) in self.set.settled_in_part(Position(end)) {
            let queues: BTreeSet<u64> = queues.iter().map(|queue| queue.0).collect();
            assert_eq!(queues, self.naive[&position.0].queues);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn random_histories_agree_with_the_naive_accounting(
        steps in proptest::collection::vec(step(), 0..150),
        end in 0u64..200,
    ) {
        let mut both = Both::default();
        both.roll();
        for step in steps {
            both.step(step);
        }
        both.check(end);
        both.check(u64::MAX);
        let all: Runs = [Run { first: 0, count: u64::MAX }].into_iter().collect();
        for queue in 0..600 {
            both.set.settled(QueueId(queue), &all);
        }
        prop_assert_eq!(both.set.total(), Usage::default());
        prop_assert!(both.set.fanned.is_empty());
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
    set.begin(1, Position(1), Density::Dense);
    set.born(&message(5, &BTreeSet::from([1]), 100));
    let runs: Runs = [5u64].into_iter().collect();
    set.settled(QueueId(2), &runs);
    assert_eq!(set.usage(1).messages, 1);
    set.settled(QueueId(1), &runs);
    assert_eq!(set.usage(1).messages, 0);
}

#[test]
fn a_message_whose_record_names_more_queues_is_told_with_those_that_are_left() {
    let mut set = LiveSet::new();
    set.begin(1, Position(1), Density::Sparse);
    set.born_in_part(&message(5, &BTreeSet::from([1]), 100));
    set.born(&message(7, &BTreeSet::from([1, 2]), 100));
    let left = [QueueId(1)].into_iter().collect();
    assert_eq!(set.settled_in_part(Position(9)), [(Position(5), left)]);
    set.settled(QueueId(1), &[5u64].into_iter().collect());
    assert_eq!(set.settled_in_part(Position(9)), []);
    assert_eq!(set.live_before(Position(9)), [7u64].into_iter().collect());
}

#[test]
fn ten_million_waiting_messages_of_one_queue_cost_an_octet_each() {
    let mut set = LiveSet::new();
    for segment in 0..2 {
        set.begin(segment, Position(1 + segment * 50_000), Density::Dense);
        for position in 0..50_000 {
            let position = 1 + segment * 50_000 + position;
            set.born(&message(position, &BTreeSet::from([7]), 1024));
        }
    }
    assert!(set.fanned.is_empty());
    assert!(set.segments.iter().all(Segment::has_one_label));
}

#[test]
fn a_segment_serves_more_queues_than_an_octet_counts() {
    for density in [Density::Dense, Density::Sparse] {
        let mut set = LiveSet::new();
        set.begin(1, Position(1), density);
        for number in 0..2000 {
            // Every other position holds something else.
            set.born(&message(10 + number * 2, &BTreeSet::from([number]), 50));
        }
        let told: Vec<_> = set.live_messages(1).collect();
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
}

#[test]
fn sets_are_joined_in_the_order_of_their_positions() {
    let part = |number, first, density| {
        let mut set = LiveSet::new();
        set.begin(number, Position(first), density);
        for position in [first, first + 5] {
            set.born(&message(position, &BTreeSet::from([1, 2]), 100));
        }
        set
    };
    let parts = [(7, 40), (3, 20), (9, 60)];
    let parts = parts.map(|(number, first)| part(number, first, Density::Sparse));
    let mut set = LiveSet::join(parts);
    set.born(&message(70, &BTreeSet::from([1]), 100));
    let usages = set.usages().map(|(number, usage)| (number, usage.messages));
    assert_eq!(usages.collect::<Vec<_>>(), [(3, 2), (7, 2), (9, 3)]);
    let all: Runs = (0..100).collect();
    set.settled(QueueId(1), &all);
    assert_eq!(set.total().messages, 6);
    set.settled(QueueId(2), &all);
    assert_eq!(set.total(), Usage::default());
}
