//! What a server has seen of itself, second by second.

use super::api::Api;
use anyhow::{Context, Result};
use serde_json::Value;

/// The last minutes, the oldest second first.
pub(super) fn of_minutes(api: &Api, minutes: u32) -> Result<Vec<Value>> {
    let seen = api.get(&format!("/api/landfall/history?minutes={minutes}"))?;
    match seen {
        Value::Array(seconds) => Ok(seconds),
        _ => Ok(Vec::new()),
    }
}

/// The last second.
pub(super) fn latest(api: &Api) -> Result<Value> {
    let last = of_minutes(api, 1)?.pop();
    last.context("the server has not looked at itself yet: ask again in a second")
}
