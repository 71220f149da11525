//! What can be simulated: one server, or a cluster.

use landfall_sim::{ClusterPlant, ClusterReport, Plant, Report, Violation, run, run_cluster};
use std::fmt::Debug;

/// Something that seeds are run of.
pub(crate) trait Simulation {
    type Plant: Copy + 'static;
    type Report: Debug + Default;

    /// How it is run.
    const COMMAND: &'static str;
    const PLANTS: &'static [Self::Plant];

    fn word(plant: Self::Plant) -> &'static str;
    fn what(plant: Self::Plant) -> &'static str;
    fn run(seed: u64, plant: Option<Self::Plant>, told: bool) -> Self::Report;

    fn violation(report: &Self::Report) -> Option<&Violation>;
    fn hash(report: &Self::Report) -> u64;
    fn time(report: &Self::Report) -> u64;
    fn add(sum: &mut Self::Report, report: &Self::Report);
    /// What a sum says to people.
    fn told(sum: &Self::Report) -> String;
}

/// One server after the other.
pub(crate) struct Servers;

impl Simulation for Servers {
    type Plant = Plant;
    type Report = Report;

    const COMMAND: &'static str = "cargo xtask sim";
    const PLANTS: &'static [Plant] = Plant::ALL;

    fn word(plant: Plant) -> &'static str {
        plant.word()
    }

    fn what(plant: Plant) -> &'static str {
        plant.what()
    }

    fn run(seed: u64, plant: Option<Plant>, told: bool) -> Report {
        run(seed, plant, told)
    }

    fn violation(report: &Report) -> Option<&Violation> {
        report.violation.as_ref()
    }

    fn hash(report: &Report) -> u64 {
        report.hash
    }

    fn time(report: &Report) -> u64 {
        report.time
    }

    fn add(sum: &mut Report, report: &Report) {
        sum.time += report.time;
        sum.sent += report.sent;
        sum.confirmed += report.confirmed;
        sum.deliveries += report.deliveries;
        sum.faults += report.faults;
        sum.starts += report.starts;
    }

    fn told(sum: &Report) -> String {
        format!(
            "{} messages sent, {} confirmed, {} deliveries, {} faults, {} starts",
            sum.sent, sum.confirmed, sum.deliveries, sum.faults, sum.starts
        )
    }
}

/// One cluster after the other.
pub(crate) struct Clusters;

impl Simulation for Clusters {
    type Plant = ClusterPlant;
    type Report = ClusterReport;

    const COMMAND: &'static str = "cargo xtask sim --cluster";
    const PLANTS: &'static [ClusterPlant] = ClusterPlant::ALL;

    fn word(plant: ClusterPlant) -> &'static str {
        plant.word()
    }

    fn what(plant: ClusterPlant) -> &'static str {
        plant.what()
    }

    fn run(seed: u64, plant: Option<ClusterPlant>, told: bool) -> ClusterReport {
        run_cluster(seed, plant, told)
    }

    fn violation(report: &ClusterReport) -> Option<&Violation> {
        report.violation.as_ref()
    }

    fn hash(report: &ClusterReport) -> u64 {
        report.hash
    }

    fn time(report: &ClusterReport) -> u64 {
        report.time
    }

    fn add(sum: &mut ClusterReport, report: &ClusterReport) {
        sum.time += report.time;
        sum.sent += report.sent;
        sum.confirmed += report.confirmed;
        sum.deliveries += report.deliveries;
        sum.duplicates += report.duplicates;
        sum.takes += report.takes;
        sum.starts += report.starts;
        sum.unserved += report.unserved;
        sum.troubles.add(&report.troubles);
    }

    fn told(sum: &ClusterReport) -> String {
        let troubles = sum.troubles.each();
        let troubles: Vec<String> = troubles
            .map(|(trouble, times)| format!("  {times:7} {}", trouble.word()))
            .collect();
        format!(
            "{} messages sent, {} confirmed, {} deliveries, {} of them by nodes that had lost the shard\n\
             {} take-overs, {} starts, nobody served for {:.0} of {:.0} s, {} troubles:\n{}",
            sum.sent,
            sum.confirmed,
            sum.deliveries + sum.duplicates,
            sum.duplicates,
            sum.takes,
            sum.starts,
            sum.unserved as f64 / 1e6,
            sum.time as f64 / 1e6,
            sum.troubles.sum(),
            troubles.join("\n")
        )
    }
}
