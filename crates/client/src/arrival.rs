//! What comes on the client's one channel: methods, and methods with their content put together.

use bytes::{Bytes, BytesMut};
use model::publish::{PUBLISHER_ID_HEADER, PUBLISHING_ID_HEADER};
use model::{ConnectionError, Method, MethodId, Properties, ReplyCode, Value};
use wire::ContentHeader;

/// Something whole that came on the channel.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A method without content.
    Method(Method),
    /// basic.deliver or basic.return with its content.
    Content(Method, Properties, Bytes),
}

/// Puts methods and their content together.
#[derive(Debug, Default)]
pub(crate) enum Assembly {
    #[default]
    Idle,
    /// The method came, its header is awaited.
    Header(Method),
    /// The header came, so much of the body is awaited.
    Body {
        method: Method,
        properties: Properties,
        missing: u64,
        parts: BytesMut,
    },
}

impl Assembly {
    /// Takes a method.
    pub(crate) fn method(&mut self, method: Method) -> Result<Option<Arrival>, ConnectionError> {
        if !matches!(self, Self::Idle) {
            return Err(unexpected("a method instead of content", &method));
        }
        if matches!(method, Method::BasicDeliver(_) | Method::BasicReturn(_)) {
            *self = Self::Header(method);
            return Ok(None);
        }
        Ok(Some(Arrival::Method(method)))
    }

    /// Takes a content header.
    pub(crate) fn header(
        &mut self,
        header: ContentHeader,
    ) -> Result<Option<Arrival>, ConnectionError> {
        let Self::Header(method) = std::mem::take(self) else {
            return Err(out_of_place("a content header"));
        };
        if header.body_size == 0 {
            return Ok(Some(Arrival::Content(
                method,
                header.properties,
                Bytes::new(),
            )));
        }
        *self = Self::Body {
            method,
            properties: header.properties,
            missing: header.body_size,
            parts: BytesMut::new(),
        };
        Ok(None)
    }

    /// Takes a part of a body. A body of one part is not copied; one of many grows as its parts come, not as
    /// the header promises.
    pub(crate) fn body(&mut self, part: Bytes) -> Result<Option<Arrival>, ConnectionError> {
        let Self::Body { missing, parts, .. } = self else {
            return Err(out_of_place("a body"));
        };
        *missing = missing
            .checked_sub(part.len() as u64)
            .ok_or_else(|| out_of_place("more body than announced"))?;
        let whole = *missing == 0;
        if !whole || !parts.is_empty() {
            parts.extend_from_slice(&part);
        }
        if !whole {
            return Ok(None);
        }
        let Self::Body {
            method,
            properties,
            parts,
            ..
        } = std::mem::take(self)
        else {
            return Err(out_of_place("a body"));
        };
        let body = if parts.is_empty() {
            part
        } else {
            parts.freeze()
        };
        Ok(Some(Arrival::Content(method, properties, body)))
    }
}

/// What is known of a message's publisher: its id, and the message's publishing id.
pub(crate) fn publisher_of(properties: &Properties) -> Option<(&[u8], u64)> {
    let headers = properties.headers()?;
    let Some(Value::Str(publisher)) = headers.get(PUBLISHER_ID_HEADER) else {
        return None;
    };
    let id = headers.get(PUBLISHING_ID_HEADER)?.as_integer()?;
    Some((publisher, u64::try_from(id).ok()?))
}

fn unexpected(what: &str, method: &Method) -> ConnectionError {
    ConnectionError::new(ReplyCode::UnexpectedFrame, what, method.id())
}

fn out_of_place(what: &str) -> ConnectionError {
    ConnectionError::new(ReplyCode::UnexpectedFrame, what, MethodId::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::method::basic;

    fn header(body_size: u64) -> ContentHeader {
        ContentHeader {
            class: 60,
            body_size,
            properties: Properties::default(),
        }
    }

    fn body_of(arrival: Option<Arrival>) -> Bytes {
        match arrival {
            Some(Arrival::Content(_, _, body)) => body,
            other => panic!("not content: {other:?}"),
        }
    }

    #[test]
    fn content_is_put_together_from_its_frames() {
        let mut assembly = Assembly::default();
        let deliver = || Method::from(basic::Deliver::default());
        assert!(assembly.method(deliver()).expect("in order").is_none());
        assert_eq!(body_of(assembly.header(header(0)).expect("in order")), "");

        assembly.method(deliver()).expect("in order");
        assert!(assembly.header(header(3)).expect("in order").is_none());
        let part = Bytes::from_static(b"one");
        let body = body_of(assembly.body(part.clone()).expect("in order"));
        assert_eq!(body.as_ptr(), part.as_ptr(), "one frame is not copied");

        assembly.method(deliver()).expect("in order");
        assembly.header(header(6)).expect("in order");
        assert!(assembly.body(part.clone()).expect("in order").is_none());
        assert_eq!(body_of(assembly.body(part).expect("in order")), "oneone");
    }

    #[test]
    fn what_is_out_of_place_is_refused() {
        let deliver = || Method::from(basic::Deliver::default());
        assert!(Assembly::default().header(header(1)).is_err());
        assert!(Assembly::default().body(Bytes::new()).is_err());
        let mut assembly = Assembly::default();
        assembly.method(deliver()).expect("in order");
        assert!(assembly.method(deliver()).is_err());
        let mut assembly = Assembly::default();
        assembly.method(deliver()).expect("in order");
        assembly.header(header(1)).expect("in order");
        assert!(assembly.body(Bytes::from_static(b"too long")).is_err());
    }
}
