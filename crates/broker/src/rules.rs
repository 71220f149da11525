//! What a queue's owner asked for: its arguments, read once.

use model::{FieldTable, ShortStr, Value};

/// The rules of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Milliseconds that a message may wait.
    pub(crate) time_to_live: Option<u64>,
    /// Milliseconds that the queue may be unused.
    pub(crate) expires: Option<u64>,
    /// The most ready messages.
    pub(crate) max_length: Option<u64>,
    /// The most bytes of bodies of ready messages.
    pub(crate) max_length_bytes: Option<u64>,
    pub(crate) overflow: Overflow,
    pub(crate) dead_letter: Option<DeadLetter>,
    pub(crate) max_priority: u8,
    pub(crate) single_active_consumer: bool,
}

/// What gives way when a queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// The oldest message.
    #[default]
    DropHead,
    /// The new one; its publisher is told.
    RejectPublish,
    /// The new one; its publisher is told, and it is dead-lettered.
    RejectPublishDeadLetter,
}

/// Where messages go that leave without an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) exchange: ShortStr,
    /// Instead of the message's own.
    pub(crate) routing_key: Option<ShortStr>,
}

impl Rules {
    /// The rules that checked arguments ask for.
    pub(crate) fn of(arguments: &FieldTable) -> Self {
        if arguments.is_empty() {
            return Self::default();
        }
        let number = |name| {
            let value = arguments.get(name).and_then(Value::as_integer);
            value.and_then(|number| u64::try_from(number).ok())
        };
        let text = |name| arguments.get(name).and_then(Value::as_str);
        let name = |name| text(name).map(ShortStr::truncated);
        Self {
            time_to_live: number("x-message-ttl"),
            expires: number("x-expires"),
            max_length: number("x-max-length"),
            max_length_bytes: number("x-max-length-bytes"),
            overflow: match text("x-overflow") {
                Some("reject-publish") => Overflow::RejectPublish,
                Some("reject-publish-dlx") => Overflow::RejectPublishDeadLetter,
                _ => Overflow::DropHead,
            },
            dead_letter: name("x-dead-letter-exchange").map(|exchange| DeadLetter {
                exchange,
                routing_key: name("x-dead-letter-routing-key"),
            }),
            max_priority: number("x-max-priority")
                .and_then(|number| u8::try_from(number).ok())
                .unwrap_or(0),
            single_active_consumer: arguments.get("x-single-active-consumer")
                == Some(Value::Bool(true)),
        }
    }

    /// Whether a new message is refused when the queue is full.
    pub(crate) fn refuses_publishes(&self) -> bool {
        self.is_limited() && self.overflow != Overflow::DropHead
    }

    /// Whether there is a limit on what waits.
    pub(crate) fn is_limited(&self) -> bool {
        self.max_length.is_some() || self.max_length_bytes.is_some()
    }
}
