//! What a dead letter tells of its deaths: `x-death` and its companions, in RabbitMQ's form.
//!
//! `x-death` is an array of tables, the latest first, one for each queue and reason, with a count. Expiration is
//! taken off, or the message would die again at once; `x-first-death-*` are written once, `x-last-death-*` each
//! time.

use model::record::Reason;
use model::{
    ArrayBuilder, FieldTable, Properties, PropertiesBuilder, ShortStr, TableBuilder, Timestamp,
    Value,
};

/// One death.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death<'a> {
    pub(crate) reason: Reason,
    /// Where.
    pub(crate) queue: &'a str,
    /// What it had been published to.
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    pub(crate) time: Timestamp,
    /// The queue gives its dead letters a routing key of their own: the sender's other ones do not count any
    /// more.
    pub(crate) rerouted: bool,
}

/// The headers that a death writes anew, apart from the first death's.
const WRITTEN: [&str; 4] = [
    "x-death",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
];

/// The headers with a sender's further routing keys.
const FURTHER_KEYS: [&str; 2] = ["CC", "BCC"];

/// The properties with one more death.
pub(crate) fn told(properties: &Properties, death: &Death<'_>) -> Properties {
    let headers = properties.headers();
    let has = |name: &str| headers.is_some_and(|headers| headers.get(name).is_some());
    let mut table = TableBuilder::new();
    for (name, value) in headers.into_iter().flatten() {
        let dropped = WRITTEN.contains(&name) || death.rerouted && FURTHER_KEYS.contains(&name);
        if !dropped {
            table = table.field(name, value);
        }
    }
    let deaths = deaths(properties, death);
    table = table.field("x-death", Value::Array(deaths.values()));
    let told = [
        ("reason", death.reason.word()),
        ("queue", death.queue),
        ("exchange", death.exchange),
    ];
    for (name, value) in told {
        let first = format!("x-first-death-{name}");
        if !has(&first) {
            table = table.text(&first, value);
        }
        table = table.text(&format!("x-last-death-{name}"), value);
    }
    PropertiesBuilder::from(properties)
        .without_expiration()
        .headers(&table.build())
        .build()
}

/// Where a message died last, and what it had been sent to then.
#[derive(Clone, Debug)]
pub(crate) struct Home<'a> {
    pub(crate) queue: &'a str,
    pub(crate) exchange: ShortStr,
    pub(crate) routing_key: ShortStr,
}

/// What a dead letter tells of its last death; `None` if it tells of none.
pub(crate) fn home(properties: &Properties) -> Option<Home<'_>> {
    let death = told_deaths(properties).next()?;
    let keys = match death.get("routing-keys") {
        Some(Value::Array(mut keys)) => keys.find_map(Value::as_str),
        _ => None,
    };
    Some(Home {
        queue: death.get("queue").and_then(Value::as_str)?,
        exchange: ShortStr::truncated(death.get("exchange").and_then(Value::as_str)?),
        routing_key: ShortStr::truncated(keys.unwrap_or_default()),
    })
}

/// The properties as if the message had not died.
pub(crate) fn untold(properties: &Properties) -> Properties {
    let headers = properties.headers().into_iter().flatten();
    let of_deaths = |name: &str| {
        name == "x-death" || name.starts_with("x-first-death-") || name.starts_with("x-last-death-")
    };
    let kept = headers.filter(|(name, _)| !of_deaths(name));
    let table = kept.fold(TableBuilder::new(), |table, (name, value)| {
        table.field(name, value)
    });
    PropertiesBuilder::from(properties)
        .headers(&table.build())
        .build()
}

/// Whether a message that is sent to `queue` goes in a circle with nobody's doing: it died there before, and
/// nobody rejected it since.
pub(crate) fn is_automatic_cycle(properties: &Properties, queue: &str) -> bool {
    let mut rejected = false;
    for death in told_deaths(properties) {
        rejected |= death.get("reason").and_then(Value::as_str) == Some(Reason::Rejected.word());
        if death.get("queue").and_then(Value::as_str) == Some(queue) {
            return !rejected;
        }
    }
    false
}

/// The array of all deaths with this one in front. One that repeats is counted.
fn deaths(properties: &Properties, death: &Death<'_>) -> ArrayBuilder {
    let same = |told: &model::Fields<'_>| {
        let says = |name, word| told.get(name).and_then(Value::as_str) == Some(word);
        says("queue", death.queue) && says("reason", death.reason.word())
    };
    let told: Vec<_> = told_deaths(properties).collect();
    let (before, others): (Vec<_>, Vec<_>) = told.into_iter().partition(same);
    let latest = match before.first() {
        Some(before) => once_more(*before),
        None => first_time(properties, death),
    };
    others.into_iter().fold(
        ArrayBuilder::new().value(Value::Table(latest.iter())),
        |array, other| array.value(Value::Table(other)),
    )
}

fn once_more(before: model::Fields<'_>) -> FieldTable {
    let count = before.get("count").and_then(Value::as_integer).unwrap_or(0);
    before
        .filter(|(name, _)| *name != "count")
        .fold(
            TableBuilder::new().field("count", Value::I64(count.saturating_add(1))),
            |table, (name, value)| table.field(name, value),
        )
        .build()
}

fn first_time(properties: &Properties, death: &Death<'_>) -> FieldTable {
    let keys = ArrayBuilder::new().value(Value::Str(death.routing_key.as_bytes()));
    let further = properties.headers().and_then(|headers| headers.get("CC"));
    let keys = match further {
        Some(Value::Array(further)) => further
            .filter(|key| matches!(key, Value::Str(_)))
            .fold(keys, ArrayBuilder::value),
        _ => keys,
    };
    let table = TableBuilder::new()
        .field("count", Value::I64(1))
        .text("reason", death.reason.word())
        .text("queue", death.queue)
        .field("time", Value::Timestamp(death.time.0 / 1000))
        .text("exchange", death.exchange)
        .field("routing-keys", Value::Array(keys.values()));
    match properties.expiration() {
        Some(expiration) => table.text("original-expiration", expiration),
        None => table,
    }
    .build()
}

fn told_deaths(properties: &Properties) -> impl Iterator<Item = model::Fields<'_>> {
    let told = properties
        .headers()
        .and_then(|headers| headers.get("x-death"));
    let values = match told {
        Some(Value::Array(values)) => Some(values),
        _ => None,
    };
    values
        .into_iter()
        .flatten()
        .filter_map(|value| match value {
            Value::Table(table) => Some(table),
            _ => None,
        })
}
