//! Things numbered one after the other, of which the oldest mostly go first.
//!
//! The hot path is an array: number minus first number is the place. A few old ones that stay (a message that
//! is refused again and again while all behind it are confirmed) must not make that array grow without end,
//! so they move to a map once the array is mostly holes.

use std::collections::{BTreeMap, VecDeque};

/// Things by number.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    stragglers: BTreeMap<u64, T>,
    recent: VecDeque<Option<T>>,
    /// The number of `recent`'s first place.
    first: u64,
    count: usize,
}

/// How many places the array may have beyond four for each thing that is there.
const PLACES_SPARE: usize = 1024;

impl<T> Numbered<T> {
    /// Nothing yet; the first thing gets the number `first`.
    pub(crate) fn starting_at(first: u64) -> Self {
        Self {
            stragglers: BTreeMap::new(),
            recent: VecDeque::new(),
            first,
            count: 0,
        }
    }

    /// How many are there.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether none is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number that the next one gets.
    pub(crate) fn next_number(&self) -> u64 {
        self.first + self.recent.len() as u64
    }

    /// The lowest number that is there; [`Self::next_number`] if none is.
    pub(crate) fn lowest(&self) -> u64 {
        match self.stragglers.first_key_value() {
            Some((&number, _)) => number,
            None => self.first,
        }
    }

    /// Adds one and says its number.
    pub(crate) fn push(&mut self, thing: T) -> u64 {
        let number = self.next_number();
        self.recent.push_back(Some(thing));
        self.count += 1;
        number
    }

    /// The one with that number.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        if number < self.first {
            return self.stragglers.get_mut(&number);
        }
        self.recent.get_mut(place(number - self.first))?.as_mut()
    }

    /// Whether one with that number is there.
    pub(crate) fn contains(&self, number: u64) -> bool {
        if number < self.first {
            return self.stragglers.contains_key(&number);
        }
        matches!(self.recent.get(place(number - self.first)), Some(Some(_)))
    }

    /// Takes the one with that number out.
    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let thing = if number < self.first {
            self.stragglers.remove(&number)
        } else {
            self.recent.get_mut(place(number - self.first))?.take()
        }?;
        self.count -= 1;
        self.tidy();
        Some(thing)
    }

    /// Takes the lowest out if its number is at most `last`.
    pub(crate) fn pop_up_to(&mut self, last: u64) -> Option<(u64, T)> {
        let lowest = self.lowest();
        if lowest > last {
            return None;
        }
        self.remove(lowest).map(|thing| (lowest, thing))
    }

    /// All, in rising order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        let recent = (self.first..).zip(self.recent.iter_mut());
        self.stragglers
            .iter_mut()
            .map(|(&number, thing)| (number, thing))
            .chain(recent.filter_map(|(number, thing)| thing.as_mut().map(|thing| (number, thing))))
    }

    /// Keeps the array's first place taken, and the array short.
    fn tidy(&mut self) {
        let limit = PLACES_SPARE + 4 * self.count;
        loop {
            match self.recent.front() {
                None => return,
                Some(Some(_)) if self.recent.len() <= limit => return,
                Some(_) => {}
            }
            if let Some(Some(thing)) = self.recent.pop_front() {
                self.stragglers.insert(self.first, thing);
            }
            self.first += 1;
        }
    }
}

/// A place in an array; one that no array has if the number is beyond all.
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_that_stays_does_not_hold_the_places_of_all_behind_it() {
        let mut numbered = Numbered::starting_at(1);
        numbered.push(0);
        for round in 0..100_000 {
            let number = numbered.push(round);
            assert_eq!(numbered.remove(number), Some(round));
        }
        assert!(numbered.recent.capacity() < 8 * PLACES_SPARE);
        assert_eq!(numbered.lowest(), 1);
        assert_eq!(numbered.remove(1), Some(0));
        assert_eq!(numbered.lowest(), numbered.next_number());
    }

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0u8..4, 0u64..3000), 0..4000)) {
            let mut numbered = Numbered::starting_at(5);
            let mut map = BTreeMap::new();
            for (step, at) in steps {
                match step {
                    0 | 1 => {
                        let number = numbered.push(at);
                        prop_assert_eq!(number, 5 + numbered.next_number() - 6);
                        map.insert(number, at);
                    }
                    2 => prop_assert_eq!(numbered.remove(at), map.remove(&at)),
                    _ => {
                        let lowest = map.first_key_value().map(|(&number, &thing)| (number, thing));
                        let expected = lowest.filter(|(number, _)| *number <= at);
                        prop_assert_eq!(numbered.pop_up_to(at), expected);
                        map.retain(|number, _| Some(*number) != expected.map(|(number, _)| number));
                    }
                }
                prop_assert_eq!(numbered.len(), map.len());
                prop_assert_eq!(numbered.contains(at), map.contains_key(&at));
                prop_assert_eq!(numbered.get_mut(at).copied(), map.get(&at).copied());
            }
            let all: Vec<_> = numbered.iter_mut().map(|(number, thing)| (number, *thing)).collect();
            prop_assert_eq!(all, map.into_iter().collect::<Vec<_>>());
        }
    }
}
