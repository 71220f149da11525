//! `landfall operations`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::print;
use anyhow::Result;
use serde_json::Value;

/// The most that the API tells at a time.
const PAGE_MAX: usize = 1000;

/// The options of `landfall operations`.
#[derive(Debug, clap::Args)]
pub struct OperationsArgs {
    /// Only those of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only those with this in their path, as in `/api/queues/`
    #[arg(long, value_name = "TEXT")]
    path: Option<String>,
    /// Only those that were refused or failed
    #[arg(long)]
    failed: bool,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Only those from before this time in milliseconds, or behind the last one of an earlier list: its at and number with
    /// a dot between them
    #[arg(long, value_name = "PLACE")]
    before: Option<String>,
    #[command(flatten)]
    server: AdminServer,
}

/// Prints what operators did at a node, the newest first.
///
/// # Errors
/// If the server cannot be asked.
pub fn operations(args: OperationsArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let mut filter = String::new();
    for (name, value) in [("user", &args.user), ("path", &args.path)] {
        if let Some(value) = value {
            filter.push_str(&format!("&{name}={}", part(value)));
        }
    }
    if args.failed {
        filter.push_str("&outcome=failed");
    }
    let mut all: Vec<Value> = Vec::new();
    let mut before = args.before.map(|before| part(&before));
    while all.len() < args.limit {
        let limit = (args.limit - all.len()).min(PAGE_MAX);
        let mut path = format!("/api/landfall/operations?limit={limit}{filter}");
        if let Some(before) = &before {
            path.push_str(&format!("&before={before}"));
        }
        let mut found = api.get(&path)?;
        if let Value::Array(some) = found["operations"].take() {
            all.extend(some);
        }
        match found["next"].as_str() {
            Some(next) => before = Some(part(next)),
            None => break,
        }
    }
    let columns = [
        "time", "user", "address", "method", "path", "vhost", "name", "status", "error",
    ];
    print(&args.server, &Value::Array(all), &columns)
}
