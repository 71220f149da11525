//! `landfall exchange`.

use super::AdminServer;
use super::api::{Api, part};
use super::pairs::pairs;
use super::table::{print, say};
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

/// The options of `landfall exchange`.
#[derive(Debug, clap::Args)]
pub struct ExchangeArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List exchanges
    List {
        /// Only those of this virtual host
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
    },
    /// Make an exchange; one that is there must be like that already
    #[command(after_help = "Example: landfall exchange declare orders --type topic")]
    Declare {
        #[command(flatten)]
        exchange: Named,
        /// How it chooses among its bindings: direct, fanout, topic, headers, x-consistent-hash, x-delayed-message
        #[arg(long = "type", value_name = "TYPE", default_value = "direct")]
        kind: String,
        /// It is gone after a restart
        #[arg(long)]
        transient: bool,
        /// It goes with its last binding
        #[arg(long)]
        auto_delete: bool,
        /// Only exchanges publish to it
        #[arg(long)]
        internal: bool,
        /// An argument; may be given several times. A value is JSON where it can be, else text
        #[arg(long, value_name = "NAME=VALUE")]
        argument: Vec<String>,
    },
    /// Delete an exchange with its bindings
    Delete {
        #[command(flatten)]
        exchange: Named,
        /// Only if nothing is bound to it
        #[arg(long)]
        if_unused: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The exchange's name
    name: String,
    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "/")]
    vhost: String,
}

/// An exchange in a path: the default one has no name.
pub(super) fn named(name: &str) -> String {
    part(if name.is_empty() { "amq.default" } else { name })
}

/// Runs `landfall exchange`.
///
/// # Errors
/// If there is no such exchange, the server refuses, or cannot be asked.
pub fn exchange(args: ExchangeArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let path = |of: &Named| format!("/api/exchanges/{}/{}", part(&of.vhost), named(&of.name));
    match args.action {
        Action::List { vhost } => {
            let path = vhost.map_or_else(String::new, |vhost| format!("/{}", part(&vhost)));
            let found = api.get(&format!("/api/exchanges{path}"))?;
            let columns = [
                "vhost",
                "name",
                "type",
                "durable",
                "auto_delete",
                "internal",
                "arguments",
            ];
            print(&args.server, &found, &columns)
        }
        Action::Declare {
            exchange,
            kind,
            transient,
            auto_delete,
            internal,
            argument,
        } => {
            let body = json!({
                "type": kind,
                "durable": !transient,
                "auto_delete": auto_delete,
                "internal": internal,
                "arguments": pairs("argument", &argument)?,
            });
            let made = api.put(&path(&exchange), &body)?;
            let done = if made { "made" } else { "there already" };
            say(&format!("exchange '{}' is {done}", exchange.name))
        }
        Action::Delete {
            exchange,
            if_unused,
        } => {
            let path = path(&exchange);
            if api.find(&path)?.is_none() {
                let Named { name, vhost } = &exchange;
                bail!("there is no exchange '{name}' in vhost '{vhost}'");
            }
            let condition = if if_unused { "?if-unused=true" } else { "" };
            api.delete(&format!("{path}{condition}"))?;
            say(&format!("exchange '{}' is deleted", exchange.name))
        }
    }
}
