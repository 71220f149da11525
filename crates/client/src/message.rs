//! What is sent, and what becomes of it.

use bytes::Bytes;
use model::{Properties, PublishingId, ShortStr};

/// A message to send: a body, and where wanted an exchange, a routing key and properties of its own.
///
/// Bytes, `Vec<u8>`, `String` and static text turn into messages by themselves:
///
/// ```
/// use landfall_client::{Message, model::PropertiesBuilder};
///
/// let plain = Message::from("hello");
/// let more = Message::from(vec![1, 2, 3]).properties(PropertiesBuilder::new().priority(5).build());
/// assert_eq!((plain.body().len(), more.body().len()), (5, 3));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    body: Bytes,
    /// Boxed, because nearly no message has one.
    special: Option<Box<Special>>,
}

/// What sets a message apart from the others of its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Special {
    publishing_id: Option<PublishingId>,
    exchange: Option<ShortStr>,
    routing_key: Option<ShortStr>,
    properties: Option<Properties>,
}

impl Message {
    /// A message with that body.
    pub fn new(body: Bytes) -> Self {
        Self {
            body,
            special: None,
        }
    }

    /// Sends it under this number instead of the next that its sender counts: for messages that have a number of
    /// their own where they come from, and keep it when they are sent again by another process under the same
    /// [`publisher_id`](crate::SenderBuilder::publisher_id). A sender's messages should all have one, or none.
    ///
    /// # Panics
    /// On a number of 2^63 or more, which AMQP cannot carry.
    pub fn publishing_id(mut self, id: PublishingId) -> Self {
        assert!(i64::try_from(id.0).is_ok(), "a publishing id is below 2^63");
        self.special.get_or_insert_default().publishing_id = Some(id);
        self
    }

    /// Sends it to this exchange instead of its sender's.
    pub fn exchange(mut self, exchange: ShortStr) -> Self {
        self.special.get_or_insert_default().exchange = Some(exchange);
        self
    }

    /// Sends it with this routing key instead of its sender's.
    pub fn routing_key(mut self, key: ShortStr) -> Self {
        self.special.get_or_insert_default().routing_key = Some(key);
        self
    }

    /// Sends it with these properties. The headers of publisher and publishing id are added; a message that
    /// says nothing of its delivery mode is persistent.
    pub fn properties(mut self, properties: Properties) -> Self {
        self.special.get_or_insert_default().properties = Some(properties);
        self
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether anything sets it apart from its sender's others.
    pub(crate) fn is_special(&self) -> bool {
        self.special.is_some()
    }

    pub(crate) fn own_publishing_id(&self) -> Option<PublishingId> {
        self.special.as_ref()?.publishing_id
    }

    pub(crate) fn own_exchange(&self) -> Option<&ShortStr> {
        self.special.as_ref()?.exchange.as_ref()
    }

    pub(crate) fn own_routing_key(&self) -> Option<&ShortStr> {
        self.special.as_ref()?.routing_key.as_ref()
    }

    pub(crate) fn own_properties(&self) -> Option<&Properties> {
        self.special.as_ref()?.properties.as_ref()
    }
}

impl From<Bytes> for Message {
    fn from(body: Bytes) -> Self {
        Self::new(body)
    }
}

impl From<Vec<u8>> for Message {
    fn from(body: Vec<u8>) -> Self {
        Self::new(body.into())
    }
}

impl From<String> for Message {
    fn from(body: String) -> Self {
        Self::new(body.into())
    }
}

impl From<&'static str> for Message {
    fn from(body: &'static str) -> Self {
        Self::new(Bytes::from_static(body.as_bytes()))
    }
}

impl From<&'static [u8]> for Message {
    fn from(body: &'static [u8]) -> Self {
        Self::new(Bytes::from_static(body))
    }
}

/// A message that landed: it would survive the loss of power in every queue that it was routed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message's number at its publisher.
    pub publishing_id: PublishingId,
    /// Which attempt it was when the confirm came, counted from 1.
    pub attempts: u32,
}

/// A message that was given up.
///
/// Whether it landed is unknown unless `why` says that it did not: a confirm may have been lost. Sending it
/// again under the same publisher and publishing id lands it once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {publishing_id}, attempt {attempts}: {why}")]
pub struct SendFailed {
    /// The message's number at its publisher.
    pub publishing_id: PublishingId,
    /// How many attempts were made.
    pub attempts: u32,
    /// What happened.
    pub why: WhyFailed,
}

/// Why a message was given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyFailed {
    /// No confirm came in time, on any attempt; it may have landed.
    #[error("no confirm came in time{}", trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    NotConfirmed {
        /// What was wrong with the connection when the last attempt ended, where something was.
        trouble: Option<String>,
    },
    /// The server could not land it (basic.nack), at the last attempt too.
    #[error("the server could not land it (basic.nack)")]
    Nacked,
    /// No queue takes it (basic.return). It did not land.
    #[error("no queue takes it: {code} {text}")]
    Unroutable {
        /// The reply code.
        code: u16,
        /// The server's words.
        text: String,
    },
    /// The server closed the channel over it. It did not land, unless an earlier attempt did.
    #[error("the server refused it: {code} {text}")]
    Refused {
        /// The reply code.
        code: u16,
        /// The server's words.
        text: String,
    },
    /// The sender was closed first; it may have landed.
    #[error("the sender was closed")]
    Closed,
}

/// A sender's counts since it connected. At rest `sent = confirmed + failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendCounts {
    /// Messages taken from the application.
    pub sent: u64,
    /// Messages that landed.
    pub confirmed: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Transmissions beyond each message's first.
    pub retransmitted: u64,
    /// Connections beyond the first.
    pub reconnected: u64,
}
