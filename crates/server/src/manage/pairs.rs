//! Options of the form NAME=VALUE.

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// What is given, by name. A value is JSON where it can be, else text.
pub(super) fn pairs(option: &str, given: &[String]) -> Result<Map<String, Value>> {
    let each = given.iter().map(|pair| {
        let (name, value) = split(option, pair)?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        Ok((name.to_owned(), value))
    });
    each.collect()
}

/// The two sides of one.
pub(super) fn split<'a>(option: &str, pair: &'a str) -> Result<(&'a str, &'a str)> {
    pair.split_once('=')
        .with_context(|| format!("--{option} {pair}: expected NAME=VALUE"))
}
