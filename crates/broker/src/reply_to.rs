//! Direct reply-to: answers without a queue of one's own.
//!
//! A channel consumes from `amq.rabbitmq.reply-to` and sends requests with that name as `reply-to`; receivers see
//! a token instead, which is the routing key that leads back. Behind the token stands an exclusive queue that
//! goes with its consumer, so that answers land before they are delivered like everything else (promise P3).

use crate::Broker;
use crate::connection::{ChannelId, Refusal, access_refused, not_found, precondition_failed};
use model::method::{basic, queue};
use model::{MethodId, Properties, PropertiesBuilder, QueueId, ShortStr, Timestamp};

/// The name that stands for the channel's own reply queue.
pub(crate) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// What the names of reply queues begin with.
const TOKEN_PREFIX: &str = "amq.rabbitmq.reply-to.";

/// Whether only direct reply-to uses queues of that name.
pub(crate) fn is_reply_name(name: &str) -> bool {
    name == REPLY_TO || name.starts_with(TOKEN_PREFIX)
}

impl Broker {
    /// The queue for a consumer of replies: one for each channel, and what it is handed is done with.
    pub(crate) fn make_reply_queue(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        consume: &basic::Consume,
    ) -> Result<QueueId, Refusal> {
        let method = basic::Consume::ID;
        if !consume.no_ack {
            let explanation = "reply consumer cannot acknowledge";
            return Err(precondition_failed(explanation, method));
        }
        if self.reply_token(id).is_some() {
            return Err(precondition_failed("reply consumer already set", method));
        }
        let name = self.make_name(TOKEN_PREFIX, now);
        self.open_channel_mut(id).reply_queue = name.clone();
        let declare = queue::Declare {
            exclusive: true,
            auto_delete: true,
            ..Default::default()
        };
        self.make_queue(now, id, name, &declare)
    }

    /// The name of the channel's reply queue, while it has one.
    fn reply_token(&self, id: ChannelId) -> Option<&ShortStr> {
        let connection = self.connections.get(&id.connection)?;
        let token = &connection.channels.get(&id.number)?.reply_queue;
        let queues = &self.vhosts[connection.vhost.0].queues;
        queues.contains_key(token).then_some(token)
    }

    /// The properties of a request as receivers must see them, where the channel has a reply queue.
    pub(crate) fn with_token(&self, id: ChannelId, properties: &Properties) -> Option<Properties> {
        if properties.reply_to() != Some(REPLY_TO) {
            return None;
        }
        let token = self.reply_token(id)?;
        Some(PropertiesBuilder::from(properties).reply_to(token).build())
    }

    /// Clients probe whether the server knows direct reply-to, and whether a token still leads somewhere.
    pub(crate) fn declare_reply_queue(
        &mut self,
        id: ChannelId,
        name: ShortStr,
        declare: &queue::Declare,
    ) -> Result<(), Refusal> {
        let vhost = &self.vhosts[self.connections[&id.connection].vhost.0];
        if name != REPLY_TO && !vhost.queues.contains_key(&name) {
            let explanation = format!("no queue '{name}' in vhost '{}'", vhost.name);
            return Err(not_found(explanation, queue::Declare::ID));
        }
        self.open_channel_mut(id).last_queue = name.detached();
        if !declare.no_wait {
            let ok = queue::DeclareOk {
                queue: name,
                message_count: 0,
                consumer_count: 1,
            };
            self.reply(id, ok);
        }
        Ok(())
    }
}

/// A request whose answers have nowhere to go.
pub(crate) fn check_token(properties: &Properties) -> Result<(), Refusal> {
    if properties.reply_to() == Some(REPLY_TO) {
        let explanation = "fast reply consumer does not exist";
        return Err(precondition_failed(explanation, basic::Publish::ID));
    }
    Ok(())
}

/// Reply queues cannot be bound, and for everything else that clients do to queues they are not there.
pub(crate) fn refuse_reply_queue(
    name: &ShortStr,
    vhost: &ShortStr,
    method: MethodId,
) -> Result<(), Refusal> {
    if !is_reply_name(name) {
        Ok(())
    } else if [queue::Bind::ID, queue::Unbind::ID].contains(&method) {
        let explanation = "cannot bind or unbind to a volatile (direct reply-to) queue";
        Err(access_refused(explanation, method))
    } else {
        let explanation = format!("no queue '{name}' in vhost '{vhost}'");
        Err(not_found(explanation, method))
    }
}
