//! Publishers' ids for messages that are passed on: by them and a number an owner knows what has landed already when it is
//! sent again (promise P5).
//!
//! An id is used by one channel at a time, and by another one after it: an owner remembers each, so there should not be
//! more of them than channels that publish at the same time.

use model::ShortStr;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// A publisher of which so many messages were refused is not used any more: each is a gap among its numbers, and owners
/// remember only so many.
const REFUSED_MAX: u32 = 4096;

/// A publisher, and how far it has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counting {
    pub(crate) publisher: ShortStr,
    /// The number of its next message.
    pub(crate) next: u64,
    /// How many of its messages were refused.
    pub(crate) refused: u32,
}

impl Counting {
    /// Whether it has so many gaps that a fresh one should go on.
    pub(crate) fn is_worn(&self) -> bool {
        self.refused >= REFUSED_MAX
    }
}

/// The publishers of a node.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// Nobody else has it, and nobody can guess it.
    run: String,
    made: AtomicU64,
    /// By virtual host, those that nobody uses.
    free: Mutex<HashMap<ShortStr, Vec<Counting>>>,
}

impl Numbers {
    /// The publishers of this run of a node, told from those of all others by a random number.
    pub(crate) fn new(run: u128) -> Self {
        Self {
            run: format!("{run:032x}"),
            made: AtomicU64::new(0),
            free: Mutex::default(),
        }
    }

    /// A publisher that nobody else uses meanwhile.
    pub(crate) fn take(&self, vhost: &ShortStr) -> Counting {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = free.get_mut(vhost).and_then(Vec::pop);
        free.unwrap_or_else(|| self.make())
    }

    /// One that nobody has used.
    pub(crate) fn make(&self) -> Counting {
        let made = self.made.fetch_add(1, Relaxed);
        Counting {
            publisher: ShortStr::truncated(&format!("amq.landfall.{}.{made}", self.run)),
            next: 1,
            refused: 0,
        }
    }

    /// All that it has sent is answered: the next one may go on.
    pub(crate) fn give_back(&self, vhost: &ShortStr, counting: Counting) {
        if counting.is_worn() {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.entry(vhost.clone()).or_default().push(counting);
    }

    /// Another node owns the queues: of messages that landed nowhere it knows no numbers. So all begin anew.
    pub(crate) fn begin_anew(&self) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_has_one_user_at_a_time_and_goes_on_counting() {
        let numbers = Numbers::new(7);
        let vhost = ShortStr::from_static("/");
        let mut one = numbers.take(&vhost);
        let two = numbers.take(&vhost);
        assert_ne!(one.publisher, two.publisher);
        one.next = 10;
        numbers.give_back(&vhost, one.clone());
        assert_eq!(numbers.take(&vhost), one);
        numbers.give_back(&vhost, one.clone());
        assert_ne!(
            numbers.take(&ShortStr::from_static("other")).publisher,
            one.publisher
        );
        numbers.begin_anew();
        assert_eq!(numbers.take(&vhost).next, 1);
        numbers.give_back(
            &vhost,
            Counting {
                refused: REFUSED_MAX,
                ..one
            },
        );
        assert_eq!(numbers.take(&vhost).refused, 0);
    }
}
