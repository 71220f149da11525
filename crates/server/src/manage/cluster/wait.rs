//! Waiting until the controller has done what it was asked for, and saying what moved.

use super::super::AdminServer;
use super::super::api::Api;
use super::super::table::{cell, print};
use super::status_of;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the cluster is asked.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Waits until a node owns nothing, and others have what it had.
pub(super) fn for_drain(
    server: &AdminServer,
    api: &Api,
    before: &Value,
    node: &str,
    patience: Duration,
) -> Result<()> {
    wait(server, api, before, patience, |now| {
        let draining =
            all(now, "members").any(|one| one["node"] == node && one["state"] == "draining");
        let gone = !all(now, "members").any(|one| one["node"] == node);
        let owns = |one: &&Value| one["owner"] == node || one["taken_by"] == node;
        let left = all(now, "shards").find(owns);
        match left {
            Some(shard) => Err(format!("{node} still has shard {}", cell(&shard["shard"]))),
            None if draining || gone => Ok(()),
            None => Err(format!("{node} has not been told yet")),
        }
    })
}

/// Waits until the request has been done.
pub(super) fn for_rebalance(
    server: &AdminServer,
    api: &Api,
    before: &Value,
    patience: Duration,
) -> Result<()> {
    // The answer of the request came when it stood in ZooKeeper; this node may hear of it a little later.
    sleep(ASK_EVERY);
    wait(server, api, before, patience, |now| {
        let asked = all(now, "requests").any(|one| one["request"] == "rebalance");
        let moving = all(now, "shards").any(|one| one["state"] != "served");
        match (asked, moving) {
            (true, _) => Err("the request is not done".to_owned()),
            (false, true) => Err("not all is served".to_owned()),
            (false, false) => Ok(()),
        }
    })
}

fn wait(
    server: &AdminServer,
    api: &Api,
    before: &Value,
    patience: Duration,
    is_done: impl Fn(&Value) -> Result<(), String>,
) -> Result<()> {
    let began = Instant::now();
    loop {
        // While what this node passes requests on to moves, nobody may be there to say who asks.
        let why = match status_of(api) {
            Ok(now) => match is_done(&now) {
                Ok(()) => return tell(server, before, &now),
                Err(why) => why,
            },
            Err(error) => error.to_string(),
        };
        if began.elapsed() > patience {
            bail!("after {patience:?}: {why} (landfall cluster status)");
        }
        sleep(ASK_EVERY);
    }
}

/// Says what has another owner than before.
fn tell(server: &AdminServer, before: &Value, now: &Value) -> Result<()> {
    let moved: Vec<Value> = moved(before, now);
    if moved.is_empty() && !server.json {
        return super::say("nothing had to move");
    }
    print(
        server,
        &Value::Array(moved),
        &["shard", "from", "to", "epoch"],
    )
}

fn moved(before: &Value, now: &Value) -> Vec<Value> {
    let pairs = all(before, "shards").zip(all(now, "shards"));
    pairs
        .filter(|(old, new)| old["taken_by"] != new["taken_by"])
        .map(|(old, new)| {
            json!({
                "shard": new["shard"],
                "from": old["taken_by"],
                "to": new["taken_by"],
                "epoch": new["taken_epoch"],
            })
        })
        .collect()
}

fn all<'a>(found: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    found[key].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_is_what_another_node_has_taken() {
        let shard = |shard: u32, by: &str, epoch: u64| json!({"shard": shard, "taken_by": by, "taken_epoch": epoch});
        let before = json!({"shards": [shard(0, "a", 1), shard(1, "b", 1)]});
        let now = json!({"shards": [shard(0, "c", 2), shard(1, "b", 3)]});
        let expected = json!([{"shard": 0, "from": "a", "to": "c", "epoch": 2}]);
        assert_eq!(Value::Array(moved(&before, &now)), expected);
    }
}
