//! `landfall channel`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::print;
use anyhow::Result;
use clap::Subcommand;

/// The options of `landfall channel`.
#[derive(Debug, clap::Args)]
pub struct ChannelArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the channels of clients: what is not acknowledged and not confirmed on them
    List {
        /// Only those in this virtual host
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
    },
}

/// Runs `landfall channel`.
///
/// # Errors
/// If the server cannot be asked.
pub fn channel(args: ChannelArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let Action::List { vhost } = args.action;
    let path = match vhost {
        Some(vhost) => format!("/api/vhosts/{}/channels", part(&vhost)),
        None => "/api/channels".to_owned(),
    };
    let columns = [
        "name",
        "user",
        "vhost",
        "consumer_count",
        "prefetch_count",
        "messages_unacknowledged",
        "messages_unconfirmed",
        "confirm",
        "transactional",
    ];
    print(&args.server, &api.get(&path)?, &columns)
}
