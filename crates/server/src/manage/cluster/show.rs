//! A cluster's status for people.

use super::super::figure::span;
use super::super::table::{cell, table};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// Everything, in a few tables.
pub(super) fn everything(found: &Value) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    everything_at(found, now)
}

fn everything_at(found: &Value, now: Duration) -> String {
    let mut text = String::new();
    text.push_str(&members(found, now));
    text.push('\n');
    let databases = found["databases"].as_array();
    let databases: Vec<&Value> = databases.into_iter().flatten().collect();
    let is_one_of_several = databases.len() > 1;
    let mut columns = vec![
        "shard",
        "state",
        "owner",
        "epoch",
        "taken_by",
        "taken_epoch",
    ];
    if is_one_of_several {
        columns.insert(1, "database");
    }
    text.push_str(&table(&found["shards"], &columns));
    text.push('\n');
    text.push_str(&zookeeper(&found["zookeeper"]));
    for (place, one) in databases.into_iter().enumerate() {
        let name = match is_one_of_several {
            true => format!("database {place}, "),
            false => "database ".to_owned(),
        };
        text.push_str(&database(&name, one));
    }
    for request in found["requests"].as_array().into_iter().flatten() {
        let node = cell(&request["node"]);
        let line = format!("in progress: {} {node}", cell(&request["request"]));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for what in found["attention"].as_array().into_iter().flatten() {
        say(&mut text, &format!("! {}", cell(what)));
    }
    text
}

fn say(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("strings take everything");
}

fn members(found: &Value, now: Duration) -> String {
    let rows = found["members"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let mut row = one.as_object().cloned().unwrap_or_default();
            let since = Duration::from_millis(one["since"].as_u64().unwrap_or_default());
            row.insert("up".into(), span(now.saturating_sub(since)).into());
            if one["node"] == found["controller"] {
                row.insert("role".into(), "controller".into());
            }
            row.entry("role").or_insert(Value::Null);
            Value::Object(row)
        });
    let columns = [
        "node", "state", "role", "up", "amqp", "inner", "admin", "program", "format", "protocol",
    ];
    table(&rows.collect(), &columns)
}

fn zookeeper(found: &Value) -> String {
    let mut text = String::new();
    let hosts = cell(&found["hosts"]);
    match found["silent_seconds"].as_u64() {
        Some(seconds) => say(
            &mut text,
            &format!("ZooKeeper {hosts}: silent for {seconds} s"),
        ),
        None => say(&mut text, &format!("ZooKeeper {hosts}: connected")),
    }
    text
}

fn database(name: &str, found: &Value) -> String {
    let mut text = String::new();
    let hosts = cell(&found["hosts"]);
    if found["state"] != "connected" {
        say(&mut text, &format!("{name}{hosts}: silent"));
        return text;
    }
    let version = cell(&found["version"]);
    let primary = match &found["primary"] {
        Value::String(primary) => format!(", primary {primary}"),
        _ => String::new(),
    };
    say(
        &mut text,
        &format!("{name}{hosts}: PostgreSQL {version}{primary}"),
    );
    let standbys = found["standbys"].as_array().into_iter().flatten();
    let standbys: Vec<Value> = standbys.map(standby).collect();
    if standbys.is_empty() {
        say(&mut text, "it has no standby");
    } else {
        let columns = ["standby", "address", "state", "sync", "lag"];
        text.push_str(&table(&Value::Array(standbys), &columns));
    }
    text
}

fn standby(one: &Value) -> Value {
    let mut row = Map::new();
    row.insert("standby".into(), one["name"].clone());
    for key in ["address", "state", "sync"] {
        row.insert(key.into(), one[key].clone());
    }
    let lag = one["lag_ms"].as_u64();
    row.insert("lag".into(), lag.map(|ms| format!("{ms} ms")).into());
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_for_people() {
        let member = |node: &str, state: &str| {
            json!({
                "node": node, "state": state, "since": 1_000_000, "amqp": format!("{node}:5672"),
                "inner": format!("{node}:25672"), "admin": format!("{node}:15672"),
                "program": "0.1.0", "format": 2, "protocol": 1,
            })
        };
        let found = json!({
            "controller": "b",
            "members": [member("a", "active"), member("b", "draining")],
            "shards": [{
                "shard": 0, "state": "moving", "owner": "a", "epoch": 4, "taken_by": "b", "taken_epoch": 3,
            }],
            "requests": [{"request": "drain", "node": "b"}, {"request": "rebalance"}],
            "zookeeper": {"hosts": ["zk1:2181"], "silent_seconds": null},
            "databases": [{
                "state": "connected", "hosts": ["db1:5432", "db2:5432"], "version": "15.4",
                "primary": "10.0.0.1:5432",
                "standbys": [{"name": "db2", "address": "10.0.0.2", "state": "streaming", "sync": "quorum", "lag_ms": 3}],
            }],
            "attention": ["no other node could take over"],
        });
        let at = Duration::from_secs(1000 + 3 * 3600 + 62);
        expect_test::expect![[r#"
            node  state     role        up     amqp    inner    admin    program  format  protocol
            a     active                3h 1m  a:5672  a:25672  a:15672  0.1.0    2       1
            b     draining  controller  3h 1m  b:5672  b:25672  b:15672  0.1.0    2       1

            shard  state   owner  epoch  taken by  taken epoch
            0      moving  a      4      b         3

            ZooKeeper zk1:2181: connected
            database db1:5432,db2:5432: PostgreSQL 15.4, primary 10.0.0.1:5432
            standby  address   state      sync    lag
            db2      10.0.0.2  streaming  quorum  3 ms
            in progress: drain b
            in progress: rebalance
            ! no other node could take over
        "#]]
        .assert_eq(&everything_at(&found, at));
    }

    #[test]
    fn each_of_several_databases_is_told() {
        let shard = |shard: u32| {
            json!({
                "shard": shard, "database": shard % 2, "state": "served", "owner": "a", "epoch": 4,
                "taken_by": "a", "taken_epoch": 4,
            })
        };
        let found = json!({
            "members": [],
            "shards": [shard(0), shard(1), shard(2)],
            "zookeeper": {"hosts": ["zk1:2181"], "silent_seconds": 3},
            "databases": [
                {"state": "connected", "hosts": ["db1:5432"], "version": "15.4", "primary": null, "standbys": []},
                {"state": "silent", "hosts": ["db2:5432"]},
            ],
        });
        expect_test::expect![[r#"
            node  state  role  up  amqp  inner  admin  program  format  protocol

            shard  database  state   owner  epoch  taken by  taken epoch
            0      0         served  a      4      a         4
            1      1         served  a      4      a         4
            2      0         served  a      4      a         4

            ZooKeeper zk1:2181: silent for 3 s
            database 0, db1:5432: PostgreSQL 15.4
            it has no standby
            database 1, db2:5432: silent
        "#]]
        .assert_eq(&everything_at(&found, Duration::ZERO));
    }
}
