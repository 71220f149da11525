//! Every chore of the project has one name here: `cargo xtask <chore>`.
//!
//! A chore installs what it needs, prints what it does before doing it, and ends with a line that says how it went.

mod bench;
mod clients;
mod cluster_test;
mod definitions;
mod install;
mod pages;
mod server;
mod shell;
mod sim;
mod steps;
mod suite;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Every chore of the project has one name here."
)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything that has to hold: style, lints, ranks, documents, tests, fuzzing, other people's clients
    Test(suite::TestArgs),
    /// What the continuous integration runs: the same as `test`
    Ci(suite::TestArgs),
    /// Formatting, clippy with warnings as errors, the documents' warnings
    Lint,
    /// The order of the crates, their purity, and the style of the house
    Ranks,
    /// The tests that drive the server with other people's clients
    Clients(clients::ClientsArgs),
    /// Definitions from a real RabbitMQ into Landfall, and from Landfall into another RabbitMQ
    Definitions,
    /// The management pages in a browser, at a running server
    Pages,
    /// The long form of the crash tests: kill -9 under load, again and again
    Crash(suite::CrashArgs),
    /// A whole cluster under load and faults: nodes, ZooKeeper and PostgreSQL killed, paused, cut off, wiped, filled
    ClusterTest(cluster_test::ClusterTestArgs),
    /// The simulator: seeded runs of the real broker, store and client under faults
    Sim(sim::SimArgs),
    /// Random input for every decoder
    Fuzz(suite::FuzzArgs),
    /// The dependencies: licences, duplicates, sources
    Deny,
    /// Throughput, latency, backlog, queues, consumers: Landfall beside its peers, in one run on one machine
    Bench(bench::BenchArgs),
    /// A million messages that wait for their time: memory, start, punctuality, and what they cost others
    Delays(bench::DelaysArgs),
    /// Ten thousand queues, a thousand connections, a million parked messages: how soon pages have their data, and what they cost
    Scale(bench::ScaleArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Test(args) | Chore::Ci(args) => suite::test(&args),
        Chore::Lint => suite::lint(),
        Chore::Ranks => suite::ranks(),
        Chore::Clients(args) => clients::run_suites(&args),
        Chore::Definitions => definitions::go_both_ways(),
        Chore::Pages => pages::walk_through(),
        Chore::Crash(args) => suite::crash(&args),
        Chore::ClusterTest(args) => cluster_test::run_faults(&args),
        Chore::Sim(args) => sim::run_seeds(&args),
        Chore::Fuzz(args) => suite::fuzz(&args),
        Chore::Deny => suite::deny(),
        Chore::Bench(args) => bench::run_bench(&args),
        Chore::Delays(args) => bench::run_delays(&args),
        Chore::Scale(args) => bench::run_scale(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<steps::AlreadyTold>() {
                eprintln!("xtask: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
