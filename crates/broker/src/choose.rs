//! What operators do with single messages of a queue.

use crate::Broker;
use crate::command::{Chosen, CommandRefused, Outcome, Stayed};
use crate::redrive::NOT_READY;
use crate::snapshot::{PAGE_MAX, State};
use model::Position;
use model::record::Ending;

impl Chosen {
    /// The positions, if they are not too many: each command is a bounded piece of work.
    pub(crate) fn checked_positions(&self) -> Result<Vec<Position>, CommandRefused> {
        if self.positions.len() > PAGE_MAX {
            let text = format!("more than {PAGE_MAX} messages at a time");
            return Err(CommandRefused::Invalid(text));
        }
        Ok(self.positions.clone())
    }
}

impl Broker {
    /// Messages are not wanted any more.
    pub(crate) fn cancel_messages(&mut self, chosen: &Chosen) -> Result<Outcome, CommandRefused> {
        let id = self.queue_named(&chosen.vhost, &chosen.queue)?;
        let landed = self.landing.landed();
        let mut outcome = Outcome::default();
        for position in chosen.checked_positions()? {
            let queue = self.queues.get_mut(&id).expect("just found");
            let cancelled = match chosen.state {
                State::Ready => position <= landed && queue.backlog.pick(position).is_some(),
                State::Unacked | State::Leaving => {
                    let text = "only messages that wait can be cancelled";
                    return Err(CommandRefused::Invalid(text.to_owned()));
                }
            };
            if cancelled {
                queue.backlog.forget(position);
                self.done_with(id, position, Ending::Dropped);
                outcome.done += 1;
            } else {
                outcome.stayed(position, NOT_READY);
            }
        }
        self.record_settled_of(id, true);
        self.landing.answers_wait_for(self.landing.last());
        Ok(outcome)
    }
}

impl Outcome {
    fn stayed(&mut self, position: Position, why: &str) {
        let why = why.to_owned();
        self.stayed.push(Stayed { position, why });
    }
}
