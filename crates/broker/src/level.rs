//! The messages of one priority in a queue, in the order of their positions. No policy.

mod page;
mod pick;
mod rise;

use crate::backlog::Ready;
use model::record::Attempts;
use model::{Position, Run, Runs};
use std::collections::{BTreeMap, VecDeque};

/// The messages of one priority that wait. New ones are kept as runs, because neighbours of a lane mostly wait
/// together; those that came back are kept one by one.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) priority: u8,
    fresh: VecDeque<FreshRun>,
    fresh_count: u64,
    returned: BTreeMap<Position, Returned>,
}

/// A message that came back, from a receiver or from a delay.
#[derive(Clone, Copy, Debug)]
struct Returned {
    attempts: Attempts,
    redelivered: bool,
    /// It goes by age with its neighbours.
    ages: bool,
}

#[derive(Clone, Copy, Debug)]
struct FreshRun {
    run: Run,
    /// From before a crash, which forgot whether they were delivered.
    perhaps_delivered: bool,
}

impl Level {
    pub(crate) fn new(priority: u8) -> Self {
        Self {
            priority,
            fresh: VecDeque::new(),
            fresh_count: 0,
            returned: BTreeMap::new(),
        }
    }

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
    pub(crate) fn give_back(&mut self, ready: &Ready, ages: bool) {
        let returned = Returned {
            attempts: ready.attempts,
            redelivered: ready.redelivered,
            ages,
        };
        let known = self.returned.insert(ready.position, returned);
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
            .map(|(position, _)| *position)
            .filter(|first| *first <= landed);
        match (fresh, returned) {
            (None, None) => None,
            (Some(fresh), Some(returned)) if fresh < returned => Some(self.pop_fresh()),
            (Some(_), None) => Some(self.pop_fresh()),
            (_, Some(_)) => {
                let (position, returned) = self.returned.pop_first()?;
                Some(self.ready_again(position, returned))
            }
        }
    }

    fn ready_again(&self, position: Position, returned: Returned) -> Ready {
        Ready {
            position,
            priority: self.priority,
            attempts: returned.attempts,
            redelivered: returned.redelivered,
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
            priority: self.priority,
            attempts: Attempts::NONE,
            redelivered,
        }
    }

    /// Takes all messages before a position.
    pub(crate) fn take_before(&mut self, end: Position, taken: &mut Runs) {
        let kept = self.returned.split_off(&end);
        for position in std::mem::replace(&mut self.returned, kept).into_keys() {
            taken.insert(position.0);
        }
        self.take_fresh_before(end, taken);
    }

    /// Takes all messages before a position that go by age.
    pub(crate) fn take_aged(&mut self, end: Position, taken: &mut Runs) {
        for (position, _) in self.returned.extract_if(..end, |_, one| one.ages) {
            taken.insert(position.0);
        }
        self.take_fresh_before(end, taken);
    }

    fn take_fresh_before(&mut self, end: Position, taken: &mut Runs) {
        while let Some(front) = self
            .fresh
            .front_mut()
            .filter(|front| front.run.first < end.0)
        {
            let count = front.run.count.min(end.0 - front.run.first);
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
    }

    /// Takes one message from wherever it stands; false if it does not wait here.
    pub(crate) fn remove(&mut self, position: Position) -> bool {
        if self.returned.remove(&position).is_some() {
            return true;
        }
        let at = self
            .fresh
            .partition_point(|fresh| fresh.run.end() <= position.0);
        let Some(fresh) = self
            .fresh
            .get_mut(at)
            .filter(|fresh| fresh.run.first <= position.0)
        else {
            return false;
        };
        let (before, behind) = (
            position.0 - fresh.run.first,
            fresh.run.end() - position.0 - 1,
        );
        let behind = FreshRun {
            run: Run {
                first: position.0 + 1,
                count: behind,
            },
            perhaps_delivered: fresh.perhaps_delivered,
        };
        fresh.run.count = before;
        match (before, behind.run.count) {
            (0, 0) => {
                self.fresh.remove(at);
            }
            (0, _) => *fresh = behind,
            (_, 0) => {}
            _ => self.fresh.insert(at + 1, behind),
        }
        self.fresh_count -= 1;
        true
    }

    /// Whether some of the messages have not landed yet.
    pub(crate) fn waits_for_landing(&self, landed: Position) -> bool {
        self.fresh
            .back()
            .is_some_and(|last| last.run.end() > landed.0 + 1)
            || (self.returned.last_key_value()).is_some_and(|(last, _)| *last > landed)
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
        let returned = self.returned.len() - self.returned.range(landed.next()..).count();
        self.fresh_count - not_landed + returned as u64
    }

    /// The first message, landed or not.
    pub(crate) fn first(&self) -> Option<Position> {
        let fresh = self.fresh.front().map(|front| Position(front.run.first));
        let returned = self.returned.keys().next().copied();
        fresh.into_iter().chain(returned).min()
    }

    /// The first message that goes by age, landed or not.
    pub(crate) fn first_aged(&self) -> Option<Position> {
        let fresh = self.fresh.front().map(|front| Position(front.run.first));
        let mut returned = self.returned.iter();
        let returned = returned.find(|(_, one)| one.ages).map(|(at, _)| *at);
        fresh.into_iter().chain(returned).min()
    }

    /// How many messages wait, landed or not.
    pub(crate) fn waiting(&self) -> u64 {
        self.fresh_count + self.returned.len() as u64
    }

    /// Those that came back, with how often they were handed out in vain.
    pub(crate) fn returned(&self) -> impl Iterator<Item = (Position, Attempts)> + '_ {
        let each = self.returned.iter();
        each.map(|(position, one)| (*position, one.attempts))
    }

    /// Adds the messages of which a crash forgot whether they had been delivered.
    pub(crate) fn add_delivered(&self, delivered: &mut Runs) {
        for fresh in self.fresh.iter().filter(|fresh| fresh.perhaps_delivered) {
            delivered.insert_run(fresh.run);
        }
        // Those with attempts are told with them.
        let returned = self.returned.iter().filter(|(_, one)| one.redelivered);
        for (position, _) in returned.filter(|(_, one)| one.attempts == Attempts::NONE) {
            delivered.insert(position.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(failed: u32) -> Attempts {
        Attempts { failed, lost: 0 }
    }

    fn returned(position: u64, attempts: u32) -> Ready {
        Ready {
            position: Position(position),
            priority: 0,
            attempts: failed(attempts),
            redelivered: true,
        }
    }

    fn pop_all(level: &mut Level, landed: u64) -> Vec<(u64, u32, bool)> {
        std::iter::from_fn(|| level.pop(Position(landed)))
            .map(|ready| (ready.position.0, ready.attempts.failed, ready.redelivered))
            .collect()
    }

    #[test]
    fn what_comes_back_returns_to_its_place_and_nothing_leaves_before_it_landed() {
        let mut level = Level::new(0);
        for position in [1, 2, 3, 5, 8] {
            level.push(Position(position));
        }
        assert_eq!(level.ready(Position(2)), 2);
        assert_eq!(pop_all(&mut level, 2), [(1, 0, false), (2, 0, false)]);
        level.give_back(&returned(2, 1), true);
        assert_eq!(level.ready(Position(4)), 2);
        assert_eq!(
            pop_all(&mut level, 5),
            [(2, 1, true), (3, 0, false), (5, 0, false)]
        );
        assert_eq!(level.ready(Position(5)), 0);
        assert_eq!(pop_all(&mut level, 9), [(8, 0, false)]);
    }

    #[test]
    fn all_before_a_position_is_taken_and_the_rest_stays() {
        let mut level = Level::new(0);
        for position in 1..=6 {
            level.push(Position(position));
        }
        assert_eq!(pop_all(&mut level, 1), [(1, 0, false)]);
        level.give_back(&returned(1, 3), true);
        let mut taken = Runs::new();
        level.take_before(Position(5), &mut taken);
        assert_eq!(taken, (1..=4).collect());
        assert_eq!(level.ready(Position(6)), 2);
        assert_eq!(pop_all(&mut level, 6), [(5, 0, false), (6, 0, false)]);
    }

    #[test]
    fn what_recovery_found_may_have_been_delivered() {
        let mut level = Level::new(0);
        level.restore(&(2..=4).collect(), &(3..=9).collect());
        level.push(Position(5));
        let mut delivered = Runs::new();
        level.add_delivered(&mut delivered);
        assert_eq!(delivered, (3..=4).collect());
        assert_eq!(
            pop_all(&mut level, 5),
            [(2, 0, false), (3, 0, true), (4, 0, true), (5, 0, false)]
        );
    }

    #[test]
    fn one_message_is_taken_from_wherever_it_stands() {
        for gone in 1..=5 {
            let mut level = Level::new(0);
            for position in [1, 2, 3, 5] {
                level.push(Position(position));
            }
            assert_eq!(level.remove(Position(gone)), gone != 4);
            let left: Vec<u64> = [1, 2, 3, 5].into_iter().filter(|at| *at != gone).collect();
            assert_eq!(level.waiting(), left.len() as u64);
            let popped: Vec<u64> = pop_all(&mut level, 9).iter().map(|one| one.0).collect();
            assert_eq!(popped, left);
        }
    }
}
