//! A whole cluster under load and under faults: three nodes, three ZooKeepers, PostgreSQL with two quorum standbys under
//! Patroni, each on a machine of its own. Machines are network namespaces; where the system does not allow them, what
//! needs them is left out, and the run says so and does not pass.

mod faults;
mod foreign;
mod host;
mod interrupt;
mod lab;
mod ledger;
mod load;
mod network;
mod nodes;
mod patience;
mod patroni;
mod report;
mod run;
mod two;
mod zookeeper;

pub(crate) use foreign::run_foreign;

use crate::install;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use faults::Fault;
use lab::{Build, Lab};
use network::Network;
use patience::Chance;
use run::Plan;
use std::path::PathBuf;

/// What `cargo xtask cluster-test` can be told.
#[derive(Args)]
pub(crate) struct ClusterTestArgs {
    /// How long faults go on; the last one may take longer
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Draws the order of the faults, and what is random in them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these faults, in turns
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Fault>,
    /// How often each fault comes at most
    #[arg(long)]
    turns: Option<u32>,
    /// Messages that each of the eight senders sends in a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// All machines on the loopback, even where namespaces are possible
    #[arg(long)]
    loopback: bool,
    /// Another program: rolling restarts change from one to the other
    #[arg(long)]
    other_program: Option<PathBuf>,
    /// How many databases: with two the queues are divided over two shards
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    databases: u8,
    /// The nodes' debug build: sooner there, and slower to take over
    #[arg(long)]
    debug_build: bool,
}

/// Builds, makes the machines, and lets the faults come.
pub(crate) fn run_faults(args: &ClusterTestArgs) -> Result<()> {
    let build = if args.debug_build {
        Build::Debug
    } else {
        Build::Release
    };
    if !network::is_inside() {
        prepare(build)?;
        if !args.loopback && has_namespaces() {
            return network::run_inside(&std::env::args().skip(1).collect::<Vec<_>>());
        }
    }
    interrupt::watch()?;
    let wanted = match &args.only[..] {
        [] => Fault::value_variants().to_vec(),
        some => some.to_vec(),
    };
    let network = Network::here();
    let (possible, left_out): (Vec<Fault>, Vec<Fault>) = wanted
        .into_iter()
        .partition(|fault| fault.is_possible(&network));
    println!("seed {}", args.seed);
    let plan = Plan {
        faults: possible,
        turns: args.turns,
        minutes: args.minutes,
        rate: args.rate,
    };
    let mut lab = Lab::start(build, args.other_program.as_deref(), args.databases)?;
    let outcome = run::run(&mut lab, &plan, Chance::of(args.seed));
    if outcome.is_err() {
        lab.keep();
    }
    drop(lab);
    outcome?;
    if !left_out.is_empty() {
        let names: Vec<String> = left_out.iter().map(|fault| fault.name()).collect();
        bail!(
            "{} faults were left out, because there are no network namespaces: {}",
            names.len(),
            names.join(", ")
        );
    }
    Ok(())
}

/// The short form, a part of every test run: a node is killed and one is paused.
pub(crate) fn run_some() -> Result<()> {
    let arguments = [
        "cluster-test",
        "--turns",
        "1",
        "--only",
        "owner-killed,owner-paused",
        "--debug-build",
    ];
    prepare(Build::Debug)?;
    if has_namespaces() {
        return network::run_inside(&arguments.map(str::to_owned));
    }
    run_faults(&ClusterTestArgs {
        minutes: 5,
        seed: 1,
        databases: 1,
        only: vec![Fault::OwnerKilled, Fault::OwnerPaused],
        turns: Some(1),
        rate: 100,
        loopback: true,
        other_program: None,
        debug_build: true,
    })
}

fn prepare(build: Build) -> Result<()> {
    install::packages(install::FOR_TESTS)?;
    install::packages(install::FOR_CLUSTER)?;
    install::patroni()?;
    build.make()
}

fn has_namespaces() -> bool {
    let Some(obstacle) = network::obstacle() else {
        return true;
    };
    println!(
        "no network namespaces ({obstacle}): all machines are on the loopback, and none can be cut off"
    );
    false
}
