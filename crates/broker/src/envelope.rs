//! What a message says about itself on its way in, in its properties and headers: who sends it, how long it may
//! wait, which publishing id it has, and where it goes beside its routing key.

use crate::connection::{Refusal, precondition_failed};
use model::method::basic;
use model::publish::{PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER};
use model::{Properties, PublishingId, ShortStr, Value};
use smallvec::{SmallVec, smallvec};

/// The header with more routing keys.
const CC_HEADER: &str = "CC";

/// The header with more routing keys that no receiver sees.
pub(crate) const BCC_HEADER: &str = "BCC";

/// The header by which a message asks an exchange of type x-delayed-message to put it off.
pub(crate) const DELAY_HEADER: &str = "x-delay";

/// The longest time to live that RabbitMQ takes: ten years, in milliseconds.
const EXPIRATION_MAX: u64 = 315_360_000_000;

/// The routing keys of a message: its own first, then those that its headers add.
pub(crate) type RoutingKeys<'a> = SmallVec<[&'a [u8]; 1]>;

/// A publisher and its own number for a message, where both were given.
pub(crate) type Numbered<'a> = Option<(&'a [u8], PublishingId)>;

/// The headers that mean something to the server.
#[derive(Debug, Default)]
pub(crate) struct Envelope<'a> {
    publisher: Option<Value<'a>>,
    number: Option<Value<'a>>,
    cc: Option<Value<'a>>,
    bcc: Option<Value<'a>>,
    delay: Option<Value<'a>>,
}

impl<'a> Envelope<'a> {
    /// Looks through the headers once.
    pub(crate) fn of(properties: &'a Properties) -> Self {
        let mut envelope = Self::default();
        for (name, value) in properties.headers().into_iter().flatten() {
            match name {
                PUBLISHER_ID_HEADER => envelope.publisher = Some(value),
                PUBLISHING_ID_HEADER => envelope.number = Some(value),
                CC_HEADER => envelope.cc = Some(value),
                BCC_HEADER => envelope.bcc = Some(value),
                DELAY_HEADER => envelope.delay = Some(value),
                _ => {}
            }
        }
        envelope
    }

    /// The publisher and its number for the message, where it gave both.
    pub(crate) fn publishing(&self) -> Result<Numbered<'a>, Refusal> {
        let (Some(publisher), Some(number)) = (self.publisher, self.number) else {
            return Ok(None);
        };
        let publisher = match publisher {
            Value::Str(bytes)
                if bytes.len() <= ShortStr::MAX && std::str::from_utf8(bytes).is_ok() =>
            {
                bytes
            }
            _ => {
                return Err(invalid_header(
                    PUBLISHER_ID_HEADER,
                    "a string of at most 255 bytes",
                ));
            }
        };
        match number
            .as_integer()
            .and_then(|number| u64::try_from(number).ok())
        {
            Some(number) => Ok(Some((publisher, PublishingId(number)))),
            None => Err(invalid_header(
                PUBLISHING_ID_HEADER,
                "an integer that is not negative",
            )),
        }
    }

    /// Whether it names receivers that the others must not see.
    pub(crate) fn hides_keys(&self) -> bool {
        self.bcc.is_some()
    }

    /// For how many milliseconds it asks to be put off: a number of any kind, also as text. One that is not above
    /// zero asks for nothing, as does what is no number.
    pub(crate) fn delay(&self) -> Option<u64> {
        let delay = match self.delay? {
            // Casts of such numbers stay within the bounds.
            Value::F32(number) => number as i64,
            Value::F64(number) => number as i64,
            Value::Str(text) => std::str::from_utf8(text).ok()?.parse().ok()?,
            value => value.as_integer()?,
        };
        u64::try_from(delay).ok().filter(|delay| *delay > 0)
    }

    /// All routing keys; in CC and BCC what is not a string names nobody.
    pub(crate) fn routing_keys(&self, own: &'a ShortStr) -> Result<RoutingKeys<'a>, Refusal> {
        let mut keys: RoutingKeys<'a> = smallvec![own.as_bytes()];
        for (name, value) in [(CC_HEADER, self.cc), (BCC_HEADER, self.bcc)] {
            match value {
                None => {}
                Some(Value::Array(values)) => keys.extend(values.filter_map(|value| match value {
                    Value::Str(key) => Some(key),
                    _ => None,
                })),
                Some(other) => {
                    let kind = other.kind();
                    let explanation = format!(
                        "invalid message: {{unacceptable_type_in_header,\"{name}\",{kind}}}"
                    );
                    return Err(precondition_failed(explanation, basic::Publish::ID));
                }
            }
        }
        Ok(keys)
    }
}

/// Who says who sends must say the truth: receivers rely on it.
pub(crate) fn check_user(properties: &Properties, user: &str) -> Result<(), Refusal> {
    match properties.user_id() {
        Some(said) if said != user => {
            let explanation =
                format!("user_id property set to '{said}' but authenticated user was '{user}'");
            Err(precondition_failed(explanation, basic::Publish::ID))
        }
        _ => Ok(()),
    }
}

/// A time to live is a whole number of milliseconds, told in text.
pub(crate) fn check_expiration(properties: &Properties) -> Result<(), Refusal> {
    let Some(text) = properties.expiration() else {
        return Ok(());
    };
    match parse_expiration(text) {
        Ok(_) => Ok(()),
        Err(why) => Err(precondition_failed(
            format!("invalid expiration '{text}': {why}"),
            basic::Publish::ID,
        )),
    }
}

/// The number that RabbitMQ reads in an expiration, or what it says of one that it cannot read
/// (string:to_integer, then rabbit_misc:check_expiry).
fn parse_expiration(text: &str) -> Result<u64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(unsigned.len());
    let (digits, left_over) = unsigned.split_at(digits);
    if digits.is_empty() {
        return Err("no_integer".into());
    }
    if !left_over.is_empty() {
        return Err(format!("{{leftover_string,\"{left_over}\"}}"));
    }
    if text.starts_with('-') && digits.bytes().any(|digit| digit != b'0') {
        return Err(format!("{{value_negative,-{digits}}}"));
    }
    match digits.parse() {
        Ok(number) if number <= EXPIRATION_MAX => Ok(number),
        _ => Err(format!("{{value_too_large,{digits}}}")),
    }
}

fn invalid_header(name: &str, wanted: &str) -> Refusal {
    precondition_failed(
        format!("invalid header '{name}': expected {wanted}"),
        basic::Publish::ID,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{PropertiesBuilder, TableBuilder};

    #[test]
    fn a_delay_is_a_number_above_zero_of_any_kind() {
        for (value, delay) in [
            (Value::I8(5), Some(5)),
            (Value::U32(u32::MAX), Some(4_294_967_295)),
            (Value::I64(i64::MAX), Some(i64::MAX.unsigned_abs())),
            (Value::F32(2.9), Some(2)),
            (Value::F64(1e300), Some(i64::MAX.unsigned_abs())),
            (Value::F64(f64::NAN), None),
            (Value::Str(b"70"), Some(70)),
            (Value::Str(b"soon"), None),
            (Value::I32(0), None),
            (Value::I32(-5), None),
            (Value::Bool(true), None),
        ] {
            let headers = TableBuilder::new().field(DELAY_HEADER, value).build();
            let properties = PropertiesBuilder::new().headers(&headers).build();
            assert_eq!(Envelope::of(&properties).delay(), delay, "{value:?}");
        }
    }

    #[test]
    fn expirations_are_read_as_rabbitmq_reads_them() {
        let most = EXPIRATION_MAX.to_string();
        for (text, number) in [
            ("0", 0),
            ("007", 7),
            ("+5", 5),
            ("-0", 0),
            (&*most, EXPIRATION_MAX),
        ] {
            assert_eq!(parse_expiration(text), Ok(number), "{text}");
        }
        for (text, why) in [
            ("", "no_integer"),
            ("abc", "no_integer"),
            (" 1", "no_integer"),
            ("1.5", "{leftover_string,\".5\"}"),
            ("1 ", "{leftover_string,\" \"}"),
            ("-1", "{value_negative,-1}"),
            ("315360000001", "{value_too_large,315360000001}"),
            (
                "99999999999999999999",
                "{value_too_large,99999999999999999999}",
            ),
        ] {
            assert_eq!(parse_expiration(text), Err(why.into()), "{text}");
        }
    }
}
