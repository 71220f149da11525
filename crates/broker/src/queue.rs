//! A queue as a data structure: which messages wait, in which order. No policy.

use crate::connection::ConsumerId;
use crate::route::VhostIndex;
use model::record::QueueDefinition;
use model::{ConnectionId, Position, Run, Runs};
use std::collections::{BTreeMap, VecDeque};

/// A declared queue with what waits in it.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) vhost: VhostIndex,
    pub(crate) definition: QueueDefinition,
    /// The connection that alone may use an exclusive queue.
    pub(crate) owner: Option<ConnectionId>,
    pub(crate) backlog: Backlog,
    pub(crate) consumers: Vec<ConsumerId>,
    /// Those of the consumers that may have room, in the order of their turns.
    pub(crate) willing: VecDeque<ConsumerId>,
    /// It had a consumer: the last one's leaving deletes an auto-delete queue.
    pub(crate) was_consumed: bool,
    /// How many messages are handed out and not settled.
    pub(crate) unacked: u64,
    /// What was settled in this turn.
    pub(crate) settled: Runs,
    /// Listed among the broker's active queues.
    pub(crate) active: bool,
}

impl Queue {
    pub(crate) fn new(vhost: VhostIndex, definition: QueueDefinition) -> Self {
        Self {
            vhost,
            definition,
            owner: None,
            backlog: Backlog::default(),
            consumers: Vec::new(),
            willing: VecDeque::new(),
            was_consumed: false,
            unacked: 0,
            settled: Runs::new(),
            active: false,
        }
    }
}

/// A message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) position: Position,
    /// How often it was delivered before, as far as is known.
    pub(crate) delivered: u32,
    /// It may have been delivered before: known to have been, or a crash forgot.
    pub(crate) redelivered: bool,
}

/// The messages that wait, in the order of their positions. New ones are kept as runs, because neighbours of
/// a lane mostly wait together; those that came back are kept one by one.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    fresh: VecDeque<FreshRun>,
    fresh_count: u64,
    /// Position → how often it was delivered.
    returned: BTreeMap<Position, u32>,
}

#[derive(Clone, Copy, Debug)]
struct FreshRun {
    run: Run,
    /// From before a crash, which forgot whether they were delivered.
    perhaps_delivered: bool,
}

impl Backlog {
    /// What recovery found; the suspect ones may have been delivered before.
    pub(crate) fn restore(&mut self, waiting: &Runs, suspect: &Runs) {
        let sure = waiting.without(suspect);
        let suspect = waiting.without(&sure);
        let fresh = |perhaps_delivered| {
            move |&run: &Run| FreshRun {
                run,
                perhaps_delivered,
            }
        };
        let sure = sure.as_slice().iter().map(fresh(false));
        let mut runs: Vec<FreshRun> = suspect
            .as_slice()
            .iter()
            .map(fresh(true))
            .chain(sure)
            .collect();
        runs.sort_unstable_by_key(|fresh| fresh.run.first);
        self.fresh_count = waiting.count();
        self.fresh = runs.into();
    }

    /// Adds a new message behind all others.
    pub(crate) fn push(&mut self, position: Position) {
        self.fresh_count += 1;
        if let Some(last) = self.fresh.back_mut() {
            assert!(
                last.run.end() <= position.0,
                "messages are routed in the order of their positions"
            );
            if last.run.end() == position.0 && !last.perhaps_delivered {
                last.run.count += 1;
                return;
            }
        }
        self.fresh.push_back(FreshRun {
            run: Run {
                first: position.0,
                count: 1,
            },
            perhaps_delivered: false,
        });
    }

    /// Puts a message that was handed out back to its place.
    pub(crate) fn give_back(&mut self, position: Position, delivered: u32) {
        let known = self.returned.insert(position, delivered);
        assert!(known.is_none(), "a message comes back once");
    }

    /// Takes the first message that has landed.
    pub(crate) fn pop(&mut self, landed: Position) -> Option<Ready> {
        let fresh = self
            .fresh
            .front()
            .map(|front| Position(front.run.first))
            .filter(|first| *first <= landed);
        let returned = self
            .returned
            .first_key_value()
            .map(|(position, _)| *position);
        match (fresh, returned) {
            (None, None) => None,
            (Some(fresh), Some(returned)) if fresh < returned => Some(self.pop_fresh()),
            (Some(_), None) => Some(self.pop_fresh()),
            (_, Some(_)) => {
                let (position, delivered) = self.returned.pop_first()?;
                Some(Ready {
                    position,
                    delivered,
                    redelivered: true,
                })
            }
        }
    }

    fn pop_fresh(&mut self) -> Ready {
        let front = self.fresh.front_mut().expect("checked by the caller");
        let position = Position(front.run.first);
        let redelivered = front.perhaps_delivered;
        front.run.first += 1;
        front.run.count -= 1;
        if front.run.count == 0 {
            self.fresh.pop_front();
        }
        self.fresh_count -= 1;
        Ready {
            position,
            delivered: 0,
            redelivered,
        }
    }

    /// Takes all messages that have landed.
    pub(crate) fn purge(&mut self, landed: Position) -> Runs {
        let mut taken: Runs = std::mem::take(&mut self.returned)
            .into_keys()
            .map(|position| position.0)
            .collect();
        while let Some(front) = self
            .fresh
            .front_mut()
            .filter(|front| front.run.first <= landed.0)
        {
            let count = front.run.count.min(landed.0 + 1 - front.run.first);
            taken.insert_run(Run {
                first: front.run.first,
                count,
            });
            self.fresh_count -= count;
            front.run = Run {
                first: front.run.first + count,
                count: front.run.count - count,
            };
            if front.run.count > 0 {
                break;
            }
            self.fresh.pop_front();
        }
        taken
    }

    /// Whether some of the messages have not landed yet.
    pub(crate) fn waits_for_landing(&self, landed: Position) -> bool {
        self.fresh
            .back()
            .is_some_and(|last| last.run.end() > landed.0 + 1)
    }

    /// How many messages wait that have landed.
    pub(crate) fn ready(&self, landed: Position) -> u64 {
        let not_landed = self
            .fresh
            .iter()
            .rev()
            .take_while(|fresh| fresh.run.end() > landed.0 + 1);
        let not_landed: u64 = not_landed
            .map(|fresh| fresh.run.end() - fresh.run.first.max(landed.0 + 1))
            .sum();
        self.fresh_count - not_landed + self.returned.len() as u64
    }

    /// The messages that may have been delivered before.
    pub(crate) fn delivered(&self) -> Runs {
        let mut delivered: Runs = self.returned.keys().map(|position| position.0).collect();
        for fresh in self.fresh.iter().filter(|fresh| fresh.perhaps_delivered) {
            delivered.insert_run(fresh.run);
        }
        delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop_all(backlog: &mut Backlog, landed: u64) -> Vec<(u64, u32, bool)> {
        std::iter::from_fn(|| backlog.pop(Position(landed)))
            .map(|ready| (ready.position.0, ready.delivered, ready.redelivered))
            .collect()
    }

    #[test]
    fn what_comes_back_returns_to_its_place_and_nothing_leaves_before_it_landed() {
        let mut backlog = Backlog::default();
        for position in [1, 2, 3, 5, 8] {
            backlog.push(Position(position));
        }
        assert_eq!(backlog.ready(Position(2)), 2);
        assert_eq!(pop_all(&mut backlog, 2), [(1, 0, false), (2, 0, false)]);
        backlog.give_back(Position(2), 1);
        assert_eq!(backlog.ready(Position(4)), 2);
        assert_eq!(
            pop_all(&mut backlog, 5),
            [(2, 1, true), (3, 0, false), (5, 0, false)]
        );
        assert_eq!(backlog.ready(Position(5)), 0);
        assert_eq!(pop_all(&mut backlog, 9), [(8, 0, false)]);
    }

    #[test]
    fn purge_takes_what_has_landed_and_leaves_the_rest() {
        let mut backlog = Backlog::default();
        for position in 1..=6 {
            backlog.push(Position(position));
        }
        assert_eq!(pop_all(&mut backlog, 1), [(1, 0, false)]);
        backlog.give_back(Position(1), 3);
        assert_eq!(backlog.purge(Position(4)), (1..=4).collect());
        assert_eq!(backlog.ready(Position(6)), 2);
        assert_eq!(pop_all(&mut backlog, 6), [(5, 0, false), (6, 0, false)]);
    }

    #[test]
    fn what_recovery_found_may_have_been_delivered() {
        let mut backlog = Backlog::default();
        backlog.restore(&(2..=4).collect(), &(3..=9).collect());
        backlog.push(Position(5));
        assert_eq!(backlog.delivered(), (3..=4).collect());
        assert_eq!(
            pop_all(&mut backlog, 5),
            [(2, 0, false), (3, 0, true), (4, 0, true), (5, 0, false)]
        );
    }
}
