//! `landfall connection`.

use super::AdminServer;
use super::api::{Api, part};
use super::consumer;
use super::table::{print, say};
use anyhow::{Result, bail};
use clap::Subcommand;

/// The options of `landfall connection`.
#[derive(Debug, clap::Args)]
pub struct ConnectionArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the connections of clients
    List,
    /// List consumers, and why one gets nothing: the same as `landfall consumer list`
    Consumers,
    /// Close a connection; its client is told the reason, with code 320, and most connect again
    Close {
        /// The connection's name, as `list` shows it
        name: String,
        /// What the client is told
        #[arg(long, value_name = "TEXT", default_value = "closed by an operator")]
        reason: String,
    },
}

/// Runs `landfall connection`.
///
/// # Errors
/// If there is no such connection, or the server cannot be asked.
pub fn connection(args: ConnectionArgs) -> Result<()> {
    let api = Api::new(&args.server);
    match args.action {
        Action::List => print(
            &args.server,
            &api.get("/api/connections")?,
            &["name", "user", "vhost", "state", "channels", "protocol"],
        ),
        Action::Consumers => consumer::list(&args.server, &api, None),
        Action::Close { name, reason } => {
            let path = format!("/api/connections/{}", part(&name));
            if api.find(&path)?.is_none() {
                bail!("there is no connection '{name}'");
            }
            api.close(&path, &reason)?;
            say(&format!("connection '{name}' is closed"))
        }
    }
}
