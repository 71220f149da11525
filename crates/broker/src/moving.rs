//! Move: messages that wait go to another exchange or queue, because an operator says so; one alone also with other
//! properties or another body.

use crate::Broker;
use crate::command::{CommandId, CommandRefused, Edited, Move};
use crate::copies::Task;
use crate::envelope::Envelope;
use crate::journey::Origin;
use crate::permit::Grants;
use crate::route::{Targets, VhostIndex};
use crate::snapshot::State;
use model::{MessageRecord, Position, PropertiesBuilder, Publish, QueueId, ShortStr, Timestamp};

/// Where messages go, and what whoever sends them there may do.
#[derive(Debug)]
pub(crate) struct Moving {
    exchange: ShortStr,
    /// `None` for each message's own.
    routing_key: Option<ShortStr>,
    edited: Edited,
    grants: Grants,
}

impl Broker {
    /// An operator wants messages elsewhere.
    pub(crate) fn begin_move(
        &mut self,
        command: CommandId,
        asked: Move,
    ) -> Result<(), CommandRefused> {
        let waits = [State::Ready, State::Delayed, State::Parked];
        if !waits.contains(&asked.chosen.state) {
            let text = "only messages that wait can be moved";
            return Err(CommandRefused::Invalid(text.to_owned()));
        }
        if asked.edited.is_any() && asked.chosen.positions.len() > 1 {
            let text = "only one message at a time can be edited";
            return Err(CommandRefused::Invalid(text.to_owned()));
        }
        self.queue_named(&asked.chosen.vhost, &asked.chosen.queue)?;
        if self.shortage.is_any() {
            let reason = self.shortage.reason();
            let text = format!("publishers are blocked: {reason}");
            return Err(CommandRefused::Short(text));
        }
        let grants = self.grants_to_send(command, &asked)?;
        let moving = Moving {
            exchange: asked.exchange,
            routing_key: asked.routing_key,
            edited: asked.edited,
            grants,
        };
        self.copy_chosen(command, &asked.chosen, Task::Move(Box::new(moving)))
    }

    /// Sends a message of a queue where it is to go; or says why it stays.
    pub(crate) fn move_on(
        &mut self,
        now: Timestamp,
        from: QueueId,
        moving: &mut Moving,
        message: &MessageRecord,
    ) -> Result<Position, String> {
        let copy = copy(moving, message);
        let vhost = self.queues[&from].vhost;
        let (exchange, key) = (&copy.exchange, &copy.routing_key);
        if !self.may_send(vhost, &mut moving.grants, exchange, key) {
            return Err(format!("its routing key '{key}' may not be used there"));
        }
        let targets = self.route_moved(vhost, &copy);
        if targets.is_empty() {
            return Err("no queue takes it".to_owned());
        }
        if self.refusing_queues > 0 && self.is_refused(&targets) {
            return Err("a queue that takes it is full".to_owned());
        }
        let from = (Origin::Server, None);
        Ok(self.land_in(now, targets.into(), from, None, &copy))
    }

    /// By its routing key alone: the operator says where it goes, not the sender with further ones.
    fn route_moved(&self, vhost: VhostIndex, copy: &Publish) -> Targets {
        let vhost = &self.vhosts[vhost.0];
        let keys = [copy.routing_key.as_bytes()];
        if copy.exchange.is_empty() {
            return vhost.named(&keys).into();
        }
        let exchange = vhost.exchanges.get(&copy.exchange);
        exchange.map_or_else(Targets::default, |exchange| {
            let delay = Envelope::of(&copy.properties).delay();
            vhost.route(exchange, &keys, &copy.properties, delay)
        })
    }
}

/// The message as it goes on. Its own time to live is taken off, as with dead letters: an operator wants it delivered,
/// however long that takes.
fn copy(moving: &Moving, message: &MessageRecord) -> Publish {
    let key = moving.routing_key.as_ref();
    let (properties, body) = (&moving.edited.properties, &moving.edited.body);
    let as_it_came = || PropertiesBuilder::from(&message.properties).without_expiration();
    Publish {
        exchange: moving.exchange.clone(),
        routing_key: key.unwrap_or(&message.routing_key).clone(),
        mandatory: false,
        immediate: false,
        properties: properties.clone().unwrap_or_else(|| as_it_came().build()),
        body: body.clone().unwrap_or_else(|| message.body.clone()),
    }
}
