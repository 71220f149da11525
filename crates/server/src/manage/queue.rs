//! `landfall queue`.

pub(super) mod act;
pub(super) mod choice;
mod declare;
pub(super) mod look;

use super::AdminServer;
use super::api::{Api, part};
use super::table::say;
use anyhow::Result;
use choice::Choice;
use clap::Subcommand;
use serde_json::json;

/// The options of `landfall queue`.
#[derive(Debug, clap::Args)]
pub struct QueueArgs {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: AdminServer,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List queues and how many messages they have in each state
    #[command(after_help = "Example: landfall queue list --vhost /")]
    List {
        /// Only those of this virtual host
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
    },
    /// Show one queue: what is in it, the rules in force, its oldest message
    #[command(after_help = "Example: landfall queue show orders")]
    Show {
        #[command(flatten)]
        queue: Named,
    },
    /// Make a queue; one that is there must be like that already
    #[command(after_help = "Example: landfall queue declare orders --argument x-delivery-limit=5")]
    Declare {
        #[command(flatten)]
        queue: Named,
        #[command(flatten)]
        wanted: declare::Wanted,
    },
    /// Delete a queue with all messages in it. They are gone for good
    #[command(after_help = "Example: landfall queue delete orders --if-empty")]
    Delete {
        #[command(flatten)]
        queue: Named,
        #[command(flatten)]
        conditions: declare::Conditions,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Remove all messages that are ready, and nothing else. They are gone for good
    #[command(after_help = "Example: landfall queue purge orders --yes")]
    Purge {
        #[command(flatten)]
        queue: Named,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Have a queue hand nothing out, until it is resumed; it takes messages as ever
    #[command(after_help = "Example: landfall queue pause orders")]
    Pause {
        #[command(flatten)]
        queue: Named,
    },
    /// Have a paused queue hand messages out again
    #[command(after_help = "Example: landfall queue resume orders")]
    Resume {
        #[command(flatten)]
        queue: Named,
    },
    /// Show messages where they are; none is moved or marked as delivered
    #[command(
        after_help = "Example: landfall queue peek orders --state unacked --limit 20 --body 200"
    )]
    Peek {
        #[command(flatten)]
        queue: Named,
        /// Those in this state: ready, unacked, delayed, parked, leaving
        #[arg(long, value_name = "STATE", default_value = "ready")]
        state: String,
        #[command(flatten)]
        page: Page,
    },
    /// Show messages that are out of attempts and wait for an operator
    #[command(after_help = "Example: landfall queue parked orders --body")]
    Parked {
        #[command(flatten)]
        queue: Named,
        #[command(flatten)]
        page: Page,
    },
    /// Show messages that wait for their time, by when it comes
    #[command(after_help = "Example: landfall queue delayed orders --limit 50")]
    Delayed {
        #[command(flatten)]
        queue: Named,
        #[command(flatten)]
        page: Page,
    },
    /// Have parked messages delivered again, their attempts forgotten; or send dead letters back where they died
    #[command(
        after_help = "Example: landfall queue redrive orders --all\n         landfall queue redrive dead --dead-letters --died-in orders --header tenant=blue"
    )]
    Redrive {
        #[command(flatten)]
        queue: Named,
        /// This queue's dead letters go back to the queues in which they died, as they were sent
        #[arg(long)]
        dead_letters: bool,
        #[command(flatten)]
        choice: Choice,
    },
    /// Have delayed messages delivered now
    #[command(after_help = "Example: landfall queue fire orders --position 4711")]
    Fire {
        #[command(flatten)]
        queue: Named,
        #[command(flatten)]
        choice: Choice,
    },
    /// Remove messages that wait. They are gone for good
    #[command(after_help = "Example: landfall queue cancel orders --older-than 24h --yes")]
    Cancel {
        #[command(flatten)]
        queue: Named,
        /// Those in this state: ready, delayed, parked
        #[arg(long, value_name = "STATE", default_value = "ready")]
        state: String,
        #[command(flatten)]
        choice: Choice,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Which queue.
#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The queue's name
    pub(super) name: String,
    /// The virtual host
    #[arg(long, value_name = "NAME", default_value = "/")]
    vhost: String,
}

impl Named {
    pub(super) fn path(&self) -> String {
        let (vhost, name) = (part(&self.vhost), part(&self.name));
        format!("/api/landfall/queues/{vhost}/{name}")
    }
}

/// How much is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Page {
    /// At most so many messages
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// The first bytes of each body, too
    #[arg(long, value_name = "BYTES", num_args = 0..=1, default_missing_value = "200")]
    body: Option<u32>,
}

/// Runs `landfall queue`.
pub fn queue(args: QueueArgs) -> Result<()> {
    let api = Api::new(&args.server);
    match args.action {
        Action::List { vhost } => look::list(&args.server, &api, vhost.as_deref()),
        Action::Show { queue } => look::show(&args.server, &api, &queue),
        Action::Declare { queue, wanted } => declare::declare(&api, &queue, &wanted),
        Action::Delete {
            queue,
            conditions,
            yes,
        } => declare::delete(&api, &queue, &conditions, yes),
        Action::Purge { queue, yes } => declare::purge(&api, &queue, yes),
        Action::Pause { queue } => {
            let paused = api.put(&format!("{}/pause", queue.path()), &json!({}))?;
            say(match paused {
                true => "paused: it takes messages and hands none out",
                false => "it was paused already",
            })
        }
        Action::Resume { queue } => {
            api.delete(&format!("{}/pause", queue.path()))?;
            say("it hands messages out")
        }
        Action::Peek { queue, state, page } => {
            look::messages(&args.server, &api, &queue, &state, &page, "")
        }
        Action::Parked { queue, page } => {
            look::messages(&args.server, &api, &queue, "parked", &page, "")
        }
        Action::Delayed { queue, page } => {
            look::messages(&args.server, &api, &queue, "delayed", &page, "")
        }
        Action::Redrive {
            queue,
            dead_letters,
            choice,
        } => {
            let (state, act) = match dead_letters {
                true => ("ready", act::REDRIVE_DEAD_LETTERS),
                false => ("parked", act::REDRIVE),
            };
            let path = format!("{}/redrive", queue.path());
            act::work(&args.server, &api, act, &path, choice.body(state)?)
        }
        Action::Fire { queue, choice } => {
            let body = choice.body("delayed")?;
            let path = format!("{}/fire", queue.path());
            act::work(&args.server, &api, act::FIRE, &path, body)
        }
        Action::Cancel {
            queue,
            state,
            choice,
            yes,
        } => {
            let body = choice.body(&state)?;
            if !yes {
                let name = &queue.name;
                act::ask(&format!(
                    "remove {choice} ({state}) from queue '{name}' for good?"
                ))?;
            }
            let path = format!("{}/messages", queue.path());
            act::work(&args.server, &api, act::CANCEL, &path, body)
        }
    }
}
