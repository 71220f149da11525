//! The x-arguments: each of them once, with whose it is, what it takes and what it means. Validation, the check
//! for equivalence and the page on compatibility derive from this table.
//!
//! Arguments that nobody knows are kept and shown, and do not matter for equivalence: as in RabbitMQ.

use crate::connection::{Refusal, precondition_failed};
use model::{FieldTable, MethodId, Value};
use std::fmt;

/// An argument.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Where it is given.
    pub of: Of,
    /// The values that it takes.
    pub takes: Takes,
    /// Whether a second declaration must give the same value.
    pub compared: bool,
    /// Whether it has an effect.
    pub support: Support,
    /// What it means.
    pub meaning: &'static str,
}

/// Where an argument is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// In queue.declare.
    Queue,
    /// In basic.consume.
    Consumer,
    /// In exchange.declare.
    Exchange,
}

/// The values that an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// An integer of any width within these bounds.
    Integer(i64, i64),
    /// A number, whole or not, within these bounds.
    Number(i32, i32),
    /// A string.
    Text,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A boolean.
    Flag,
    /// Anything.
    Any,
}

/// Whether an argument has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Works,
    /// It is checked, kept and shown, and changes nothing.
    Kept,
}

const MOST: i64 = i64::MAX;

/// One row of the table.
const fn row(
    of: Of,
    name: &'static str,
    takes: Takes,
    compared: bool,
    support: Support,
    meaning: &'static str,
) -> Argument {
    Argument {
        name,
        of,
        takes,
        compared,
        support,
        meaning,
    }
}

use Of::{Consumer, Exchange, Queue};
use Support::{Kept, Works};
use Takes::{Any, Flag, Integer, Number, OneOf, Text};

/// Every argument that the server knows.
#[rustfmt::skip]
pub const ARGUMENTS: &[Argument] = &[
    row(Queue, "x-message-ttl", Integer(0, MOST), true, Works, "milliseconds after which a waiting message expires, wherever it stands in the queue"),
    row(Queue, "x-delivery-delay", Integer(0, MOST), true, Works, "milliseconds before which no message is delivered, from when it was accepted"),
    row(Queue, "x-expires", Integer(1, MOST), true, Works, "milliseconds without consumer, basic.get or declaration after which the queue is deleted"),
    row(Queue, "x-max-length", Integer(0, MOST), true, Works, "the most ready messages"),
    row(Queue, "x-max-length-bytes", Integer(0, MOST), true, Works, "the most bytes of the bodies of ready messages"),
    row(Queue, "x-overflow", OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]), true, Works, "what gives way at a limit: the oldest message (of the lowest priority), or the new one"),
    row(Queue, "x-dead-letter-exchange", Text, true, Works, "where rejected, expired and dropped messages go"),
    row(Queue, "x-dead-letter-routing-key", Text, true, Works, "the routing key that they go with, instead of their own"),
    row(Queue, "x-dead-letter-strategy", OneOf(&["at-most-once", "at-least-once"]), true, Kept, "dead-lettering is at least once whatever is asked for: the copy lands before the original leaves"),
    row(Queue, "x-max-priority", Integer(0, 255), true, Works, "the highest priority; messages of a higher one are delivered first"),
    row(Queue, "x-single-active-consumer", Flag, true, Works, "one consumer at a time gets all messages, the next takes over when it goes"),
    row(Queue, "x-queue-type", OneOf(&["classic", "quorum"]), true, Kept, "one engine serves every type"),
    row(Queue, "x-delivery-limit", Integer(-1, MOST), true, Works, "how often a message may come back, whatever the cause; then it is dead-lettered, or parked in its queue; -1 for any number"),
    row(Queue, "x-consumer-timeout", Integer(1, MOST), true, Works, "milliseconds that a consumer may take to acknowledge; then the message comes back, and the channel lives"),
    row(Queue, "x-delayed-retry-type", OneOf(&["disabled", "all", "failed", "returned"]), true, Works, "which messages that come back wait before they are delivered again: none, all, those whose time ran out or whose connection died, those that were given back"),
    row(Queue, "x-delayed-retry-min", Integer(0, MOST), true, Works, "milliseconds of the first wait; given alone it stands for the type all"),
    row(Queue, "x-delayed-retry-max", Integer(0, MOST), true, Works, "milliseconds of the longest wait"),
    row(Queue, "x-delayed-retry-multiplier", Number(1, 1000), true, Works, "how much longer each wait is than the one before; 2 where nothing is said"),
    row(Queue, "x-delayed-retry-jitter", Number(0, 1), true, Works, "the part of a wait that is left to chance; 0.1 where nothing is said"),
    row(Queue, "x-message-deduplication", Flag, true, Works, "a message that the queue remembers is confirmed and does not land in it again"),
    row(Queue, "x-cache-size", Integer(1, MOST), true, Works, "how many messages are remembered, the newest; 10000 where nothing is said"),
    row(Queue, "x-cache-ttl", Integer(0, MOST), true, Works, "milliseconds that they are remembered, where their own x-cache-ttl header does not say otherwise; without end where nothing is said"),
    row(Queue, "x-deduplication-header", Text, true, Works, "the header that tells messages apart: x-deduplication-header where neither a header nor a property is named; messages without it are not looked at"),
    row(Queue, "x-deduplication-property", OneOf(&["message_id"]), true, Works, "the property that tells messages apart, where they do not have the header"),
    row(Queue, "x-queue-mode", OneOf(&["default", "lazy"]), false, Kept, "every queue keeps its backlog on disk"),
    row(Queue, "x-queue-version", Integer(1, 2), false, Kept, "there is one version"),
    row(Queue, "x-queue-leader-locator", Text, false, Kept, "where the owner is placed is the cluster's business"),
    row(Queue, "x-queue-master-locator", Text, false, Kept, "as x-queue-leader-locator"),
    row(Queue, "x-quorum-initial-group-size", Integer(1, MOST), false, Kept, "copies are the store's business"),
    row(Queue, "x-initial-cluster-size", Integer(1, MOST), false, Kept, "as x-quorum-initial-group-size"),
    row(Queue, "x-quorum-target-group-size", Integer(1, MOST), false, Kept, "as x-quorum-initial-group-size"),
    row(Queue, "x-ha-policy", Any, false, Kept, "mirroring was RabbitMQ's of long ago"),
    row(Queue, "x-consumer-disconnected-timeout", Integer(0, MOST), false, Kept, "a consumer that is gone is seen at once"),
    row(Queue, "x-name-prefix", Text, false, Kept, "a note for people"),
    row(Exchange, "alternate-exchange", Text, true, Works, "where messages go that the exchange finds no queue for"),
    row(Exchange, "x-delayed-type", Text, false, Works, "how an exchange of type x-delayed-message routes: the name of another type"),
    row(Exchange, "hash-header", Text, false, Works, "the header that x-consistent-hash chooses by, instead of the routing key"),
    row(Exchange, "hash-property", Text, false, Works, "the property that x-consistent-hash chooses by: correlation_id, message_id or timestamp"),
    row(Consumer, "x-priority", Integer(i32::MIN as i64, i32::MAX as i64), false, Works, "consumers of a higher priority are served first while they have room"),
    row(Consumer, "x-consumer-timeout", Integer(1, MOST), false, Works, "milliseconds that this consumer may take to acknowledge"),
    row(Consumer, "x-cancel-on-ha-failover", Flag, false, Kept, "there is no mirror to fail over to"),
];

/// What a queue has for life: messages stand by their priorities, consumers by the order in which they came, and what a queue
/// remembers by what it was told to.
const FOR_LIFE: &[&str] = &[
    "x-queue-type",
    "x-max-priority",
    "x-single-active-consumer",
    "x-message-deduplication",
    "x-cache-size",
    "x-cache-ttl",
    "x-deduplication-header",
    "x-deduplication-property",
];

/// What refuses a declaration: which declaration, of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declaration<'a> {
    pub(crate) of: Of,
    /// The thing, as error texts name it: `queue 'q' in vhost '/'`.
    pub(crate) what: &'a str,
    pub(crate) method: MethodId,
}

impl Declaration<'_> {
    /// Refuses arguments that are known and wrong.
    pub(crate) fn check(&self, arguments: &FieldTable) -> Result<(), Refusal> {
        for (name, value) in arguments.iter().filter(|(_, value)| *value != Value::Void) {
            if let Some(known) = self.known(name)
                && !known.takes.accepts(value)
            {
                let expected = format!("expected {}, got {}", known.takes, text(Some(value)));
                return Err(self.invalid(name, &expected));
            }
        }
        let given = |name| {
            arguments
                .get(name)
                .is_some_and(|value| value != Value::Void)
        };
        if given("x-dead-letter-routing-key") && !given("x-dead-letter-exchange") {
            let why = "routing_key_but_no_dlx_defined";
            return Err(self.invalid("x-dead-letter-routing-key", why));
        }
        Ok(())
    }

    /// An argument that cannot be.
    pub(crate) fn invalid(&self, name: &str, why: &str) -> Refusal {
        let what = self.what;
        precondition_failed(
            format!("invalid arg '{name}' for {what}: {why}"),
            self.method,
        )
    }

    /// Refuses a declaration whose flag `name` differs from what is there.
    pub(crate) fn same_flag(
        &self,
        name: &str,
        received: impl fmt::Display,
        current: impl fmt::Display,
    ) -> Result<(), Refusal> {
        let (received, current) = (received.to_string(), current.to_string());
        if received == current {
            return Ok(());
        }
        let what = self.what;
        let explanation = format!(
            "inequivalent arg '{name}' for {what}: received '{received}' but current is '{current}'"
        );
        Err(precondition_failed(explanation, self.method))
    }

    /// Refuses a declaration in which an argument that counts differs from what is there.
    pub(crate) fn same_arguments(
        &self,
        received: &FieldTable,
        current: &FieldTable,
    ) -> Result<(), Refusal> {
        self.same(received, current, |argument| argument.compared)
    }

    /// Refuses one in which an argument differs that a queue has for life.
    pub(crate) fn same_for_life(
        &self,
        received: &FieldTable,
        current: &FieldTable,
    ) -> Result<(), Refusal> {
        self.same(received, current, |argument| {
            FOR_LIFE.contains(&argument.name)
        })
    }

    fn same(
        &self,
        received: &FieldTable,
        current: &FieldTable,
        counts: impl Fn(&Argument) -> bool,
    ) -> Result<(), Refusal> {
        let compared = ARGUMENTS
            .iter()
            .filter(|argument| argument.of == self.of && counts(argument));
        for Argument { name, .. } in compared {
            let (received, current) = (meant(name, received), meant(name, current));
            let same = match (received, current) {
                (Some(received), Some(current)) => received.same(current),
                (received, current) => received.is_none() && current.is_none(),
            };
            if !same {
                let what = self.what;
                let (received, current) = match (received, current) {
                    (Some(received), Some(current)) => (quoted(received), quoted(current)),
                    (received, current) => (text(received), text(current)),
                };
                let explanation = format!(
                    "inequivalent arg '{name}' for {what}: received {received} but current is {current}"
                );
                return Err(precondition_failed(explanation, self.method));
            }
        }
        Ok(())
    }

    fn known(&self, name: &str) -> Option<&'static Argument> {
        ARGUMENTS
            .iter()
            .find(|argument| argument.of == self.of && argument.name == name)
    }
}

impl Takes {
    fn accepts(self, value: Value<'_>) -> bool {
        match self {
            Self::Integer(least, most) => value
                .as_integer()
                .is_some_and(|number| (least..=most).contains(&number)),
            Self::Number(least, most) => match value {
                Value::F32(number) => (least as f32..=most as f32).contains(&number),
                Value::F64(number) => (f64::from(least)..=f64::from(most)).contains(&number),
                _ => value
                    .as_integer()
                    .is_some_and(|number| (least.into()..=most.into()).contains(&number)),
            },
            Self::Text => value.as_str().is_some(),
            Self::OneOf(choices) => value.as_str().is_some_and(|text| choices.contains(&text)),
            Self::Flag => matches!(value, Value::Bool(_)),
            Self::Any => true,
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Integer(i64::MIN, MOST) => f.write_str("an integer"),
            Self::Integer(least, MOST) => write!(f, "an integer of at least {least}"),
            Self::Integer(least, most) => write!(f, "an integer from {least} to {most}"),
            Self::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Text => f.write_str("a string"),
            Self::OneOf(choices) => write!(f, "one of {}", choices.join(", ")),
            Self::Flag => f.write_str("a boolean"),
            Self::Any => f.write_str("anything"),
        }
    }
}

/// The value, or the one that leaving it out stands for.
fn meant<'a>(name: &str, arguments: &'a FieldTable) -> Option<Value<'a>> {
    let value = arguments.get(name).filter(|value| *value != Value::Void);
    // To say nothing of the type is to ask for the default one, which has a name.
    value.or_else(|| (name == "x-queue-type").then_some(Value::Str(b"classic")))
}

/// A value as RabbitMQ's error texts tell it beside nothing.
fn text(value: Option<Value<'_>>) -> String {
    match value {
        None => "none".into(),
        Some(value) => format!("the value {} of type '{}'", quoted(value), value.kind()),
    }
}

/// A value as RabbitMQ's error texts tell it beside another.
fn quoted(value: Value<'_>) -> String {
    match (value, value.as_integer()) {
        (Value::Str(bytes), _) => format!("'{}'", String::from_utf8_lossy(bytes)),
        (Value::Bool(flag), _) => format!("'{flag}'"),
        (_, Some(number)) => format!("'{number}'"),
        (value, None) => format!("'{value:?}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TableBuilder;

    #[test]
    fn every_argument_stands_once_and_integers_are_the_same_whatever_their_width() {
        for (index, argument) in ARGUMENTS.iter().enumerate() {
            let again = ARGUMENTS[..index].iter();
            let mut again = again.filter(|other| other.of == argument.of);
            assert!(
                again.all(|other| other.name != argument.name),
                "{argument:?}"
            );
        }
        let declaration = Declaration {
            of: Of::Queue,
            what: "queue 'q' in vhost '/'",
            method: MethodId::default(),
        };
        let ttl = |value| TableBuilder::new().field("x-message-ttl", value).build();
        let (short, long) = (ttl(Value::I8(5)), ttl(Value::I64(5)));
        assert!(declaration.same_arguments(&short, &long).is_ok());
        assert!(
            declaration
                .same_arguments(&short, &ttl(Value::U16(6)))
                .is_err()
        );
        assert!(
            declaration
                .same_arguments(&ttl(Value::Void), &FieldTable::new())
                .is_ok()
        );
    }
}
