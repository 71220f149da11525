//! Delayed messages against a model that is only slow, and what a million of them take.

use super::*;
use model::record::Attempts;
use proptest::prelude::*;
use std::collections::BTreeSet;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const YEAR: u64 = 8_766 * HOUR;

fn plain(position: u64) -> Ready {
    Ready {
        position: Position(position),
        priority: 0,
        attempts: Attempts::NONE,
        redelivered: false,
    }
}

/// Every third message is unusual in some way.
fn some(position: u64) -> Ready {
    match position % 12 {
        3 => Ready {
            priority: 255,
            ..plain(position)
        },
        6 => Ready {
            attempts: Attempts {
                failed: u32::MAX,
                lost: 3,
            },
            redelivered: true,
            ..plain(position)
        },
        9 => Ready {
            priority: 1,
            attempts: Attempts { failed: 0, lost: 1 },
            ..plain(position)
        },
        0 => Ready {
            redelivered: true,
            ..plain(position)
        },
        _ => plain(position),
    }
}

fn take_all_due(delayed: &mut Delayed, now: u64) -> Vec<u64> {
    let mut taken = Vec::new();
    while delayed.next_due().is_some_and(|due| due.0 <= now) {
        for ready in delayed.take_due(Timestamp(now)) {
            assert_eq!(ready, some(ready.position.0));
            taken.push(ready.position.0);
        }
    }
    assert!(delayed.take_due(Timestamp(now)).is_empty());
    taken
}

#[derive(Clone, Debug)]
enum Step {
    /// So many messages, this far ahead of the clock, this far apart.
    Insert(u64, u64, u64),
    Wait(u64),
    SetBack(u64),
    Remove(usize),
    Purge(u64),
}

fn far() -> impl Strategy<Value = u64> {
    let upto = [64, 5 * SECOND, HOUR, YEAR, 100 * YEAR];
    prop::sample::select(upto.to_vec()).prop_flat_map(|upto| 0..upto)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..200u64, far(), 0..5_000u64).prop_map(|(many, ahead, apart)| Step::Insert(many, ahead, apart)),
        4 => far().prop_map(Step::Wait),
        1 => (0..HOUR).prop_map(Step::SetBack),
        2 => (0..500usize).prop_map(Step::Remove),
        1 => (0..2_000u64).prop_map(Step::Purge),
    ]
}

proptest! {
    #[test]
    fn it_is_a_sorted_set_that_takes_little_room(steps in prop::collection::vec(step(), 1..60)) {
        let mut delayed = Delayed::default();
        let mut model: BTreeSet<(u64, u64)> = BTreeSet::new();
        let (mut now, mut last) = (50 * YEAR, 0);
        for step in steps {
            match step {
                Step::Insert(many, ahead, apart) => for number in 0..many {
                    last += 1 + number % 3;
                    // Also what is overdue already.
                    let due = (now + ahead + number * apart).saturating_sub(SECOND);
                    delayed.insert(Timestamp(now), Timestamp(due), some(last));
                    model.insert((due, last));
                },
                Step::Wait(time) => now += time,
                Step::SetBack(time) => now -= time,
                Step::Remove(which) => {
                    let gone = model.iter().nth(which).copied();
                    if let Some((due, position)) = gone {
                        model.remove(&(due, position));
                        prop_assert_eq!(
                            delayed.remove(Position(position)),
                            Some((Timestamp(due), some(position)))
                        );
                        prop_assert_eq!(delayed.remove(Position(position)), None);
                    }
                }
                Step::Purge(upto) => {
                    let (gone, kept): (BTreeSet<_>, BTreeSet<_>) =
                        model.into_iter().partition(|(_, position)| *position <= upto);
                    model = kept;
                    let gone: Runs = gone.into_iter().map(|(_, position)| position).collect();
                    prop_assert_eq!(delayed.purge(Position(upto)), gone);
                }
            }
            let earliest = model.first().map(|(due, _)| Timestamp(*due));
            prop_assert!(delayed.next_due() <= earliest);
            prop_assert_eq!(delayed.next_due().is_none(), earliest.is_none());
            let later = model.split_off(&(now + 1, 0));
            let due: Vec<u64> = model.into_iter().map(|(_, position)| position).collect();
            model = later;
            prop_assert_eq!(take_all_due(&mut delayed, now), due);
            prop_assert_eq!(delayed.len(), model.len() as u64);
            prop_assert_eq!(delayed.is_empty(), model.is_empty());
            let mut all: Vec<(u64, u64)> =
                delayed.iter().map(|(due, ready)| (due.0, ready.position.0)).collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(model.iter().copied()));
            prop_assert!(delayed.spans.len() <= 700);
        }
    }
}

/// The bytes that all of them take, without what the allocator adds.
fn bytes(delayed: &Delayed) -> usize {
    let spans = delayed.spans.values();
    let blocks = spans.map(|waiting| {
        let held: usize = waiting.blocks.iter().map(Block::bytes).sum();
        held + waiting.blocks.capacity() * size_of::<Block>()
    });
    blocks.sum::<usize>() + delayed.spans.len() * 2 * size_of::<(Span, Waiting)>()
}

#[test]
fn a_million_take_a_few_bytes_each_and_some_hundred_spans() {
    let million = 1_000_000;
    for (upto, most) in [(HOUR, 6.0), (10 * YEAR, 9.0), (100 * YEAR, 10.0)] {
        let mut delayed = Delayed::default();
        let now = Timestamp(50 * YEAR);
        let mut random = 1u64;
        for position in 1..=million {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let due = now.0 + SECOND + (random >> 11) % upto;
            delayed.insert(now, Timestamp(due), plain(position));
        }
        let each = bytes(&delayed) as f64 / million as f64;
        assert!(each <= most, "{each} bytes each within {upto} ms");
        assert!(each > 3.0, "the measure is broken: {each}");
        assert!(delayed.spans.len() < 500, "{}", delayed.spans.len());
    }
}

#[test]
fn a_million_due_at_once_are_taken_some_at_a_time() {
    let mut delayed = Delayed::default();
    let due = Timestamp(77 * HOUR);
    let count = 1_000_000;
    for number in 0..count {
        // As many retries come: not in the order of their positions.
        let ready = plain((number * 7) % count);
        delayed.insert(Timestamp(0), due, ready);
    }
    assert_eq!(delayed.next_due(), Some(due));
    assert!(delayed.take_due(Timestamp(due.0 - 1)).is_empty());
    let mut next = 0;
    while delayed.next_due() == Some(due) {
        let taken = delayed.take_due(due);
        assert!(taken.len() < 3 * MOVED_MAX);
        for ready in taken {
            assert_eq!(ready.position.0, next);
            next += 1;
        }
    }
    assert_eq!(next, count);
    assert_eq!(delayed.next_due(), None);
}
