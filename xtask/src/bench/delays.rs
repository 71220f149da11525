//! Many messages that wait for their time: what they take, how punctual they are, and whether they slow others.

mod report;
mod waiting;

use super::connection::Connection;
use super::cpu;
use super::load::{self, Figures, Work};
use super::peers::{Subject, landfall};
use crate::server::Server;
use crate::shell::{cargo, run};
use anyhow::{Context, Result};
use clap::Args;
use report::{Report, Room};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use waiting::Waiting;

/// What `cargo xtask delays` can be told.
#[derive(Args)]
pub(crate) struct DelaysArgs {
    /// How many messages wait
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    messages: u32,
    /// How long each throughput is measured
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often, in turns; the best counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Puts the figures into docs/delays.md
    #[arg(long)]
    write: bool,
}

/// The throughput beside them is measured with messages of this size and this window.
const LIVE: (usize, usize) = (1024, 100);

/// Measures and prints the tables.
pub(crate) fn run_delays(args: &DelaysArgs) -> Result<()> {
    if cfg!(debug_assertions) {
        // A load generator without optimisation would measure itself.
        let us = ["run", "--quiet", "--release", "--package", "xtask", "--"];
        return run(cargo(&us).args(std::env::args_os().skip(1)));
    }
    let program = landfall()?;
    let time = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    let mut servers = Vec::new();
    let mut rooms = Vec::new();
    for waiting in Waiting::ALL {
        let mut server = Server::start(program.clone())?;
        let room = room(&mut server, waiting, args.messages)
            .with_context(|| format!("{waiting}\n{}", server.end_of_log()))?;
        eprintln!("{room}");
        rooms.push(room);
        server.halt()?;
        servers.push((waiting, server));
    }
    let mut punctuality = Vec::new();
    let mut live: BTreeMap<Waiting, Vec<Figures>> = BTreeMap::new();
    for round in 0..args.rounds {
        let first = round as usize % servers.len();
        servers.rotate_left(first);
        for (waiting, server) in &servers {
            server.resume()?;
            let figures = load::run(server, Subject::Landfall, Work::plain(LIVE.0, LIVE.1, time))
                .with_context(|| format!("{waiting}\n{}", server.end_of_log()))?;
            eprintln!("{waiting}: {:.0} acknowledged/s", figures.acked_per_s);
            live.entry(*waiting).or_default().push(figures);
            if *waiting == Waiting::Hour {
                let mut control = Connection::open(server.port())?;
                punctuality.extend(waiting::punctuality(server, &mut control)?);
            }
            server.halt()?;
        }
    }
    let report = Report::new(args.messages, rooms, live, punctuality);
    println!("{}", report.tables());
    if args.write {
        report.write_into_the_documents()?;
    }
    Ok(())
}

/// What so many waiting messages take: memory, and the time of a start.
fn room(server: &mut Server, waiting: Waiting, messages: u32) -> Result<Room> {
    waiting.make(server, messages)?;
    let published = cpu::memory_of(server.pid())?;
    server.terminate()?;
    let after_stop = start_again(server)?;
    // What the start itself needed is given back when something else is done.
    let work = Work::plain(LIVE.0, LIVE.1, Duration::from_secs(1));
    load::run(server, Subject::Landfall, work)?;
    let started = cpu::memory_of(server.pid())?;
    server.kill()?;
    let after_kill = start_again(server)?;
    waiting.check(server, messages)?;
    Ok(Room {
        waiting,
        published,
        started,
        after_stop,
        after_kill,
    })
}

/// How long it takes until the server answers.
fn start_again(server: &mut Server) -> Result<Duration> {
    let begin = Instant::now();
    server.launch()?;
    Ok(begin.elapsed())
}
