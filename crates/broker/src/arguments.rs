//! The x-arguments of queues and exchanges: which of them make two declarations different.
//!
//! Arguments that nobody knows are kept and shown, and do not matter for equivalence: as in RabbitMQ.

use crate::connection::{Refusal, precondition_failed};
use model::{FieldTable, MethodId, Value};

/// Arguments that must be the same when a queue is declared again.
pub(crate) const OF_QUEUES: &[&str] = &[
    "x-consumer-timeout",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-message-ttl",
    "x-overflow",
    "x-queue-type",
    "x-single-active-consumer",
];

/// Arguments that must be the same when an exchange is declared again.
pub(crate) const OF_EXCHANGES: &[&str] = &["alternate-exchange"];

/// Refuses a declaration whose flag `name` differs from what is there; `what` names the thing.
pub(crate) fn same_flag(
    name: &str,
    received: impl PartialEq + std::fmt::Display,
    current: impl PartialEq + std::fmt::Display,
    what: &str,
    method: MethodId,
) -> Result<(), Refusal> {
    let (received, current) = (received.to_string(), current.to_string());
    if received == current {
        return Ok(());
    }
    let explanation = format!(
        "inequivalent arg '{name}' for {what}: received '{received}' but current is '{current}'"
    );
    Err(precondition_failed(explanation, method))
}

/// Refuses a declaration in which one of the arguments `names` differs from what is there.
pub(crate) fn same_arguments(
    names: &[&str],
    received: &FieldTable,
    current: &FieldTable,
    what: &str,
    method: MethodId,
) -> Result<(), Refusal> {
    for name in names {
        let (received, current) = (meant(name, received), meant(name, current));
        let same = match (received, current) {
            (Some(received), Some(current)) => received.same(current),
            (received, current) => received.is_none() && current.is_none(),
        };
        if !same {
            let (received, current) = (text(received), text(current));
            let explanation = format!(
                "inequivalent arg '{name}' for {what}: received {received} but current is {current}"
            );
            return Err(precondition_failed(explanation, method));
        }
    }
    Ok(())
}

/// The value, or the one that leaving it out stands for.
fn meant<'a>(name: &str, arguments: &'a FieldTable) -> Option<Value<'a>> {
    let value = arguments.get(name).filter(|value| *value != Value::Void);
    // To say nothing of the type is to ask for the default one, which has a name.
    value.or_else(|| (name == "x-queue-type").then_some(Value::Str(b"classic")))
}

/// A value as RabbitMQ's error texts tell it.
fn text(value: Option<Value<'_>>) -> String {
    let (value, kind) = match value {
        None => return "none".into(),
        Some(Value::Str(bytes)) => (String::from_utf8_lossy(bytes).into_owned(), "longstr"),
        Some(Value::Bool(flag)) => (flag.to_string(), "bool"),
        Some(value) => match value.as_integer() {
            Some(number) => (number.to_string(), integer_kind(value)),
            None => return "a value of another type".into(),
        },
    };
    format!("the value '{value}' of type '{kind}'")
}

fn integer_kind(value: Value<'_>) -> &'static str {
    match value {
        Value::I8(_) => "byte",
        Value::U8(_) => "unsignedbyte",
        Value::I16(_) => "short",
        Value::U16(_) => "unsignedshort",
        Value::U32(_) => "unsignedint",
        Value::I64(_) => "long",
        _ => "signedint",
    }
}
