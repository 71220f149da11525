//! Writing the arrays of field tables.

use super::{Value, Values, put_value};
use bytes::BytesMut;

/// Writes an array, to be put into a table or another array as [`Value::Array`].
#[derive(Clone, Debug, Default)]
pub struct ArrayBuilder(BytesMut);

impl ArrayBuilder {
    /// An empty array to add to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value.
    ///
    /// # Panics
    /// If a string is over 4 GiB.
    pub fn value(mut self, value: Value<'_>) -> Self {
        put_value(&mut self.0, value);
        self
    }

    /// The values so far.
    pub fn values(&self) -> Values<'_> {
        Values { bytes: &self.0 }
    }
}
