//! A receiver that needs longer makes the time of a delivery begin anew: a convention that every client can follow.
//!
//! It publishes to the default exchange, on the channel that the delivery came on, with the routing key
//! `amq.landfall.extend`, the tag in the header `x-delivery-tag`, and how many milliseconds from now in
//! `x-extend-ms` (none or 0: as many as at first). That is no message: nothing lands, and on a channel in confirm
//! mode it is confirmed like what no queue takes.

use crate::Broker;
use crate::connection::{ChannelId, Refusal, precondition_failed};
use crate::schedule::Deadline;
use crate::settle::unknown_tag;
use model::method::basic;
use model::publish::{EXTEND_MS_HEADER, EXTEND_ROUTING_KEY, EXTEND_TAG_HEADER};
use model::{DeliveryTag, Position, Publish, Timestamp, Value};

/// Whether what is published is not a message.
pub(crate) fn is_extension(publish: &Publish) -> bool {
    publish.exchange.is_empty() && publish.routing_key == EXTEND_ROUTING_KEY
}

impl Broker {
    pub(crate) fn extend(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        publish: &Publish,
    ) -> Result<(), Refusal> {
        let headers = publish.properties.headers();
        let number = |name: &str| {
            let value = headers.and_then(|headers| headers.get(name))?;
            value
                .as_integer()
                .and_then(|number| u64::try_from(number).ok())
        };
        let Some(tag) = number(EXTEND_TAG_HEADER).map(DeliveryTag) else {
            let explanation =
                format!("invalid header '{EXTEND_TAG_HEADER}': expected a delivery tag");
            return Err(precondition_failed(explanation, basic::Publish::ID));
        };
        let asked = headers.and_then(|headers| headers.get(EXTEND_MS_HEADER));
        let milliseconds = number(EXTEND_MS_HEADER);
        if asked.is_some_and(|asked| asked != Value::Void) && milliseconds.is_none() {
            let explanation = format!(
                "invalid header '{EXTEND_MS_HEADER}': expected an integer that is not negative"
            );
            return Err(precondition_failed(explanation, basic::Publish::ID));
        }
        let time = match milliseconds.unwrap_or(0) {
            0 => self.usual_time(id, tag),
            milliseconds => Some(milliseconds),
        };
        let unacked = &mut self.open_channel_mut(id).unacked;
        match unacked.extend(now, tag, time) {
            Err(_) => return Err(unknown_tag(tag, basic::Publish::ID)),
            Ok(false) => {}
            Ok(true) => {
                let next = unacked.next_due();
                self.schedule.set(Deadline::Channel(id), next);
            }
        }
        self.confirm_when_landed(id, Position::NONE);
        Ok(())
    }

    /// The time that a delivery gets where nobody asks for another.
    fn usual_time(&mut self, id: ChannelId, tag: DeliveryTag) -> Option<u64> {
        let (queue, consumer) = self.open_channel_mut(id).unacked.source_of(tag)?;
        let consumer = consumer.and_then(|consumer| self.consumers.get(&consumer));
        let queue = self.queues.get(&queue);
        consumer
            .and_then(|consumer| consumer.timeout)
            .or_else(|| queue.and_then(|queue| queue.rules.timeout))
            .or(self.capacity.consumer_timeout)
    }
}
