//! `landfall status`: one look at a running server: what there is, how much goes through it, what should be looked at.

use super::AdminServer;
use super::api::Api;
use super::table::{cell, say, table};
use super::{figure, sight};
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

/// It answers, and something should be looked at.
const ATTENTION: u8 = 3;

/// The options of `landfall status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    server: AdminServer,
}

/// Runs `landfall status`.
///
/// # Errors
/// If no server answers, or does not let the user in.
pub fn status(args: StatusArgs) -> Result<ExitCode> {
    let api = Api::new(&args.server);
    let overview = api.get("/api/overview")?;
    let nodes = api.get("/api/nodes")?;
    let node = { nodes.as_array().into_iter().flatten() }
        .find(|node| node["name"] == overview["node"])
        .cloned()
        .unwrap_or_default();
    let now = sight::latest(&api)?;
    if args.server.json {
        let all = json!({"overview": overview, "node": node, "now": now});
        say(&format!("{all:#}"))?;
    } else {
        say(everything(&overview, &node, &now).trim_end())?;
    }
    Ok(if sight::attention(&now).is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ATTENTION)
    })
}

fn everything(overview: &Value, node: &Value, now: &Value) -> String {
    let mut text = String::new();
    let uptime = Duration::from_millis(node["uptime"].as_u64().unwrap_or_default());
    let mut add = |line: String| writeln!(text, "{line}").expect("strings take everything");
    add(format!(
        "Landfall {} on {}, up {}",
        cell(&overview["landfall_version"]),
        cell(&overview["node"]),
        figure::span(uptime)
    ));
    add(format!(
        "memory {} of {}, files {} of {}",
        bytes(&node["mem_used"]),
        bytes(&node["mem_limit"]),
        cell(&node["fd_used"]),
        cell(&node["fd_total"]),
    ));
    text.push('\n');
    text.push_str(&counts(
        now,
        &["queues", "connections", "channels", "consumers"],
    ));
    text.push('\n');
    text.push_str(&counts(
        &now["totals"],
        &["ready", "unacked", "delayed", "parked"],
    ));
    text.push('\n');
    text.push_str(&rates(&now["rates"]));
    for what in sight::attention(now) {
        writeln!(text, "! {what}").expect("strings take everything");
    }
    text
}

fn counts(of: &Value, names: &[&str]) -> String {
    let row = names.iter().map(|name| {
        let count = of[*name].as_u64().map(figure::count);
        ((*name).to_owned(), count.into())
    });
    table(&json!([row.collect::<Map<_, _>>()]), names)
}

/// Messages a second.
fn rates(rates: &Value) -> String {
    const COLUMNS: [&str; 5] = [
        "publish/s",
        "confirm/s",
        "deliver/s",
        "ack/s",
        "redeliver/s",
    ];
    let row = COLUMNS.iter().map(|column| {
        let rate = rates[column.trim_end_matches("/s")].as_f64();
        ((*column).to_owned(), rate.map(figure::rate).into())
    });
    table(&json!([row.collect::<Map<_, _>>()]), &COLUMNS)
}

fn bytes(value: &Value) -> String {
    value.as_u64().map_or_else(String::new, figure::size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_for_people() {
        let overview = json!({"landfall_version": "0.1.0", "node": "node-1"});
        let node = json!({
            "uptime": 3_700_000, "mem_used": 300 << 20, "mem_limit": 8_u64 << 30,
            "fd_used": 12, "fd_total": 1024,
        });
        let now = json!({
            "queues": 3, "connections": 12, "channels": 14, "consumers": 9,
            "totals": {"ready": 120_000, "unacked": 7, "delayed": 0, "parked": 2},
            "rates": {"publish": 4000.0, "confirm": 4000, "deliver": 3999.5, "ack": 3999, "redeliver": 0},
            "alarms": [{"what": "memory is short", "do": "Let consumers take messages."}],
        });
        expect_test::expect![[r#"
            Landfall 0.1.0 on node-1, up 1h 1m
            memory 300.0 MiB of 8.0 GiB, files 12 of 1024

            queues  connections  channels  consumers
            3       12           14        9

            ready    unacked  delayed  parked
            120,000  7        0        2

            publish/s  confirm/s  deliver/s  ack/s  redeliver/s
            4,000      4,000      4,000      3,999  0
            ! memory is short. Let consumers take messages.
            ! out of attempts, and parked: 2. `landfall queue list` says where
        "#]]
        .assert_eq(&everything(&overview, &node, &now));
    }
}
