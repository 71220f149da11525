//! Short strings: the names and keys of AMQP, at most 255 bytes of UTF-8.

use bytes::Bytes;
use std::borrow::Borrow;
use std::fmt;

/// A name or key: at most 255 bytes of UTF-8, sharing the buffer that it came in.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortStr(Bytes);

/// Text that does not fit a short string: over 255 bytes, or not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a short string is at most 255 bytes of UTF-8")]
pub struct TooLong;

impl ShortStr {
    /// The most bytes that a short string can hold.
    pub const MAX: usize = 255;

    /// The empty string: the default exchange's name.
    pub const fn empty() -> Self {
        Self(Bytes::new())
    }

    /// Text known when the program was written.
    ///
    /// # Panics
    /// If the text is over 255 bytes, which is a mistake in the program.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            text.len() <= Self::MAX,
            "a short string is at most 255 bytes"
        );
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Shares `bytes` after checking length and UTF-8.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, TooLong> {
        if bytes.len() > Self::MAX || std::str::from_utf8(&bytes).is_err() {
            return Err(TooLong);
        }
        Ok(Self(bytes))
    }

    /// Copies `text`, cut at a character's boundary so that it fits: for texts that people read.
    pub fn truncated(text: &str) -> Self {
        let mut end = text.len().min(Self::MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(Bytes::copy_from_slice(&text.as_bytes()[..end]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was made")
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy that does not keep the buffer alive that this one came in: for what is kept for long.
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl TryFrom<&str> for ShortStr {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        if text.len() > Self::MAX {
            return Err(TooLong);
        }
        Ok(Self(Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl std::ops::Deref for ShortStr {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Lets maps keyed by names be searched by bytes; equal and hashed alike, for both are the same bytes.
impl Borrow<[u8]> for ShortStr {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for ShortStr {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl PartialEq<&str> for ShortStr {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == *other.as_bytes()
    }
}

impl fmt::Display for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
