//! What operators send elsewhere, message by message: dead letters back (`redrive`), and whatever waits to another place
//! (`moving`).
//!
//! The copy is asked to land before the original's end is, as on the way to the dead letters: whatever crashes when,
//! the message is in one place or in both (promise P2). While it is being read a message is in nobody's hands; one
//! that cannot go returns to its place.

use crate::backlog::Ready;
use crate::choose::NOT_THERE;
use crate::command::{Answer, Chosen, CommandId, CommandRefused, Outcome, Stayed};
use crate::journey::{Errand, Event};
use crate::moving::Moving;
use crate::parked::ParkedMessage;
use crate::queue::Queue;
use crate::snapshot::State;
use crate::{Broker, Effect};
use model::record::{Ending, Place, Waiting};
use model::{MessageRecord, Position, QueueId, Runs, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// The most messages asked of the shell at a time.
const READING_MAX: usize = 64;

/// What operators want sent elsewhere, one command after the other.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    wanted: VecDeque<Copying>,
    /// Of the first command: what was asked of the shell.
    reading: BTreeMap<(QueueId, Position), Taken>,
}

/// One command.
#[derive(Debug)]
struct Copying {
    command: CommandId,
    queue: QueueId,
    /// Where the messages wait.
    state: State,
    positions: VecDeque<Position>,
    outcome: Outcome,
    task: Task,
}

/// Where messages are to go.
#[derive(Debug)]
pub(crate) enum Task {
    /// Back where they died.
    Redrive,
    /// Where the operator says.
    Move(Box<Moving>),
}

impl Task {
    const fn errand(&self) -> Errand {
        match self {
            Self::Redrive => Errand::Redrive,
            Self::Move(_) => Errand::Move,
        }
    }

    const fn ending(&self) -> Ending {
        match self {
            Self::Redrive => Ending::Redriven,
            Self::Move(_) => Ending::Moved,
        }
    }
}

/// A message in nobody's hands, with the place that it was taken from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    Ready(Ready),
    Delayed(Timestamp, Ready),
    Parked(ParkedMessage),
}

impl Taken {
    pub(crate) const fn position(&self) -> Position {
        match self {
            Self::Ready(ready) | Self::Delayed(_, ready) => ready.position,
            Self::Parked(parked) => parked.position,
        }
    }

    /// Whether it may have been handed out.
    pub(crate) const fn is_delivered(&self) -> bool {
        matches!(self, Self::Ready(ready) if ready.redelivered)
    }

    /// What a checkpoint tells of it, if it waited otherwise than it came: it would be where it was if there were a crash
    /// now.
    pub(crate) fn told(&self, queue: &Queue) -> Option<Waiting> {
        let waits = |ready: &Ready, place| Waiting {
            position: ready.position,
            place,
            attempts: ready.attempts,
        };
        match self {
            Self::Ready(ready) => {
                let is_told = ready.redelivered || queue.backlog.outlives(ready.position);
                is_told.then(|| waits(ready, Place::Ready))
            }
            Self::Delayed(due, ready) => {
                let place = Place::Delayed { due: *due };
                ready.redelivered.then(|| waits(ready, place))
            }
            Self::Parked(parked) => Some(parked.told()),
        }
    }
}

impl Copies {
    /// How many messages of a queue are being read.
    pub(crate) fn count(&self, queue: QueueId) -> u64 {
        self.of(queue).count() as u64
    }

    /// The messages of a queue that are being read.
    pub(crate) fn of(&self, queue: QueueId) -> impl Iterator<Item = &Taken> {
        let all = (queue, Position::NONE)..=(queue, Position(u64::MAX));
        self.reading.range(all).map(|(_, taken)| taken)
    }

    /// What happens to those that are being read.
    pub(crate) fn errand(&self) -> Errand {
        let task = self.wanted.front().map(|first| first.task.errand());
        task.unwrap_or(Errand::Redrive)
    }

    /// Whether the message was asked for to be sent elsewhere.
    pub(crate) fn take(&mut self, queue: QueueId, position: Position) -> Option<Taken> {
        if self.reading.is_empty() {
            return None;
        }
        self.reading.remove(&(queue, position))
    }

    fn stayed(&mut self, position: Position, why: String) {
        if let Some(first) = self.wanted.front_mut() {
            first.outcome.stayed.push(Stayed { position, why });
        }
    }
}

impl Broker {
    /// An operator wants messages elsewhere; answered when all of them have been looked at and have landed.
    pub(crate) fn copy_chosen(
        &mut self,
        command: CommandId,
        chosen: &Chosen,
        task: Task,
    ) -> Result<(), CommandRefused> {
        self.copies.wanted.push_back(Copying {
            command,
            queue: self.queue_named(&chosen.vhost, &chosen.queue)?,
            state: chosen.state,
            positions: chosen.checked_positions()?.iter().copied().collect(),
            outcome: Outcome::default(),
            task,
        });
        Ok(())
    }

    /// Asks for the next messages to send elsewhere.
    pub(crate) fn read_copied(&mut self) {
        while let Some(first) = self.copies.wanted.front_mut() {
            // Delayed messages are looked for: many at a time, or it would take long.
            let is_slow = first.state == State::Delayed;
            let reading = self.copies.reading.len();
            if reading >= READING_MAX || is_slow && reading > 0 {
                return;
            }
            let some = (READING_MAX - reading).min(first.positions.len());
            let (id, state) = (first.queue, first.state);
            let positions: Vec<Position> = first.positions.drain(..some).collect();
            if !positions.is_empty() {
                self.read_to_copy(id, state, &positions);
            } else if reading == 0 {
                self.end_copying();
            } else {
                return;
            }
        }
    }

    fn read_to_copy(&mut self, id: QueueId, state: State, positions: &[Position]) {
        let landed = self.landing.landed();
        let mut taken = BTreeMap::new();
        if let Some(queue) = self.queues.get_mut(&id) {
            self.statistics.touch(queue);
            taken = take_out(queue, state, positions, landed);
        }
        for &position in positions {
            let Some(one) = taken.remove(&position) else {
                self.copies.stayed(position, NOT_THERE.to_owned());
                continue;
            };
            self.copies.reading.insert((id, position), one);
            self.effects.push_back(Effect::Fetch {
                queue: id,
                position,
            });
        }
    }

    /// The shell has read a message that is to go elsewhere.
    pub(crate) fn copy_out(
        &mut self,
        now: Timestamp,
        id: QueueId,
        taken: &Taken,
        message: Option<&MessageRecord>,
    ) {
        let position = taken.position();
        let first = self.copies.wanted.pop_front();
        let mut first = first.expect("messages are read for a command");
        if self.queues.contains_key(&id) {
            let message = message.expect("a record lives as long as a queue holds its message");
            let sent = match &mut first.task {
                Task::Redrive => self.redrive(now, id, message),
                Task::Move(moving) => self.move_on(now, id, moving, message),
            };
            match sent {
                Ok(copy) => {
                    self.copied(id, position, copy, &first.task);
                    first.outcome.done += 1;
                }
                Err(why) => {
                    self.return_taken(now, id, taken);
                    first.outcome.stayed.push(Stayed { position, why });
                }
            }
        } else {
            // Deleted meanwhile, and its messages with it.
            let why = NOT_THERE.to_owned();
            first.outcome.stayed.push(Stayed { position, why });
        }
        self.copies.wanted.push_front(first);
    }

    /// The copy was asked to land: the original ends.
    fn copied(&mut self, id: QueueId, position: Position, copy: Position, task: &Task) {
        let queue = self.queues.get_mut(&id).expect("looked up by the caller");
        queue.backlog.forget(position);
        self.journey.note(|| Event::Copied {
            queue: id,
            position,
            copy,
            errand: task.errand(),
        });
        self.done_with(id, position, task.ending());
    }

    /// A message that cannot go is where it was.
    fn return_taken(&mut self, now: Timestamp, id: QueueId, taken: &Taken) {
        let queue = self.queues.get_mut(&id).expect("looked up by the caller");
        self.statistics.touch(queue);
        match taken {
            Taken::Ready(ready) => queue.backlog.put_back(ready),
            Taken::Delayed(due, ready) => queue.delayed.insert(now, *due, *ready),
            Taken::Parked(parked) => queue.parked.insert(*parked),
        }
        self.activate(id);
    }

    fn end_copying(&mut self) {
        let Some(first) = self.copies.wanted.pop_front() else {
            return;
        };
        self.record_settled_of(first.queue, true);
        self.landing.answers_wait_for(self.landing.last());
        let answer = Answer::Outcome(first.outcome);
        self.answer_when_landed(first.command, Ok(answer));
    }
}

/// Takes messages from where they wait, as far as they do.
fn take_out(
    queue: &mut Queue,
    state: State,
    positions: &[Position],
    landed: Position,
) -> BTreeMap<Position, Taken> {
    let positions = positions.iter().copied();
    let positions = positions.filter(|position| *position <= landed);
    let taken: Vec<Taken> = match state {
        State::Ready => positions
            .filter_map(|at| queue.backlog.pick(at).map(Taken::Ready))
            .collect(),
        State::Parked => positions
            .filter_map(|at| queue.parked.remove(at).map(Taken::Parked))
            .collect(),
        State::Delayed => {
            let mut wanted: Vec<u64> = positions.map(|position| position.0).collect();
            wanted.sort_unstable();
            let wanted: Runs = wanted.into_iter().collect();
            let picked = queue.delayed.pick(&wanted).into_iter();
            picked
                .map(|(due, ready)| Taken::Delayed(due, ready))
                .collect()
        }
        State::Unacked | State::Leaving => Vec::new(),
    };
    let keyed = taken.into_iter().map(|one| (one.position(), one));
    keyed.collect()
}
