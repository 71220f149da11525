//! `landfall operations`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::print;
use anyhow::Result;

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
    #[command(flatten)]
    server: AdminServer,
}

/// Prints what operators did at a node, the newest first.
///
/// # Errors
/// If the server cannot be asked.
pub fn operations(args: OperationsArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let mut path = format!("/api/landfall/operations?limit={}", args.limit);
    for (name, value) in [("user", &args.user), ("path", &args.path)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", part(value)));
        }
    }
    if args.failed {
        path.push_str("&outcome=failed");
    }
    let found = api.get(&path)?;
    let columns = ["time", "user", "address", "method", "path", "status"];
    print(&args.server, &found["operations"], &columns)
}
