//! `landfall consumer`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::print;
use anyhow::Result;
use clap::Subcommand;

/// The options of `landfall consumer`.
#[derive(Debug, clap::Args)]
pub struct ConsumerArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List consumers, and why one gets nothing
    List {
        /// Only those of this virtual host's queues
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
    },
}

/// Runs `landfall consumer`.
///
/// # Errors
/// If the server cannot be asked.
pub fn consumer(args: ConsumerArgs) -> Result<()> {
    let Action::List { vhost } = args.action;
    list(&args.server, &Api::new(&args.server), vhost.as_deref())
}

/// Prints all of them, or those of a virtual host.
pub(super) fn list(server: &AdminServer, api: &Api, vhost: Option<&str>) -> Result<()> {
    let of = vhost.map_or_else(String::new, |vhost| format!("/{}", part(vhost)));
    let columns = [
        "queue.name",
        "consumer_tag",
        "channel_details.name",
        "prefetch_count",
        "ack_required",
        "landfall_waiting_for",
    ];
    print(server, &api.get(&format!("/api/consumers{of}"))?, &columns)
}
