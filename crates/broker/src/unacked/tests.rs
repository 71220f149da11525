//! Tags, taken once, held, and in any order.

use super::*;

fn with(count: u64, no_ack: impl Fn(u64) -> bool) -> Unacked {
    let mut unacked = Unacked::default();
    for number in 1..=count {
        let tag = unacked.next_tag();
        unacked.push(
            Unsettled {
                tag,
                queue: QueueId(1),
                position: Position(number),
                consumer: None,
                no_ack: no_ack(number),
                priority: 0,
                attempts: Attempts::NONE,
                began: Timestamp(0),
                due: None,
                late: false,
            },
            None,
        );
    }
    unacked
}

fn tags(entries: &[Unsettled]) -> Vec<u64> {
    entries.iter().map(|entry| entry.tag.0).collect()
}

#[test]
fn a_tag_is_taken_once_and_multiple_takes_what_is_left_below() {
    let mut unacked = with(6, |number| number == 2);
    assert!(unacked.take(DeliveryTag(3)).is_some());
    assert!(unacked.take(DeliveryTag(3)).is_none());
    assert!(
        unacked.take(DeliveryTag(2)).is_none(),
        "what needs no acknowledgement cannot be acknowledged"
    );
    assert!(unacked.take(DeliveryTag(7)).is_none());
    assert_eq!(tags(&unacked.take_upto(DeliveryTag(4))), [1, 4]);
    assert_eq!(unacked.awaiting_ack(), 2);
    assert!(unacked.take_written(DeliveryTag(2)).is_some());
    assert_eq!(tags(&unacked.take_upto(DeliveryTag(0))), [5, 6]);
    assert_eq!(unacked.awaiting_ack(), 0);
}

#[test]
fn what_a_transaction_holds_counts_as_unsettled_and_is_settled_or_released_by_it() {
    let mut unacked = with(5, |number| number == 2);
    assert_eq!(unacked.hold(DeliveryTag(6), true), None);
    assert_eq!(unacked.hold(DeliveryTag(2), false), None);
    assert_eq!(
        unacked.hold(DeliveryTag(3), false),
        Some(vec![DeliveryTag(3)])
    );
    assert_eq!(unacked.hold(DeliveryTag(3), false), None);
    let held = unacked.hold(DeliveryTag(4), true);
    assert_eq!(held, Some(vec![DeliveryTag(1), DeliveryTag(4)]));
    assert_eq!(unacked.awaiting_ack(), 4);
    assert!(unacked.take(DeliveryTag(4)).is_none());
    assert!(unacked.take_held(DeliveryTag(4)).is_some());
    assert!(unacked.take_held(DeliveryTag(5)).is_none());
    assert_eq!(unacked.of_queue(QueueId(1)).count(), 4);
    unacked.release_held();
    assert_eq!(tags(&unacked.take_upto(DeliveryTag(0))), [1, 3, 5]);
    assert_eq!(unacked.awaiting_ack(), 0);
}

#[test]
fn settling_behind_one_that_stays_does_not_grow_memory() {
    let mut unacked = with(1, |_| false);
    for number in 2..10_000 {
        let tag = unacked.next_tag();
        let position = Position(number);
        let consumer = None;
        unacked.push(
            Unsettled {
                tag,
                queue: QueueId(1),
                position,
                consumer,
                no_ack: false,
                priority: 0,
                attempts: Attempts::NONE,
                began: Timestamp(0),
                due: None,
                late: false,
            },
            None,
        );
        assert!(unacked.take(tag).is_some());
    }
    assert!(unacked.entries.len() < 200);
    assert_eq!(tags(&unacked.drain()), [1]);
}
