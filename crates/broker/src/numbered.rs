//! Publishes that are numbered by where they stand: a node that passes a client's messages on must be able to send them
//! again when the owner of their queues has died, and the client's messages must stay as they are.
//!
//! It publishes to the default exchange with the routing key `amq.landfall.numbered`, a publisher's id in the header
//! `x-publisher-id` and a number in `x-publishing-id`. That is no message: nothing lands, and on a channel in confirm mode
//! it is confirmed like what no queue takes. From then on each message on the channel that names no publisher of its own
//! counts as this publisher's, with that number, the next one, and so on (promise P5).

use crate::Broker;
use crate::connection::{ChannelId, Refusal, precondition_failed};
use crate::envelope::{Envelope, Numbered};
use model::method::basic;
use model::publish::NUMBERED_ROUTING_KEY;
use model::{Position, Publish, PublishingId, ShortStr};

/// The next number on a channel, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    publisher: ShortStr,
    next: PublishingId,
}

/// Whether what is published is not a message.
pub(crate) fn is_numbering(publish: &Publish) -> bool {
    publish.exchange.is_empty() && publish.routing_key == NUMBERED_ROUTING_KEY
}

impl Broker {
    /// The channel's next messages are numbered from here on.
    pub(crate) fn number(&mut self, id: ChannelId, publish: &Publish) -> Result<(), Refusal> {
        let envelope = Envelope::of(&publish.properties);
        let Some((publisher, next)) = envelope.publishing()? else {
            let explanation = "expected a publisher's id and a publishing id";
            return Err(precondition_failed(explanation, basic::Publish::ID));
        };
        let publisher = ShortStr::from_bytes(publisher.to_vec().into()).expect("it was measured");
        self.open_channel_mut(id).numbering = Some(Numbering { publisher, next });
        self.confirm_when_landed(id, Position::NONE);
        Ok(())
    }

    /// The number of the message that has come, where the channel counts.
    pub(crate) fn take_number(&mut self, id: ChannelId) -> Option<(ShortStr, PublishingId)> {
        let numbering = self.open_channel_mut(id).numbering.as_mut()?;
        let number = numbering.next;
        numbering.next.0 += 1;
        Some((numbering.publisher.clone(), number))
    }

    /// A message that lands nowhere and is answered all the same leaves no gap in the channel's numbers: gaps have a
    /// limit, and nobody sends it again.
    pub(crate) fn close_gap(&mut self, id: ChannelId, publishing: Numbered<'_>) {
        if let Some((publisher, number)) = publishing
            && self.is_counted(id, publishing)
        {
            let vhost = self.connection_of(id).vhost;
            self.publishers.add(vhost, publisher, number);
        }
    }

    /// Whether it is the channel that gave the message its number, and not the publisher, who would transmit it again
    /// under it.
    pub(crate) fn is_counted(&mut self, id: ChannelId, publishing: Numbered<'_>) -> bool {
        let counted = self.open_channel_mut(id).numbering.as_ref();
        let (Some(counted), Some((publisher, _))) = (counted, publishing) else {
            return false;
        };
        counted.publisher.as_bytes() == publisher
    }
}
