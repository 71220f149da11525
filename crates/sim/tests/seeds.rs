//! A slice of what `cargo xtask sim` runs: some dozen seeds without a violation, and planted bugs that are found.

use landfall_sim::{ClusterPlant, Plant, run, run_cluster};

#[test]
fn some_seeds_break_no_promise() {
    for seed in 0..24 {
        let report = run(seed, None, false);
        assert_eq!(report.violation, None, "cargo xtask sim --seed {seed}");
        assert!(report.confirmed >= 1000 && report.faults > 0);
    }
}

#[test]
fn a_seed_gives_the_same_bytes_each_time() {
    assert_eq!(run(7, None, false), run(7, None, false));
    assert_ne!(run(7, None, false).hash, run(8, None, false).hash);
}

#[test]
fn planted_bugs_are_found() {
    let plants = [
        (Plant::ConfirmBeforeSync, "P1"),
        (Plant::ByteChanged, "P4"),
        (Plant::NumbersForgotten, "P5"),
        (Plant::OrderSwapped, "P6"),
        (Plant::AckNotRecorded, "P2"),
    ];
    for (plant, checker) in plants {
        let found = (0..50).find_map(|seed| run(seed, Some(plant), false).violation);
        let found = found.unwrap_or_else(|| panic!("{} is not found", plant.word()));
        assert_eq!(found.checker, checker, "{found:?}");
    }
}

#[test]
fn some_seeds_of_a_cluster_break_no_promise() {
    for seed in 0..16 {
        let report = run_cluster(seed, None, false);
        assert_eq!(
            report.violation, None,
            "cargo xtask sim --cluster --seed {seed}"
        );
        assert!(report.confirmed >= 300 && report.takes > 0 && report.troubles.sum() > 0);
    }
}

#[test]
fn a_seed_of_a_cluster_gives_the_same_bytes_each_time() {
    assert_eq!(run_cluster(7, None, false), run_cluster(7, None, false));
    assert_ne!(
        run_cluster(7, None, false).hash,
        run_cluster(8, None, false).hash
    );
}

/// A seed or two find each; the others are for `cargo xtask sim --cluster --plants`.
#[test]
fn planted_bugs_of_a_cluster_are_found() {
    let plants = [
        (ClusterPlant::EpochNotChecked, "P8"),
        (ClusterPlant::ConfirmBeforeCommit, "P1"),
        (ClusterPlant::EpochsOfAssignment, "liveness"),
    ];
    for (plant, checker) in plants {
        let found = (0..50).find_map(|seed| run_cluster(seed, Some(plant), false).violation);
        let found = found.unwrap_or_else(|| panic!("{} is not found", plant.word()));
        assert_eq!(found.checker, checker, "{found:?}");
    }
}
