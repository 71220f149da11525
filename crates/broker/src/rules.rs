//! What a queue's owner asked for: its arguments, read once.

use crate::retry::{Retry, RetryType};
use model::{FieldTable, ShortStr, Value};

/// The rules of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Milliseconds that a message may wait.
    pub(crate) time_to_live: Option<u64>,
    /// Milliseconds before which no message is delivered.
    pub(crate) delivery_delay: Option<u64>,
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
    /// Milliseconds that receivers may take to acknowledge.
    pub(crate) timeout: Option<u64>,
    /// How often a message may come back.
    pub(crate) delivery_limit: Option<u32>,
    /// How long it waits then.
    pub(crate) retry: Option<Retry>,
    pub(crate) deduplication: Option<Box<DeduplicationRule>>,
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

/// How a queue tells messages apart, and how many of them it remembers for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeduplicationRule {
    /// By this header, where a message has it.
    pub(crate) header: Option<ShortStr>,
    /// Else by its message-id.
    pub(crate) message_id: bool,
    /// How many.
    pub(crate) size: usize,
    /// Milliseconds.
    pub(crate) time: Option<u64>,
}

impl DeduplicationRule {
    /// The header that tells messages apart where the owner names none, as in the plugin.
    const HEADER: &str = "x-deduplication-header";

    /// How many messages a queue remembers whose owner names no number.
    const SIZE: usize = 10_000;

    fn of(arguments: &FieldTable) -> Option<Self> {
        if arguments.get("x-message-deduplication") != Some(Value::Bool(true)) {
            return None;
        }
        let text = |name| arguments.get(name).and_then(Value::as_str);
        let number = |name| arguments.get(name).and_then(Value::as_integer);
        let message_id = text("x-deduplication-property").is_some();
        let header = text("x-deduplication-header");
        let header = header.or((!message_id).then_some(Self::HEADER));
        Some(Self {
            header: header.map(ShortStr::truncated),
            message_id,
            size: number("x-cache-size")
                .and_then(|size| usize::try_from(size).ok())
                .unwrap_or(Self::SIZE),
            time: number("x-cache-ttl").and_then(|time| u64::try_from(time).ok()),
        })
    }
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
            delivery_delay: number("x-delivery-delay").filter(|delay| *delay > 0),
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
            timeout: number("x-consumer-timeout"),
            delivery_limit: number("x-delivery-limit")
                .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
            retry: retry(arguments),
            deduplication: DeduplicationRule::of(arguments).map(Box::new),
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

/// The first wait of a message that comes back, where its queue says that it waits and not how long: a second.
const RETRY_LEAST: u64 = 1000;

/// The longest wait, where the queue does not say: an hour.
const RETRY_MOST: u64 = 3_600_000;

/// To name a first wait is to ask for waiting.
fn retry(arguments: &FieldTable) -> Option<Retry> {
    let number = |name| {
        let value = arguments.get(name).and_then(Value::as_integer);
        value.and_then(|number| u64::try_from(number).ok())
    };
    let thousandths = |name| arguments.get(name).and_then(thousandths);
    let least = number("x-delayed-retry-min");
    let of = match arguments
        .get("x-delayed-retry-type")
        .and_then(Value::as_str)
    {
        Some("all") => RetryType::All,
        Some("failed") => RetryType::Failed,
        Some("returned") => RetryType::Returned,
        None if least.is_some() => RetryType::All,
        _ => return None,
    };
    let least = least.unwrap_or(RETRY_LEAST);
    Some(Retry {
        of,
        least,
        most: number("x-delayed-retry-max").unwrap_or(RETRY_MOST.max(least)),
        multiplier: thousandths("x-delayed-retry-multiplier").unwrap_or(2000),
        jitter: thousandths("x-delayed-retry-jitter").unwrap_or(100),
    })
}

/// A number of any kind, in thousandths.
fn thousandths(value: Value<'_>) -> Option<u64> {
    let number = match value {
        Value::F32(number) => f64::from(number),
        Value::F64(number) => number,
        value => return u64::try_from(value.as_integer()?).ok()?.checked_mul(1000),
    };
    // What is out of bounds was refused when it was declared; the cast keeps within those of u64.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked"
    )]
    (number.is_finite() && number >= 0.0).then(|| (number * 1000.0).round() as u64)
}
