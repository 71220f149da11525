//! `landfall vhost`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::{print, say};
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

/// The options of `landfall vhost`.
#[derive(Debug, clap::Args)]
pub struct VhostArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all virtual hosts
    List,
    /// Make a virtual host; whoever makes it may use it
    Add {
        /// The virtual host's name
        name: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        /// Tags, divided by commas
        #[arg(long, value_name = "TAGS", value_delimiter = ',')]
        tags: Vec<String>,
        /// The type of queues that are declared without one
        #[arg(long, value_name = "TYPE")]
        default_queue_type: Option<String>,
    },
    /// Remove a virtual host with all queues and messages in it, and close its connections
    Remove {
        /// The virtual host's name
        name: String,
    },
}

/// Runs `landfall vhost`.
pub fn vhost(args: VhostArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let path = |name: &str| format!("/api/vhosts/{}", part(name));
    match args.action {
        Action::List => print(
            &args.server,
            &api.get("/api/vhosts")?,
            &["name", "description", "tags", "default_queue_type"],
        ),
        Action::Add {
            name,
            description,
            tags,
            default_queue_type,
        } => {
            if api.find(&path(&name))?.is_some() {
                bail!("vhost '{name}' is there already");
            }
            let body = json!({
                "description": description,
                "tags": tags,
                "default_queue_type": default_queue_type,
            });
            api.put(&path(&name), &body)?;
            say(&format!("vhost '{name}' is made"))
        }
        Action::Remove { name } => {
            if api.find(&path(&name))?.is_none() {
                bail!("there is no vhost '{name}'");
            }
            api.delete(&path(&name))?;
            say(&format!("vhost '{name}' is removed"))
        }
    }
}
