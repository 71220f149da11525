//! Runs seeds: `cargo xtask sim` calls it.

use clap::Parser;
use landfall_sim::{Plant, Report, run};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(name = "landfall-sim", about = "Runs the simulator, seed by seed.")]
struct Args {
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
    if args.plants {
        return find_plants(args.first, args.seeds);
    }
    let plant = match args.plant.as_deref().map(Plant::named) {
        Some(None) => {
            let words: Vec<&str> = Plant::ALL.iter().map(|plant| plant.word()).collect();
            eprintln!("no such planted bug; there are {}", words.join(", "));
            return ExitCode::FAILURE;
        }
        plant => plant.flatten(),
    };
    match args.seed {
        Some(seed) => one(seed, plant, args.told),
        None => many(args.first, args.seeds, plant),
    }
}

fn one(seed: u64, plant: Option<Plant>, told: bool) -> ExitCode {
    let report = run(seed, plant, told);
    println!("{report:#?}");
    outcome(report.violation.is_none())
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
fn many(first: u64, seeds: u64, plant: Option<Plant>) -> ExitCode {
    let started = Instant::now();
    let (mut failed, mut twice) = (0, 0);
    let mut sum = Sum::default();
    for seed in first..first + seeds {
        let mut report = run(seed, plant, false);
        if seed % TWICE_EVERY == 0 {
            twice += 1;
            let again = run(seed, plant, false);
            if again.hash != report.hash {
                report.violation.get_or_insert(landfall_sim::Violation {
                    checker: "run",
                    what: "the same seed gave other bytes".to_owned(),
                });
            }
        }
        sum.add(&report);
        if let Some(violation) = &report.violation {
            failed += 1;
            println!("seed {seed}: {}: {}", violation.checker, violation.what);
            println!("    again: {}", again(seed, plant));
        }
    }
    let took = started.elapsed().as_secs_f64();
    let virtual_time = sum.time as f64 / 1e6;
    println!(
        "{} seeds in {took:.1} s ({:.1} a second, {:.0} times faster than real time); {twice} of them twice, with the same bytes",
        seeds,
        seeds as f64 / took,
        virtual_time / took,
    );
    println!(
        "{} messages sent, {} confirmed, {} deliveries, {} faults, {} starts",
        sum.sent, sum.confirmed, sum.deliveries, sum.faults, sum.starts
    );
    println!(
        "{} seeds without a violation, {failed} with one",
        seeds - failed
    );
    outcome(failed == 0)
}

fn again(seed: u64, plant: Option<Plant>) -> String {
    let plant = plant.map(|plant| format!(" --plant {}", plant.word()));
    format!("cargo xtask sim --seed {seed}{}", plant.unwrap_or_default())
}

#[derive(Default)]
struct Sum {
    time: u64,
    sent: u64,
    confirmed: u64,
    deliveries: u64,
    faults: u64,
    starts: u64,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.time += report.time;
        self.sent += report.sent;
        self.confirmed += report.confirmed;
        self.deliveries += report.deliveries;
        self.faults += report.faults;
        self.starts += report.starts;
    }
}

fn find_plants(first: u64, most: u64) -> ExitCode {
    let mut missed = 0;
    for &plant in Plant::ALL {
        let mut seeds = first..first + most;
        let found = seeds.find_map(|seed| Some((seed, run(seed, Some(plant), false).violation?)));
        match found {
            Some((seed, violation)) => println!(
                "{:26} seed {seed:4}  {:5} {}\n    again: {}",
                plant.word(),
                violation.checker,
                violation.what,
                again(seed, Some(plant))
            ),
            None => {
                missed += 1;
                println!(
                    "{:26} NOT FOUND in {most} seeds: {}",
                    plant.word(),
                    plant.what()
                );
            }
        }
    }
    println!(
        "{} planted bugs found, {missed} missed",
        Plant::ALL.len() - missed
    );
    outcome(missed == 0)
}
