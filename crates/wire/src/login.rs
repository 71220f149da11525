//! What a client says to log in: the mechanisms PLAIN, AMQPLAIN and EXTERNAL.
//!
//! ```text
//! PLAIN:     authorization id (ignored)  0  user  0  password
//! AMQPLAIN:  a field table without its length octets, with LOGIN and PASSWORD as long strings
//! EXTERNAL:  authorization id, mostly empty: who it is is known by other means
//! ```

use bytes::Bytes;
use model::{FieldTable, Password, Value};

/// Who a client says it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Password,
}

/// Why a response says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("unknown authentication mechanism")]
    Mechanism,
    #[error("the PLAIN response is not of the form [id] 0 user 0 password, in UTF-8")]
    Plain,
    #[error("the AMQPLAIN response is not a field table with LOGIN and PASSWORD, in UTF-8")]
    AmqPlain,
    #[error("the EXTERNAL response is not UTF-8")]
    External,
}

/// Reads the response of a mechanism.
pub(crate) fn read_response(mechanism: &str, response: &Bytes) -> Result<Credentials, LoginError> {
    match mechanism {
        "PLAIN" => plain(response).ok_or(LoginError::Plain),
        "AMQPLAIN" => amqplain(response).ok_or(LoginError::AmqPlain),
        "EXTERNAL" => credentials(response, b"").ok_or(LoginError::External),
        _ => Err(LoginError::Mechanism),
    }
}

fn plain(response: &[u8]) -> Option<Credentials> {
    let mut parts = response.splitn(3, |&octet| octet == 0);
    let _authorization_id = parts.next()?;
    credentials(parts.next()?, parts.next()?)
}

fn amqplain(response: &Bytes) -> Option<Credentials> {
    let fields = FieldTable::from_bytes(response.clone()).ok()?;
    match (fields.get("LOGIN"), fields.get("PASSWORD")) {
        (Some(Value::Str(user)), Some(Value::Str(password))) => credentials(user, password),
        _ => None,
    }
}

fn credentials(user: &[u8], password: &[u8]) -> Option<Credentials> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    Some(Credentials {
        user: text(user)?,
        password: Password::new(text(password)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_says_no_more_than_a_name() {
        let read = |response| read_response("EXTERNAL", &Bytes::from_static(response));
        let said = |user: &str| {
            Ok(Credentials {
                user: user.to_owned(),
                password: Password::new(String::new()),
            })
        };
        assert_eq!(read(b""), said(""));
        assert_eq!(read(b"guest\0x"), said("guest\0x"));
        assert_eq!(read(b"\xff"), Err(LoginError::External));
    }
}
