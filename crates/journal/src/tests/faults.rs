//! A disk that fails: at every single operation, in every way. What was confirmed is never lost, nothing is
//! confirmed after a failure, and no sync is tried twice.

use super::history::{self, Ledger, Script};
use super::image::Image;
use super::sim::{Fault, SimDisk};
use crate::Journal;
use std::sync::Arc;

/// Landings of one run: enough for some segments, a checkpoint and recycled files.
const LANDINGS: u64 = 40;

/// What a run came to.
enum Ended {
    /// Nothing failed.
    Well,
    /// The journal did not open.
    NotOpened,
    /// A landing failed: before it there was the first ledger, with it there would be the second.
    Failed(Ledger, Ledger),
}

/// Lands until something fails.
fn run(disk: &Arc<SimDisk>, script: &mut Script) -> Ended {
    let Ok((mut journal, ..)) = history::open(disk) else {
        return Ended::NotOpened;
    };
    for step in 0..LANDINGS {
        let before = script.ledger.clone();
        let Ok(landed) = script.land(&mut journal, step) else {
            return failed(disk, journal, script, before);
        };
        if landed.checkpoint_wanted {
            let before = script.ledger.clone();
            if script.land_checkpoint(&mut journal).is_err() {
                return failed(disk, journal, script, before);
            }
        }
    }
    Ended::Well
}

/// After a failure nothing lands, and the disk is not touched any more: neither written nor synced.
fn failed(disk: &SimDisk, mut journal: Journal, script: &Script, before: Ledger) -> Ended {
    let operations = disk.operations();
    let mut later = script.clone();
    for step in 100..103 {
        let failure = later
            .land(&mut journal, step)
            .expect_err("nothing lands after a failure");
        assert!(failure.to_string().contains("cannot land"), "{failure}");
    }
    assert_eq!(disk.operations(), operations);
    Ended::Failed(before, script.ledger.clone())
}

/// Starts again on the same machine, then loses power: both must tell what was confirmed.
fn starts_again(disk: &Arc<SimDisk>, script: &Script, may_be: &[&Ledger], context: &str) {
    disk.heal();
    let (mut journal, _, told) =
        history::open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    let ledger = script
        .judge(&told, may_be)
        .unwrap_or_else(|what| panic!("{context}: {what}"));
    let mut script = script.clone();
    script.ledger = ledger.clone();
    for step in [1, 2, 3] {
        let _ = script
            .land(&mut journal, step)
            .expect("the disk is good again");
    }
    drop(journal);
    let after_power = SimDisk::new(disk.durable());
    let (.., told) =
        history::open(&after_power).unwrap_or_else(|error| panic!("{context}, power cut: {error}"));
    script
        .judge(&told, &[&script.ledger])
        .unwrap_or_else(|what| panic!("{context}, power cut: {what}"));
}

/// Every operation fails once, the page cache honouring `forget_cached` or not; returns how many failed.
fn every_operation_fails(fault: Fault, persistent: bool, forgets: bool) -> u64 {
    for operation in 1.. {
        let disk = SimDisk::new(Image::default());
        disk.set_forgets(forgets);
        if persistent {
            disk.fail_from(operation, fault);
        } else {
            disk.fail_at(operation, fault);
        }
        let mut script = Script::new(9);
        let context = format!("{fault:?} at operation {operation}");
        match run(&disk, &mut script) {
            Ended::NotOpened => starts_again(&disk, &script, &[&Ledger::default()], &context),
            Ended::Failed(before, after) => {
                starts_again(&disk, &script, &[&before, &after], &context)
            }
            Ended::Well if disk.operations() < operation => return operation - 1,
            Ended::Well => starts_again(&disk, &script, &[&script.ledger], &context),
        }
    }
    unreachable!("a run has an end")
}

#[test]
fn errors_of_the_disk() {
    let failed = every_operation_fails(Fault::Io, false, false);
    println!("{failed} operations failed");
    assert!(failed > 200);
}

#[test]
fn errors_of_the_disk_with_a_forgetful_page_cache() {
    assert!(every_operation_fails(Fault::Io, false, true) > 200);
}

#[test]
fn a_disk_that_fails_for_good() {
    assert!(every_operation_fails(Fault::Io, true, false) > 200);
}

#[test]
fn a_full_disk() {
    assert!(every_operation_fails(Fault::Full, false, false) > 200);
    assert!(every_operation_fails(Fault::Full, true, false) > 200);
}

#[test]
fn short_writes() {
    assert!(every_operation_fails(Fault::Short, false, false) > 200);
}
