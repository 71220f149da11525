//! `landfall self-test`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::{print, say};
use anyhow::{Result, ensure};
use serde_json::json;

/// The options of `landfall self-test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: landfall self-test && echo it works")]
pub struct SelfTestArgs {
    /// The virtual host in which the message goes its way
    #[arg(long, value_name = "NAME", default_value = "/")]
    vhost: String,
    #[command(flatten)]
    server: AdminServer,
}

/// Has a server test itself, and prints what each check found.
///
/// # Errors
/// If something is wrong, or the server cannot be asked.
pub fn self_test(args: SelfTestArgs) -> Result<()> {
    let path = format!("/api/landfall/self-test/{}", part(&args.vhost));
    let told = Api::new(&args.server).act("POST", &path, &json!({}))?;
    if args.server.json {
        say(&format!("{told:#}"))?;
    } else {
        let columns = ["check", "ok", "took_ms", "says"];
        print(&args.server, &told["checks"], &columns)?;
    }
    ensure!(told["ok"] == true, "the server is not well");
    Ok(())
}
