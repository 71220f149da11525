//! What waits, in its order, and what leaves it.

use super::*;

fn with(priority: u8, expires: Option<u64>, bytes: u32) -> Traits {
    Traits {
        priority,
        expires: expires.map(Timestamp),
        bytes,
        ageless: false,
    }
}

fn returned(position: u64, priority: u8) -> Ready {
    Ready {
        position: Position(position),
        priority,
        attempts: Attempts { failed: 1, lost: 0 },
        redelivered: true,
    }
}

fn pop_all(backlog: &mut Backlog, landed: u64) -> Vec<u64> {
    std::iter::from_fn(|| backlog.pop(Position(landed)))
        .map(|ready| ready.position.0)
        .collect()
}

#[test]
fn higher_priorities_come_first_and_the_oldest_of_the_lowest_gives_way() {
    let mut backlog = Backlog::default();
    for (position, priority) in [(1, 0), (2, 5), (3, 0), (4, 9), (5, 5)] {
        backlog.push(Position(position), with(priority, None, 0));
    }
    assert_eq!(backlog.pop_least(Position(5)), Some(Position(1)));
    let first = backlog.pop(Position(5)).expect("four wait");
    assert_eq!((first.position, first.priority), (Position(4), 9));
    backlog.give_back(returned(4, 9));
    assert_eq!(pop_all(&mut backlog, 5), [4, 2, 5, 3]);
}

#[test]
fn a_message_expires_anywhere_in_the_queue_but_not_before_it_was_offered() {
    let mut backlog = Backlog::default();
    for (position, expires) in [(1, None), (2, Some(20)), (3, Some(10)), (4, Some(10))] {
        backlog.push(Position(position), with(0, expires, 0));
    }
    assert_eq!(backlog.next_expiry(None), Some(Timestamp(10)));
    let expired = backlog.take_expired(Timestamp(10), None, Position(3));
    assert_eq!(expired, [3].into_iter().collect());
    let expired = backlog.take_expired(Timestamp(10), None, Position(4));
    assert_eq!(expired, [4].into_iter().collect());
    assert_eq!(backlog.next_expiry(None), Some(Timestamp(20)));
    assert_eq!(pop_all(&mut backlog, 4), [1, 2]);
    assert_eq!(backlog.next_expiry(None), None);
    backlog.give_back(returned(2, 0));
    assert_eq!(backlog.next_expiry(None), Some(Timestamp(20)));
    backlog.forget(Position(1));
    assert_eq!(backlog.purge(Position(4)), [2].into_iter().collect());
    assert_eq!(backlog.next_expiry(None), None);
    assert!(backlog.traits.is_empty());
}

#[test]
fn bytes_are_those_of_the_messages_that_wait() {
    let mut backlog = Backlog::default();
    for position in 1..=4 {
        backlog.push(Position(position), with(0, None, 10));
    }
    assert!(backlog.pop(Position(4)).is_some());
    assert_eq!(backlog.bytes(), 30);
    assert_eq!(backlog.pop_least(Position(4)), Some(Position(2)));
    backlog.give_back(returned(1, 0));
    assert_eq!(backlog.bytes(), 30);
    assert_eq!(backlog.purge(Position(3)).count(), 2);
    assert_eq!(backlog.bytes(), 10);
}

#[test]
fn a_time_to_live_of_the_queue_takes_all_that_is_older() {
    let mut backlog = Backlog::default();
    for (position, came) in [(1, 100), (2, 105), (3, 110)] {
        backlog.ages.note(Position(position), Timestamp(came));
        backlog.push(Position(position), Traits::default());
    }
    assert_eq!(backlog.next_expiry(Some(50)), Some(Timestamp(150)));
    assert!(backlog.pop(Position(3)).is_some());
    let expired = backlog.take_expired(Timestamp(157), Some(50), Position(3));
    assert_eq!(expired, [2].into_iter().collect());
    backlog.give_back(returned(1, 0));
    let expired = backlog.take_expired(Timestamp(157), Some(50), Position(3));
    assert_eq!(expired, [1].into_iter().collect());
    assert_eq!(backlog.next_expiry(Some(50)), Some(Timestamp(160)));
}
