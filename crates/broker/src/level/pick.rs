//! One message is taken from its place, and put back as it was.

use super::{FreshRun, Level};
use crate::backlog::Ready;
use model::record::Attempts;
use model::{Position, Run};

impl Level {
    /// Takes a message from wherever it stands.
    pub(crate) fn pick(&mut self, position: Position) -> Option<Ready> {
        let before = Position(position.0.checked_sub(1)?);
        let ready = self.page(before, position, 1).pop()?;
        self.remove(position).then_some(ready)
    }

    /// Puts a message back that was picked.
    pub(crate) fn put_back(&mut self, ready: &Ready) {
        if ready.attempts != Attempts::NONE {
            self.give_back(ready, true);
            return;
        }
        let first = ready.position.0;
        let at = self.fresh.partition_point(|fresh| fresh.run.end() <= first);
        let perhaps_delivered = ready.redelivered;
        let alike = |fresh: &FreshRun| fresh.perhaps_delivered == perhaps_delivered;
        let before = at.checked_sub(1).filter(|before| {
            let fresh = &self.fresh[*before];
            fresh.run.end() == first && alike(fresh)
        });
        let behind = self.fresh.get(at);
        let behind = behind.filter(|fresh| fresh.run.first == first + 1 && alike(fresh));
        let behind = behind.map(|fresh| fresh.run.count);
        match (before, behind) {
            (Some(before), Some(count)) => {
                self.fresh[before].run.count += 1 + count;
                self.fresh.remove(at);
            }
            (Some(before), None) => self.fresh[before].run.count += 1,
            (None, Some(count)) => {
                let count = count + 1;
                self.fresh[at].run = Run { first, count };
            }
            (None, None) => {
                let run = Run { first, count: 1 };
                let fresh = FreshRun {
                    run,
                    perhaps_delivered,
                };
                self.fresh.insert(at, fresh);
            }
        }
        self.fresh_count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_picked_and_put_back_stands_as_before_in_as_few_runs() {
        let mut level = Level::new(0);
        (1..=9).for_each(|position| level.push(Position(position)));
        level.remove(Position(4));
        let attempts = Attempts { failed: 2, lost: 0 };
        let returned = Ready {
            position: Position(4),
            priority: 0,
            attempts,
            redelivered: true,
        };
        level.give_back(&returned, true);
        let before = format!("{level:?}");
        for order in [[2, 3, 4, 5], [5, 4, 3, 2], [3, 5, 2, 4]] {
            let picked: Vec<Ready> = order
                .iter()
                .map(|at| level.pick(Position(*at)).expect("it waits"))
                .collect();
            assert_eq!(level.pick(Position(3)), None);
            assert_eq!(level.waiting(), 5);
            picked.iter().for_each(|ready| level.put_back(ready));
            assert_eq!(format!("{level:?}"), before);
        }
        assert_eq!(level.pick(Position(10)), None);
    }
}
