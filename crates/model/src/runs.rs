//! Runs: sets of numbers kept as stretches, because neighbours mostly share their fate.

use crate::Position;

/// A stretch of consecutive numbers; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The first number.
    pub first: u64,
    /// How many there are, at least 1.
    pub count: u64,
}

impl Run {
    /// The number after the last.
    pub const fn end(self) -> u64 {
        self.first + self.count
    }
}

/// A set of numbers as sorted runs that neither touch nor overlap: exact, and a few bytes for a set without
/// many gaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<Run>);

impl Runs {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The runs, in rising order.
    pub fn as_slice(&self) -> &[Run] {
        &self.0
    }

    /// How many numbers the set holds.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|run| run.count).sum()
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|run| run.end() <= number);
        self.0.get(at).is_some_and(|run| run.first <= number)
    }

    /// Adds `number`; false if it was there already. Quickest at the upper end.
    pub fn insert(&mut self, number: u64) -> bool {
        if let Some(last) = self.0.last_mut().filter(|last| last.end() == number) {
            last.count += 1;
            return true;
        }
        let at = self.0.partition_point(|run| run.end() < number);
        let Some(&run) = self.0.get(at) else {
            self.0.push(Run {
                first: number,
                count: 1,
            });
            return true;
        };
        if run.first <= number && number < run.end() {
            return false;
        }
        if run.end() == number {
            self.0[at].count += 1;
            self.join_with_next(at);
        } else if number + 1 == run.first {
            self.0[at] = Run {
                first: number,
                count: run.count + 1,
            };
        } else {
            self.0.insert(
                at,
                Run {
                    first: number,
                    count: 1,
                },
            );
        }
        true
    }

    /// Adds a whole run.
    pub fn insert_run(&mut self, run: Run) {
        let from = self.0.partition_point(|other| other.end() < run.first);
        let to = self.0.partition_point(|other| other.first <= run.end());
        let first = self
            .0
            .get(from)
            .map_or(run.first, |other| other.first.min(run.first));
        let end = if to > from {
            self.0[to - 1].end().max(run.end())
        } else {
            run.end()
        };
        let first = if to > from { first } else { run.first };
        self.0.splice(
            from..to,
            [Run {
                first,
                count: end - first,
            }],
        );
    }

    /// Adds all of another set.
    pub fn insert_all(&mut self, other: &Self) {
        for &run in &other.0 {
            self.insert_run(run);
        }
    }

    /// The numbers of this set that are not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        let mut kept = Vec::with_capacity(self.0.len());
        let mut taken = other.0.iter().copied().peekable();
        for &run in &self.0 {
            let mut first = run.first;
            while let Some(cut) = taken.peek().copied().filter(|cut| cut.first < run.end()) {
                if first < cut.first {
                    kept.push(Run {
                        first,
                        count: cut.first - first,
                    });
                }
                first = first.max(cut.end());
                if cut.end() > run.end() {
                    break;
                }
                taken.next();
            }
            if first < run.end() {
                kept.push(Run {
                    first,
                    count: run.end() - first,
                });
            }
        }
        Self(kept)
    }

    /// The numbers of this set from `first` on and before `end`.
    pub fn within(&self, first: u64, end: u64) -> Vec<Run> {
        let from = self.0.partition_point(|run| run.end() <= first);
        let to = self.0.partition_point(|run| run.first < end);
        let cut = |run: &Run| {
            let first = run.first.max(first);
            let count = run.end().min(end) - first;
            Run { first, count }
        };
        self.0[from..to.max(from)].iter().map(cut).collect()
    }

    /// Takes all numbers out, in rising order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Run> {
        self.0.drain(..)
    }

    /// Every position of the set, in rising order.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.0
            .iter()
            .flat_map(|run| (run.first..run.end()).map(Position))
    }

    fn join_with_next(&mut self, at: usize) {
        if let Some(&next) = self.0.get(at + 1)
            && self.0[at].end() == next.first
        {
            self.0[at].count += next.count;
            self.0.remove(at + 1);
        }
    }
}

impl FromIterator<u64> for Runs {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut runs = Self::new();
        for number in numbers {
            runs.insert(number);
        }
        runs
    }
}

impl FromIterator<Run> for Runs {
    fn from_iter<I: IntoIterator<Item = Run>>(iter: I) -> Self {
        let mut runs = Self::new();
        for run in iter {
            runs.insert_run(run);
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn runs_are_the_set_of_what_was_inserted(
            steps in proptest::collection::vec((0u64..60, 1u64..9, any::<bool>()), 0..60),
            others in proptest::collection::btree_set(0u64..80, 0..30),
        ) {
            let mut runs = Runs::new();
            let mut set = BTreeSet::new();
            for (number, count, single) in steps {
                if single {
                    prop_assert_eq!(runs.insert(number), set.insert(number));
                } else {
                    runs.insert_run(Run { first: number, count });
                    set.extend(number..number + count);
                }
                prop_assert!(runs.as_slice().windows(2).all(|two| two[0].end() < two[1].first));
            }
            let numbers: Vec<u64> = runs.positions().map(|position| position.0).collect();
            prop_assert_eq!(numbers, set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(runs.count(), set.len() as u64);
            let other: Runs = others.iter().copied().collect();
            let rest: Vec<u64> = runs.without(&other).positions().map(|position| position.0).collect();
            prop_assert_eq!(rest, set.difference(&others).copied().collect::<Vec<_>>());
            prop_assert!((0..80).all(|number| runs.contains(number) == set.contains(&number)));
        }
    }
}
