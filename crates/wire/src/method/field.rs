//! The fields of methods: reading that fails instead of panicking, and writing.

use super::put_short;
use bytes::{BufMut, Bytes, BytesMut};
use model::table::TableError;
use model::{ConnectionError, DeliveryTag, FieldTable, MethodId, ReplyCode, ShortStr};
use std::ops::Range;

/// Why a payload is not what its frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The payload ends inside a field.
    #[error("the frame is cut short")]
    Short,
    /// Octets are left behind the last field.
    #[error("the frame is longer than its fields")]
    LeftOver,
    /// A short string is not UTF-8.
    #[error("Malformed UTF-8 in shortstr")]
    NotUtf8,
    /// A field table is malformed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A content header's properties are malformed.
    #[error(transparent)]
    Properties(#[from] model::PropertiesError),
}

impl Malformed {
    /// The error that answers it: RabbitMQ's code where it has one.
    pub(crate) fn in_method(self, id: MethodId) -> ConnectionError {
        let code = match self {
            Self::Short | Self::LeftOver | Self::NotUtf8 => ReplyCode::FrameError,
            Self::Table(_) | Self::Properties(_) => ReplyCode::SyntaxError,
        };
        ConnectionError::new(code, self, id)
    }
}

/// Reads the fields of one payload in a buffer that it shares with what it returns.
pub(crate) struct Reader<'a> {
    buffer: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(buffer: &'a Bytes, payload: Range<usize>) -> Self {
        Self {
            buffer,
            rest: &buffer[payload],
        }
    }

    /// What is left, shared.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        let rest = std::mem::take(&mut self.rest);
        self.buffer.slice_ref(rest)
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed::LeftOver)
        }
    }

    pub(crate) fn method_id(&mut self) -> Result<MethodId, Malformed> {
        Ok(MethodId::new(self.number()?, self.number()?))
    }

    pub(crate) fn number<N: Number>(&mut self) -> Result<N, Malformed> {
        N::take(&mut self.rest).ok_or(Malformed::Short)
    }

    fn shared(&mut self, length: usize) -> Result<Bytes, Malformed> {
        let (octets, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(self.buffer.slice_ref(octets))
    }

    fn long_string(&mut self) -> Result<Bytes, Malformed> {
        let length: u32 = self.number()?;
        self.shared(length as usize)
    }
}

/// An integer, big-endian.
pub(crate) trait Number: Sized {
    fn take(rest: &mut &[u8]) -> Option<Self>;
}

/// A field of a method that is not a bit.
pub(crate) trait Field: Sized {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
    fn write(&self, out: &mut BytesMut);
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Number for $number {
            fn take(rest: &mut &[u8]) -> Option<Self> {
                let (head, tail) = rest.split_first_chunk()?;
                *rest = tail;
                Some(Self::from_be_bytes(*head))
            }
        }

        impl Field for $number {
            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                reader.number()
            }

            fn write(&self, out: &mut BytesMut) {
                out.put_slice(&self.to_be_bytes());
            }
        })*
    };
}

numbers!(u8, u16, u32, u64);

impl Field for DeliveryTag {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.number().map(Self)
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u64(self.0);
    }
}

impl Field for ShortStr {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length: u8 = reader.number()?;
        let text = reader.shared(length.into())?;
        Self::from_bytes(text).map_err(|_| Malformed::NotUtf8)
    }

    fn write(&self, out: &mut BytesMut) {
        put_short(out, self.as_bytes());
    }
}

impl Field for Bytes {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.long_string()
    }

    fn write(&self, out: &mut BytesMut) {
        put_long(out, self);
    }
}

impl Field for FieldTable {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self::from_bytes(reader.long_string()?)?)
    }

    fn write(&self, out: &mut BytesMut) {
        put_long(out, self.as_bytes());
    }
}

fn put_long(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).expect("a field is under 4 GiB"));
    out.put_slice(bytes);
}

/// One octet of bits, the first one lowest.
pub(crate) struct Bits(u8);

impl Bits {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.number().map(Self)
    }

    pub(crate) fn next(&mut self) -> bool {
        let bit = self.0 & 1 != 0;
        self.0 >>= 1;
        bit
    }

    pub(crate) fn write(out: &mut BytesMut, bits: &[bool]) {
        let octet = bits
            .iter()
            .rev()
            .fold(0, |octet, &bit| octet << 1 | u8::from(bit));
        out.put_u8(octet);
    }
}
