//! A sorted map from positions to small values, compact where positions lie close together.
//!
//! Positions are grouped into pages of 256; a page is one sorted array. So an entry costs one octet beside its
//! value where messages lie densely, and about as much as an entry of a B-tree where they do not.

use model::Position;
use std::collections::BTreeMap;
use std::ops::Range;

/// The bits of a position that are its place in its page.
const PAGE_BITS: u32 = 8;

/// A sorted map from positions to values.
#[derive(Clone, Debug)]
pub struct PositionMap<T> {
    pages: BTreeMap<u64, Page<T>>,
    length: usize,
}

/// The entries of 256 neighbouring positions, sorted by their low octet.
#[derive(Clone, Debug)]
struct Page<T> {
    places: Vec<u8>,
    values: Vec<T>,
}

impl<T> Default for PositionMap<T> {
    fn default() -> Self {
        Self {
            pages: BTreeMap::new(),
            length: 0,
        }
    }
}

const fn split(position: Position) -> (u64, u8) {
    (position.0 >> PAGE_BITS, position.0 as u8)
}

impl<T: Copy> PositionMap<T> {
    /// The empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Sets the value at `position`; returns the one that was there. Quickest in rising order.
    pub fn insert(&mut self, position: Position, value: T) -> Option<T> {
        let (page, place) = split(position);
        let page = self.pages.entry(page).or_insert_with(|| Page {
            places: Vec::new(),
            values: Vec::new(),
        });
        match page.places.binary_search(&place) {
            Ok(at) => Some(std::mem::replace(&mut page.values[at], value)),
            Err(at) => {
                page.places.insert(at, place);
                page.values.insert(at, value);
                self.length += 1;
                None
            }
        }
    }

    /// The value at `position`.
    pub fn get(&self, position: Position) -> Option<T> {
        let (page, place) = split(position);
        let page = self.pages.get(&page)?;
        let at = page.places.binary_search(&place).ok()?;
        Some(page.values[at])
    }

    /// Takes out the value at `position`.
    pub fn remove(&mut self, position: Position) -> Option<T> {
        let (number, place) = split(position);
        let page = self.pages.get_mut(&number)?;
        let at = page.places.binary_search(&place).ok()?;
        page.places.remove(at);
        let value = page.values.remove(at);
        self.length -= 1;
        if page.places.is_empty() {
            self.pages.remove(&number);
        }
        Some(value)
    }

    /// The entries whose positions lie in `range`, in rising order.
    pub fn range(&self, range: Range<u64>) -> impl Iterator<Item = (Position, T)> {
        let pages = (range.start >> PAGE_BITS)
            ..range
                .end
                .div_ceil(1 << PAGE_BITS)
                .max(range.start >> PAGE_BITS);
        self.pages
            .range(pages)
            .flat_map(|(number, page)| {
                let base = number << PAGE_BITS;
                let places = page
                    .places
                    .iter()
                    .map(move |place| base + u64::from(*place));
                places.zip(page.values.iter().copied())
            })
            .filter(move |(position, _)| range.contains(position))
            .map(|(position, value)| (Position(position), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_map(
            steps in proptest::collection::vec((any::<bool>(), 0u64..1200, any::<u16>()), 0..300),
            start in 0u64..1300,
            length in 0u64..1300,
        ) {
            let mut map = PositionMap::new();
            let mut naive = BTreeMap::new();
            for (insert, position, value) in steps {
                if insert {
                    prop_assert_eq!(map.insert(Position(position), value), naive.insert(position, value));
                } else {
                    prop_assert_eq!(map.remove(Position(position)), naive.remove(&position));
                }
                prop_assert_eq!(map.get(Position(position)), naive.get(&position).copied());
                prop_assert_eq!(map.len(), naive.len());
                prop_assert_eq!(map.is_empty(), map.pages.is_empty());
            }
            let range = start..start + length;
            let entries: Vec<_> = map.range(range.clone()).map(|(position, value)| (position.0, value)).collect();
            let wanted: Vec<_> = naive.range(range).map(|(position, value)| (*position, *value)).collect();
            prop_assert_eq!(entries, wanted);
        }
    }
}
