//! What operators do with messages that wait in a queue: chosen by position, where they were seen.

use crate::Broker;
use crate::backlog::Ready;
use crate::command::{Chosen, CommandRefused, Outcome, Stayed};
use crate::journey::Event;
use crate::queue::Queue;
use crate::snapshot::{PAGE_MAX, State};
use model::record::{Attempts, Ending, Place, Reason, Waiting};
use model::{Position, QueueId};

/// Why a message stays that is in somebody's hands, or gone.
pub(crate) const NOT_THERE: &str = "it does not wait there any more";

impl Chosen {
    /// The positions, if they are not too many.
    pub(crate) fn checked_positions(&self) -> Result<&[Position], CommandRefused> {
        check_count(self.positions.len())?;
        Ok(&self.positions)
    }
}

/// Each command is a bounded piece of work.
pub(crate) fn check_count(messages: usize) -> Result<(), CommandRefused> {
    if messages > PAGE_MAX {
        let text = format!("more than {PAGE_MAX} messages at a time");
        return Err(CommandRefused::Invalid(text));
    }
    Ok(())
}

impl Broker {
    /// Messages are not wanted any more.
    pub(crate) fn cancel_messages(&mut self, chosen: &Chosen) -> Result<Outcome, CommandRefused> {
        let (id, taken) = self.take_chosen(chosen)?;
        for ready in &taken {
            let queue = self.queues.get_mut(&id).expect("just found");
            queue.backlog.forget(ready.position);
            self.done_with(id, ready.position, Ending::Dropped);
        }
        Ok(self.end_choice(id, chosen, &taken))
    }

    /// Messages that wait for their time need not wait any longer.
    pub(crate) fn fire(&mut self, chosen: &Chosen) -> Result<Outcome, CommandRefused> {
        if chosen.state != State::Delayed {
            let text = "only delayed messages wait for their time";
            return Err(CommandRefused::Invalid(text.to_owned()));
        }
        let (id, taken) = self.take_chosen(chosen)?;
        for ready in &taken {
            self.make_ready(id, *ready);
            let (queue, position) = (id, ready.position);
            self.journey.note(|| Event::Due { queue, position });
        }
        Ok(self.end_choice(id, chosen, &taken))
    }

    /// Parked messages are handed out again, as if they never had been.
    pub(crate) fn redrive_parked(&mut self, chosen: &Chosen) -> Result<Outcome, CommandRefused> {
        let (id, taken) = self.take_chosen(chosen)?;
        for ready in &taken {
            let attempts = Attempts::NONE;
            self.make_ready(id, Ready { attempts, ..*ready });
            let (queue, position) = (id, ready.position);
            self.journey.note(|| Event::Redriven { queue, position });
        }
        Ok(self.end_choice(id, chosen, &taken))
    }

    fn make_ready(&mut self, id: QueueId, ready: Ready) {
        let queue = self.queues.get_mut(&id).expect("found by the caller");
        if ready.attempts == Attempts::NONE {
            queue.backlog.outlive(ready.position);
        }
        queue.backlog.give_back(ready);
        self.activate(id);
        let waiting = Waiting {
            position: ready.position,
            place: Place::Ready,
            attempts: ready.attempts,
        };
        self.tell_waiting(id, waiting);
    }

    /// Takes the chosen messages from where they wait, as far as they do.
    fn take_chosen(&mut self, chosen: &Chosen) -> Result<(QueueId, Vec<Ready>), CommandRefused> {
        let id = self.queue_named(&chosen.vhost, &chosen.queue)?;
        let landed = self.landing.landed();
        let positions = chosen.checked_positions()?.iter().copied();
        let positions = positions.filter(|position| *position <= landed);
        let queue = self.queues.get_mut(&id).expect("just found");
        let taken = match chosen.state {
            State::Ready => positions.filter_map(|at| queue.backlog.pick(at)).collect(),
            State::Parked => positions.filter_map(|at| unpark(queue, at)).collect(),
            State::Delayed => {
                let wanted = positions.map(|position| position.0).collect();
                let taken = queue.delayed.pick(&wanted).into_iter();
                taken.map(|(_, ready)| ready).collect()
            }
            State::Unacked | State::Leaving => {
                let text = "only messages that wait can be chosen";
                return Err(CommandRefused::Invalid(text.to_owned()));
            }
        };
        Ok((id, taken))
    }

    /// What was done lands, and then it is answered.
    fn end_choice(&mut self, id: QueueId, chosen: &Chosen, taken: &[Ready]) -> Outcome {
        self.record_settled_of(id, true);
        self.landing.answers_wait_for(self.landing.last());
        let mut done: Vec<Position> = taken.iter().map(|ready| ready.position).collect();
        done.sort_unstable();
        let others = chosen.positions.iter().copied();
        let others = others.filter(|position| done.binary_search(position).is_err());
        Outcome {
            done: taken.len() as u64,
            stayed: others
                .map(|position| Stayed {
                    position,
                    why: NOT_THERE.to_owned(),
                })
                .collect(),
        }
    }
}

fn unpark(queue: &mut Queue, position: Position) -> Option<Ready> {
    let parked = queue.parked.remove(position)?;
    Some(Ready {
        position,
        priority: parked.priority,
        attempts: parked.attempts,
        redelivered: parked.attempts != Attempts::NONE || parked.why == Reason::Rejected,
    })
}
