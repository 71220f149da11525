//! Fault after fault under load: what each does to clients, and whether everything comes back.

use super::faults::{Fault, Owner};
use super::lab::Lab;
use super::load::Load;
use super::patience::Chance;
use super::report::{Report, Run};
use anyhow::{Result, bail, ensure};
use std::time::{Duration, Instant};

/// Load before the first fault, and between two.
const CALM: Duration = Duration::from_secs(2);
/// After a fault every client is at work again within this, and what was confirmed has come.
const BACK_WITHIN: Duration = Duration::from_secs(90);

/// When a fault that should have given the queues to another node has had its time, that node serves within this.
const REPLACED_WITHIN: Duration = Duration::from_secs(15);

/// Which faults, and for how long.
pub(super) struct Plan {
    pub(super) faults: Vec<Fault>,
    pub(super) turns: Option<u32>,
    pub(super) minutes: u64,
    pub(super) rate: u32,
}

/// Lets them come in random order, again and again, and holds what clients saw against the promises.
pub(super) fn run(lab: &mut Lab, plan: &Plan, mut chance: Chance) -> Result<()> {
    ensure!(
        !plan.faults.is_empty(),
        "none of the faults is possible here"
    );
    let load = Load::start(&lab.nodes.addresses(), plan.rate, lab.shards)?;
    let mut report = Report::default();
    let outcome = go_on(lab, &load, plan, &mut chance, &mut report);
    // What was seen until a failure is told too.
    let ended = outcome.and_then(|()| end(lab, load, &mut report));
    report.ended_by_themselves.clone_from(&lab.nodes.ended);
    println!("{}", report.text());
    report.write()?;
    ended?;
    report.verdict()
}

fn go_on(
    lab: &mut Lab,
    load: &Load,
    plan: &Plan,
    chance: &mut Chance,
    report: &mut Report,
) -> Result<()> {
    let start = load.mark();
    lab.pass_until("all clients are at work", BACK_WITHIN, |_| {
        load.flows_since(&start)
    })?;
    let began = Instant::now();
    for turn in 0.. {
        if plan.turns.is_some_and(|turns| turn >= turns) {
            return Ok(());
        }
        let mut faults = plan.faults.clone();
        chance.shuffle(&mut faults);
        for fault in faults {
            if began.elapsed() > Duration::from_secs(plan.minutes * 60) {
                return Ok(());
            }
            load.spread();
            let begun = load.mark();
            lab.pass(CALM)?;
            lab.pass_until("all clients have begun anew", BACK_WITHIN, |_| {
                load.flows_since(&begun)
            })?;
            let logs = lab.log_lengths();
            let at = began.elapsed().as_secs();
            println!("{:>3}:{:02} {}", at / 60, at % 60, fault.name());
            let run = one(lab, load, fault, chance).inspect_err(|_| {
                println!(
                    "{} failed; the nodes said meanwhile:\n{}",
                    fault.name(),
                    lab.said_since(&logs)
                );
            })?;
            println!("       {}", run.text());
            report.add(fault, run);
        }
    }
    Ok(())
}

/// One fault from its beginning until nothing is seen of it any more.
fn one(lab: &mut Lab, load: &Load, fault: Fault, chance: &mut Chance) -> Result<Run> {
    let before = load.counts();
    let ownership = lab.ownership()?;
    load.hold(true);
    load.begin_pauses();
    let damage = fault.begin(lab, chance)?;
    lab.pass(fault.lasts())?;
    // Of several shards the first may be moved to spread them evenly.
    if lab.shards == 1 {
        check_owner(lab, fault, ownership)?;
    }
    damage.end(lab)?;
    load.hold(false);
    lab.mend()?;
    let mended = Instant::now();
    let mark = load.mark();
    let back = lab.pass_until("every client is at work again", BACK_WITHIN, |_| {
        load.flows_since(&mark)
    });
    if let Err(error) = back {
        bail!("{error:#}: {}", load.stuck_since(&mark));
    }
    ensure!(load.is_at_work(), "a client has ended");
    let owed = load.owed();
    let paid = lab.pass_until("what was confirmed has come", BACK_WITHIN, |_| {
        load.is_paid(&owed)
    });
    let lost = if paid.is_err() {
        load.lose(&owed)
    } else {
        Vec::new()
    };
    let (publishers, consumers) = load.pauses();
    Ok(Run {
        publishers,
        consumers,
        counts: load.counts().since(&before),
        back_after: mended.elapsed(),
        lost,
    })
}

/// Holds who serves against what the fault should do.
fn check_owner(lab: &mut Lab, fault: Fault, (before, epoch): (usize, u64)) -> Result<()> {
    match fault.owner() {
        Owner::Same => {
            let (now, under) = lab.ownership()?;
            ensure!(
                (now, under) == (before, epoch),
                "the owner changed from node {before} (epoch {epoch}) to node {now} (epoch {under}), without a reason"
            );
            Ok(())
        }
        Owner::Another => lab.pass_until("another node serves", REPLACED_WITHIN, |lab| {
            lab.ownership()
                .is_ok_and(|(now, under)| now != before && under > epoch)
        }),
        Owner::Any => Ok(()),
    }
}

/// Lets all senders end and everything be received; then nothing may be left.
fn end(lab: &mut Lab, load: Load, report: &mut Report) -> Result<()> {
    load.stop_sending();
    lab.pass(CALM)?;
    let owed = load.owed();
    let paid = lab.pass_until("everything has come", BACK_WITHIN, |_| load.is_paid(&owed));
    if paid.is_err() {
        report.lost_in_the_end = load.lose(&owed);
    }
    let queues = load.queues.clone();
    let (ended, counts) = load.finish()?;
    report.end(ended, counts);
    let (owner, _) = lab.ownership()?;
    for (vhost, queue) in queues {
        let left = lab.nodes.waiting(owner, vhost, queue)?;
        ensure!(
            left == 0,
            "{left} messages are left in {queue}, and all that was sent has come"
        );
    }
    Ok(())
}
