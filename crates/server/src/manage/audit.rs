//! `landfall audit`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::{print, say};
use anyhow::{Result, ensure};
use serde_json::Value;

/// The options of `landfall audit`.
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// Only the queues of this virtual host
    #[arg(long, value_name = "NAME")]
    vhost: Option<String>,
    /// Only this queue, of the virtual host / unless another is named
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    #[command(flatten)]
    server: AdminServer,
}

/// Prints what each queue accepted, how many of these messages ended, by how, and how many are here.
///
/// # Errors
/// If there is a difference, or the server cannot be asked.
pub fn audit(args: AuditArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let path = match (args.vhost, args.queue) {
        (None, None) => "/api/landfall/audit".to_owned(),
        (Some(vhost), None) => format!("/api/landfall/audit/{}", part(&vhost)),
        (vhost, Some(queue)) => {
            let vhost = vhost.unwrap_or_else(|| "/".to_owned());
            format!("/api/landfall/audit/{}/{}", part(&vhost), part(&queue))
        }
    };
    let found = api.get(&path)?;
    if args.server.json {
        say(&format!("{found:#}"))?;
    } else {
        let mut lines = found["queues"].as_array().cloned().unwrap_or_default();
        let mut total = found["total"].clone();
        total["name"] = "all of these".into();
        lines.push(total);
        let columns = [
            "vhost",
            "name",
            "in",
            "acknowledged",
            "expired",
            "dead_lettered",
            "dropped",
            "redriven",
            "moved",
            "here",
            "ready",
            "unacked",
            "delayed",
            "parked",
            "leaving",
            "surplus",
        ];
        print(&args.server, &Value::Array(lines), &columns)?;
    }
    ensure!(
        found["balanced"] == true,
        "a queue does not hold what it accepted less what ended (see surplus): this is a defect, please report it"
    );
    Ok(())
}
