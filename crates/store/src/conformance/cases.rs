//! The promises, one case each.

use super::lane::{Lane, check_message, message, queue_made};
use super::{Harness, Known};
use crate::contract::ReadError;
use model::record::{
    Attempts, BindingDefinition, Destination, Ending, ExchangeDefinition, Fingerprint, Place,
    Publishing, Reason, VhostDefinition, Waiting,
};
use model::{
    Definition, MessageRecord, Position, PropertiesBuilder, PublishingId, QueueId, Record,
    ShortStr, TableBuilder, Timestamp, Value,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// One case; the lane of the harness is empty.
pub(super) type Case = fn(&mut dyn Harness);

pub(super) const ALL: &[Case] = &[
    an_empty_lane_stays_empty,
    every_kind_of_record_is_told_as_it_was_landed,
    what_landed_survives_a_crash,
    what_did_not_land_is_not_told,
    positions_go_on_after_an_opening,
    readers_on_other_threads_find_what_has_landed,
    what_has_not_landed_cannot_be_read,
    a_failure_is_final,
    a_settled_message_is_reclaimed,
    a_message_stays_until_every_queue_has_settled_it,
    live_messages_outlive_the_dead_around_them,
    a_relocated_message_is_relocated_again,
    a_definition_stays_until_a_checkpoint,
    a_checkpoint_lets_old_definitions_go,
    large_and_empty_bodies_land,
    many_small_chunks_land,
    an_empty_chunk_asks_how_things_stand,
    one_chunk_holds_a_message_and_its_settling,
];

fn an_empty_lane_stays_empty(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    assert!(matches!(
        lane.reader.read(Position(1)),
        Err(ReadError::Gone(_))
    ));
    assert!(lane.reader.cached(Position(1)).is_none());
    assert_eq!(lane.reopen(), []);
    assert_eq!(lane.crash(), []);
}

/// A message in each place.
fn waiting() -> Vec<Waiting> {
    let places = [
        Place::Ready,
        Place::Delayed {
            due: Timestamp(1_700_000_000_000),
        },
        Place::Parked {
            why: Reason::DeliveryLimit,
            at: Timestamp(1_600_000_000_000),
        },
    ];
    let each = (1u64..).zip(places).map(|(number, place)| Waiting {
        position: Position(number * 100),
        place,
        attempts: Attempts {
            failed: 3,
            lost: u32::MAX,
        },
    });
    each.collect()
}

fn fingerprint(until: u64) -> Fingerprint {
    Fingerprint {
        hash: u128::from(until).pow(3),
        until: Timestamp(until),
    }
}

/// What a queue remembers of messages, with an end and without.
fn remembered() -> Vec<(Position, Fingerprint)> {
    let until = [1_700_000_000_000, Fingerprint::NO_END.0, 0];
    let positions = [1, 2, u64::MAX].map(Position);
    let all = until.map(|until| Fingerprint {
        until: Timestamp(until),
        ..fingerprint(1_000_000)
    });
    positions.into_iter().zip(all).collect()
}

/// A record of every kind.
fn every_kind() -> Vec<Record> {
    let text = ShortStr::from_static;
    let arguments = TableBuilder::new()
        .field("x-priority", Value::I32(3))
        .text("x-text", "text")
        .build();
    let properties = PropertiesBuilder::new()
        .delivery_mode(2)
        .message_id(&text("message 1"))
        .headers(&arguments)
        .build();
    let Record::Message(plain) = message(Position(1), &[1, 300], 40) else {
        unreachable!("`message` makes messages")
    };
    let binding = |destination| BindingDefinition {
        vhost: text("/"),
        source: text("source"),
        destination,
        routing_key: text("a.*.#"),
        arguments: arguments.clone(),
    };
    let exchange = ExchangeDefinition {
        name: text("source"),
        kind: text("topic"),
        durable: true,
        auto_delete: true,
        internal: false,
        arguments: arguments.clone(),
    };
    let definitions = [
        Definition::VhostMade(VhostDefinition::new(text("/"))),
        Definition::ExchangeMade {
            vhost: text("/"),
            exchange,
        },
        Definition::ExchangeRemoved {
            vhost: text("/"),
            exchange: text("gone"),
        },
        queue_made(1),
        Definition::QueueRemoved { queue: QueueId(7) },
        Definition::Bound(binding(Destination::Queue(QueueId(1)))),
        Definition::Unbound(binding(Destination::Exchange(text("other")))),
        Definition::PublisherLanded {
            vhost: text("/"),
            publisher: text("publisher"),
            landed: [1u64, 2, 3, 9, 1 << 40].into_iter().collect(),
        },
    ];
    let mut records = vec![
        Record::Message(MessageRecord {
            publisher: Some(Publishing {
                vhost: text("/"),
                publisher: text("publisher"),
                id: PublishingId(u64::MAX),
            }),
            properties,
            due: Some(Timestamp(1_700_000_060_000)),
            fingerprints: vec![(QueueId(1), fingerprint(1_700_000_000_000))],
            ..plain.clone()
        }),
        Record::Message(plain),
        Record::Settled(
            QueueId(1),
            Ending::Acknowledged,
            [1u64].into_iter().collect(),
        ),
        Record::Settled(QueueId(2), Ending::Expired, [1u64].into_iter().collect()),
        Record::Waiting(QueueId(300), waiting()),
        Record::Remembered(QueueId(300), remembered()),
        Record::Delivered(QueueId(300), [1u64, 2].into_iter().collect()),
    ];
    records.extend(definitions.map(Record::Definition));
    records.push(Record::Stopped);
    records
}

fn every_kind_of_record_is_told_as_it_was_landed(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    let records = every_kind();
    for half in records.chunks(records.len().div_ceil(2)) {
        half.iter().for_each(|record| {
            lane.push(record);
        });
        lane.land();
    }
    let records = records.into_iter().map(Known::Record);
    let expected: Vec<_> = (1..).map(Position).zip(records).collect();
    assert_eq!(lane.reopen(), expected);
    assert_eq!(lane.crash(), expected);
}

fn what_landed_survives_a_crash(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    for _ in 0..5 {
        lane.message(&[1], 100);
        lane.message(&[1, 2], 100);
        lane.land();
    }
    assert_eq!(lane.crash().len(), 10);
    assert_eq!(lane.crash().len(), 10);
}

fn what_did_not_land_is_not_told(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    lane.message(&[1], 100);
    lane.land();
    let (ledger, next) = (lane.ledger.clone(), lane.next);
    lane.message(&[1], 100);
    (lane.ledger, lane.next) = (ledger, next);
    assert_eq!(lane.crash().len(), 1);
}

fn positions_go_on_after_an_opening(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    for round in 1..=6 {
        lane.message(&[1], 10);
        lane.land();
        let told = if round % 2 == 0 {
            lane.reopen()
        } else {
            lane.crash()
        };
        assert_eq!(told.len(), round);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the suite is a test: it must read from other threads"
)]
fn readers_on_other_threads_find_what_has_landed(harness: &mut dyn Harness) {
    const MESSAGES: u64 = 400;
    let mut lane = Lane::new(harness);
    let reader = lane.reader.clone();
    let landed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut read = 0;
                while read < MESSAGES {
                    let upto = landed.load(Ordering::Acquire);
                    for position in (read + 1..=upto).map(Position) {
                        let chunk = reader.read(position).expect("a landed message is readable");
                        let Record::Message(wanted) = message(position, &[1], 300) else {
                            unreachable!("`message` makes messages")
                        };
                        check_message(&chunk, position, &wanted);
                    }
                    read = upto;
                    std::thread::yield_now();
                }
            });
        }
        for _ in 0..MESSAGES / 4 {
            (0..4).for_each(|_| {
                lane.message(&[1], 300);
            });
            lane.land();
            landed.store(lane.next.0 - 1, Ordering::Release);
        }
    });
}

fn what_has_not_landed_cannot_be_read(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    let first = lane.message(&[1], 10);
    assert!(lane.reader.read(first).is_err() && lane.reader.cached(first).is_none());
    lane.land();
    assert!(lane.reader.read(first).is_ok());
    assert!(lane.reader.read(first.next()).is_err());
    assert!(lane.reader.read(Position::NONE).is_err());
}

pub(crate) fn a_failure_is_final(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    lane.message(&[1], 100);
    lane.land();
    let (before, next) = (lane.ledger.clone(), lane.next);
    lane.fail_next();
    lane.message(&[1], 5000);
    lane.message(&[2], 5000);
    let failure = lane
        .try_land()
        .expect_err("the harness made the landing fail");
    assert!(!failure.to_string().is_empty());
    let (after, end) = (lane.ledger.clone(), lane.next);
    lane.message(&[1], 100);
    lane.try_land().expect_err("nothing lands behind a failure");

    // What was not confirmed may have landed, as a whole chunk or not at all.
    let told = lane.crash_unchecked();
    (lane.ledger, lane.next) = if told.len() == 1 {
        (before, next)
    } else {
        (after, end)
    };
    lane.check(&told);
    lane.message(&[1], 100);
    lane.land();
    lane.crash();
}

fn a_settled_message_is_reclaimed(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    lane.define_queue(1);
    let settled = lane.message(&[1], 100);
    lane.land();
    lane.settle(1, &[settled]);
    lane.land();
    lane.fill_until_gone(settled);
    let told = lane.crash();
    assert!(told.iter().all(|(position, _)| *position != settled));
    assert_eq!(lane.reopen(), told);
}

fn a_message_stays_until_every_queue_has_settled_it(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    let shared = lane.message(&[1, 2, 3], 100);
    let other = lane.message(&[4, 5], 100);
    lane.land();
    lane.settle(2, &[shared]);
    lane.land();
    lane.fill();
    lane.check_readable();
    lane.crash();
    lane.settle(1, &[shared]);
    // Settled again, and by a queue that never had it: nothing.
    lane.settle(2, &[shared]);
    lane.settle(9, &[shared, other]);
    lane.land();
    lane.fill();
    lane.check_readable();
    lane.reopen();
    lane.settle(3, &[shared]);
    lane.land();
    lane.fill_until_gone(shared);
    lane.crash();
}

fn live_messages_outlive_the_dead_around_them(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    let mut dead = Position::NONE;
    for round in 0..60 {
        lane.message(&[1], 300);
        let settled: Vec<_> = (0..12).map(|_| lane.message(&[2], 900)).collect();
        if round == 0 {
            dead = settled[0];
        }
        lane.land();
        lane.settle(2, &settled);
        lane.land();
    }
    lane.fill_until_gone(dead);
    lane.check_readable();
    lane.crash();
    lane.fill();
    lane.check_readable();
    lane.reopen();
    let live: Vec<_> = lane.ledger.messages.keys().copied().collect();
    lane.settle(1, &live);
    lane.land();
    for message in &live {
        lane.fill_until_gone(*message);
    }
    let told = lane.crash();
    assert!(told.iter().all(|(position, _)| !live.contains(position)));
}

fn a_relocated_message_is_relocated_again(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    let kept: Vec<_> = (0..20).map(|_| lane.message(&[1, 2], 200)).collect();
    let passing = lane.message(&[1], 10);
    lane.settle(1, &[passing]);
    lane.land();
    lane.fill_until_gone(passing);
    for (queue, settled) in [(2, &kept[..10]), (1, &kept[5..15])] {
        lane.settle(queue, settled);
        let mark = lane.message(&[3], 10);
        lane.settle(3, &[mark]);
        lane.land();
        lane.fill_until_gone(mark);
        lane.check_readable();
        lane.crash();
    }
    assert_eq!(lane.ledger.messages.len(), 15);
}

fn a_definition_stays_until_a_checkpoint(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    lane.grants_checkpoints = false;
    lane.define_queue(1);
    let mark = lane.message(&[1], 10);
    lane.settle(1, &[mark]);
    lane.land();
    lane.fill();
    lane.crash();
    lane.grants_checkpoints = true;
    lane.fill();
    lane.crash();
}

fn a_checkpoint_lets_old_definitions_go(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    for queue in 1..=200 {
        lane.define_queue(queue);
    }
    let mark = lane.message(&[1], 10);
    lane.settle(1, &[mark]);
    for queue in 2..=200 {
        let queue = QueueId(queue);
        lane.push(&Record::Definition(Definition::QueueRemoved { queue }));
    }
    lane.land();
    lane.checkpoint();
    lane.land();
    lane.fill_until_gone(mark);
    let told = lane.crash();
    let removed = |known: &Known| matches!(known, Known::Record(Record::Definition(Definition::QueueMade { queue, .. })) if queue.id != QueueId(1));
    assert!(!told.iter().any(|(_, known)| removed(known)));
}

fn large_and_empty_bodies_land(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    lane.message(&[1], 0);
    lane.land();
    lane.message(&[1], 20 << 20);
    lane.message(&[1], 0);
    lane.land();
    lane.message(&[1], 1);
    lane.land();
    lane.check_readable();
    lane.crash();
    lane.message(&[1], 3 << 20);
    lane.land();
    lane.reopen();
}

fn many_small_chunks_land(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    for round in 1..=200 {
        lane.message(&[round % 3], 10);
        lane.land();
        if round % 50 == 0 {
            lane.crash();
        }
    }
    assert_eq!(lane.reopen().len(), 200);
}

fn an_empty_chunk_asks_how_things_stand(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    let before = lane.try_land().expect("nothing can be landed");
    assert_eq!(before.upto, Position::NONE);
    let message = lane.message(&[1], 10);
    lane.land();
    let after = lane.try_land().expect("nothing can be landed");
    assert_eq!(after.upto, message);
    lane.crash();
}

fn one_chunk_holds_a_message_and_its_settling(harness: &mut dyn Harness) {
    let mut lane = Lane::new(harness);
    let first = lane.message(&[1], 100);
    lane.settle(1, &[first]);
    lane.message(&[1], 100);
    lane.land();
    lane.crash();
    lane.fill_until_gone(first);
    lane.check_readable();
    lane.crash();
}
