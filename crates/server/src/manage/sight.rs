//! What a server has seen of itself, second by second.

use super::api::Api;
use super::figure::count;
use super::table::cell;
use anyhow::{Context, Result};
use serde_json::Value;

/// The last minutes, the oldest second first.
pub(super) fn of_minutes(api: &Api, minutes: u32) -> Result<Vec<Value>> {
    let mut seen = api.get(&format!("/api/landfall/history?minutes={minutes}"))?;
    match seen["samples"].take() {
        Value::Array(seconds) => Ok(seconds),
        _ => Ok(Vec::new()),
    }
}

/// The last second.
pub(super) fn latest(api: &Api) -> Result<Value> {
    let last = of_minutes(api, 1)?.pop();
    last.context("the server has not looked at itself yet: ask again in a second")
}

/// What should be looked at, and what to do about it: empty where all is well.
pub(super) fn attention(second: &Value) -> Vec<String> {
    let alarms = second["alarms"].as_array().into_iter().flatten();
    let mut told: Vec<String> = alarms
        .map(|alarm| format!("{}. {}", cell(&alarm["what"]), cell(&alarm["do"])))
        .collect();
    let parked = second["totals"]["parked"].as_u64().unwrap_or_default();
    if parked > 0 {
        let parked = count(parked);
        told.push(format!(
            "out of attempts, and parked: {parked}. `landfall queue list` says where"
        ));
    }
    told
}
