//! Messages that waited for their time take their places among the others.

use super::{FreshRun, Level};
use crate::backlog::Ready;
use model::record::Attempts;
use model::{Run, Runs};

/// So many stretches are put in one by one; more are merged with all that is there.
const FEW: usize = 16;

impl Level {
    /// Puts new messages in their places: none of them has been delivered.
    pub(crate) fn rise(&mut self, risen: &Runs) {
        if risen.count() <= FEW as u64 {
            for position in risen.positions() {
                self.put_back(&Ready {
                    position,
                    priority: self.priority,
                    attempts: Attempts::NONE,
                    redelivered: false,
                });
            }
            return;
        }
        self.fresh_count += risen.count();
        let new = risen.as_slice().iter().map(|&run| FreshRun {
            run,
            perhaps_delivered: false,
        });
        let mut all: Vec<FreshRun> = std::mem::take(&mut self.fresh).into();
        all.extend(new);
        // Two rising stretches: the sort only merges them.
        all.sort_by_key(|fresh| fresh.run.first);
        all.dedup_by(|next, last| {
            let neighbours = last.run.end() == next.run.first
                && last.perhaps_delivered == next.perhaps_delivered;
            if neighbours {
                last.run = Run {
                    first: last.run.first,
                    count: last.run.count + next.run.count,
                };
            }
            neighbours
        });
        self.fresh = all.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Position;

    #[test]
    fn many_and_few_take_the_same_places() {
        let (mut one_by_one, mut together) = (Level::new(0), Level::new(0));
        for level in [&mut one_by_one, &mut together] {
            for position in (0..200).step_by(3) {
                level.push(Position(position));
            }
        }
        let risen: Runs = (0..150)
            .filter(|at| at % 3 == 1 || at % 7 == 2 && at % 3 != 0)
            .collect();
        for position in risen.positions() {
            one_by_one.rise(&[position.0].into_iter().collect());
        }
        together.rise(&risen);
        assert_eq!(format!("{one_by_one:?}"), format!("{together:?}"));
        assert_eq!(together.waiting(), 67 + risen.count());
    }
}
