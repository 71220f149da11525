//! Two faults at once, of which neither excludes the other.

use super::faults::{Damage, Fault};
use super::lab::Lab;
use super::patience::Chance;
use anyhow::Result;
use std::time::Duration;

/// Which go together: different machines, and enough of each kind left to go on in the end.
const PAIRS: &[(Fault, Fault)] = &[
    (Fault::PrimaryKilled, Fault::OwnerKilled),
    (Fault::ZookeeperLeaderKilled, Fault::OwnerKilled),
    (Fault::NodeKilled, Fault::OwnerKilled),
    (Fault::PrimaryKilled, Fault::OwnerPaused),
    (Fault::PrimaryKilled, Fault::ZookeeperLeaderKilled),
    (Fault::PostgresKilled, Fault::NodeKilled),
    (Fault::ZookeeperLeaderKilled, Fault::OwnerPaused),
    (Fault::PrimaryRestarted, Fault::OwnerKilled),
];

/// Lets two happen, the second up to two seconds after the first.
pub(super) fn begin(lab: &mut Lab, chance: &mut Chance) -> Result<(Damage, Damage)> {
    let (one, other) = PAIRS[chance.below(PAIRS.len())];
    let apart = Duration::from_millis(chance.next() % 2000);
    println!("    {} and, {apart:?} later, {}", one.name(), other.name());
    let first = one.begin(lab, chance)?;
    lab.pass(apart)?;
    Ok((first, other.begin(lab, chance)?))
}
