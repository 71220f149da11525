//! The simulator: builds it as quick as it can be, and runs seeds.

use crate::shell::{cargo, run};
use anyhow::Result;
use clap::Args;

/// What `cargo xtask sim` can be told.
#[derive(Args)]
pub(crate) struct SimArgs {
    /// A cluster, with a database and a ZooKeeper, instead of one server
    #[arg(long)]
    cluster: bool,
    /// How many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only this one, with all that it did
    #[arg(long, conflicts_with_all = ["seeds", "first", "plants"])]
    seed: Option<u64>,
    /// Print everything that happens in it
    #[arg(long, requires = "seed")]
    told: bool,
    /// With this planted bug
    #[arg(long)]
    plant: Option<String>,
    /// Each planted bug in turn, until a seed finds it
    #[arg(long)]
    plants: bool,
}

/// Runs what was asked for.
pub(crate) fn run_seeds(args: &SimArgs) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--profile", "sim"]);
    command.args(["--package", "landfall-sim", "--"]);
    match args.seed {
        Some(seed) => command.args(["--seed", &seed.to_string()]),
        None => command.args(["--seeds", &args.seeds.to_string()]),
    };
    if args.seed.is_none() {
        command.args(["--first", &args.first.to_string()]);
    }
    if let Some(plant) = &args.plant {
        command.args(["--plant", plant]);
    }
    let flags = [
        (args.cluster, "--cluster"),
        (args.told, "--told"),
        (args.plants, "--plants"),
    ];
    command.args(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag));
    run(&mut command)
}

/// So many seeds fit into a minute: the part of every test run.
const SEEDS_OF_A_TEST: u64 = 600;
/// And so many of a cluster into some seconds.
const CLUSTERS_OF_A_TEST: u64 = 300;
/// What needs a node that is cut off for long, and whose clients do not notice, is found in one of some hundred seeds.
const CLUSTERS_OF_A_PLANT: u64 = 1000;

/// The short form: some seeds, and every planted bug must be found.
pub(crate) fn run_some() -> Result<()> {
    let servers = [(false, SEEDS_OF_A_TEST), (true, SEEDS_OF_A_TEST)];
    let clusters = [(false, CLUSTERS_OF_A_TEST), (true, CLUSTERS_OF_A_PLANT)];
    for (cluster, runs) in [(false, servers), (true, clusters)] {
        for (plants, seeds) in runs {
            run_seeds(&SimArgs {
                cluster,
                seeds,
                first: 0,
                seed: None,
                told: false,
                plant: None,
                plants,
            })?;
        }
    }
    Ok(())
}
