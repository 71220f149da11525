//! What recovery finds out about the messages of one queue, in whatever order it is told.

use crate::ages::Ages;
use crate::backlog::{Ready, Traits};
use crate::delayed::Delayed;
use crate::otherwise::Otherwise;
use crate::parked::ParkedMessage;
use crate::queue::Queue;
use model::record::{Arrival, Attempts, Ending, Place, Tally, Waiting};
use model::{Position, Run, Runs, Timestamp};
use std::collections::BTreeMap;

/// What is known of one queue's messages.
#[derive(Debug, Default)]
pub(crate) struct Found {
    landed: Runs,
    settled: Runs,
    /// What was counted up to a position, and what was told to have ended since.
    tally: Tally,
    counted_upto: Position,
    pub(crate) delivered: Runs,
    ages: Ages,
    /// Those above the lowest, by priority, as their senders gave it.
    priorities: BTreeMap<u8, Runs>,
    expiring: BTreeMap<Position, Timestamp>,
    /// The lengths of bodies: the same for so many neighbours.
    lengths: Vec<(Run, u32)>,
    /// Those that are not to be delivered before a time.
    put_off: Delayed,
    /// Those that wait otherwise than as they came.
    otherwise: Otherwise,
}

impl Found {
    /// Messages of neighbouring positions came, all alike. Whether the queue's rules will ask for what is said of them is
    /// not known yet: its definition may come later.
    pub(crate) fn note(&mut self, run: Run, arrival: &Arrival) {
        let positions = (run.first..run.end()).map(Position);
        if let Some(due) = arrival.due {
            for position in positions.clone() {
                if !self.landed.contains(position.0) {
                    let ready = Ready {
                        position,
                        priority: arrival.priority,
                        attempts: Attempts::NONE,
                        redelivered: false,
                    };
                    self.put_off.insert(arrival.came, due, ready);
                }
            }
        }
        self.landed.insert_run(run);
        self.ages.note(Position(run.first), arrival.came);
        self.ages.note(Position(run.end() - 1), arrival.came);
        if arrival.priority > 0 {
            let of_priority = self.priorities.entry(arrival.priority).or_default();
            of_priority.insert_run(run);
        }
        if let Some(expires) = arrival.expires {
            self.expiring
                .extend(positions.map(|position| (position, expires)));
        }
        match self.lengths.last_mut() {
            Some((last, length)) if last.end() == run.first && *length == arrival.bytes => {
                last.count += run.count;
            }
            _ => self.lengths.push((run, arrival.bytes)),
        }
    }

    /// Messages ended.
    pub(crate) fn settle(&mut self, how: Ending, messages: &Runs) {
        self.settled.insert_all(messages);
        self.tally.add_ended(how, messages.count());
    }

    /// All that was told before this position is in these numbers.
    pub(crate) fn count_from(&mut self, position: Position, tally: Tally) {
        self.tally = tally;
        self.counted_upto = position;
    }

    /// Of the messages that are told, those that are older are in the numbers, however often they were told.
    fn tally(&self) -> Tally {
        let runs = self.landed.as_slice().iter();
        let newer = runs.map(|run| {
            run.end()
                .saturating_sub(run.first.max(self.counted_upto.0 + 1))
        });
        let mut tally = self.tally;
        tally.accepted = tally.accepted.wrapping_add(newer.sum());
        tally
    }

    /// What waits otherwise than as it came; what comes later counts.
    pub(crate) fn tell_waiting(&mut self, all: &[Waiting]) {
        self.otherwise.tell(all);
    }

    /// What the queue's rules make of the messages that wait.
    pub(crate) fn restore(mut self, queue: &mut Queue, now: Timestamp, stopped: bool) {
        queue.audited.tally = self.tally();
        let waiting = self.landed.without(&self.settled);
        let mut told = std::mem::take(&mut self.otherwise).into_last();
        told.retain(|one| waiting.contains(one.position.0));
        let otherwise: Runs = told.iter().map(|one| one.position.0).collect();
        let as_they_came = waiting.without(&otherwise);
        let all_put_off = std::mem::take(&mut self.put_off);
        let time_to_live = queue.rules.time_to_live;
        let put_off = || {
            // Of those that are due already it matters only where they have a time to live, which began then.
            let apart = all_put_off.iter();
            let apart = apart.filter(|(due, _)| *due > now || time_to_live.is_some());
            apart.filter(|(_, ready)| as_they_came.contains(ready.position.0))
        };
        let mut apart: Vec<u64> = put_off().map(|(_, ready)| ready.position.0).collect();
        apart.sort_unstable();
        let in_order = as_they_came.without(&apart.into_iter().collect());
        let suspect = if stopped {
            std::mem::take(&mut self.delivered)
        } else {
            in_order.clone()
        };
        let priorities = self.take_priorities(queue.rules.max_priority);
        if queue.rules.time_to_live.is_some() {
            *queue.backlog.ages = std::mem::take(&mut self.ages);
        }
        let mut traits = self.take_traits(queue, &waiting, &priorities);
        if let Some(time_to_live) = time_to_live {
            let began = all_put_off.iter().filter(|(due, ready)| {
                let position = ready.position.0;
                waiting.contains(position) && (*due <= now || otherwise.contains(position))
            });
            live_from_due(&mut traits, time_to_live, began);
        }
        // What is ready without having been handed out in vain is so because an operator wants it delivered.
        let fired = |one: &&Waiting| (one.place, one.attempts) == (Place::Ready, Attempts::NONE);
        for one in told.iter().filter(fired) {
            traits.entry(one.position).or_default().outlive();
        }
        queue
            .backlog
            .restore(&in_order, &suspect, traits, &priorities);
        for (due, mut ready) in put_off() {
            if due > now {
                queue.delayed.insert(now, due, ready);
            } else {
                ready.redelivered = !stopped || suspect.contains(ready.position.0);
                ready.priority = ready.priority.min(queue.rules.max_priority);
                queue.backlog.give_back(ready);
            }
        }
        for one in told {
            let (position, place, attempts) = (one.position, one.place, one.attempts);
            let mut levels = priorities.iter();
            let level = levels.find(|(_, of_priority)| of_priority.contains(position.0));
            let ready = Ready {
                position,
                priority: level.map_or(0, |(priority, _)| *priority),
                attempts,
                redelivered: attempts != Attempts::NONE || !stopped || suspect.contains(position.0),
            };
            put_back(queue, now, ready, place);
        }
    }

    /// Those above the lowest, by priority as the queue has it.
    fn take_priorities(&mut self, most: u8) -> BTreeMap<u8, Runs> {
        let mut priorities: BTreeMap<u8, Runs> = BTreeMap::new();
        let given = std::mem::take(&mut self.priorities);
        for (priority, of_priority) in given.into_iter().filter(|_| most > 0) {
            let level = priorities.entry(priority.min(most)).or_default();
            level.insert_all(&of_priority);
        }
        priorities
    }

    fn take_traits(
        &mut self,
        queue: &Queue,
        waiting: &Runs,
        priorities: &BTreeMap<u8, Runs>,
    ) -> BTreeMap<Position, Traits> {
        let mut traits: BTreeMap<Position, Traits> = BTreeMap::new();
        if queue.rules.max_length_bytes.is_some() {
            let lengths = std::mem::take(&mut self.lengths).into_iter();
            for (position, bytes) in lengths.flat_map(|(run, length)| {
                (run.first..run.end()).map(move |position| (Position(position), length))
            }) {
                traits.entry(position).or_default().bytes = bytes;
            }
        }
        for (position, expires) in std::mem::take(&mut self.expiring) {
            traits.entry(position).or_default().expires = Some(expires);
        }
        traits.retain(|position, _| waiting.contains(position.0));
        for (priority, of_priority) in priorities {
            for (position, traits) in &mut traits {
                if of_priority.contains(position.0) {
                    traits.priority = *priority;
                }
            }
        }
        traits
    }
}

/// In a queue with a time to live, messages that were put off live for as long from when they were due.
fn live_from_due(
    traits: &mut BTreeMap<Position, Traits>,
    time_to_live: u64,
    began: impl Iterator<Item = (Timestamp, Ready)>,
) {
    for (due, ready) in began {
        let one = traits.entry(ready.position).or_default();
        one.begin_to_live(due, time_to_live);
    }
}

/// A message that waited otherwise than as it came does so again.
fn put_back(queue: &mut Queue, now: Timestamp, ready: Ready, place: Place) {
    match place {
        Place::Ready => queue.backlog.give_back(ready),
        Place::Delayed { due } => queue.delayed.insert(now, due, ready),
        Place::Parked { why, at } => queue.parked.insert(ParkedMessage {
            position: ready.position,
            why,
            at,
            attempts: ready.attempts,
            priority: ready.priority,
        }),
    }
}
