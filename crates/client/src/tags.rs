//! Which messages the delivery tags of a channel stand for, while their confirms are awaited.
//!
//! Both count on together nearly always, so a run of messages that were transmitted one after the other is one entry,
//! and a confirm that is about many of them costs as much as one about one.

use std::collections::VecDeque;

/// The unanswered transmissions of one channel.
#[derive(Debug)]
pub(crate) struct Tags {
    /// By tag, in rising order; none is empty.
    runs: VecDeque<TagRun>,
    /// The tag that the next transmission gets.
    next: u64,
}

/// Transmissions with consecutive tags, of messages with consecutive ids.
#[derive(Clone, Copy, Debug)]
struct TagRun {
    tag: u64,
    id: u64,
    count: u64,
}

/// Consecutive ids of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    first: u64,
    count: u64,
}

impl Ids {
    pub(crate) fn iter(self) -> impl Iterator<Item = u64> {
        self.first..self.first + self.count
    }
}

impl TagRun {
    /// The tag behind its last.
    fn end(self) -> u64 {
        self.tag + self.count
    }

    /// The part from `tag` on, which is in the run.
    fn from(self, tag: u64) -> Self {
        let skipped = tag - self.tag;
        Self {
            tag,
            id: self.id + skipped,
            count: self.count - skipped,
        }
    }

    /// The part before `tag`, which is in the run.
    fn before(self, tag: u64) -> Self {
        Self {
            count: tag - self.tag,
            ..self
        }
    }
}

impl Tags {
    /// Of a channel that was just opened.
    pub(crate) fn new() -> Self {
        Self {
            runs: VecDeque::new(),
            next: 1,
        }
    }

    /// A message is transmitted, with the next tag.
    pub(crate) fn push(&mut self, id: u64) {
        let tag = self.next;
        self.next += 1;
        match self.runs.back_mut() {
            Some(run) if run.end() == tag && run.id + run.count == id => run.count += 1,
            _ => self.runs.push_back(TagRun { tag, id, count: 1 }),
        }
    }

    /// Takes one tag out and says whose it was, if nothing has been said of it before.
    pub(crate) fn remove(&mut self, tag: u64) -> Option<u64> {
        let at = self.runs.partition_point(|run| run.end() <= tag);
        let run = *self.runs.get(at).filter(|run| run.tag <= tag)?;
        let (before, from) = (run.before(tag), run.from(tag));
        self.runs.remove(at);
        if from.count > 1 {
            self.runs.insert(at, from.from(tag + 1));
        }
        if before.count > 0 {
            self.runs.insert(at, before);
        }
        Some(from.id)
    }

    /// Takes the lowest out, as many as follow each other up to tag `last`.
    pub(crate) fn pop_up_to(&mut self, last: u64) -> Option<Ids> {
        let run = *self.runs.front().filter(|run| run.tag <= last)?;
        let popped = if run.end() - 1 <= last {
            self.runs.pop_front();
            run
        } else {
            self.runs[0] = run.from(last + 1);
            run.before(last + 1)
        };
        Some(Ids {
            first: popped.id,
            count: popped.count,
        })
    }

    /// The ids of all, by their tags.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> {
        self.runs.iter().flat_map(|run| run.id..run.id + run.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_run_is_one_entry_until_something_is_said_of_its_middle() {
        let mut tags = Tags::new();
        (10..20).for_each(|id| tags.push(id));
        assert_eq!(tags.runs.len(), 1);
        assert_eq!(tags.remove(5), Some(14));
        assert_eq!((tags.runs.len(), tags.remove(5)), (2, None));
        let popped: Vec<u64> = std::iter::from_fn(|| tags.pop_up_to(7))
            .flat_map(Ids::iter)
            .collect();
        assert_eq!(popped, [10, 11, 12, 13, 15, 16]);
    }

    proptest! {
        #[test]
        fn they_are_a_map(steps in proptest::collection::vec((0u8..6, 1u64..60), 0..200)) {
            let (mut tags, mut map, mut next_id) = (Tags::new(), BTreeMap::new(), 7);
            for (step, number) in steps {
                match step {
                    0..=2 => {
                        map.insert(tags.next, next_id);
                        tags.push(next_id);
                        next_id += 1;
                    }
                    3 => {
                        // A retransmission.
                        map.insert(tags.next, number);
                        tags.push(number);
                    }
                    4 => prop_assert_eq!(tags.remove(number), map.remove(&number)),
                    _ => {
                        let popped: Vec<u64> =
                            std::iter::from_fn(|| tags.pop_up_to(number)).flat_map(Ids::iter).collect();
                        let behind = map.split_off(&(number + 1));
                        let expected: Vec<u64> = std::mem::replace(&mut map, behind).into_values().collect();
                        prop_assert_eq!(popped, expected);
                    }
                }
                prop_assert_eq!(tags.ids().collect::<Vec<_>>(), map.values().copied().collect::<Vec<_>>());
            }
        }
    }
}
