//! Field tables: kept as the bytes they came in, checked once, walked without recursion.
//!
//! ```text
//! table = { short-string key, value }       (without the four length octets in front)
//! value = type octet, data:
//!   t bool      b i8    B u8    s i16   u u16   I i32   i u32   l L i64   f f32   d f64
//!   D scale u8, i32     S x u32 length, bytes    T u64 seconds   V nothing
//!   A u32 length, values                         F u32 length, table
//! ```
//! This is RabbitMQ's dialect (rabbit_binary_parser), which every client speaks: `s` is a 16-bit integer, not
//! a short string, and `l` is signed.

mod array;
pub use array::ArrayBuilder;

use crate::limits::TABLE_DEPTH_MAX;
use bytes::{BufMut, Bytes, BytesMut};

/// A field table: valid bytes, shared with the buffer they came in. Equality is equality of bytes; compare
/// values where integers of different width should count as equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldTable(Bytes);

/// Why bytes are not a field table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A length points past the end, or the bytes stop inside a value.
    #[error("field table is cut short")]
    Short,
    /// A type octet that nobody defines.
    #[error("unknown field type 0x{0:02x}")]
    UnknownType(u8),
    /// A key is not UTF-8.
    #[error("field table key is not UTF-8")]
    KeyNotUtf8,
    /// Tables and arrays nested deeper than [`TABLE_DEPTH_MAX`].
    #[error("field table is nested more than {TABLE_DEPTH_MAX} deep")]
    TooDeep,
}

/// A value of a field table, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the types'")]
pub enum Value<'a> {
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    Decimal {
        scale: u8,
        value: i32,
    },
    /// Text by convention, any bytes by the standard.
    Str(&'a [u8]),
    ByteArray(&'a [u8]),
    /// Seconds since 1970.
    Timestamp(u64),
    Void,
    Array(Values<'a>),
    Table(Fields<'a>),
}

impl<'a> Value<'a> {
    /// The number, whatever the width it was sent in. `None` for what is not an integer.
    pub fn as_integer(self) -> Option<i64> {
        match self {
            Self::I8(n) => Some(n.into()),
            Self::U8(n) => Some(n.into()),
            Self::I16(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::I32(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::I64(n) => Some(n),
            _ => None,
        }
    }

    /// The text of a long string that is UTF-8.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The name of its type, as RabbitMQ's error texts tell it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::Str(_) => "longstr",
            Self::ByteArray(_) => "binary",
            Self::Timestamp(_) => "timestamp",
            Self::Void => "void",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
        }
    }

    /// Whether two values say the same, as RabbitMQ sees it: integers, and floating-point numbers, by value,
    /// whatever their width; a string and a byte array by their bytes.
    pub fn same(self, other: Value<'_>) -> bool {
        match (self.as_integer(), other.as_integer()) {
            (Some(a), Some(b)) => return a == b,
            (None, None) => {}
            _ => return false,
        }
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::F32(a), Value::F32(b)) => a == b,
            (Value::F64(a), Value::F64(b)) => a == b,
            (Value::F32(a), Value::F64(b)) | (Value::F64(b), Value::F32(a)) => f64::from(a) == b,
            (Value::Decimal { scale: a, value: b }, Value::Decimal { scale: c, value: d }) => {
                (a, b) == (c, d)
            }
            (Value::Str(a) | Value::ByteArray(a), Value::Str(b) | Value::ByteArray(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Void, Value::Void) => true,
            (Value::Array(a), Value::Array(b)) => a.bytes == b.bytes,
            (Value::Table(a), Value::Table(b)) => a.bytes == b.bytes,
            _ => false,
        }
    }
}

impl FieldTable {
    /// The empty table.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Shares `bytes` (without the length octets) after checking every value in them.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, TableError> {
        check(&bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes, without the length octets.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Whether it has no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields in the order they came.
    pub fn iter(&self) -> Fields<'_> {
        Fields { bytes: &self.0 }
    }

    /// The first field of that name.
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.iter().get(name)
    }

    /// A copy that does not keep the buffer alive that this one came in.
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl<'a> IntoIterator for &'a FieldTable {
    type Item = (&'a str, Value<'a>);
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

/// The fields of a valid table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads a table that was checked before, as a part of something larger.
    pub(crate) const fn of_checked(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The first field of that name.
    pub fn get(mut self, name: &str) -> Option<Value<'a>> {
        self.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// A table of the fields of other names, each as it came.
    pub fn without(mut self, name: &str) -> FieldTable {
        let mut kept = BytesMut::with_capacity(self.bytes.len());
        loop {
            let before = self.bytes;
            let Some((key, _)) = self.next() else {
                return FieldTable(kept.freeze());
            };
            if key != name {
                kept.put_slice(&before[..before.len() - self.bytes.len()]);
            }
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (&length, rest) = self.bytes.split_first()?;
        let (key, rest) = rest.split_at(length.into());
        self.bytes = rest;
        let key = std::str::from_utf8(key).expect("keys were checked when the table was made");
        Some((key, take_value(&mut self.bytes)))
    }
}

/// The values of a valid array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        Some(take_value(&mut self.bytes))
    }
}

/// Takes `N` bytes that are known to be there.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (head, rest) = bytes
        .split_first_chunk()
        .expect("lengths were checked when the table was made");
    *bytes = rest;
    *head
}

fn take_long<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = u32::from_be_bytes(take(bytes)) as usize;
    let (head, rest) = bytes.split_at(length);
    *bytes = rest;
    head
}

fn take_value<'a>(bytes: &mut &'a [u8]) -> Value<'a> {
    let [kind] = take(bytes);
    match kind {
        b't' => Value::Bool(take::<1>(bytes) != [0]),
        b'b' => Value::I8(i8::from_be_bytes(take(bytes))),
        b'B' => Value::U8(u8::from_be_bytes(take(bytes))),
        b's' => Value::I16(i16::from_be_bytes(take(bytes))),
        b'u' => Value::U16(u16::from_be_bytes(take(bytes))),
        b'I' => Value::I32(i32::from_be_bytes(take(bytes))),
        b'i' => Value::U32(u32::from_be_bytes(take(bytes))),
        b'l' | b'L' => Value::I64(i64::from_be_bytes(take(bytes))),
        b'f' => Value::F32(f32::from_be_bytes(take(bytes))),
        b'd' => Value::F64(f64::from_be_bytes(take(bytes))),
        b'D' => {
            let [scale] = take(bytes);
            Value::Decimal {
                scale,
                value: i32::from_be_bytes(take(bytes)),
            }
        }
        b'S' => Value::Str(take_long(bytes)),
        b'x' => Value::ByteArray(take_long(bytes)),
        b'T' => Value::Timestamp(u64::from_be_bytes(take(bytes))),
        b'A' => Value::Array(Values {
            bytes: take_long(bytes),
        }),
        b'F' => Value::Table(Fields {
            bytes: take_long(bytes),
        }),
        b'V' => Value::Void,
        _ => unreachable!("types were checked when the table was made"),
    }
}

/// What is being walked at one depth: where it ends, and whether its values have keys.
#[derive(Clone, Copy)]
struct Level {
    end: usize,
    keyed: bool,
}

/// Checks a whole table with a stack of fixed size.
pub(crate) fn check(bytes: &[u8]) -> Result<(), TableError> {
    let mut levels = [Level {
        end: bytes.len(),
        keyed: true,
    }; TABLE_DEPTH_MAX];
    let mut depth = 0;
    let mut at = 0;
    loop {
        while at == levels[depth].end {
            let Some(outer) = depth.checked_sub(1) else {
                return Ok(());
            };
            depth = outer;
        }
        let level = levels[depth];
        let within = &bytes[..level.end];
        if level.keyed {
            at = check_key(within, at)?;
        }
        let kind = *within.get(at).ok_or(TableError::Short)?;
        let data = at + 1;
        at = data + data_length(kind, within, data)?;
        if at > level.end {
            return Err(TableError::Short);
        }
        if matches!(kind, b'A' | b'F') {
            depth += 1;
            let inner = levels.get_mut(depth).ok_or(TableError::TooDeep)?;
            *inner = Level {
                end: at,
                keyed: kind == b'F',
            };
            at = data + 4;
        }
    }
}

fn check_key(within: &[u8], at: usize) -> Result<usize, TableError> {
    let length: usize = (*within.get(at).ok_or(TableError::Short)?).into();
    let key = within
        .get(at + 1..at + 1 + length)
        .ok_or(TableError::Short)?;
    std::str::from_utf8(key).map_err(|_| TableError::KeyNotUtf8)?;
    Ok(at + 1 + length)
}

/// How many bytes a value of type `kind` takes that starts at `data`, length octets included.
fn data_length(kind: u8, within: &[u8], data: usize) -> Result<usize, TableError> {
    Ok(match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'S' | b'x' | b'A' | b'F' => {
            let octets = within
                .get(data..)
                .and_then(|rest| rest.first_chunk())
                .ok_or(TableError::Short)?;
            4 + u32::from_be_bytes(*octets) as usize
        }
        unknown => return Err(TableError::UnknownType(unknown)),
    })
}

/// Writes a field table.
#[derive(Clone, Debug, Default)]
pub struct TableBuilder(BytesMut);

impl TableBuilder {
    /// An empty table to add to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    ///
    /// # Panics
    /// If `key` is over 255 bytes or a string over 4 GiB.
    pub fn field(mut self, key: &str, value: Value<'_>) -> Self {
        self.0
            .put_u8(u8::try_from(key.len()).expect("a key is at most 255 bytes"));
        self.0.put_slice(key.as_bytes());
        put_value(&mut self.0, value);
        self
    }

    /// Adds a text field.
    pub fn text(self, key: &str, text: &str) -> Self {
        self.field(key, Value::Str(text.as_bytes()))
    }

    /// Adds a nested table.
    pub fn table(self, key: &str, table: &FieldTable) -> Self {
        self.field(key, Value::Table(table.iter()))
    }

    /// The table.
    ///
    /// # Panics
    /// If nested tables made it deeper than [`TABLE_DEPTH_MAX`].
    pub fn build(self) -> FieldTable {
        FieldTable::from_bytes(self.0.freeze())
            .expect("built from valid values, not nested too deep")
    }
}

fn put_value(out: &mut BytesMut, value: Value<'_>) {
    match value {
        Value::Bool(flag) => out.put_slice(&[b't', flag.into()]),
        Value::I8(n) => put(out, b'b', &n.to_be_bytes()),
        Value::U8(n) => put(out, b'B', &n.to_be_bytes()),
        Value::I16(n) => put(out, b's', &n.to_be_bytes()),
        Value::U16(n) => put(out, b'u', &n.to_be_bytes()),
        Value::I32(n) => put(out, b'I', &n.to_be_bytes()),
        Value::U32(n) => put(out, b'i', &n.to_be_bytes()),
        Value::I64(n) => put(out, b'l', &n.to_be_bytes()),
        Value::F32(n) => put(out, b'f', &n.to_be_bytes()),
        Value::F64(n) => put(out, b'd', &n.to_be_bytes()),
        Value::Decimal { scale, value } => {
            put(out, b'D', &[scale]);
            out.put_i32(value);
        }
        Value::Str(text) => put_long(out, b'S', text),
        Value::ByteArray(bytes) => put_long(out, b'x', bytes),
        Value::Timestamp(seconds) => put(out, b'T', &seconds.to_be_bytes()),
        Value::Void => out.put_u8(b'V'),
        Value::Array(values) => put_long(out, b'A', values.bytes),
        Value::Table(fields) => put_long(out, b'F', fields.bytes),
    }
}

fn put(out: &mut BytesMut, kind: u8, data: &[u8]) {
    out.put_u8(kind);
    out.put_slice(data);
}

fn put_long(out: &mut BytesMut, kind: u8, data: &[u8]) {
    out.put_u8(kind);
    out.put_u32(u32::try_from(data.len()).expect("a value is under 4 GiB"));
    out.put_slice(data);
}

#[cfg(test)]
mod tests;
