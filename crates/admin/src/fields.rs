//! Field tables as JSON objects, there and back: arguments of queues, exchanges and bindings, and policies.
//!
//! RabbitMQ's way where JSON has a word for it: numbers, truth, text, lists, objects. What JSON has no word for is
//! an object of one key, so that it comes back as it was:
//!
//! ```text
//! {"landfall:string": base64}             a long string that is not UTF-8
//! {"landfall:bytes": base64}              a byte array
//! {"landfall:timestamp": seconds}
//! {"landfall:decimal": [scale, value]}
//! {"landfall:number": "NaN" | "inf" | "-inf"}
//! ```
//! The width of an integer is not told: equal integers count as equal everywhere (RabbitMQ's rule, too).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{ArrayBuilder, FieldTable, ShortStr, TABLE_DEPTH_MAX, TableBuilder, Value};
use serde_json::{Map, Value as Json, json};

const STRING: &str = "landfall:string";
const BYTES: &str = "landfall:bytes";
const TIMESTAMP: &str = "landfall:timestamp";
const DECIMAL: &str = "landfall:decimal";
const NUMBER: &str = "landfall:number";

/// Why JSON does not become a field table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldsError {
    /// It is something else than an object.
    #[error("an object is expected")]
    NotAnObject,
    /// A name that does not fit.
    #[error("the key '{0}' is longer than 255 bytes")]
    Key(String),
    /// A number that no field can hold.
    #[error("{0} does not fit 64 bits")]
    Number(String),
    /// An object that claims to stand for a value of another type, and does not.
    #[error("'{0}' does not hold what its name says")]
    Wrapped(&'static str),
    /// Objects and lists in each other.
    #[error("nested more than {TABLE_DEPTH_MAX} deep")]
    TooDeep,
}

/// A table as an object. Of fields with the same name the first counts, as everywhere.
pub(crate) fn to_json(table: &FieldTable) -> Json {
    object(table.iter())
}

/// Some fields as an object.
pub(crate) fn object<'a>(fields: impl Iterator<Item = (&'a str, Value<'a>)>) -> Json {
    let mut map = Map::new();
    for (key, value) in fields {
        map.entry(key).or_insert_with(|| value_to_json(value));
    }
    Json::Object(map)
}

/// A value as JSON.
pub(crate) fn value_to_json(value: Value<'_>) -> Json {
    match value {
        Value::Bool(flag) => flag.into(),
        Value::F32(number) => float(number.into()),
        Value::F64(number) => float(number),
        Value::Decimal { scale, value } => json!({ DECIMAL: [scale, value] }),
        Value::Str(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => json!({ STRING: STANDARD.encode(bytes) }),
        },
        Value::ByteArray(bytes) => json!({ BYTES: STANDARD.encode(bytes) }),
        Value::Timestamp(seconds) => json!({ TIMESTAMP: seconds }),
        Value::Void => Json::Null,
        Value::Array(values) => values.map(value_to_json).collect(),
        Value::Table(fields) => object(fields),
        integer => integer.as_integer().into(),
    }
}

fn float(number: f64) -> Json {
    if number.is_finite() {
        number.into()
    } else {
        json!({ NUMBER: number.to_string() })
    }
}

/// An object as a table.
pub(crate) fn from_json(json: &Json) -> Result<FieldTable, FieldsError> {
    let Json::Object(map) = json else {
        return Err(FieldsError::NotAnObject);
    };
    table(map, TABLE_DEPTH_MAX - 1)
}

/// A table with so many levels below it, at most.
fn table(map: &Map<String, Json>, levels: usize) -> Result<FieldTable, FieldsError> {
    let mut builder = TableBuilder::new();
    for (key, json) in map {
        if key.len() > ShortStr::MAX {
            return Err(FieldsError::Key(key.clone()));
        }
        with_value(json, levels, &mut |value| {
            builder = std::mem::take(&mut builder).field(key, value);
        })?;
    }
    Ok(builder.build())
}

/// Hands the value to `put`: what it borrows from lives only so long.
fn with_value(
    json: &Json,
    levels: usize,
    put: &mut dyn FnMut(Value<'_>),
) -> Result<(), FieldsError> {
    let below = || levels.checked_sub(1).ok_or(FieldsError::TooDeep);
    match json {
        Json::Null => put(Value::Void),
        Json::Bool(flag) => put(Value::Bool(*flag)),
        Json::Number(number) => match (number.as_i64(), number.is_f64(), number.as_f64()) {
            (Some(integer), ..) => put(Value::I64(integer)),
            (None, true, Some(float)) => put(Value::F64(float)),
            _ => return Err(FieldsError::Number(number.to_string())),
        },
        Json::String(text) => put(Value::Str(text.as_bytes())),
        Json::Array(list) => {
            let below = below()?;
            let mut array = ArrayBuilder::new();
            for item in list {
                with_value(item, below, &mut |value| {
                    array = std::mem::take(&mut array).value(value);
                })?;
            }
            put(Value::Array(array.values()));
        }
        Json::Object(map) => match wrapped(map) {
            Some((name, inner)) => unwrap(name, inner, put)?,
            None => {
                let table = table(map, below()?)?;
                put(Value::Table(table.iter()));
            }
        },
    }
    Ok(())
}

/// Whether an object stands for a value that JSON has no word for.
fn wrapped(map: &Map<String, Json>) -> Option<(&'static str, &Json)> {
    let (key, inner) = map.iter().next().filter(|_| map.len() == 1)?;
    let names = [STRING, BYTES, TIMESTAMP, DECIMAL, NUMBER];
    let name = names.into_iter().find(|name| name == key)?;
    Some((name, inner))
}

fn unwrap(
    name: &'static str,
    inner: &Json,
    put: &mut dyn FnMut(Value<'_>),
) -> Result<(), FieldsError> {
    let wrong = || FieldsError::Wrapped(name);
    let octets = || {
        let text = inner.as_str().ok_or_else(wrong)?;
        STANDARD.decode(text).map_err(|_| wrong())
    };
    match name {
        STRING => put(Value::Str(&octets()?)),
        BYTES => put(Value::ByteArray(&octets()?)),
        TIMESTAMP => put(Value::Timestamp(inner.as_u64().ok_or_else(wrong)?)),
        NUMBER => {
            let number: Option<f64> = inner.as_str().and_then(|text| text.parse().ok());
            put(Value::F64(number.ok_or_else(wrong)?));
        }
        _ => {
            let scale = inner[0]
                .as_u64()
                .and_then(|scale| u8::try_from(scale).ok())
                .ok_or_else(wrong)?;
            let value = inner[1]
                .as_i64()
                .and_then(|value| i32::try_from(value).ok())
                .ok_or_else(wrong)?;
            put(Value::Decimal { scale, value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
