//! Power cuts: a recorded history, cut after every change, with everything that the disk may then hold.

use super::history::{self, History, Ledger, Script, Told};
use super::image::{Image, Op, Unsynced};
use super::sim::SimDisk;
use crate::names::Name;
use model::Record;
use std::collections::HashSet;
use std::sync::Arc;
use store::Store;
use store::conformance::Known;

/// How many orders of what was not synced are tried at each place.
const ORDERS: u64 = 3;

/// What is counted: a run that cut nothing proves nothing.
#[derive(Debug, Default)]
struct Counts {
    cuts: u64,
    second_cuts: u64,
}

/// Everything that may be on the disk after a cut; the first two are "nothing" and "all" of what was not synced.
fn possible(unsynced: &Unsynced, seed: u64, orders: u64) -> Vec<Image> {
    let pieces = unsynced.pieces.len();
    let (all, none) = (|_: usize| true, |_: usize| false);
    let mut images = vec![unsynced.cut(none, none), unsynced.cut(all, all)];
    let last = pieces - unsynced.last_write..pieces;
    for torn in last.clone().skip(1) {
        images.push(unsynced.cut(|piece| piece < torn, all));
    }
    for alone in last.filter(|_| unsynced.last_write > 1) {
        images.push(unsynced.cut(|piece| piece != alone, all));
        images.push(unsynced.cut(|piece| piece == alone, none));
    }
    if pieces + unsynced.names.len() > 1 {
        for order in 0..orders {
            let mut random = history::Random(seed * 1_000_003 + order * 7919 + 1);
            let coins: Vec<bool> = (0..pieces + unsynced.names.len())
                .map(|_| random.below(2) == 0)
                .collect();
            images.push(unsynced.cut(|piece| coins[piece], |name| coins[pieces + name]));
        }
    }
    images
}

/// Opens what a cut has left and holds what is told against what may be told.
fn recover<'l>(
    script: &Script,
    image: Image,
    may_be: &[&'l Ledger],
) -> (Arc<SimDisk>, crate::Journal, &'l Ledger) {
    let disk = SimDisk::with_blocks(image, script.blocks);
    let (journal, _, told) =
        history::open(&disk).unwrap_or_else(|error| panic!("recovery refuses: {error}"));
    let ledger = script
        .judge(&told, may_be)
        .unwrap_or_else(|what| panic!("{what}\n{}", shape(&told)));
    (disk, journal, ledger)
}

fn shape(told: &Told) -> String {
    let one = |known: &Known| match known {
        Known::Head(head) => format!("message {:?}", head.queues),
        Known::Record(Record::Message(message)) => format!("message {:?}", message.queues),
        Known::Record(Record::Settled(queue, _, runs)) => format!("settled {queue} {runs:?}"),
        Known::Record(other) => format!("{other:?}"),
    };
    told.iter()
        .map(|(position, record)| format!("{position}: {}\n", one(record)))
        .collect()
}

/// What has landed can be read, more can land, and all of it survives the next cut.
fn goes_on(script: &Script, ledger: &Ledger, disk: &SimDisk, mut journal: crate::Journal) {
    let reader = journal.reader();
    for position in ledger
        .live
        .keys()
        .map(|position| model::Position(*position))
    {
        let chunk = reader.read(position).expect("a live message is readable");
        let message = chunk.message(position).expect("the chunk holds it");
        let Some(Record::Message(sent)) = script.sent.get(&position.0) else {
            panic!("{position} is no message")
        };
        assert_eq!(message.body, sent.body);
    }
    let mut script = script.clone();
    script.ledger = ledger.clone();
    for step in [1, 2] {
        let _ = script.land(&mut journal, step).expect("the disk is good");
    }
    drop(journal);
    recover(&script, disk.durable(), &[&script.ledger]);
}

fn cut_everywhere(history: &History, orders: u64, second: bool) -> Counts {
    let mut counts = Counts::default();
    let mut seen = HashSet::new();
    let mut unsynced = Unsynced::on(Image::default());
    let log = history.disk.log();
    for changes in 0..=log.len() {
        let may_be = history.may_be(changes);
        for (number, image) in possible(&unsynced, changes as u64, orders)
            .into_iter()
            .enumerate()
        {
            if !seen.insert((image.hash_value(), may_be[0].last)) {
                continue;
            }
            counts.cuts += 1;
            let (disk, journal, ledger) = recover(&history.script, image.clone(), &may_be);
            let recovery = disk.log();
            goes_on(&history.script, ledger, &disk, journal);
            if second && number < 3 {
                counts.second_cuts += cut_again(&history.script, image, &recovery, &[ledger]);
            }
        }
        if let Some(op) = log.get(changes) {
            unsynced.apply(op);
        }
    }
    counts
}

/// Cuts a recovery after each of its own changes; the next one tells the same.
fn cut_again(script: &Script, image: Image, recovery: &[Op], may_be: &[&Ledger]) -> u64 {
    let mut cuts = 0;
    let mut seen = HashSet::new();
    let mut unsynced = Unsynced::on(image);
    for (changes, op) in recovery.iter().enumerate() {
        unsynced.apply(op);
        for image in possible(&unsynced, changes as u64, 1) {
            if seen.insert(image.hash_value()) {
                check_spares(&image);
                recover(script, image, may_be);
                cuts += 1;
            }
        }
    }
    cuts
}

#[test]
fn nothing_landed_is_lost_wherever_the_power_goes() {
    let history = history::record(1, 80);
    let log = history.disk.log();
    let recycled = log.iter().filter(|op| recycles(op)).count();
    let relocated: u32 = log.iter().map(moves).sum();
    println!(
        "{} changes of the disk, {} landings with the disk full, {} openings, {recycled} files recycled, {relocated} messages moved",
        history.disk.log_length(),
        history.reserved,
        history.reopened
    );
    assert!(
        history.script.blocks > 1,
        "this one writes around the page cache"
    );
    assert!(history.reserved > 0 && history.reopened > 0 && recycled > 0 && relocated > 5);
    let counts = cut_everywhere(&history, ORDERS, true);
    println!("{counts:?}");
    assert!(counts.cuts > 500 && counts.second_cuts > 1000);
}

#[test]
fn other_histories_survive_too() {
    for seed in 2..6 {
        let history = history::record(seed, 40);
        cut_everywhere(&history, 1, false);
    }
}

/// How many messages a write moves.
fn moves(op: &Op) -> u32 {
    match op {
        Op::Write { bytes, .. } => store::chunk::header(bytes).map_or(0, |header| header.relocated),
        _ => 0,
    }
}

/// What is in a spare must never be taken for what it is to become: no chunk in it is of a segment that is there.
fn check_spares(image: &Image) {
    let names = || {
        image.names.iter().filter_map(|(path, file)| {
            let name = Name::parse(path.file_name()?.to_str()?)?;
            Some((name, file))
        })
    };
    let segments: HashSet<u64> = names()
        .filter_map(|(name, _)| match name {
            Name::Segment(number) => Some(number),
            _ => None,
        })
        .collect();
    for (name, file) in names() {
        if let (Name::Spare(_), Ok(header)) = (name, store::chunk::header(&image.files[*file])) {
            assert!(
                !segments.contains(&header.segment),
                "{name:?} holds a part of a segment"
            );
        }
    }
}

/// Whether a segment's file becomes a spare.
fn recycles(op: &Op) -> bool {
    matches!(op, Op::Rename { from, to, .. }
        if from.extension().is_some_and(|end| end == "seg") && to.extension().is_none())
}
