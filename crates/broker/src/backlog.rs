//! What waits in a queue, in the order it is handed out: by priority, then by position.

use crate::ages::Ages;
use crate::level::Level;
use crate::seldom::Seldom;
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
    /// It was put off, and has a time to live of its own from then on, or none any more: it does not age with its
    /// neighbours.
    pub(crate) ageless: bool,
}

impl Traits {
    /// It was put off, and the time to live that its queue gives begins only now.
    pub(crate) fn begin_to_live(&mut self, since: Timestamp, time_to_live: u64) {
        let expires = Timestamp(since.0.saturating_add(time_to_live));
        self.expires = Some(self.expires.map_or(expires, |own| own.min(expires)));
        self.ageless = true;
    }

    /// An operator wants it delivered, however long that takes.
    pub(crate) fn outlive(&mut self) {
        self.expires = None;
        self.ageless = true;
    }

    fn outlives(&self) -> bool {
        self.ageless && self.expires.is_none()
    }

    fn are_kept(&self) -> bool {
        self.expires.is_some() || self.bytes > 0 || self.ageless
    }
}

/// The messages that wait.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// By rising priority. Nearly all queues have one level.
    levels: SmallVec<[Level; 1]>,
    /// When the messages came; noted only where the queue has a time to live.
    pub(crate) ages: Seldom<Ages>,
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
        let ages = self.come_back(ready.position);
        self.level(ready.priority).give_back(&ready, ages);
    }

    /// Keeps in mind what sets a message apart that waits for its time.
    pub(crate) fn keep(&mut self, position: Position, traits: Traits) {
        if traits.are_kept() {
            self.traits.insert(position, traits);
        }
    }

    /// Messages that were put off are ready for the first time, and take their places.
    pub(crate) fn rise(&mut self, priority: u8, risen: &Runs) {
        if !self.traits.is_empty() {
            for position in risen.positions() {
                self.come_back(position);
            }
        }
        self.level(priority).rise(risen);
    }

    /// The same for one that lives for a time from now on, and does not age with its neighbours.
    pub(crate) fn rise_ageless(&mut self, ready: Ready, now: Timestamp, time_to_live: u64) {
        let traits = self.traits.entry(ready.position).or_default();
        traits.priority = ready.priority;
        traits.begin_to_live(now, time_to_live);
        self.give_back(ready);
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

    /// Those that wait otherwise than as they came: they came back, or an operator wants them delivered. With how
    /// often they were handed out in vain.
    pub(crate) fn returned(&self) -> impl Iterator<Item = (Position, Attempts)> + '_ {
        let all = self.levels.iter().flat_map(Level::returned);
        all.filter(|(position, attempts)| *attempts != Attempts::NONE || self.outlives(*position))
    }

    /// A message's time to live does not count any more.
    pub(crate) fn outlive(&mut self, position: Position) {
        self.traits.entry(position).or_default().outlive();
    }

    /// Whether an operator wants the message delivered, however long that takes.
    pub(crate) fn outlives(&self, position: Position) -> bool {
        self.traits.get(&position).is_some_and(Traits::outlives)
    }

    /// A message that was handed out is done with.
    pub(crate) fn forget(&mut self, position: Position) {
        if !self.traits.is_empty() {
            self.traits.remove(&position);
        }
    }

    /// The same for many.
    pub(crate) fn forget_all(&mut self, gone: &Runs) {
        if !self.traits.is_empty() {
            for position in gone.positions() {
                self.traits.remove(&position);
            }
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
                level.take_aged(before, &mut expired);
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
        let first = self.levels.iter().filter_map(Level::first_aged).min();
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
        if self.come_back(ready.position) {
            self.level(ready.priority).put_back(ready);
        } else {
            self.level(ready.priority).give_back(ready, false);
        }
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

    /// The messages that are handed out next, in this order, of those that have landed.
    pub(crate) fn next(&self, landed: Position, most: usize) -> Vec<Ready> {
        let mut next = Vec::new();
        for level in self.levels.iter().rev() {
            next.extend(level.page(Position::NONE, landed, most - next.len()));
        }
        next
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

    /// A message waits again; whether it goes by age with its neighbours.
    fn come_back(&mut self, position: Position) -> bool {
        let Some(traits) = self.traits.get(&position) else {
            return true;
        };
        self.bytes += u64::from(traits.bytes);
        self.expiring
            .extend(traits.expires.map(|at| (at, position)));
        !traits.ageless
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
mod tests;
