//! `landfall message`.

mod moving;
mod timeline;

use super::AdminServer;
use super::api::{Api, part};
use super::filter::Filter;
use super::queue::look;
use super::queue::{Named, Page};
use super::table::say;
use anyhow::{Context, Result};
use clap::Subcommand;

/// The options of `landfall message`.
#[derive(Debug, clap::Args)]
pub struct MessageArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the messages of a queue that look like something; without a word all of them. None is moved or marked
    #[command(
        after_help = "Example: landfall message list orders --state parked --header tenant=blue --text 4711 --body"
    )]
    List {
        #[command(flatten)]
        queue: Named,
        /// Those in this state: ready, unacked, delayed, parked, leaving
        #[arg(long, value_name = "STATE", default_value = "ready")]
        state: String,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        page: Page,
    },
    /// Send messages that wait to another queue or exchange: the copy lands before the original goes
    #[command(
        after_help = "Example: landfall message move orders --state parked --all --to-queue looked-at-later"
    )]
    Move(moving::MoveArgs),
    /// Send one message that waits on with another body or other properties, to its own queue or elsewhere
    #[command(
        after_help = "Example: landfall message edit orders --state parked --position 4711 --payload '{\"quantity\": 1}'"
    )]
    Edit(moving::EditArgs),
    /// What became of a message: who sent it, who got it, how each attempt ended, and where it is now
    ///
    /// For example: landfall message show 4711, or landfall message show --queue orders
    Show {
        #[command(flatten)]
        which: Which,
        /// The virtual host of --queue
        #[arg(long, value_name = "NAME", default_value = "/")]
        vhost: String,
        /// The publisher's number for the message of --publisher
        #[arg(long, value_name = "N", requires = "publisher")]
        publishing_id: Option<u64>,
        /// So many messages of --queue
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: usize,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The message's number, as lists of messages tell it
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// The last messages that came to this queue
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Messages with this message id
    #[arg(long, value_name = "TEXT")]
    message_id: Option<String>,
    /// The message to which this publisher gave the number --publishing-id
    #[arg(long, value_name = "NAME", requires = "publishing_id")]
    publisher: Option<String>,
}

/// Runs `landfall message`.
pub fn message(args: MessageArgs) -> Result<()> {
    let (server, api) = (&args.server, Api::new(&args.server));
    match args.action {
        Action::List {
            queue,
            state,
            filter,
            page,
        } => look::messages(server, &api, &queue, &state, &page, &filter.query()?),
        Action::Move(args) => moving::send_on(server, &api, &args),
        Action::Edit(args) => moving::edit(server, &api, &args),
        Action::Show {
            which,
            vhost,
            publishing_id,
            limit,
        } => show(server, &api, &which, &vhost, publishing_id, limit),
    }
}

fn show(
    server: &AdminServer,
    api: &Api,
    which: &Which,
    vhost: &str,
    publishing_id: Option<u64>,
    limit: usize,
) -> Result<()> {
    let query = match (&which.queue, &which.message_id, &which.publisher) {
        (Some(queue), ..) => {
            format!("?queue={}&vhost={}&limit={limit}", part(queue), part(vhost))
        }
        (_, Some(id), _) => format!("?message_id={}", part(id)),
        (.., Some(publisher)) => {
            let id = publishing_id.context("--publisher needs --publishing-id")?;
            format!("?publisher={}&publishing_id={id}", part(publisher))
        }
        _ => format!("/{}", which.id.unwrap_or_default()),
    };
    let found = api.get(&format!("/api/landfall/messages{query}"))?;
    if server.json {
        return say(&format!("{found:#}"));
    }
    let journeys = found.as_array().map(Vec::as_slice).unwrap_or_default();
    if journeys.is_empty() {
        return say("no such message is known: there is none, or its journey is not kept any more");
    }
    let told: Vec<String> = journeys.iter().map(timeline::of).collect();
    say(told.join("\n\n").trim_end())
}
