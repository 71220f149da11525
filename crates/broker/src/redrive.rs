//! Redrive: dead letters go back to the queue that they died in, as if they had just been sent there.
//!
//! The copy is asked to land before the original's end is, as on the way to the dead letters: whatever crashes when,
//! the message is in one place or in both (promise P2). While it is being read a message is in nobody's hands; one
//! that cannot go back returns to its place.

use crate::backlog::Ready;
use crate::choose::NOT_THERE;
use crate::command::{Answer, Chosen, CommandId, CommandRefused, Outcome, Stayed};
use crate::death::Home;
use crate::journey::{Errand, Event, Origin};
use crate::snapshot::State;
use crate::{Broker, Effect, death};
use model::record::Ending;
use model::{MessageRecord, Position, Publish, QueueId, Timestamp};
use smallvec::smallvec;
use std::collections::{BTreeMap, VecDeque};

/// The most messages asked of the shell at a time.
const READING_MAX: usize = 64;

/// What operators want redriven, one command after the other.
#[derive(Debug, Default)]
pub(crate) struct Redrives {
    wanted: VecDeque<Redrive>,
    /// Of the first command: what was asked of the shell.
    reading: BTreeMap<(QueueId, Position), Ready>,
}

/// One command.
#[derive(Debug)]
struct Redrive {
    command: CommandId,
    queue: QueueId,
    positions: VecDeque<Position>,
    outcome: Outcome,
}

impl Redrives {
    /// How many messages of a queue are being read.
    pub(crate) fn count(&self, queue: QueueId) -> u64 {
        self.of(queue).count() as u64
    }

    /// The messages of a queue that are being read.
    pub(crate) fn of(&self, queue: QueueId) -> impl Iterator<Item = &Ready> {
        let all = (queue, Position::NONE)..=(queue, Position(u64::MAX));
        self.reading.range(all).map(|(_, ready)| ready)
    }

    /// Whether the message was asked for to be redriven.
    pub(crate) fn take(&mut self, queue: QueueId, position: Position) -> Option<Ready> {
        if self.reading.is_empty() {
            return None;
        }
        self.reading.remove(&(queue, position))
    }

    fn stayed(&mut self, position: Position, why: String) {
        if let Some(redrive) = self.wanted.front_mut() {
            redrive.outcome.stayed.push(Stayed { position, why });
        }
    }
}

impl Broker {
    /// An operator wants dead letters back where they died; answered when all of them have been looked at and have
    /// landed.
    pub(crate) fn redrive_dead(
        &mut self,
        command: CommandId,
        chosen: &Chosen,
    ) -> Result<(), CommandRefused> {
        if chosen.state != State::Ready {
            let text = "only parked messages and dead letters that are ready can be redriven";
            return Err(CommandRefused::Invalid(text.to_owned()));
        }
        let redrive = Redrive {
            command,
            queue: self.queue_named(&chosen.vhost, &chosen.queue)?,
            positions: chosen.checked_positions()?.iter().copied().collect(),
            outcome: Outcome::default(),
        };
        self.redrives.wanted.push_back(redrive);
        Ok(())
    }

    /// Asks for the next messages to redrive.
    pub(crate) fn read_redriven(&mut self) {
        while let Some(redrive) = self.redrives.wanted.front_mut() {
            if self.redrives.reading.len() >= READING_MAX {
                return;
            }
            let id = redrive.queue;
            if let Some(position) = redrive.positions.pop_front() {
                self.read_to_redrive(id, position);
            } else if self.redrives.reading.is_empty() {
                self.end_redrive();
            } else {
                return;
            }
        }
    }

    fn read_to_redrive(&mut self, id: QueueId, position: Position) {
        let landed = self.landing.landed();
        let queue = self.queues.get_mut(&id).filter(|_| position <= landed);
        let picked = queue.and_then(|queue| {
            self.statistics.touch(queue);
            queue.backlog.pick(position)
        });
        let Some(ready) = picked else {
            return self.redrives.stayed(position, NOT_THERE.to_owned());
        };
        self.redrives.reading.insert((id, position), ready);
        self.effects.push_back(Effect::Fetch {
            queue: id,
            position,
        });
    }

    /// The shell has read a message that is to go back to where it died.
    pub(crate) fn redrive(
        &mut self,
        now: Timestamp,
        id: QueueId,
        ready: &Ready,
        message: Option<&MessageRecord>,
    ) {
        let Some(queue) = self.queues.get_mut(&id) else {
            // Deleted meanwhile, and its messages with it.
            return self.redrives.stayed(ready.position, NOT_THERE.to_owned());
        };
        let message = message.expect("a record lives as long as a queue holds its message");
        let home = death::home(&message.properties);
        let names = &self.vhosts[queue.vhost.0].queues;
        let target = home
            .as_ref()
            .and_then(|home| names.get(home.queue.as_bytes()));
        let (Some(home), Some(target)) = (&home, target) else {
            queue.backlog.put_back(ready);
            self.activate(id);
            let why = match home {
                None => "it did not die".to_owned(),
                Some(home) => format!("its queue '{}' is not there any more", home.queue),
            };
            return self.redrives.stayed(ready.position, why);
        };
        queue.backlog.forget(ready.position);
        let copy = copy(home, message);
        let targets = smallvec![*target];
        let landed = self.land_message(now, &targets, None, &copy);
        (self.journey).published(landed, Origin::Server, &targets, &copy, None);
        self.journey.note(|| Event::Copied {
            queue: id,
            position: ready.position,
            copy: landed,
            errand: Errand::Redrive,
        });
        self.done_with(id, ready.position, Ending::Redriven);
        if let Some(redrive) = self.redrives.wanted.front_mut() {
            redrive.outcome.done += 1;
        }
    }

    fn end_redrive(&mut self) {
        let Some(redrive) = self.redrives.wanted.pop_front() else {
            return;
        };
        self.record_settled_of(redrive.queue, true);
        self.landing.answers_wait_for(self.landing.last());
        let answer = Answer::Outcome(redrive.outcome);
        self.answer_when_landed(redrive.command, Ok(answer));
    }
}

/// The message as it was before it died. Its own time to live is not given back to it: an operator wants it
/// delivered, however long that takes.
fn copy(home: &Home<'_>, message: &MessageRecord) -> Publish {
    Publish {
        exchange: home.exchange.clone(),
        routing_key: home.routing_key.clone(),
        mandatory: false,
        immediate: false,
        properties: death::untold(&message.properties),
        body: message.body.clone(),
    }
}
