//! What one queue remembers of the messages that were published to it: the newest, each for its time. No policy.

use model::record::Fingerprint;
use model::{Position, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// The newest messages by their hashes, no more than there is room for.
///
/// Hashes come from clients, so the map is one whose buckets nobody can aim at.
#[derive(Debug, Default)]
pub(crate) struct Window {
    room: usize,
    known: HashMap<u128, (Position, Timestamp)>,
    /// The oldest first: it is forgotten first.
    order: BTreeMap<Position, u128>,
}

impl Window {
    /// Remembers nothing yet.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// Other room: the oldest are forgotten if it is less.
    pub(crate) fn resize(&mut self, room: usize) {
        self.room = room;
        self.forget_oldest();
        self.known.shrink_to(room);
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// Where the message stands that is known by this hash.
    pub(crate) fn find(&self, now: Timestamp, hash: u128) -> Option<Position> {
        let (position, until) = self.known.get(&hash)?;
        (*until > now).then_some(*position)
    }

    /// Remembers a message, and forgets what is over its time or too much. What it knows of the same hash from a
    /// later position counts more: recovery tells old messages late.
    pub(crate) fn remember(&mut self, now: Timestamp, position: Position, message: Fingerprint) {
        match self.known.get(&message.hash) {
            Some((known, _)) if *known >= position => return,
            Some((known, _)) => self.order.remove(known),
            None => None,
        };
        self.known.insert(message.hash, (position, message.until));
        self.order.insert(position, message.hash);
        while let Some(oldest) = self.order.first_entry()
            && self.known[oldest.get()].1 <= now
        {
            self.known.remove(&oldest.remove());
        }
        self.forget_oldest();
    }

    /// All that is remembered and not over its time, by rising position.
    pub(crate) fn all(&self, now: Timestamp) -> impl Iterator<Item = (Position, Fingerprint)> {
        let all = self.order.iter().map(|(position, &hash)| {
            let (_, until) = self.known[&hash];
            (*position, Fingerprint { hash, until })
        });
        all.filter(move |(_, message)| message.until > now)
    }

    fn forget_oldest(&mut self) {
        while self.known.len() > self.room
            && let Some((_, hash)) = self.order.pop_first()
        {
            self.known.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(hash: u128, until: u64) -> Fingerprint {
        let until = Timestamp(until);
        Fingerprint { hash, until }
    }

    fn known(window: &Window, now: u64) -> Vec<u64> {
        let all = window.all(Timestamp(now));
        all.map(|(position, _)| position.0).collect()
    }

    #[test]
    fn the_newest_are_remembered_each_for_its_time() {
        let mut window = Window::new(3);
        for (position, until) in [(1, 50), (2, 20), (3, u64::MAX)] {
            window.remember(
                Timestamp(0),
                Position(position),
                message(position.into(), until),
            );
        }
        assert_eq!(window.find(Timestamp(19), 2), Some(Position(2)));
        assert_eq!(window.find(Timestamp(20), 2), None);
        assert_eq!(known(&window, 20), [1, 3]);
        // What comes again after its time takes no second place, and the oldest gives way.
        window.remember(Timestamp(20), Position(4), message(2, 90));
        assert_eq!(known(&window, 20), [1, 3, 4]);
        window.remember(Timestamp(20), Position(5), message(7, 90));
        assert_eq!(known(&window, 20), [3, 4, 5]);
        window.resize(1);
        assert_eq!((known(&window, 20), window.len()), (vec![5], 1));
    }

    #[test]
    fn what_is_told_late_does_not_count_more() {
        let mut window = Window::new(2);
        for position in [5, 3, 9, 1] {
            let hash = u128::from(position % 2 * position);
            window.remember(Timestamp(0), Position(position), message(hash, 100));
        }
        window.remember(Timestamp(0), Position(2), message(9, 900));
        assert_eq!(known(&window, 0), [5, 9]);
        assert_eq!(known(&window, 100), []);
    }
}
