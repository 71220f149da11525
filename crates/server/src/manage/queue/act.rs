//! Doing something with many messages: as many requests as it takes, and one summary.

use super::super::AdminServer;
use super::super::api::Api;
use super::super::table::say;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::io::{BufRead, IsTerminal, Write};

/// What is done, as requests and as summaries name it.
pub(in super::super) struct Act {
    method: &'static str,
    done: &'static str,
    /// Said where no message is in the state that it is for.
    nothing: &'static str,
}

pub(super) const REDRIVE: Act = Act {
    method: "POST",
    done: "redriven",
    nothing: "nothing is parked here; --dead-letters sends dead letters back where they died",
};

pub(super) const REDRIVE_DEAD_LETTERS: Act = Act {
    nothing: "nothing is ready here",
    ..REDRIVE
};

pub(super) const FIRE: Act = Act {
    method: "POST",
    done: "fired",
    nothing: "nothing is delayed here",
};

pub(super) const CANCEL: Act = Act {
    method: "DELETE",
    done: "cancelled",
    nothing: "nothing waits here in that state",
};

pub(in super::super) const MOVE: Act = Act {
    method: "POST",
    done: "moved",
    nothing: "nothing waits here in that state",
};

/// The most messages that are named of those with which nothing was done.
const NAMED: usize = 10;

/// Asks whoever sits at the terminal; an error for any answer but yes.
pub(super) fn ask(question: &str) -> Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("{question} Say so with --yes");
    }
    let mut stderr = std::io::stderr();
    write!(stderr, "{question} [y/N] ").context("cannot ask")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("cannot ask")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was done"),
    }
}

/// Does it with everything that is meant: the server does some at a time and says where it goes on.
pub(in super::super) fn work(
    server: &AdminServer,
    api: &Api,
    act: Act,
    path: &str,
    mut body: Map<String, Value>,
) -> Result<()> {
    let limit = body.get("limit").and_then(Value::as_u64);
    let (mut done, mut looked_at, mut stayed) = (0, 0, 0);
    let mut because: Vec<Value> = Vec::new();
    loop {
        let told = api.act(act.method, path, &Value::Object(body.clone()))?;
        let number = |key: &str| told[key].as_u64().unwrap_or(0);
        done += number("done");
        looked_at += number("looked_at");
        stayed += number("stayed");
        because.extend(
            told["stayed_because"]
                .as_array()
                .into_iter()
                .flatten()
                .cloned(),
        );
        let Some(next) = told["next"].as_str() else {
            break;
        };
        body.insert("after".into(), next.into());
        if let Some(limit) = limit {
            body.insert("limit".into(), limit.saturating_sub(done).into());
        }
    }
    if server.json {
        let told = json!({
            "done": done,
            "looked_at": looked_at,
            "stayed": stayed,
            "stayed_because": because,
        });
        return say(&format!("{told:#}"));
    }
    if looked_at == 0 {
        return say(act.nothing);
    }
    let mut lines = vec![format!("{done} {}", act.done)];
    if stayed > 0 {
        lines.push(format!("{stayed} stayed where they are:"));
    }
    lines.extend(because.iter().take(NAMED).map(|one| {
        let why = one["why"].as_str().unwrap_or_default();
        format!("  {} {why}", one["position"])
    }));
    say(&lines.join("\n"))
}
