//! Other people's clients on a cluster whose nodes die: they come back as their documentation says, and everything
//! arrives. What they notice of it is counted.

use super::lab::{Build, Lab, SESSION};
use super::{has_namespaces, interrupt, network, prepare};
use crate::install;
use crate::shell::{command, root, target_dir};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

/// A client's script sends for so long.
const SECONDS: u64 = 16;
/// A node is killed so long after the client is at work.
const INTO_WORK: Duration = Duration::from_secs(4);
/// A script that takes longer hangs: it gives up what is missing before.
const SCRIPT_MAX: Duration = Duration::from_secs(240);

/// A client with the script that uses it.
struct Foreign {
    client: &'static str,
    script: &'static str,
    is_python: bool,
}

const CLIENTS: &[Foreign] = &[
    Foreign {
        client: "pika",
        script: "cluster_pika.py",
        is_python: true,
    },
    Foreign {
        client: "amqplib",
        script: "cluster-amqplib.js",
        is_python: false,
    },
    Foreign {
        client: "celery",
        script: "cluster_celery.py",
        is_python: true,
    },
];

/// Which node is killed. The publisher prefers the first node of its list, the consumer the second.
#[derive(Clone, Copy)]
enum Killed {
    /// The owner: the consumer is connected to it, the publisher to another.
    Owner,
    /// Another one: the publisher is connected to it, the consumer to the owner.
    PublishersNode,
    /// The third: the consumer is connected to it, the publisher to the owner.
    ConsumersNode,
}

impl Killed {
    const ALL: [Self; 3] = [Self::Owner, Self::PublishersNode, Self::ConsumersNode];

    fn text(self) -> &'static str {
        match self {
            Self::Owner => "the owner",
            Self::PublishersNode => "the publisher's node",
            Self::ConsumersNode => "the consumer's node",
        }
    }

    /// The nodes as a client is to try them, and which of them is killed.
    fn order(self, owner: usize) -> ([usize; 3], usize) {
        let (next, last) = ((owner + 1) % 3, (owner + 2) % 3);
        match self {
            Self::Owner => ([next, owner, last], owner),
            Self::PublishersNode => ([next, owner, last], next),
            Self::ConsumersNode => ([owner, last, next], last),
        }
    }
}

/// Runs each client's script once for each node that is killed, and prints a line for each.
pub(crate) fn run_foreign(only: &[String]) -> Result<()> {
    if !network::is_inside() {
        prepare(Build::Debug)?;
        install::packages(install::FOR_CLIENTS)?;
        python()?;
        install::node(&folder(false))?;
        if has_namespaces() {
            return network::run_inside(&std::env::args().skip(1).collect::<Vec<_>>());
        }
    }
    interrupt::watch()?;
    let wanted = |one: &&Foreign| only.is_empty() || only.iter().any(|name| name == one.client);
    let clients: Vec<&Foreign> = CLIENTS.iter().filter(wanted).collect();
    ensure!(
        !clients.is_empty(),
        "on a cluster there are pika, amqplib and celery"
    );
    let mut lab = Lab::start(Build::Debug, None, 1)?;
    let outcome = run_all(&mut lab, &clients);
    if outcome.is_err() {
        lab.keep();
    }
    outcome
}

fn run_all(lab: &mut Lab, clients: &[&Foreign]) -> Result<()> {
    println!(
        "\n{:<8} {:<22} {:>6} {:>7} {:>10} {:>9}  {:>22}  {:>20}",
        "client",
        "killed",
        "sent",
        "arrived",
        "duplicates",
        "invented",
        "errors (publ. + cons.)",
        "pause (publ. / cons.)"
    );
    let (mut told, mut failed) = (Vec::new(), Vec::new());
    for foreign in clients {
        for killed in Killed::ALL {
            let outcome = one(lab, foreign, killed)?;
            println!("{}", line(foreign, killed, &outcome));
            let number = |name: &str| outcome[name].as_u64().unwrap_or_default();
            let all = number("sent") > 0 && number("arrived") == number("sent");
            if !all || number("invented") > 0 {
                failed.push(format!(
                    "{}, {} killed: {outcome}",
                    foreign.client,
                    killed.text()
                ));
            }
            told.push(
                json!({"client": foreign.client, "killed": killed.text(), "outcome": outcome}),
            );
        }
    }
    let path = target_dir().join("cluster-clients.json");
    std::fs::write(&path, serde_json::to_string_pretty(&told)?)
        .context("cannot write the results")?;
    if !failed.is_empty() {
        bail!(
            "not everything arrived, or more than was sent:\n{}",
            failed.join("\n")
        );
    }
    Ok(())
}

fn line(foreign: &Foreign, killed: Killed, outcome: &Value) -> String {
    let errors = |side: &str| outcome[side].as_array().map_or(0, Vec::len);
    let seconds = |name: &str| outcome[name].as_f64().unwrap_or_default();
    format!(
        "{:<8} {:<22} {:>6} {:>7} {:>10} {:>9}  {:>22}  {:>20}",
        foreign.client,
        killed.text(),
        outcome["sent"].to_string(),
        outcome["arrived"].to_string(),
        outcome["duplicates"].to_string(),
        outcome["invented"].to_string(),
        format!(
            "{} + {}",
            errors("publisher_errors"),
            errors("consumer_errors")
        ),
        format!(
            "{:.1} / {:.1} s",
            seconds("publisher_longest"),
            seconds("consumer_longest")
        ),
    )
}

/// One client, one killed node. Returns the script's last line.
fn one(lab: &mut Lab, foreign: &Foreign, killed: Killed) -> Result<Value> {
    let addresses = lab.nodes.addresses();
    let (order, victim) = killed.order(lab.owner()?);
    let nodes = order.map(|at| addresses[at].to_string()).join(",");
    let log = target_dir().join(format!("cluster-{}.log", foreign.client));
    let mut script = foreign.command()?;
    script
        .env("AMQP_NODES", nodes)
        .env("CLUSTER_SECONDS", SECONDS.to_string());
    script.stdout(Stdio::piped()).stderr(File::create(&log)?);
    let mut running = Script(script.spawn().context("cannot start a client's script")?);
    let said = running.lines()?;
    wait_for(
        lab,
        &said,
        |line| line == "at work",
        "the client is at work",
    )?;
    lab.pass(INTO_WORK)?;
    lab.nodes.kill(victim)?;
    lab.pass(SESSION + Duration::from_secs(4))?;
    lab.nodes.resume()?;
    let last = wait_for(
        lab,
        &said,
        |line| line.starts_with('{'),
        "the client tells what came",
    )?;
    lab.mend()?;
    serde_json::from_str(&last).with_context(|| format!("the script says {last}"))
}

const SEE: &str = "; what it said is in cluster-CLIENT.log in the target folder";

/// The first line that is like that.
fn wait_for(
    lab: &mut Lab,
    said: &mpsc::Receiver<String>,
    is_it: impl Fn(&str) -> bool,
    what: &str,
) -> Result<String> {
    let began = Instant::now();
    while began.elapsed() < SCRIPT_MAX {
        match said.try_recv() {
            Ok(line) if is_it(&line) => return Ok(line),
            Ok(_) => continue,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => bail!("the script ended before {what}{SEE}"),
        }
        lab.pass(Duration::from_millis(20))?;
    }
    bail!("after {SCRIPT_MAX:?} it is not so that {what}{SEE}")
}

/// A script at work. Dropped, it is killed.
struct Script(Child);

impl Script {
    fn lines(&mut self) -> Result<mpsc::Receiver<String>> {
        let output = self.0.stdout.take().context("its output is a pipe")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(lines)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Foreign {
    fn command(&self) -> Result<Command> {
        let mut script = if self.is_python {
            let mut script = command(python()?, &["-B"]);
            script.arg(self.script);
            script
        } else {
            command("node", &[self.script])
        };
        script
            .current_dir(folder(self.is_python))
            .stdin(Stdio::null());
        Ok(script)
    }
}

fn folder(is_python: bool) -> PathBuf {
    let name = if is_python { "python" } else { "node" };
    root().join("tests/clients").join(name)
}

fn python() -> Result<PathBuf> {
    install::python(&folder(true).join("requirements.txt"))
}
