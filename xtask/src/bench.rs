//! The project's own instrument: Landfall beside its peers, with one load generator, in one run on one machine.
//!
//! A figure alone says little on a machine that others use too; a ratio of two figures taken in turns says more,
//! and the server's processor time for one message hardly depends on the neighbours at all. So all three are told.

mod backlog;
mod bounded;
mod cell;
mod charts;
mod connection;
mod consumers;
mod cpu;
mod delays;
mod disk;
mod fan_out;
mod idle;
mod latencies;
mod layout;
mod ledger;
mod load;
mod peers;
mod progress;
mod protocol;
mod queues;
mod report;
mod results;
mod scale;
mod socket;
mod throughput;
mod unconfirmed;
mod verdict;

pub(crate) use delays::{DelaysArgs, run_delays};
pub(crate) use scale::{ScaleArgs, run_scale, run_small_scale};

use crate::shell::{cargo, run, target_dir};
use anyhow::{Context, Result};
use backlog::Backlog;
use bounded::Bounded;
use cell::Choice;
use clap::{Args, ValueEnum};
use consumers::Consumers;
use fan_out::FanOut;
use idle::Idle;
use queues::Queues;
use results::Results;
use std::path::PathBuf;
use std::time::Duration;
use throughput::Throughput;

/// What `cargo xtask bench` can be told.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// What is measured; all but `micro` if nothing is named
    sections: Vec<Section>,
    /// How long each figure is measured
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often each figure is measured, in turns; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only these throughputs, as SIZE, SIZE/WINDOW or SIZE/WINDOW/LAYOUT: `--only 1024/5000,16,1024/100/10-bindings`
    #[arg(long, value_delimiter = ',')]
    only: Vec<Choice>,
    /// The largest backlog; 10 million messages take 10 GB of disk, and may take 30 more in passing
    #[arg(long, default_value_t = 1_000_000)]
    largest: u64,
    /// Without peers
    #[arg(long)]
    landfall_only: bool,
    /// Keeps every single measurement in this file; sections of it that are not measured now stay as they are
    #[arg(long)]
    json: Option<PathBuf>,
    /// Puts the figures into docs/benchmarks.md
    #[arg(long)]
    write: bool,
}

impl BenchArgs {
    fn time(&self) -> Result<Duration> {
        Duration::try_from_secs_f64(self.seconds).context("--seconds")
    }
}

/// A part of what can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Throughput and latency of each size and window, on each server
    Throughput,
    /// Waiting messages: memory, disk, start, and what they cost a queue beside them
    Backlog,
    /// Many queues, all flowing or all but one idle
    Queues,
    /// Many consumers on a queue, and one that does not read
    Consumers,
    /// A message to many queues: disk and memory
    FanOut,
    /// Ten thousand connections that do nothing
    Idle,
    /// Memory under overload
    Bounded,
    /// Codec, broker and journal by themselves (criterion); only if it is named
    Micro,
}

impl Section {
    /// All that needs a whole server.
    fn all() -> Vec<Self> {
        let sections = Self::value_variants().iter().copied();
        sections.filter(|section| *section != Self::Micro).collect()
    }
}

/// Those of the crates that are measured without a server; what they print is the result.
fn micro() -> Result<()> {
    let mut bench = cargo(&["bench"]);
    // Else each crate gets a folder of its own.
    bench.env("CRITERION_HOME", target_dir().join("criterion"));
    for (package, name) in [
        ("landfall-wire", "codec"),
        ("landfall-broker", "heart"),
        ("landfall-journal", "landing"),
    ] {
        bench.args(["--package", package, "--bench", name]);
    }
    run(&mut bench)
}

/// Measures and prints the tables.
pub(crate) fn run_bench(args: &BenchArgs) -> Result<()> {
    if cfg!(debug_assertions) {
        // A load generator without optimisation would measure itself.
        let us = ["run", "--quiet", "--release", "--package", "xtask", "--"];
        return run(cargo(&us).args(std::env::args_os().skip(1)));
    }
    let mut results = match &args.json {
        Some(path) => Results::read(path)?,
        None => Results::default(),
    };
    let sections = match &args.sections[..] {
        [] => Section::all(),
        some => some.to_vec(),
    };
    for section in sections {
        match section {
            Section::Throughput => results.throughput = Some(Throughput::measure(args)?),
            Section::Backlog => results.backlog = Some(Backlog::measure(args)?),
            Section::Queues => results.queues = Some(Queues::measure(args)?),
            Section::Consumers => results.consumers = Some(Consumers::measure(args)?),
            Section::FanOut => results.fan_out = Some(FanOut::measure()?),
            Section::Idle => results.idle = Some(Idle::measure()?),
            Section::Bounded => results.bounded = Some(Bounded::measure(args)?),
            Section::Micro => micro()?,
        }
        // A section that fails takes none of the others with it.
        if let Some(path) = &args.json {
            results.write(path)?;
        }
    }
    println!("{}", results.text());
    if args.write {
        results.write_into_the_documents()?;
    }
    Ok(())
}
