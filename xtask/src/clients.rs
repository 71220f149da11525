//! Other people's clients, from their registries and unmodified, against running servers.
//!
//! The suites lie in `tests/clients/` (the Rust ones beside the server's own tests). They pass against RabbitMQ
//! too (`--against rabbitmq`), which shows that they ask for what clients are used to, and for nothing that
//! only we do. Each suite has a server of its own, because some restart it, and some suites run side by side.

mod control;
mod elsewhere;
mod results;
mod suites;

use crate::cluster_test;
use crate::install;
use crate::server::{Program, Server};
use crate::shell::{Scratch, cargo, run, target_dir};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use control::Control;
use elsewhere::Elsewhere;
use results::{KnownDifferences, Outcome, Results};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use suites::{SUITES, Suite};

/// Suites mostly wait for time-outs and for servers that start, so some more than there are cores.
const SIDE_BY_SIDE: usize = 3;
/// A suite that takes longer hangs.
const SUITE_LIMIT: Duration = Duration::from_secs(300);

/// What `cargo xtask clients` can be told.
#[derive(Args, Default)]
pub(crate) struct ClientsArgs {
    /// Only this client, by its name in the table; may be given again
    #[arg(long)]
    only: Vec<String>,
    /// The server that has to satisfy them
    #[arg(long, default_value = "landfall")]
    against: Against,
    /// How many suites run at a time, each with a server of its own
    #[arg(long, default_value_t = SIDE_BY_SIDE)]
    jobs: usize,
    /// pika, amqplib and Celery on a cluster whose nodes are killed, instead of the suites
    #[arg(long, conflicts_with_all = ["against", "jobs"])]
    cluster: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Against {
    #[default]
    Landfall,
    /// A node of a cluster whose queues another node owns
    AnotherNode,
    Rabbitmq,
}

/// Runs every client's suite, or those asked for, and prints a line for each.
pub(crate) fn run_suites(args: &ClientsArgs) -> Result<()> {
    if args.cluster {
        return cluster_test::run_foreign(&args.only);
    }
    // RabbitMQ is started without its HTTP API.
    let can_pass = |suite: &&Suite| !suite.asks_the_api() || args.against != Against::Rabbitmq;
    let wanted: Vec<&Suite> = SUITES
        .iter()
        .filter(|suite| args.only.is_empty() || args.only.iter().any(|name| name == suite.client))
        .filter(can_pass)
        .collect();
    if let Some(unknown) = args
        .only
        .iter()
        .find(|name| SUITES.iter().all(|suite| suite.client != *name))
    {
        let names: Vec<_> = SUITES.iter().map(|suite| suite.client).collect();
        bail!(
            "no client is called {unknown}; there are {}",
            names.join(", ")
        );
    }
    install::packages(install::FOR_CLIENTS)?;
    if wanted.iter().any(|suite| suite.asks_the_api()) {
        install::packages(install::FOR_RABBITMQ)?;
    }
    let program = match args.against {
        Against::Landfall | Against::AnotherNode => {
            run(&mut cargo(&["build", "--package", "landfall-server"]))?;
            Program::Landfall(target_dir().join("debug").join("landfall"))
        }
        Against::Rabbitmq => {
            install::packages(install::FOR_RABBITMQ)?;
            Program::RabbitMq
        }
    };
    // The list is of our differences: RabbitMQ has none to itself.
    let known = match args.against {
        Against::Landfall | Against::AnotherNode => KnownDifferences::read()?,
        Against::Rabbitmq => KnownDifferences::default(),
    };
    suites::prepare(&wanted)?;
    println!(
        "\n{:<22} {:<10} {:>6} {:>6} {:>7} {:>8}",
        "client", "version", "passed", "failed", "skipped", "time"
    );
    let reports = run_side_by_side(&wanted, &program, args.against, &known, args.jobs.max(1));
    sum_up(&reports)
}

/// What became of one suite.
struct Report {
    results: Results,
    /// What a person needs to look into a failure: the end of the suite's output and of the server's log.
    evidence: String,
}

fn run_side_by_side(
    wanted: &[&'static Suite],
    program: &Program,
    against: Against,
    known: &KnownDifferences,
    jobs: usize,
) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    let work = || {
        while let Some(suite) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let report = run_suite(suite, program, against, known).unwrap_or_else(|error| Report {
                results: Results::of_failure(suite.client, &format!("{error:#}")),
                evidence: String::new(),
            });
            tell(suite, &report, start.elapsed());
            let mut reports = reports.lock().expect("no thread panics while it holds it");
            reports.push(report);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    reports.into_inner().expect("no thread panicked")
}

fn run_suite(
    suite: &Suite,
    program: &Program,
    against: Against,
    known: &KnownDifferences,
) -> Result<Report> {
    let folder = Scratch::new(&format!("clients-{}", suite.client.replace('/', "-")))?;
    let results_file = folder.path().join("results");
    let output = folder.path().join("output");
    let (_elsewhere, server) = match (against, program) {
        (Against::AnotherNode, Program::Landfall(binary)) => {
            let elsewhere = Elsewhere::start(binary)?;
            let server = elsewhere.another_node(program.clone())?;
            (Some(elsewhere), server)
        }
        _ => (None, Server::start(program.clone())?),
    };
    let control = Control::start(server)?;
    let mut command = suite.command()?;
    command
        .env("AMQP_PORT", control.amqp_port().to_string())
        .env("ADMIN_PORT", control.admin_port().to_string())
        .env("SERVER_CONTROL", control.port().to_string())
        .env("CLIENT_RESULTS", &results_file);
    let status = run_with_limit(&mut command, &output)?;
    let output = std::fs::read_to_string(&output).unwrap_or_default();
    let mut results = Results::collect(&results_file, &output);
    if !status.success() && results.count(Outcome::is_failed) == 0 {
        results.add_failure(&format!("the suite ended with {status}"));
    }
    if results.count(Outcome::is_passed) == 0 {
        results.add_failure("no test passed");
    }
    results.apply(suite.client, known);
    Ok(Report {
        results,
        evidence: format!(
            "{}\n{}",
            last_lines(&output, 150),
            control.end_of_server_log()
        ),
    })
}

/// Runs the suite with its output in a file; one that hangs is ended with all that it started.
fn run_with_limit(command: &mut Command, output: &Path) -> Result<ExitStatus> {
    let file = File::create(output).context("cannot make the file for the output")?;
    let mut child = command
        .process_group(0)
        .stdin(std::process::Stdio::null())
        .stdout(file.try_clone().context("cannot share the output")?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let group = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("a process without a number")?;
    let deadline = Instant::now() + SUITE_LIMIT;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the suite")? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            kill_process_group(group, Signal::KILL).context("cannot end the suite")?;
            return child.wait().context("cannot wait for the suite");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn tell(suite: &Suite, report: &Report, took: Duration) {
    let results = &report.results;
    let failed = results.count(Outcome::is_failed);
    let mut text = format!(
        "{:<22} {:<10} {:>6} {failed:>6} {:>7} {:>6.1} s",
        suite.client,
        suite.version().unwrap_or_else(|_| "?".to_owned()),
        results.count(Outcome::is_passed),
        results.count(Outcome::is_skipped),
        took.as_secs_f64()
    );
    for (name, reason) in results.skipped() {
        text += &format!("\n    skipped {name}: {reason}");
    }
    for (name, reason) in results.failed() {
        text += &format!("\n    FAILED {name} {reason}");
    }
    if failed > 0 {
        text += &format!("\n{}\n", report.evidence);
    }
    println!("{text}");
}

fn sum_up(reports: &[Report]) -> Result<()> {
    let sum = |which: fn(&Outcome) -> bool| -> usize {
        reports
            .iter()
            .map(|report| report.results.count(which))
            .sum()
    };
    let failed = sum(Outcome::is_failed);
    println!(
        "\n{} passed, {failed} failed, {} skipped",
        sum(Outcome::is_passed),
        sum(Outcome::is_skipped)
    );
    if failed > 0 {
        bail!("{failed} tests with other people's clients failed");
    }
    Ok(())
}
