//! Handling a message once, however often it is delivered: the note that it was handled is made together with the
//! effects of handling it.
//!
//! A receiver's own memory ([`suppress_duplicates`](crate::ReceiverBuilder::suppress_duplicates)) spares an
//! application repeats for as long as its process lives. An [`Inbox`] goes further: it is part of the transaction that
//! the handler's effects are part of, so whatever crashes when, there is either both or neither.

use crate::publisher::publisher_of;
use crate::receiver::Delivery;
use model::{Properties, PublishingId};
use std::future::Future;

/// What tells a message from all others, whatever way it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKey<'a> {
    /// Its publisher's id, and its number there: every [`Sender`](crate::Sender) writes them.
    Published(&'a [u8], PublishingId),
    /// The property message-id, where there is no publisher id: its sender keeps it unique.
    Named(&'a str),
}

impl<'a> MessageKey<'a> {
    /// The key of a message with these properties, if it has one.
    pub(crate) fn of(properties: &'a Properties) -> Option<Self> {
        match publisher_of(properties) {
            Some((publisher, id)) => Some(Self::Published(publisher, PublishingId(id))),
            None => properties.message_id().map(Self::Named),
        }
    }
}

/// Remembers what was handled, in the store that holds the effects of handling it.
///
/// The crate has one for PostgreSQL (`PostgresInbox`, with the feature `postgres`). For another database, or another
/// library, an inbox is a table with the key of a message as its primary key, and an insert that does nothing where the
/// key is there already. `T` is what handlers make their effects in.
pub trait Inbox<T: Sync>: Sync {
    /// Why the store could not tell.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes note in `transaction` that the message is handled. True if nobody has before. Where another transaction
    /// that is still open took note of the message, this waits for its end.
    fn note(
        &self,
        transaction: &T,
        message: MessageKey<'_>,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Whether a delivery is to be handled, in this transaction. If so, the note that it is handled is in the
    /// transaction already: make the effects in it too, commit, and acknowledge. If not, the message was handled before,
    /// and its acknowledgement was lost: it only remains to acknowledge it again.
    ///
    /// # Errors
    /// A store that could not tell, or a message without a key: nobody can know whether it was handled.
    fn once(
        &self,
        transaction: &T,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<bool, InboxError<Self::Error>>> + Send {
        async {
            let key = delivery.key().ok_or(InboxError::Anonymous)?;
            self.note(transaction, key).await.map_err(InboxError::Store)
        }
    }
}

/// Why it cannot be told whether a message was handled.
#[derive(Debug, thiserror::Error)]
pub enum InboxError<E> {
    /// The message says neither its publisher and publishing id nor a message-id.
    #[error("the message has neither a publishing id nor a message-id to know it by")]
    Anonymous,
    /// The store of the notes.
    #[error(transparent)]
    Store(#[from] E),
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PropertiesBuilder, ShortStr, TableBuilder, Value};

    #[test]
    fn the_publishers_number_counts_more_than_the_message_id() {
        let named = PropertiesBuilder::new().message_id(&ShortStr::from_static("m"));
        let headers = TableBuilder::new()
            .text("x-publisher-id", "p")
            .field("x-publishing-id", Value::I64(7))
            .build();
        let both = PropertiesBuilder::new()
            .message_id(&ShortStr::from_static("m"))
            .headers(&headers)
            .build();
        assert_eq!(
            MessageKey::of(&both),
            Some(MessageKey::Published(b"p", PublishingId(7)))
        );
        assert_eq!(MessageKey::of(&named.build()), Some(MessageKey::Named("m")));
        assert_eq!(MessageKey::of(&Properties::default()), None);
    }
}
