//! What waits in a queue, in the order it is handed out: by priority, then by position.

use crate::ages::Ages;
use crate::level::Level;
use model::record::Attempts;
use model::{Position, Runs, Timestamp};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// A message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) position: Position,
    pub(crate) priority: u8,
    /// How often it was handed out in vain, as far as is known.
    pub(crate) attempts: Attempts,
    /// It may have been delivered before: known to have been, or a crash forgot.
    pub(crate) redelivered: bool,
}

/// What sets a message apart from the others of its queue; most have nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) priority: u8,
    /// When it expires by its own word.
    pub(crate) expires: Option<Timestamp>,
    /// The length of its body; only where the queue limits the sum.
    pub(crate) bytes: u32,
}

impl Traits {
    fn are_kept(&self) -> bool {
        self.expires.is_some() || self.bytes > 0
    }
}

/// The messages that wait.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// By rising priority. Nearly all queues have one level.
    levels: SmallVec<[Level; 1]>,
    /// When the messages came; noted only where the queue has a time to live.
    pub(crate) ages: Ages,
    /// Of messages that wait or are unacked.
    traits: BTreeMap<Position, Traits>,
    /// Messages that expire by their own word, those that wait.
    expiring: BTreeSet<(Timestamp, Position)>,
    /// The bytes of those that wait, as far as their lengths are kept.
    bytes: u64,
}

impl Backlog {
    /// What recovery found; the suspect ones may have been delivered before. What is known of messages that do not
    /// wait here, but may, is kept.
    pub(crate) fn restore(
        &mut self,
        waiting: &Runs,
        suspect: &Runs,
        traits: BTreeMap<Position, Traits>,
        priorities: &BTreeMap<u8, Runs>,
    ) {
        self.traits = traits;
        self.traits.retain(|_, one| one.are_kept());
        for (&position, one) in &self.traits {
            if waiting.contains(position.0) {
                self.bytes += u64::from(one.bytes);
                self.expiring.extend(one.expires.map(|at| (at, position)));
            }
        }
        let mut plain = waiting.clone();
        for (&priority, of_priority) in priorities {
            let others = plain.without(of_priority);
            let of_priority = plain.without(&others);
            plain = others;
            self.level(priority).restore(&of_priority, suspect);
        }
        self.level(0).restore(&plain, suspect);
    }

    /// Adds a new message behind all others of its priority.
    pub(crate) fn push(&mut self, position: Position, traits: Traits) {
        if traits.are_kept() {
            self.bytes += u64::from(traits.bytes);
            self.expiring
                .extend(traits.expires.map(|at| (at, position)));
            self.traits.insert(position, traits);
        }
        self.level(traits.priority).push(position);
    }

    /// Puts a message that was taken out back to its place.
    pub(crate) fn give_back(&mut self, ready: Ready) {
        self.come_back(ready.position);
        self.level(ready.priority)
            .give_back(ready.position, ready.attempts);
    }

    /// Takes the first message that has landed.
    pub(crate) fn pop(&mut self, landed: Position) -> Option<Ready> {
        let ready = self
            .levels
            .iter_mut()
            .rev()
            .find_map(|level| level.pop(landed))?;
        self.leave(ready.position);
        Some(ready)
    }

    /// Takes the oldest landed message of the lowest priority: the one that gives way at a limit.
    pub(crate) fn pop_least(&mut self, landed: Position) -> Option<Position> {
        let mut levels = self.levels.iter_mut();
        let position = levels.find_map(|level| level.pop(landed))?.position;
        self.leave(position);
        self.forget(position);
        Some(position)
    }

    /// Those that came back, with how often they were handed out in vain.
    pub(crate) fn returned(&self) -> impl Iterator<Item = (Position, Attempts)> + '_ {
        self.levels.iter().flat_map(Level::returned)
    }

    /// A message that was handed out is done with.
    pub(crate) fn forget(&mut self, position: Position) {
        if !self.traits.is_empty() {
            self.traits.remove(&position);
        }
    }

    /// Takes all messages that have landed.
    pub(crate) fn purge(&mut self, landed: Position) -> Runs {
        let mut taken = Runs::new();
        for level in &mut self.levels {
            level.take_before(landed.next(), &mut taken);
        }
        self.leave_all(&taken);
        taken
    }

    /// Takes what has expired among the messages up to `offered`: those that consumers had their chance at.
    pub(crate) fn take_expired(
        &mut self,
        now: Timestamp,
        time_to_live: Option<u64>,
        offered: Position,
    ) -> Runs {
        let mut expired = Runs::new();
        if let Some(time_to_live) = time_to_live {
            let before = self.ages.over_before(now, time_to_live);
            let before = before.min(offered.next());
            for level in &mut self.levels {
                level.take_before(before, &mut expired);
            }
        }
        let due: Vec<Position> = self
            .expiring
            .iter()
            .take_while(|(at, _)| *at <= now)
            .map(|(_, position)| *position)
            .filter(|position| *position <= offered)
            .collect();
        for position in due {
            let priority = self.traits[&position].priority;
            if self.level(priority).remove(position) {
                expired.insert(position.0);
            }
        }
        self.leave_all(&expired);
        expired
    }

    /// Whether a message that waits expires by its own word.
    pub(crate) fn has_expiring(&self) -> bool {
        !self.expiring.is_empty()
    }

    /// When the next message expires; the beginning of time if one is overdue.
    pub(crate) fn next_expiry(&self, time_to_live: Option<u64>) -> Option<Timestamp> {
        let first = self.levels.iter().filter_map(Level::first).min();
        let by_queue = time_to_live.zip(first).and_then(|(time_to_live, first)| {
            if self.ages.is_over(first) {
                Some(Timestamp(0))
            } else {
                self.ages.next_over(time_to_live)
            }
        });
        let by_itself = self.expiring.first().map(|(at, _)| *at);
        by_queue.into_iter().chain(by_itself).min()
    }

    /// Whether some of the messages have not landed yet.
    pub(crate) fn waits_for_landing(&self, landed: Position) -> bool {
        self.levels
            .iter()
            .any(|level| level.waits_for_landing(landed))
    }

    /// How many messages wait that have landed.
    pub(crate) fn ready(&self, landed: Position) -> u64 {
        self.levels.iter().map(|level| level.ready(landed)).sum()
    }

    /// How many messages wait, landed or not.
    pub(crate) fn waiting(&self) -> u64 {
        self.levels.iter().map(Level::waiting).sum()
    }

    /// Takes one message from wherever it waits.
    pub(crate) fn pick(&mut self, position: Position) -> Option<Ready> {
        let ready = self
            .levels
            .iter_mut()
            .find_map(|level| level.pick(position))?;
        self.leave(position);
        Some(ready)
    }

    /// Puts a message back that was picked.
    pub(crate) fn put_back(&mut self, ready: &Ready) {
        self.come_back(ready.position);
        self.level(ready.priority).put_back(ready);
    }

    /// The first of the messages that have landed.
    pub(crate) fn oldest(&self, landed: Position) -> Option<Position> {
        let first = self.levels.iter().filter_map(Level::first).min();
        first.filter(|first| *first <= landed)
    }

    /// The first messages behind `after`, in the order of their positions, of those that have landed.
    pub(crate) fn page(&self, after: Position, landed: Position, most: usize) -> Vec<Ready> {
        let mut page = Vec::new();
        for level in &self.levels {
            page.extend(level.page(after, landed, most));
            page.sort_unstable_by_key(|ready: &Ready| ready.position);
            page.truncate(most);
        }
        page
    }

    /// The bytes of the messages that wait, where the queue limits them.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The messages of which a crash forgot whether they had been delivered.
    pub(crate) fn delivered(&self) -> Runs {
        let mut delivered = Runs::new();
        for level in &self.levels {
            level.add_delivered(&mut delivered);
        }
        delivered
    }

    fn level(&mut self, priority: u8) -> &mut Level {
        // The only one that most queues have.
        if priority == 0 && self.levels.first().is_some_and(|level| level.priority == 0) {
            return &mut self.levels[0];
        }
        let at = self
            .levels
            .partition_point(|level| level.priority < priority);
        if self
            .levels
            .get(at)
            .is_none_or(|level| level.priority != priority)
        {
            self.levels.insert(at, Level::new(priority));
        }
        &mut self.levels[at]
    }

    /// A message waits again.
    fn come_back(&mut self, position: Position) {
        if let Some(traits) = self.traits.get(&position) {
            self.bytes += u64::from(traits.bytes);
            self.expiring
                .extend(traits.expires.map(|at| (at, position)));
        }
    }

    /// A message does not wait any more; what is known of it stays until it is done with.
    fn leave(&mut self, position: Position) {
        if self.traits.is_empty() {
            return;
        }
        if let Some(traits) = self.traits.get(&position) {
            self.bytes -= u64::from(traits.bytes);
            if let Some(at) = traits.expires {
                self.expiring.remove(&(at, position));
            }
        }
    }

    /// Messages that waited are gone for good.
    fn leave_all(&mut self, gone: &Runs) {
        if self.traits.is_empty() {
            return;
        }
        for run in gone.as_slice() {
            let range = Position(run.first)..Position(run.end());
            let known: Vec<Position> = self.traits.range(range).map(|(at, _)| *at).collect();
            for position in known {
                self.leave(position);
                self.forget(position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(priority: u8, expires: Option<u64>, bytes: u32) -> Traits {
        Traits {
            priority,
            expires: expires.map(Timestamp),
            bytes,
        }
    }

    fn returned(position: u64, priority: u8) -> Ready {
        Ready {
            position: Position(position),
            priority,
            attempts: Attempts { failed: 1, lost: 0 },
            redelivered: true,
        }
    }

    fn pop_all(backlog: &mut Backlog, landed: u64) -> Vec<u64> {
        std::iter::from_fn(|| backlog.pop(Position(landed)))
            .map(|ready| ready.position.0)
            .collect()
    }

    #[test]
    fn higher_priorities_come_first_and_the_oldest_of_the_lowest_gives_way() {
        let mut backlog = Backlog::default();
        for (position, priority) in [(1, 0), (2, 5), (3, 0), (4, 9), (5, 5)] {
            backlog.push(Position(position), with(priority, None, 0));
        }
        assert_eq!(backlog.pop_least(Position(5)), Some(Position(1)));
        let first = backlog.pop(Position(5)).expect("four wait");
        assert_eq!((first.position, first.priority), (Position(4), 9));
        backlog.give_back(returned(4, 9));
        assert_eq!(pop_all(&mut backlog, 5), [4, 2, 5, 3]);
    }

    #[test]
    fn a_message_expires_anywhere_in_the_queue_but_not_before_it_was_offered() {
        let mut backlog = Backlog::default();
        for (position, expires) in [(1, None), (2, Some(20)), (3, Some(10)), (4, Some(10))] {
            backlog.push(Position(position), with(0, expires, 0));
        }
        assert_eq!(backlog.next_expiry(None), Some(Timestamp(10)));
        let expired = backlog.take_expired(Timestamp(10), None, Position(3));
        assert_eq!(expired, [3].into_iter().collect());
        let expired = backlog.take_expired(Timestamp(10), None, Position(4));
        assert_eq!(expired, [4].into_iter().collect());
        assert_eq!(backlog.next_expiry(None), Some(Timestamp(20)));
        assert_eq!(pop_all(&mut backlog, 4), [1, 2]);
        assert_eq!(backlog.next_expiry(None), None);
        backlog.give_back(returned(2, 0));
        assert_eq!(backlog.next_expiry(None), Some(Timestamp(20)));
        backlog.forget(Position(1));
        assert_eq!(backlog.purge(Position(4)), [2].into_iter().collect());
        assert_eq!(backlog.next_expiry(None), None);
        assert!(backlog.traits.is_empty());
    }

    #[test]
    fn bytes_are_those_of_the_messages_that_wait() {
        let mut backlog = Backlog::default();
        for position in 1..=4 {
            backlog.push(Position(position), with(0, None, 10));
        }
        assert!(backlog.pop(Position(4)).is_some());
        assert_eq!(backlog.bytes(), 30);
        assert_eq!(backlog.pop_least(Position(4)), Some(Position(2)));
        backlog.give_back(returned(1, 0));
        assert_eq!(backlog.bytes(), 30);
        assert_eq!(backlog.purge(Position(3)).count(), 2);
        assert_eq!(backlog.bytes(), 10);
    }

    #[test]
    fn a_time_to_live_of_the_queue_takes_all_that_is_older() {
        let mut backlog = Backlog::default();
        for (position, came) in [(1, 100), (2, 105), (3, 110)] {
            backlog.ages.note(Position(position), Timestamp(came));
            backlog.push(Position(position), Traits::default());
        }
        assert_eq!(backlog.next_expiry(Some(50)), Some(Timestamp(150)));
        assert!(backlog.pop(Position(3)).is_some());
        let expired = backlog.take_expired(Timestamp(157), Some(50), Position(3));
        assert_eq!(expired, [2].into_iter().collect());
        backlog.give_back(returned(1, 0));
        let expired = backlog.take_expired(Timestamp(157), Some(50), Position(3));
        assert_eq!(expired, [1].into_iter().collect());
        assert_eq!(backlog.next_expiry(Some(50)), Some(Timestamp(160)));
    }
}
