//! Redrive: dead letters go back to the queue that they died in, as if they had just been sent there.

use crate::Broker;
use crate::command::{Chosen, CommandId, CommandRefused};
use crate::copies::Task;
use crate::death::{self, Home};
use crate::journey::Origin;
use crate::snapshot::State;
use model::{MessageRecord, Position, Publish, QueueId, Timestamp};
use smallvec::smallvec;

impl Broker {
    /// An operator wants dead letters back where they died.
    pub(crate) fn redrive_dead(
        &mut self,
        command: CommandId,
        chosen: &Chosen,
    ) -> Result<(), CommandRefused> {
        if chosen.state != State::Ready {
            let text = "only parked messages and dead letters that are ready can be redriven";
            return Err(CommandRefused::Invalid(text.to_owned()));
        }
        self.copy_chosen(command, chosen, Task::Redrive)
    }

    /// Sends a message of a queue back to where it died; or says why it stays.
    pub(crate) fn redrive(
        &mut self,
        now: Timestamp,
        id: QueueId,
        message: &MessageRecord,
    ) -> Result<Position, String> {
        let home = death::home(&message.properties).ok_or("it did not die")?;
        let names = &self.vhosts[self.queues[&id].vhost.0].queues;
        let target = names.get(home.queue.as_bytes());
        let target =
            *target.ok_or_else(|| format!("its queue '{}' is not there any more", home.queue))?;
        let copy = copy(&home, message);
        let targets = smallvec![target];
        let landed = self.land_message(now, &targets, None, &copy);
        (self.journey).published(landed, Origin::Server, &targets, &copy, None);
        Ok(landed)
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
