//! `landfall binding`.

use super::AdminServer;
use super::api::{Api, part};
use super::exchange::named;
use super::pairs::pairs;
use super::table::{cell, print, say};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Map, Value, json};

/// The options of `landfall binding`.
#[derive(Debug, clap::Args)]
pub struct BindingArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List bindings
    #[command(after_help = "Example: landfall binding list --queue orders")]
    List {
        /// Only those that lead to this queue
        #[arg(long, value_name = "NAME", conflicts_with = "source")]
        queue: Option<String>,
        /// Only those that lead away from this exchange
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        /// Only those of this virtual host; of a queue or an exchange / unless another is named
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
    },
    /// Bind a queue, or another exchange, to an exchange
    #[command(after_help = "Example: landfall binding add events orders --key 'order.#'")]
    Add {
        #[command(flatten)]
        ends: Ends,
        /// With which key, or what pattern of keys
        #[arg(long, value_name = "KEY", default_value = "")]
        key: String,
    },
    /// Remove a binding
    #[command(after_help = "Example: landfall binding remove events orders --key 'order.#'")]
    Remove {
        #[command(flatten)]
        ends: Ends,
        /// The key that it was made with
        #[arg(long, value_name = "KEY", default_value = "")]
        key: String,
    },
}

#[derive(Debug, clap::Args)]
struct Ends {
    /// The exchange that messages come from
    source: String,
    /// The queue that they go to
    destination: String,
    /// The destination is an exchange
    #[arg(long)]
    to_exchange: bool,
    /// An argument, for an exchange that looks at headers; may be given several times. A value is JSON where it can be,
    /// else text
    #[arg(long, value_name = "NAME=VALUE")]
    argument: Vec<String>,
    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "/")]
    vhost: String,
}

impl Ends {
    fn path(&self) -> String {
        let (vhost, source) = (part(&self.vhost), named(&self.source));
        let kind = if self.to_exchange { 'e' } else { 'q' };
        let destination = part(&self.destination);
        format!("/api/bindings/{vhost}/e/{source}/{kind}/{destination}")
    }

    fn arguments(&self) -> Result<Map<String, Value>> {
        pairs("argument", &self.argument)
    }

    fn words(&self, key: &str) -> String {
        let (source, destination) = (&self.source, &self.destination);
        format!("'{source}' to '{destination}' with the key '{key}'")
    }
}

/// Runs `landfall binding`.
///
/// # Errors
/// If there is no such binding, the server refuses, or cannot be asked.
pub fn binding(args: BindingArgs) -> Result<()> {
    let api = Api::new(&args.server);
    match args.action {
        Action::List {
            queue,
            source,
            vhost,
        } => {
            let of = |vhost: Option<String>| part(vhost.as_deref().unwrap_or("/"));
            let path = match (queue, source, vhost) {
                (Some(queue), _, vhost) => {
                    format!("/api/queues/{}/{}/bindings", of(vhost), part(&queue))
                }
                (None, Some(source), vhost) => {
                    let (vhost, source) = (of(vhost), named(&source));
                    format!("/api/exchanges/{vhost}/{source}/bindings/source")
                }
                (None, None, Some(vhost)) => format!("/api/bindings/{}", part(&vhost)),
                (None, None, None) => "/api/bindings".to_owned(),
            };
            let columns = [
                "vhost",
                "source",
                "destination",
                "destination_type",
                "routing_key",
                "arguments",
            ];
            print(&args.server, &api.get(&path)?, &columns)
        }
        Action::Add { ends, key } => {
            let body = json!({"routing_key": key, "arguments": ends.arguments()?});
            api.post_for_nothing(&ends.path(), &body)?;
            say(&format!("bound {}", ends.words(&key)))
        }
        Action::Remove { ends, key } => {
            let found = find(&api, &ends, &key)?;
            api.delete(&format!("{}/{found}", ends.path()))?;
            say(&format!("unbound {}", ends.words(&key)))
        }
    }
}

/// How the API calls the one binding that is meant, as a part of a path.
fn find(api: &Api, ends: &Ends, key: &str) -> Result<String> {
    let none = || format!("nothing is bound from {}", ends.words(key));
    let between = api.find(&ends.path())?.with_context(none)?;
    let between = between.as_array().map(Vec::as_slice).unwrap_or_default();
    let with_key: Vec<&Value> = between
        .iter()
        .filter(|one| one["routing_key"] == key)
        .collect();
    let meant = match (ends.argument.as_slice(), with_key.as_slice()) {
        (_, []) => None,
        ([], [one]) => Some(*one),
        ([], several) => {
            let arguments: Vec<String> =
                several.iter().map(|one| cell(&one["arguments"])).collect();
            bail!(
                "there are several, say --argument: {}",
                arguments.join("; ")
            );
        }
        _ => {
            let arguments = Value::Object(ends.arguments()?);
            with_key
                .into_iter()
                .find(|one| one["arguments"] == arguments)
        }
    };
    let name = meant.and_then(|one| one["properties_key"].as_str());
    Ok(part(name.with_context(none)?))
}
