//! `landfall cluster`.

mod show;
mod wait;

use super::AdminServer;
use super::api::{Api, part};
use super::table::say;
use crate::units::Span;
use anyhow::Result;
use clap::Subcommand;
use std::process::ExitCode;

/// All is served, and something should be looked at.
const ATTENTION: u8 = 3;
/// Something is not served.
const NOT_SERVING: u8 = 4;

/// The options of `landfall cluster`.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Who is a member, who owns what, how ZooKeeper and the database are doing. Ends with 0 if all is well, 3 if something
    /// should be looked at, 4 if something is not served, 1 if no node answers
    Status,
    /// Have a node give what it owns to the others, and wait until they have it
    Drain {
        /// The node's name
        node: String,
        /// Take that back: the node may own something again
        #[arg(long)]
        cancel: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Spread what there is to own evenly among the nodes, and wait until that is done
    Rebalance {
        #[command(flatten)]
        waiting: Waiting,
    },
}

/// How long to wait for what was asked for.
#[derive(Debug, clap::Args)]
struct Waiting {
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    /// Wait no longer than this
    #[arg(long, value_name = "TIME", default_value = "60s")]
    patience: Span,
}

/// Runs `landfall cluster`.
///
/// # Errors
/// If no node answers, or what was asked for is not done in time.
pub fn cluster(args: ClusterArgs) -> Result<ExitCode> {
    let api = Api::new(&args.server);
    match args.action {
        Action::Status => status(&args.server, &api),
        Action::Drain { node, cancel, .. } if cancel => {
            api.tell("DELETE", &drain_path(&node))?;
            say(&format!("{node} may own something again"))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Drain { node, waiting, .. } => {
            let before = status_of(&api)?;
            api.tell("POST", &drain_path(&node))?;
            if !waiting.no_wait {
                wait::for_drain(&args.server, &api, &before, &node, waiting.patience.0)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Action::Rebalance { waiting } => {
            let before = status_of(&api)?;
            api.tell("POST", "/api/landfall/cluster/rebalance")?;
            if !waiting.no_wait {
                wait::for_rebalance(&args.server, &api, &before, waiting.patience.0)?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn drain_path(node: &str) -> String {
    format!("/api/landfall/cluster/drain/{}", part(node))
}

fn status_of(api: &Api) -> Result<serde_json::Value> {
    api.get("/api/landfall/cluster")
}

fn status(server: &AdminServer, api: &Api) -> Result<ExitCode> {
    let found = status_of(api)?;
    if server.json {
        say(&format!("{found:#}"))?;
    } else {
        say(show::everything(&found).trim_end())?;
    }
    Ok(if found["serving"] != true {
        ExitCode::from(NOT_SERVING)
    } else if found["attention"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
    {
        ExitCode::from(ATTENTION)
    } else {
        ExitCode::SUCCESS
    })
}
