//! What recovery is told of messages that wait otherwise than as they came. Of each message the last counts.

use model::record::Waiting;

/// So many are kept before it is looked whether messages were told of again.
const KEPT: usize = 4096;

/// What was told, in one piece of memory: a million retries come and go with a start.
#[derive(Debug, Default)]
pub(crate) struct Otherwise {
    told: Vec<Waiting>,
    /// How many of them were one for each message, when it was looked last.
    single: usize,
}

impl Otherwise {
    /// What comes later counts.
    pub(crate) fn tell(&mut self, all: &[Waiting]) {
        self.told.extend_from_slice(all);
        if self.told.len() > 2 * self.single + KEPT {
            self.leave_the_last();
        }
    }

    /// What counts, by rising position.
    pub(crate) fn into_last(mut self) -> Vec<Waiting> {
        self.leave_the_last();
        self.told
    }

    fn leave_the_last(&mut self) {
        // It keeps the order of equals: what was told later stands behind.
        self.told.sort_by_key(|waiting| waiting.position);
        self.told.dedup_by(|later, earlier| {
            let same = later.position == earlier.position;
            if same {
                *earlier = *later;
            }
            same
        });
        self.single = self.told.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::{Attempts, Place};
    use model::{Position, Timestamp};

    #[test]
    fn what_is_told_last_counts_however_often_it_is_told() {
        let mut otherwise = Otherwise::default();
        let waiting = |position, due| Waiting {
            position: Position(position),
            place: Place::Delayed {
                due: Timestamp(due),
            },
            attempts: Attempts::NONE,
        };
        let rounds = 20;
        for round in 0..=rounds {
            let all: Vec<Waiting> = (1..=1_000).map(|at| waiting(at, round)).collect();
            otherwise.tell(&all);
            otherwise.tell(&[waiting(round, 1_000 + round)]);
        }
        assert!(otherwise.told.len() <= 2_000 + KEPT + 1_001);
        let last = otherwise.into_last();
        assert_eq!(last[0], waiting(0, 1_000));
        assert_eq!(last[1], waiting(1, rounds));
        assert_eq!(last[20], waiting(20, 1_000 + rounds));
        assert_eq!(last.len(), 1_001);
    }
}
