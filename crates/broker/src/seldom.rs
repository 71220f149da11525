//! What most queues never hold: until there is something, it takes a pointer's room. A hundred thousand idle queues are
//! mostly what they do not have.

use crate::again::OutAgain;
use crate::ages::Ages;
use crate::dead::Dying;
use crate::delayed::Delayed;
use crate::parked::Parked;
use crate::rules::Rules;
use crate::statistics::Counted;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

/// A thing, in a box of its own as soon as it is changed for the first time.
#[derive(Debug)]
pub(crate) struct Seldom<T>(Option<Box<T>>);

/// A thing that is there once for all who have none.
pub(crate) trait Shared: Default + 'static {
    /// The one without anything in it.
    fn empty() -> &'static Self;
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Shared> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::empty())
    }
}

impl<T: Shared> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Shared + PartialEq> From<T> for Seldom<T> {
    fn from(thing: T) -> Self {
        Self((thing != *T::empty()).then(|| Box::new(thing)))
    }
}

macro_rules! shared {
    ($($thing:ty),*) => {
        $(impl Shared for $thing {
            fn empty() -> &'static Self {
                static EMPTY: LazyLock<$thing> = LazyLock::new(<$thing>::default);
                &EMPTY
            }
        })*
    };
}

shared!(Ages, Counted, Delayed, Dying, OutAgain, Parked, Rules);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_takes_no_room_until_it_changes() {
        let mut rules = Seldom::from(Rules::default());
        assert!(rules.0.is_none());
        assert_eq!(*rules, Rules::default());
        rules.max_priority = 3;
        assert_eq!((rules.max_priority, rules.0.is_some()), (3, true));
        assert_eq!(size_of_val(&rules), size_of::<usize>());
    }

    #[test]
    fn an_idle_queue_is_small() {
        let size = size_of::<crate::queue::Queue>();
        assert!(
            size <= 640,
            "{size} bytes for a queue without anything in it"
        );
    }
}
