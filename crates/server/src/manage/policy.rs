//! `landfall policy`.

use super::AdminServer;
use super::api::{Api, part};
use super::table::{print, say};
use anyhow::{Context, Result, bail, ensure};
use clap::Subcommand;
use serde_json::{Value, json};

/// The options of `landfall policy`.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    action: Action,
    /// Operator policies: limits that policies and arguments of users cannot lift
    #[arg(long, global = true)]
    operator: bool,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List policies
    List,
    /// Make or change a policy; queues that are there follow it at once
    Set {
        /// The policy's name
        name: String,
        /// Names of queues and exchanges that it is for, as a regular expression
        pattern: String,
        /// What it says, as JSON: {"max-length": 1000, "dead-letter-exchange": "dead"}
        definition: String,
        /// Of several that match, the highest counts
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        priority: i64,
        /// What it is for
        #[arg(long, value_name = "WHAT", default_value = "all",
              value_parser = ["all", "queues", "classic_queues", "quorum_queues", "exchanges"])]
        apply_to: String,
        #[command(flatten)]
        vhost: Vhost,
    },
    /// Remove a policy
    Clear {
        /// The policy's name
        name: String,
        #[command(flatten)]
        vhost: Vhost,
    },
}

#[derive(Debug, clap::Args)]
struct Vhost {
    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "/")]
    vhost: String,
}

/// Runs `landfall policy`.
///
/// # Errors
/// If the definition is no JSON object, the server refuses it, or cannot be asked.
pub fn policy(args: PolicyArgs) -> Result<()> {
    let api = Api::new(&args.server);
    let all = if args.operator {
        "/api/operator-policies"
    } else {
        "/api/policies"
    };
    let path = |vhost: &Vhost, name: &str| format!("{all}/{}/{}", part(&vhost.vhost), part(name));
    match args.action {
        Action::List => print(
            &args.server,
            &api.get(all)?,
            &[
                "vhost",
                "name",
                "pattern",
                "apply-to",
                "priority",
                "definition",
            ],
        ),
        Action::Set {
            name,
            pattern,
            definition,
            priority,
            apply_to,
            vhost,
        } => {
            let definition: Value =
                serde_json::from_str(&definition).context("the definition is no JSON")?;
            ensure!(definition.is_object(), "the definition is no JSON object");
            let body = json!({
                "pattern": pattern,
                "definition": definition,
                "priority": priority,
                "apply-to": apply_to,
            });
            let made = api.put(&path(&vhost, &name), &body)?;
            let done = if made { "made" } else { "changed" };
            say(&format!("policy '{name}' is {done}"))
        }
        Action::Clear { name, vhost } => {
            let path = path(&vhost, &name);
            if api.find(&path)?.is_none() {
                bail!("there is no policy '{name}' in vhost '{}'", vhost.vhost);
            }
            api.delete(&path)?;
            say(&format!("policy '{name}' is removed"))
        }
    }
}
