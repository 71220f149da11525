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
mod agenda;
mod cluster;
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

pub use cluster::{ClusterPlant, ClusterReport, Trouble, Troubles, run_cluster};
pub use feature::Feature;
pub use ledger::Violation;
pub use plant::Plant;
pub use world::Report;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a seed. With `told`, everything that happens is printed.
pub fn run(seed: u64, plant: Option<Plant>, told: bool) -> Report {
    or_panic(|| world::World::new(seed, plant, told).run()).unwrap_or_else(|violation| Report {
        violation: Some(violation),
        ..Report::default()
    })
}

/// What came of a run. The broker's own assertions are checkers too.
fn or_panic<T>(run: impl FnOnce() -> T) -> Result<T, Violation> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Violation {
            checker: "panic",
            what: text.unwrap_or_default(),
        }
    })
}
