//! A password on its way from the client to the one comparison.

use std::fmt;

/// A password, kept out of logs: its `Debug` form tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The password as it came.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
