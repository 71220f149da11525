//! Runs seeds: `cargo xtask sim` calls it.

mod simulation;

use clap::Parser;
use landfall_sim::Violation;
use simulation::{Clusters, Servers, Simulation};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(name = "landfall-sim", about = "Runs the simulator, seed by seed.")]
struct Args {
    /// A cluster instead of one server
    #[arg(long)]
    cluster: bool,
    /// How many seeds
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Only this one
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Print everything that happens
    #[arg(long, requires = "seed")]
    told: bool,
    /// With this planted bug
    #[arg(long)]
    plant: Option<String>,
    /// Each planted bug in turn, until a seed finds it
    #[arg(long)]
    plants: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic of the broker is a finding, and told as one.
    if !args.told {
        std::panic::set_hook(Box::new(|_| {}));
    }
    if args.cluster {
        simulate::<Clusters>(&args)
    } else {
        simulate::<Servers>(&args)
    }
}

fn simulate<S: Simulation>(args: &Args) -> ExitCode {
    if args.plants {
        return find_plants::<S>(args.first, args.seeds);
    }
    let named = |word: &str| {
        let mut all = S::PLANTS.iter().copied();
        all.find(|plant| S::word(*plant) == word)
    };
    let plant = match args.plant.as_deref().map(named) {
        Some(None) => {
            let words: Vec<&str> = S::PLANTS.iter().map(|plant| S::word(*plant)).collect();
            eprintln!("no such planted bug; there are {}", words.join(", "));
            return ExitCode::FAILURE;
        }
        plant => plant.flatten(),
    };
    match args.seed {
        Some(seed) => one::<S>(seed, plant, args.told),
        None => many::<S>(args.first, args.seeds, plant),
    }
}

fn one<S: Simulation>(seed: u64, plant: Option<S::Plant>, told: bool) -> ExitCode {
    let report = S::run(seed, plant, told);
    println!("{report:#?}");
    outcome(S::violation(&report).is_none())
}

fn outcome(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One seed in so many runs twice: the same seed must give the same bytes.
const TWICE_EVERY: u64 = 100;

#[expect(
    clippy::disallowed_methods,
    reason = "how long the seeds took is for people"
)]
fn many<S: Simulation>(first: u64, seeds: u64, plant: Option<S::Plant>) -> ExitCode {
    let started = Instant::now();
    let (mut failed, mut twice) = (0, 0);
    let mut sum = S::Report::default();
    for seed in first..first + seeds {
        let report = S::run(seed, plant, false);
        let mut violation = S::violation(&report).cloned();
        if seed % TWICE_EVERY == 0 {
            twice += 1;
            if S::hash(&S::run(seed, plant, false)) != S::hash(&report) {
                violation.get_or_insert(Violation {
                    checker: "run",
                    what: "the same seed gave other bytes".to_owned(),
                });
            }
        }
        S::add(&mut sum, &report);
        if let Some(violation) = violation {
            failed += 1;
            println!("seed {seed}: {}: {}", violation.checker, violation.what);
            println!("    again: {}", again::<S>(seed, plant));
        }
    }
    let took = started.elapsed().as_secs_f64();
    let virtual_time = S::time(&sum) as f64 / 1e6;
    println!(
        "{} seeds in {took:.1} s ({:.1} a second, {:.0} times faster than real time); {twice} of them twice, with the same bytes",
        seeds,
        seeds as f64 / took,
        virtual_time / took,
    );
    println!("{}", S::told(&sum));
    println!(
        "{} seeds without a violation, {failed} with one",
        seeds - failed
    );
    outcome(failed == 0)
}

fn again<S: Simulation>(seed: u64, plant: Option<S::Plant>) -> String {
    let plant = plant.map(|plant| format!(" --plant {}", S::word(plant)));
    format!("{} --seed {seed}{}", S::COMMAND, plant.unwrap_or_default())
}

fn find_plants<S: Simulation>(first: u64, most: u64) -> ExitCode {
    let mut missed = 0;
    for &plant in S::PLANTS {
        let mut seeds = first..first + most;
        let found = seeds.find_map(|seed| {
            let report = S::run(seed, Some(plant), false);
            Some((seed, S::violation(&report)?.clone()))
        });
        match found {
            Some((seed, violation)) => println!(
                "{:26} seed {seed:4}  {:5} {}\n    again: {}",
                S::word(plant),
                violation.checker,
                violation.what,
                again::<S>(seed, Some(plant))
            ),
            None => {
                missed += 1;
                println!(
                    "{:26} NOT FOUND in {most} seeds: {}",
                    S::word(plant),
                    S::what(plant)
                );
            }
        }
    }
    println!(
        "{} planted bugs found, {missed} missed",
        S::PLANTS.len() - missed
    );
    outcome(missed == 0)
}
