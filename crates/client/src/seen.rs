//! Which messages the application handled already: the receiver's memory against repeats.
//!
//! A message is known by its publisher and its publishing id. What was handled is kept as exact runs of ids for
//! each publisher, in a window of fixed size. A message outside of the window comes through as if it were new:
//! forgetting can only let a repeat through, never hold a message back that was not handled.

use model::Runs;
use std::collections::HashMap;

/// How much a receiver that suppresses repeats remembers. It takes at most `publishers` times `runs` times 16
/// bytes; a publisher whose messages all come here takes a few bytes, one whose messages are spread over
/// several receivers up to all of its runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenWindow {
    /// The most publishers; the one that was silent for longest is forgotten first. Default 1,000.
    pub publishers: usize,
    /// The most runs of ids of one publisher; the lower half is forgotten first. Default 4,096.
    pub runs: usize,
}

impl Default for SeenWindow {
    fn default() -> Self {
        Self {
            publishers: 1_000,
            runs: 4_096,
        }
    }
}

/// A message's identity, as this receiver numbers publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    publisher: u64,
    id: u64,
}

/// The window.
#[derive(Debug)]
pub(crate) struct Seen {
    window: SeenWindow,
    numbers: HashMap<Box<[u8]>, u64>,
    publishers: HashMap<u64, Publisher>,
    next_number: u64,
    /// Counts questions, so that the publisher that was silent for longest can be told.
    turn: u64,
}

#[derive(Debug)]
struct Publisher {
    name: Box<[u8]>,
    handled: Runs,
    last_turn: u64,
}

impl Seen {
    pub(crate) fn new(window: SeenWindow) -> Self {
        Self {
            window,
            numbers: HashMap::new(),
            publishers: HashMap::new(),
            next_number: 0,
            turn: 0,
        }
    }

    /// The identity of message `id` of the publisher of that name.
    pub(crate) fn identify(&mut self, name: &[u8], id: u64) -> Identity {
        self.turn += 1;
        let known = self.numbers.get(name).copied();
        let publisher = known.unwrap_or_else(|| self.add(name));
        if let Some(entry) = self.publishers.get_mut(&publisher) {
            entry.last_turn = self.turn;
        }
        Identity { publisher, id }
    }

    /// Whether it was handled.
    pub(crate) fn was_handled(&self, message: Identity) -> bool {
        self.publishers
            .get(&message.publisher)
            .is_some_and(|publisher| publisher.handled.contains(message.id))
    }

    /// It is handled now.
    pub(crate) fn handled(&mut self, message: Identity) {
        // The publisher may be forgotten by now.
        let Some(publisher) = self.publishers.get_mut(&message.publisher) else {
            return;
        };
        publisher.handled.insert(message.id);
        let runs = publisher.handled.as_slice().len();
        if runs > self.window.runs {
            publisher.handled = publisher.handled.drain().skip(runs.div_ceil(2)).collect();
        }
    }

    fn add(&mut self, name: &[u8]) -> u64 {
        if self.publishers.len() >= self.window.publishers {
            self.forget_most_silent();
        }
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(name.into(), number);
        self.publishers.insert(
            number,
            Publisher {
                name: name.into(),
                handled: Runs::new(),
                last_turn: self.turn,
            },
        );
        number
    }

    fn forget_most_silent(&mut self) {
        let silent = self
            .publishers
            .iter()
            .min_by_key(|(_, publisher)| publisher.last_turn)
            .map(|(&number, _)| number);
        if let Some(publisher) = silent.and_then(|number| self.publishers.remove(&number)) {
            self.numbers.remove(&publisher.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_exact_for_each_publisher() {
        let mut seen = Seen::new(SeenWindow::default());
        let a = seen.identify(b"a", 7);
        let b = seen.identify(b"b", 7);
        seen.handled(a);
        assert!(seen.was_handled(a) && !seen.was_handled(b));
        let neighbours = [seen.identify(b"a", 6), seen.identify(b"a", 8)];
        assert!(
            !neighbours
                .into_iter()
                .any(|message| seen.was_handled(message))
        );
    }

    #[test]
    fn the_most_silent_publisher_is_forgotten_and_its_late_messages_are_nothing() {
        let mut seen = Seen::new(SeenWindow {
            publishers: 2,
            runs: 9,
        });
        let [a, b] = [seen.identify(b"a", 1), seen.identify(b"b", 1)];
        seen.handled(a);
        seen.handled(b);
        seen.identify(b"a", 2);
        seen.identify(b"c", 1);
        assert!(seen.was_handled(a) && !seen.was_handled(b));
        seen.handled(b);
        assert_eq!((seen.publishers.len(), seen.numbers.len()), (2, 2));
    }

    proptest! {
        #[test]
        fn nothing_counts_as_handled_that_was_not(
            steps in proptest::collection::vec((0u8..5, 0u64..40), 0..300),
        ) {
            let mut seen = Seen::new(SeenWindow { publishers: 3, runs: 4 });
            let mut handled = HashSet::new();
            for (publisher, id) in steps {
                let message = seen.identify(&[publisher], id);
                prop_assert!(!seen.was_handled(message) || handled.contains(&(publisher, id)));
                seen.handled(message);
                handled.insert((publisher, id));
                prop_assert!(seen.publishers.len() <= 3);
                prop_assert!(seen.publishers.values().all(|one| one.handled.as_slice().len() <= 4));
            }
        }
    }
}
