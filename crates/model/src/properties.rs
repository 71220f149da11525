//! The properties of a message, kept as the bytes they came in and spliced into deliveries unchanged.
//!
//! ```text
//! flags u16: bit 15 content-type      14 content-encoding  13 headers      12 delivery-mode  11 priority
//!            10 correlation-id         9 reply-to           8 expiration    7 message-id      6 timestamp
//!             5 type                   4 user-id            3 app-id        2 cluster-id      1 unused, 0 more flags follow
//! then the fields whose bits are set, in that order
//! ```

use crate::table::{self, Fields, TableError};
use crate::{FieldTable, ShortStr};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The properties of a message: valid bytes, flags first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Properties(Bytes);

/// Why bytes are not properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// A length points past the end, the bytes stop inside a property, or some are left over.
    #[error("properties do not fit their frame")]
    Length,
    /// A flag that no property has.
    #[error("unknown property flags 0x{0:04x}")]
    UnknownFlags(u16),
    /// A property that the server reads as text is not UTF-8.
    #[error("a property that the server reads is not UTF-8")]
    NotUtf8,
    /// The headers are malformed.
    #[error(transparent)]
    Headers(#[from] TableError),
}

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const TYPE: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;
const UNKNOWN: u16 = 0b11;

impl Default for Properties {
    fn default() -> Self {
        Self(Bytes::from_static(&[0, 0]))
    }
}

impl Properties {
    /// Shares `bytes` after checking every property in them.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, PropertiesError> {
        let mut rest: &[u8] = &bytes;
        let flags = rest.try_get_u16().map_err(|_| PropertiesError::Length)?;
        if flags & UNKNOWN != 0 {
            return Err(PropertiesError::UnknownFlags(flags & UNKNOWN));
        }
        let mut flags_left = flags;
        while flags_left != 0 {
            let flag = CONTENT_TYPE >> flags_left.leading_zeros();
            flags_left ^= flag;
            let length = field_length(flag, rest).ok_or(PropertiesError::Length)?;
            let field = rest.get(..length).ok_or(PropertiesError::Length)?;
            match flag {
                HEADERS => table::check(&field[4..])?,
                // What the server reads must be text. The others are the clients' own: some put raw ids there.
                REPLY_TO | EXPIRATION | USER_ID => {
                    std::str::from_utf8(&field[1..]).map_err(|_| PropertiesError::NotUtf8)?;
                }
                _ => {}
            }
            rest = &rest[length..];
        }
        if rest.is_empty() {
            Ok(Self(bytes))
        } else {
            Err(PropertiesError::Length)
        }
    }

    /// The bytes, flags first.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// A copy that does not keep the buffer alive that these came in.
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The headers, if there are any.
    pub fn headers(&self) -> Option<Fields<'_>> {
        self.field(HEADERS)
            .map(|field| Fields::of_checked(&field[4..]))
    }

    /// 2 for persistent, 1 for transient.
    pub fn delivery_mode(&self) -> Option<u8> {
        self.field(DELIVERY_MODE).map(|field| field[0])
    }

    /// The message's priority.
    pub fn priority(&self) -> Option<u8> {
        self.field(PRIORITY).map(|field| field[0])
    }

    /// Seconds since 1970, as the sender says.
    pub fn timestamp(&self) -> Option<u64> {
        self.field(TIMESTAMP).map(|mut field| field.get_u64())
    }

    /// The type of the body.
    pub fn content_type(&self) -> Option<&str> {
        self.text(CONTENT_TYPE)
    }

    /// The encoding of the body.
    pub fn content_encoding(&self) -> Option<&str> {
        self.text(CONTENT_ENCODING)
    }

    /// What a reply refers to.
    pub fn correlation_id(&self) -> Option<&str> {
        self.text(CORRELATION_ID)
    }

    /// Where a reply goes.
    pub fn reply_to(&self) -> Option<&str> {
        self.text(REPLY_TO)
    }

    /// The time to live in milliseconds, as text.
    pub fn expiration(&self) -> Option<&str> {
        self.text(EXPIRATION)
    }

    /// The bytes of the sender's own id of the message, text or not.
    pub fn raw_message_id(&self) -> Option<&[u8]> {
        Some(&self.field(MESSAGE_ID)?[1..])
    }

    /// The sender's own id of the message.
    pub fn message_id(&self) -> Option<&str> {
        self.text(MESSAGE_ID)
    }

    /// The application's type of the message.
    pub fn kind(&self) -> Option<&str> {
        self.text(TYPE)
    }

    /// The user who sends, checked against the login.
    pub fn user_id(&self) -> Option<&str> {
        self.text(USER_ID)
    }

    /// The application that sends.
    pub fn app_id(&self) -> Option<&str> {
        self.text(APP_ID)
    }

    /// A property that RabbitMQ keeps though the standard dropped it.
    pub fn cluster_id(&self) -> Option<&str> {
        self.text(CLUSTER_ID)
    }

    /// `None` also for bytes that are no text.
    fn text(&self, flag: u16) -> Option<&str> {
        std::str::from_utf8(&self.field(flag)?[1..]).ok()
    }

    fn flags(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// The bytes of one property, length octets included.
    fn field(&self, wanted: u16) -> Option<&[u8]> {
        let flags = self.flags();
        if flags & wanted == 0 {
            return None;
        }
        let mut rest = &self.0[2..];
        let mut flag = CONTENT_TYPE;
        loop {
            if flags & flag != 0 {
                let length = field_length(flag, rest)
                    .expect("lengths were checked when the properties were made");
                if flag == wanted {
                    return Some(&rest[..length]);
                }
                rest = &rest[length..];
            }
            flag >>= 1;
        }
    }
}

/// How many bytes the property `flag` takes at the start of `rest`; `None` if its length octets are not there.
fn field_length(flag: u16, rest: &[u8]) -> Option<usize> {
    Some(match flag {
        HEADERS => 4 + u32::from_be_bytes(*rest.first_chunk()?) as usize,
        DELIVERY_MODE | PRIORITY => 1,
        TIMESTAMP => 8,
        _ => 1 + usize::from(*rest.first()?),
    })
}

/// Puts properties together; each can be given once, in any order.
#[derive(Clone, Debug, Default)]
pub struct PropertiesBuilder {
    fields: [Option<Bytes>; 16],
}

macro_rules! text_setters {
    ($($(#[$doc:meta])* $name:ident = $flag:ident),* $(,)?) => {
        $($(#[$doc])*
        pub fn $name(self, text: &ShortStr) -> Self {
            let mut field = BytesMut::with_capacity(1 + text.len());
            field.put_u8(u8::try_from(text.len()).expect("a short string is at most 255 bytes"));
            field.put_slice(text.as_bytes());
            self.set($flag, field.freeze())
        })*
    };
}

impl PropertiesBuilder {
    /// No properties yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same properties, to change some.
    pub fn from(properties: &Properties) -> Self {
        let mut builder = Self::new();
        for bit in 2..16 {
            builder.fields[bit] = properties
                .field(1 << bit)
                .map(|field| properties.0.slice_ref(field));
        }
        builder
    }

    text_setters! {
        /// The type of the body.
        content_type = CONTENT_TYPE,
        /// The encoding of the body.
        content_encoding = CONTENT_ENCODING,
        /// What a reply refers to.
        correlation_id = CORRELATION_ID,
        /// Where a reply goes.
        reply_to = REPLY_TO,
        /// The time to live in milliseconds, as text.
        expiration = EXPIRATION,
        /// The sender's own id of the message.
        message_id = MESSAGE_ID,
        /// The application's type of the message.
        kind = TYPE,
        /// The user who sends.
        user_id = USER_ID,
        /// The application that sends.
        app_id = APP_ID,
        /// A property that RabbitMQ keeps though the standard dropped it.
        cluster_id = CLUSTER_ID,
    }

    /// The headers.
    pub fn headers(self, table: &FieldTable) -> Self {
        let bytes = table.as_bytes();
        let mut field = BytesMut::with_capacity(4 + bytes.len());
        field.put_u32(u32::try_from(bytes.len()).expect("a table is under 4 GiB"));
        field.put_slice(bytes);
        self.set(HEADERS, field.freeze())
    }

    /// 2 for persistent, 1 for transient.
    pub fn delivery_mode(self, mode: u8) -> Self {
        self.set(DELIVERY_MODE, Bytes::copy_from_slice(&[mode]))
    }

    /// The message's priority.
    pub fn priority(self, priority: u8) -> Self {
        self.set(PRIORITY, Bytes::copy_from_slice(&[priority]))
    }

    /// Seconds since 1970.
    pub fn timestamp(self, seconds: u64) -> Self {
        self.set(TIMESTAMP, Bytes::copy_from_slice(&seconds.to_be_bytes()))
    }

    /// No time to live any more.
    pub fn without_expiration(mut self) -> Self {
        self.fields[EXPIRATION.trailing_zeros() as usize] = None;
        self
    }

    /// The properties.
    pub fn build(self) -> Properties {
        let length = self.fields.iter().flatten().map(Bytes::len).sum::<usize>();
        let mut bytes = BytesMut::with_capacity(2 + length);
        let set = self
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| field.is_some());
        bytes.put_u16(set.fold(0, |flags, (bit, _)| flags | 1 << bit));
        for field in self.fields.iter().rev().flatten() {
            bytes.put_slice(field);
        }
        Properties(bytes.freeze())
    }

    fn set(mut self, flag: u16, field: Bytes) -> Self {
        self.fields[flag.trailing_zeros() as usize] = Some(field);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TableBuilder, Value};
    use proptest::prelude::*;

    fn full() -> PropertiesBuilder {
        let text = |text| ShortStr::from_static(text);
        let headers = TableBuilder::new().field("n", Value::I32(7)).build();
        PropertiesBuilder::new()
            .app_id(&text("app"))
            .headers(&headers)
            .content_type(&text("text/plain"))
            .delivery_mode(2)
            .priority(9)
            .timestamp(1_700_000_000)
            .message_id(&text("m-1"))
    }

    #[test]
    fn every_property_comes_back_as_it_was_put() {
        let properties = full().build();
        assert_eq!(
            Properties::from_bytes(properties.as_bytes().clone()).as_ref(),
            Ok(&properties)
        );
        assert_eq!(properties.content_type(), Some("text/plain"));
        assert_eq!(
            properties.headers().and_then(|fields| fields.get("n")),
            Some(Value::I32(7))
        );
        assert_eq!(properties.delivery_mode(), Some(2));
        assert_eq!(properties.priority(), Some(9));
        assert_eq!(properties.timestamp(), Some(1_700_000_000));
        assert_eq!(properties.message_id(), Some("m-1"));
        assert_eq!(properties.raw_message_id(), Some(&b"m-1"[..]));
        assert_eq!(properties.app_id(), Some("app"));
        assert_eq!(properties.reply_to(), None);
        assert_eq!(PropertiesBuilder::from(&properties).build(), properties);
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = full().build().as_bytes().clone();
        for length in 0..bytes.len() {
            assert!(
                Properties::from_bytes(bytes.slice(..length)).is_err(),
                "cut at {length}"
            );
        }
    }

    #[test]
    fn unknown_flags_and_left_over_bytes_are_refused() {
        let refused = |bytes: &'static [u8]| Properties::from_bytes(Bytes::from_static(bytes));
        assert_eq!(
            refused(&[0, 1, 0, 0]),
            Err(PropertiesError::UnknownFlags(1))
        );
        assert_eq!(refused(&[0, 0, 7]), Err(PropertiesError::Length));
        for read_by_the_server in [REPLY_TO, EXPIRATION, USER_ID] {
            let [high, low] = read_by_the_server.to_be_bytes();
            let bytes = Bytes::copy_from_slice(&[high, low, 1, 0xff]);
            assert_eq!(Properties::from_bytes(bytes), Err(PropertiesError::NotUtf8));
        }
    }

    #[test]
    fn what_only_clients_read_may_be_any_bytes() {
        let bytes = Bytes::from_static(&[0x84, 0, 1, 0xff, 2, 0xfe, 0xfd]);
        let properties = Properties::from_bytes(bytes.clone()).expect("opaque");
        assert_eq!(properties.as_bytes(), &bytes);
        assert_eq!(properties.correlation_id(), None);
        assert_eq!(PropertiesBuilder::from(&properties).build(), properties);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(properties) = Properties::from_bytes(bytes.into()) {
                prop_assert_eq!(&PropertiesBuilder::from(&properties).build(), &properties);
            }
        }
    }
}
