//! A message in the application's hand.

use super::shared::Shared;
use crate::inbox::MessageKey;
use crate::incoming::{Ticket, Verdict};
use crate::publisher::publisher_of;
use bytes::Bytes;
use model::publish::{ACQUIRED_COUNT_HEADER, DELIVERY_COUNT_HEADER};
use model::{Properties, PublishingId, ShortStr, Timestamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a delivery says.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) ticket: Ticket,
    /// When its time was last asked for, or it came.
    pub(super) timed_from: Timestamp,
    pub(super) redelivered: bool,
    pub(super) exchange: ShortStr,
    pub(super) routing_key: ShortStr,
    pub(super) properties: Properties,
    pub(super) body: Bytes,
}

/// One delivery of one message, to be settled: with [`ack`](Self::ack), [`nack`](Self::nack) or
/// [`reject`](Self::reject). One that is dropped unsettled is put back into its queue, like `nack(true)`.
#[must_use = "a delivery that is dropped goes back to its queue"]
pub struct Delivery {
    contents: Contents,
    /// Taken when it is settled.
    shared: Option<Arc<Shared>>,
}

impl Delivery {
    pub(super) fn new(contents: Contents, shared: Arc<Shared>) -> Self {
        Self {
            contents,
            shared: Some(shared),
        }
    }

    /// SendAck: the message is handled and can be removed. Acknowledgements travel in groups, soon after this call;
    /// one that is lost on the way is a message that comes again.
    pub fn ack(mut self) {
        self.settle(Verdict::Ack);
    }

    /// The message is not handled. With `requeue` it goes back to its place in the queue; otherwise it is rejected.
    pub fn nack(mut self, requeue: bool) {
        self.settle(if requeue {
            Verdict::Requeue
        } else {
            Verdict::Reject
        });
    }

    /// The message is never to be handled: the queue dead-letters it where it has an exchange for that, or drops it.
    pub fn reject(self) {
        self.nack(false);
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(shared) = self.shared.take() {
            shared.settle(self.contents.ticket, verdict);
        }
    }

    /// The body. It shares the buffer that it was read into with its neighbours: copy what is kept for long.
    pub fn body(&self) -> &Bytes {
        &self.contents.body
    }

    /// The properties, as they were sent.
    pub fn properties(&self) -> &Properties {
        &self.contents.properties
    }

    /// The exchange that it was published to; empty for the default one.
    pub fn exchange(&self) -> &str {
        &self.contents.exchange
    }

    /// The routing key that it was published with.
    pub fn routing_key(&self) -> &str {
        &self.contents.routing_key
    }

    /// Whether it may have been delivered before, to anyone.
    pub fn redelivered(&self) -> bool {
        self.contents.redelivered
    }

    /// Which delivery of the message this is, as the server counts, from 1.
    pub fn attempt(&self) -> u64 {
        let before = self.acquired_count().max(self.delivery_count());
        before.saturating_add(1)
    }

    /// How often the message failed: a receiver was silent for too long, or gave it back.
    pub fn delivery_count(&self) -> u64 {
        self.count(DELIVERY_COUNT_HEADER)
    }

    /// How often the message was delivered in vain before, lost connections included: what the queue's delivery limit
    /// is about.
    pub fn acquired_count(&self) -> u64 {
        self.count(ACQUIRED_COUNT_HEADER)
    }

    fn count(&self, header: &str) -> u64 {
        let headers = self.contents.properties.headers();
        let count = headers
            .and_then(|headers| headers.get(header))
            .and_then(model::Value::as_integer)
            .and_then(|count| u64::try_from(count).ok());
        count.unwrap_or(0)
    }

    /// Asks for so much time for this attempt, from now on; zero asks for the consumer's time-out once more. The
    /// request travels at once and is not answered. It comes too late if the attempt was given up: then the message
    /// comes again, and settling this delivery still counts. Servers that do not know such requests are not asked.
    pub fn extend(&self, time: Duration) {
        if let Some(shared) = &self.shared {
            shared.extend(self.contents.ticket, time);
        }
    }

    /// What tells the message from all others, if its sender gave it anything that does.
    pub fn key(&self) -> Option<MessageKey<'_>> {
        MessageKey::of(&self.contents.properties)
    }

    /// Its publisher's id and its publishing id, if its sender gave them.
    pub fn publisher(&self) -> Option<(&[u8], PublishingId)> {
        publisher_of(&self.contents.properties).map(|(publisher, id)| (publisher, PublishingId(id)))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.settle(Verdict::Requeue);
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.contents.fmt(f)
    }
}
