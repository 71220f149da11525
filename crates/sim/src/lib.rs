//! The deterministic simulator: the real broker, the real store and the client's real state machines, under a network
//! that loses connections, a disk that fails, a clock that jumps and clients that do what clients do.
//!
//! A seed decides everything: the features that a run uses ([`Feature`]), who sends and receives what, and every fault.
//! A run has a stormy part and a calm one, in which everything must settle. What happens is held against the promises
//! by the `ledger`. That the ledger sees is shown by bugs that are planted on purpose ([`Plant`]).
//!
//! In reading order: `feature` and `plan` (what a run is made of), `world` (its events), `shell` (the server),
//! `sender` and `receiver` (the clients), `lane` and `ledger` (the checkers).

mod actor;
mod content;
mod feature;
mod lane;
mod ledger;
mod plan;
mod plant;
mod random;
mod receiver;
mod sender;
mod shell;
mod trace;
mod world;

pub use feature::Feature;
pub use ledger::Violation;
pub use plant::Plant;
pub use world::Report;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a seed. With `told`, everything that happens is printed.
pub fn run(seed: u64, plant: Option<Plant>, told: bool) -> Report {
    let run = AssertUnwindSafe(|| world::World::new(seed, plant, told).run());
    // The broker's own assertions are checkers too.
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Report {
            violation: Some(Violation {
                checker: "panic",
                what: text.unwrap_or_default(),
            }),
            hash: 0,
            time: 0,
            sent: 0,
            confirmed: 0,
            deliveries: 0,
            faults: 0,
            starts: 0,
        }
    })
}
