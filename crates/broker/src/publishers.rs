//! Once per sender's id (promise P5): which publishing ids of each publisher have landed or are about to.

use crate::route::VhostIndex;
use model::{Limits, PublishingId, Runs, ShortStr};
use std::collections::HashMap;

/// The most runs of ids that are kept of one publisher: far more than a sender leaves that counts, whatever it
/// has given up, and a megabyte.
const RUNS_MAX: usize = 65_536;

/// So many may be kept of every publisher even where all of them together have left too many gaps: whoever loses
/// a message now and then must not suffer for those who count badly.
const RUNS_LEAST: usize = 16;

/// What is known of all publishers. Exact: ids are kept as ranges, so that a gap stays a gap, and a publisher
/// that counts takes a few bytes.
#[derive(Debug)]
pub(crate) struct Publishers {
    /// By virtual host, then by name.
    known: Vec<HashMap<ShortStr, Publisher>>,
    count: usize,
    most: usize,
    /// How many gaps are between the runs of all publishers.
    gaps: usize,
    gaps_most: usize,
    /// Counts what was heard, to know who was silent for longest.
    heard: u64,
}

#[derive(Debug, Default)]
struct Publisher {
    landed: Runs,
    heard: u64,
}

impl Publishers {
    /// Remembers nobody yet.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            known: Vec::new(),
            count: 0,
            most: limits.publishers_max.max(1),
            gaps: 0,
            gaps_most: limits.publisher_gaps_max,
            heard: 0,
        }
    }

    /// Whether the publisher sent that id before.
    pub(crate) fn knows(&self, vhost: VhostIndex, publisher: &[u8], id: PublishingId) -> bool {
        let publisher = self
            .known
            .get(vhost.0)
            .and_then(|known| known.get(publisher));
        publisher.is_some_and(|publisher| publisher.landed.contains(id.0))
    }

    /// Whether the publisher has left so many gaps among its ids that it may leave no more: each is kept, and
    /// what a client can make us keep has a limit (promise P9). An id that follows another leaves none.
    pub(crate) fn is_full_of_gaps(
        &self,
        vhost: VhostIndex,
        publisher: &[u8],
        id: PublishingId,
    ) -> bool {
        let publisher = self
            .known
            .get(vhost.0)
            .and_then(|known| known.get(publisher));
        let most = if self.gaps < self.gaps_most {
            RUNS_MAX
        } else {
            RUNS_LEAST
        };
        publisher.is_some_and(|publisher| {
            publisher.landed.as_slice().len() >= most
                && !id
                    .0
                    .checked_sub(1)
                    .is_some_and(|before| publisher.landed.contains(before))
        })
    }

    /// Takes note of an id that is about to land; gives the publisher's name to be kept with the message.
    pub(crate) fn add(
        &mut self,
        vhost: VhostIndex,
        publisher: &[u8],
        id: PublishingId,
    ) -> ShortStr {
        self.heard += 1;
        let heard = self.heard;
        if let Some((name, known)) = self.in_vhost(vhost).get_key_value(publisher) {
            let name = name.clone();
            debug_assert!(!known.landed.contains(id.0), "asked before");
            let known = self.in_vhost(vhost).get_mut(publisher).expect("just found");
            let gaps_before = known.gaps();
            known.landed.insert(id.0);
            known.heard = heard;
            let gaps = known.gaps();
            self.gaps = self.gaps + gaps - gaps_before;
            return name;
        }
        let name =
            ShortStr::from_bytes(publisher.to_vec().into()).expect("checked when it was read");
        self.learn(vhost, &name, &[id.0].into_iter().collect());
        name
    }

    /// Adds ids that have landed.
    pub(crate) fn learn(&mut self, vhost: VhostIndex, name: &ShortStr, landed: &Runs) {
        self.heard += 1;
        let heard = self.heard;
        if !self.in_vhost(vhost).contains_key(name) {
            self.make_room();
            self.count += 1;
            self.in_vhost(vhost)
                .insert(name.detached(), Publisher::default());
        }
        let publisher = self.in_vhost(vhost).get_mut(name).expect("just made");
        publisher.heard = heard;
        let gaps_before = publisher.gaps();
        for &run in landed.as_slice() {
            publisher.landed.insert_run(run);
        }
        let gaps = publisher.gaps();
        self.gaps = self.gaps + gaps - gaps_before;
    }

    /// Forgets everybody of a virtual host that goes.
    pub(crate) fn forget_vhost(&mut self, vhost: VhostIndex) {
        self.in_vhost(vhost).clear();
        self.recount();
    }

    /// Everybody known, the longest silent first, so that whoever learns in this order forgets alike.
    pub(crate) fn all(&self) -> Vec<(VhostIndex, &ShortStr, &Runs)> {
        let each = |(vhost, known): (usize, &'_ HashMap<ShortStr, Publisher>)| {
            let known = known.iter();
            known
                .map(move |(name, publisher)| (publisher.heard, VhostIndex(vhost), name.clone()))
                .collect::<Vec<_>>()
        };
        let mut order: Vec<_> = self.known.iter().enumerate().flat_map(each).collect();
        order.sort_unstable_by_key(|(heard, ..)| *heard);
        let look_up = |(_, vhost, name): (u64, VhostIndex, ShortStr)| {
            let (name, publisher) = self.known[vhost.0]
                .get_key_value(&name)
                .expect("just listed");
            (vhost, name, &publisher.landed)
        };
        order.into_iter().map(look_up).collect()
    }

    fn in_vhost(&mut self, vhost: VhostIndex) -> &mut HashMap<ShortStr, Publisher> {
        if self.known.len() <= vhost.0 {
            self.known.resize_with(vhost.0 + 1, HashMap::new);
        }
        &mut self.known[vhost.0]
    }

    /// Forgets the longest silent eighth when the limit is reached: seldom, so that it costs little each time.
    fn make_room(&mut self) {
        if self.count < self.most {
            return;
        }
        let mut heard: Vec<u64> = self
            .known
            .iter()
            .flat_map(|known| known.values())
            .map(|one| one.heard)
            .collect();
        let forget = (heard.len() / 8).max(1);
        heard.sort_unstable();
        let oldest_kept = heard.get(forget).copied().unwrap_or(u64::MAX);
        for known in &mut self.known {
            known.retain(|_, publisher| publisher.heard >= oldest_kept);
        }
        self.recount();
    }

    /// Counts anew, after some were forgotten.
    fn recount(&mut self) {
        self.count = self.known.iter().map(HashMap::len).sum();
        let publishers = self.known.iter().flat_map(HashMap::values);
        self.gaps = publishers.map(Publisher::gaps).sum();
    }
}

impl Publisher {
    /// How many gaps its ids have.
    fn gaps(&self) -> usize {
        self.landed.as_slice().len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VHOST: VhostIndex = VhostIndex(0);

    fn most(publishers_max: usize) -> Publishers {
        Publishers::new(&Limits {
            publishers_max,
            ..Limits::default()
        })
    }

    #[test]
    fn ids_are_known_exactly_gaps_included() {
        let mut publishers = most(10);
        for id in [1, 2, 3, 5] {
            assert!(!publishers.knows(VHOST, b"p", PublishingId(id)));
            assert_eq!(publishers.add(VHOST, b"p", PublishingId(id)), "p");
        }
        let known: Vec<u64> = (0..8)
            .filter(|id| publishers.knows(VHOST, b"p", PublishingId(*id)))
            .collect();
        assert_eq!(known, [1, 2, 3, 5]);
        assert!(!publishers.knows(VhostIndex(1), b"p", PublishingId(1)));
    }

    #[test]
    fn gaps_are_limited_and_counting_on_is_not() {
        let mut publishers = most(10);
        for id in 0..RUNS_MAX as u64 {
            assert!(!publishers.is_full_of_gaps(VHOST, b"p", PublishingId(2 * id)));
            publishers.add(VHOST, b"p", PublishingId(2 * id));
        }
        let last = 2 * (RUNS_MAX as u64 - 1);
        assert!(publishers.is_full_of_gaps(VHOST, b"p", PublishingId(last + 2)));
        assert!(!publishers.is_full_of_gaps(VHOST, b"p", PublishingId(last + 1)));
        assert!(!publishers.is_full_of_gaps(VHOST, b"other", PublishingId(last + 2)));
    }

    #[test]
    fn gaps_of_all_together_are_limited_and_a_few_are_always_allowed() {
        let mut publishers = Publishers::new(&Limits {
            publisher_gaps_max: 100,
            publishers_max: 20,
            ..Limits::default()
        });
        let leave_gaps = |publishers: &mut Publishers, name: &str| {
            (0..1000).find(|number| {
                let id = PublishingId(2 * number);
                let full = publishers.is_full_of_gaps(VHOST, name.as_bytes(), id);
                if !full {
                    publishers.add(VHOST, name.as_bytes(), id);
                }
                full
            })
        };
        assert_eq!(leave_gaps(&mut publishers, "greedy"), Some(101));
        assert_eq!(leave_gaps(&mut publishers, "modest"), Some(16));
        assert!(!publishers.is_full_of_gaps(VHOST, b"greedy", PublishingId(201)));
        // Whoever fills a gap makes room, and so does whoever is forgotten.
        publishers.add(VHOST, b"greedy", PublishingId(1));
        assert_eq!(publishers.gaps, 100 - 1 + 15);
        for number in 0..20u64 {
            publishers.add(VHOST, number.to_string().as_bytes(), PublishingId(1));
        }
        assert_eq!(publishers.gaps, 0);
    }

    #[test]
    fn the_longest_silent_are_forgotten_first() {
        let mut publishers = most(16);
        for number in 0..16u64 {
            publishers.add(VHOST, number.to_string().as_bytes(), PublishingId(1));
        }
        publishers.add(VHOST, b"0", PublishingId(2));
        publishers.add(VHOST, b"new", PublishingId(1));
        let knows = |name: &str| publishers.knows(VHOST, name.as_bytes(), PublishingId(1));
        assert!(knows("0") && knows("new") && knows("3") && !knows("1") && !knows("2"));
        assert_eq!(publishers.all().len(), 15);
        assert_eq!(
            publishers.all().last().map(|(_, name, _)| name.as_str()),
            Some("new")
        );
    }
}
