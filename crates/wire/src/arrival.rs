//! What comes to a client on one channel: methods, and methods with their content put together.

use crate::content::ContentHeader;
use bytes::{Bytes, BytesMut};
use model::{ConnectionError, Method, MethodId, Properties, ReplyCode};

/// Something whole that came on the channel.
#[derive(Debug)]
pub enum Arrival {
    /// A method without content.
    Method(Method),
    /// basic.deliver, basic.get-ok or basic.return with its content.
    Content(Method, Properties, Bytes),
}

/// Puts methods and their content together, of one channel.
#[derive(Debug, Default)]
pub struct Assembly(Awaited);

/// What the next frame must be.
#[derive(Debug, Default)]
enum Awaited {
    /// A method.
    #[default]
    Method,
    /// The method came: its header.
    Header(Method),
    /// The header came: so much of the body.
    Body {
        method: Method,
        properties: Properties,
        missing: u64,
        parts: BytesMut,
    },
}

impl Assembly {
    /// Takes a method.
    ///
    /// # Errors
    /// If content was to come: the connection is over.
    pub fn method(&mut self, method: Method) -> Result<Option<Arrival>, ConnectionError> {
        if !matches!(self.0, Awaited::Method) {
            return Err(unexpected("a method instead of content", &method));
        }
        if matches!(
            method,
            Method::BasicDeliver(_) | Method::BasicGetOk(_) | Method::BasicReturn(_)
        ) {
            self.0 = Awaited::Header(method);
            return Ok(None);
        }
        Ok(Some(Arrival::Method(method)))
    }

    /// Takes a content header.
    ///
    /// # Errors
    /// If no method with content came before it: the connection is over.
    pub fn header(&mut self, header: ContentHeader) -> Result<Option<Arrival>, ConnectionError> {
        let Awaited::Header(method) = std::mem::take(&mut self.0) else {
            return Err(out_of_place("a content header"));
        };
        if header.body_size == 0 {
            return Ok(Some(Arrival::Content(
                method,
                header.properties,
                Bytes::new(),
            )));
        }
        self.0 = Awaited::Body {
            method,
            properties: header.properties,
            missing: header.body_size,
            parts: BytesMut::new(),
        };
        Ok(None)
    }

    /// Takes a part of a body. A body of one part is not copied; one of many grows as its parts come, not as
    /// the header promises.
    ///
    /// # Errors
    /// If there is no header before it, or it told of less: the connection is over.
    pub fn body(&mut self, part: Bytes) -> Result<Option<Arrival>, ConnectionError> {
        let Awaited::Body { missing, parts, .. } = &mut self.0 else {
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
        let Awaited::Body {
            method,
            properties,
            parts,
            ..
        } = std::mem::take(&mut self.0)
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
