//! Who sent a message: the ids that its headers name.

use model::publish::{PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER};
use model::{Properties, Value};

/// What is known of a message's publisher: its id, and the message's publishing id.
pub(crate) fn publisher_of(properties: &Properties) -> Option<(&[u8], u64)> {
    let headers = properties.headers()?;
    let Some(Value::Str(publisher)) = headers.get(PUBLISHER_ID_HEADER) else {
        return None;
    };
    let id = headers.get(PUBLISHING_ID_HEADER)?.as_integer()?;
    Some((publisher, u64::try_from(id).ok()?))
}
