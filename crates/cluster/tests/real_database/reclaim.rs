//! What tables are left: near what is live, whatever has passed by (promise P9).

use crate::conformance::{OnPostgres, SEGMENT_BYTES};
use crate::lane::{Lane, options, take};
use crate::server;
use landfall_cluster::{Database, Options};
use std::time::{Duration, Instant};
use store::{Landed, conformance};

/// The bytes of all segment tables with their indexes, and how many they are.
fn tables(name: &str) -> (u64, u64) {
    let sizes = "select coalesce(sum(pg_total_relation_size(c.oid)), 0), count(*) from pg_class c
                   join pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = 'landfall' and c.relname ~ '^seg_[0-9]+$'";
    let rows = server::shared().sql(name, sizes);
    let number = |at: usize| rows[0][at].as_ref().and_then(|text| text.parse().ok());
    (number(0).expect("a number"), number(1).expect("a number"))
}

/// Waits until what is let go has been dropped and there are no more than `most` bytes.
fn shrink_to(name: &str, most: u64) -> (u64, u64) {
    let began = Instant::now();
    loop {
        let (bytes, count) = tables(name);
        if bytes <= most {
            return (bytes, count);
        }
        let late = began.elapsed() > Duration::from_secs(20);
        assert!(
            !late,
            "{bytes} bytes in {count} tables are left, {most} are bearable"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_slow_queue_pins_next_to_nothing() {
    let mut harness = OnPostgres::new();
    // One message of 100 bytes waits while 30 times the bound passes by it.
    conformance::fill(&mut harness, 30);
    let (_, count) = shrink_to(&harness.name, 4 * SEGMENT_BYTES);
    assert!(count <= 12, "{count} tables");
}

/// Lands what is settled at once, with checkpoints when they are wanted.
fn pass_by(lane: &mut Lane, bytes: usize) {
    pass(lane, bytes, grant);
}

fn pass_by_without_checkpoints(lane: &mut Lane, bytes: usize) {
    pass(lane, bytes, |_, _| {});
}

fn pass(lane: &mut Lane, bytes: usize, then: impl Fn(&mut Lane, Landed)) {
    let body = [7; 1000];
    let bodies = [&body[..]; 32];
    for _ in 0..bytes / (32 * 1000) {
        let landed = lane.land_passing(&bodies).expect("the database is there");
        then(lane, landed);
    }
}

fn grant(lane: &mut Lane, landed: Landed) {
    if landed.checkpoint_wanted {
        let _ = lane.checkpoint().expect("the database is there");
    }
}

/// Asks now and then, as the shell does, until no more than `most` bytes are left.
fn rest(lane: &mut Lane, name: &str, most: u64) {
    let began = Instant::now();
    while tables(name).0 > most && began.elapsed() < Duration::from_secs(10) {
        let landed = lane.ask();
        grant(lane, landed);
    }
    shrink_to(name, most);
}

#[test]
fn a_backlog_pins_its_own_size() {
    const SEGMENT: u64 = 1024 * 1024;
    const LIVE: u64 = 8_000_000;
    let postgres = server::shared();
    let name = postgres.database();
    let options = Options {
        segment_bytes: SEGMENT,
        ..options(postgres.address(&name))
    };
    let database = Database::open(options).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    let body = [8; 1000];
    let mut waiting = Vec::new();
    // 8 MB that wait, between as much that passes by; then ten times as much passes by.
    for _ in 0..LIVE / 32_000 {
        waiting.extend(lane.land(&[&body[..]; 32]).expect("the database is there"));
        pass_by(&mut lane, 32_000);
    }
    pass_by(&mut lane, 80_000_000);
    rest(&mut lane, &name, LIVE * 3 / 2 + 2 * SEGMENT);
    let pages = postgres.sql(&name, "select head from landfall.shard where shard = 0");
    let pages: u64 = pages[0][0]
        .as_ref()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    // What waits is copied once, and hardly again.
    let of_backlog = LIVE / 8000;
    assert!(
        pages < lane.pages + 2 * of_backlog,
        "{pages} pages, {} of them what landed",
        lane.pages
    );
    for position in waiting.iter().step_by(97) {
        assert_eq!(lane.body(*position), body[..]);
    }

    drop(lane);
    let mut lane = take(&database, 0, 2).expect("the epoch is higher");
    let mut told = lane.told.clone();
    told.retain(|position| waiting.binary_search(position).is_ok());
    told.sort_unstable();
    assert!(told == waiting, "what waits is told, once");
    // By the heads, and not message by message.
    assert!(
        lane.read < of_backlog * 3 / 4,
        "{} pages were read",
        lane.read
    );
    let landed = lane.settle(&waiting).expect("the database is there");
    grant(&mut lane, landed);
    pass_by(&mut lane, 10_000_000);
    rest(&mut lane, &name, 4 * SEGMENT);
}

/// How many stretches with heads begin at position 1.
fn heads_from_the_first(name: &str) -> usize {
    let tables = "select seg from landfall.segment";
    let tables = server::shared().sql(name, tables);
    let heads = tables.iter().map(|table| {
        let table = table[0].as_deref().expect("a number");
        let heads = format!(
            "select from landfall.seg_{table}
              where data like 'LFHD%' and substr(data, 33, 8) = '\\x0100000000000000'"
        );
        // It may have been dropped meanwhile.
        let heads = server::simple(&server::shared().address(name), &heads);
        heads.map_or(0, |heads| heads.len())
    });
    heads.sum()
}

#[test]
fn copies_of_copies_stand_for_all_that_the_first_stood_for() {
    let postgres = server::shared();
    let name = postgres.database();
    let database = Database::open(options(postgres.address(&name))).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    let body = vec![8; 3000];
    for _ in 0..80 {
        lane.land(&[&body[..]; 5]).expect("the database is there");
    }
    let _ = lane.checkpoint().expect("the database is there");
    pass_by_without_checkpoints(&mut lane, 600_000);
    // The copies end before what they stand for does.
    let (stays, goes) = (1, 10);
    let is_settled = |at: &u64| ![stays, goes].contains(at);
    let settled: Vec<u64> = (1..=400).filter(is_settled).collect();
    let _ = lane.settle(&settled).expect("the database is there");
    for _ in 0..20 {
        let _ = lane.ask();
    }
    let _ = lane.settle(&[goes]).expect("the database is there");
    // Until the table for copies is closed, and what is left in it copied; it is still there then. No checkpoint is granted.
    let began = Instant::now();
    while heads_from_the_first(&name) < 2 {
        pass_by_without_checkpoints(&mut lane, 32_000);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "nothing is copied twice"
        );
    }
    drop(lane);
    let lane = take(&database, 0, 2).expect("the epoch is higher");
    let told = |position: &&u64| **position <= 300;
    assert_eq!(lane.told.iter().filter(told).collect::<Vec<_>>(), [&stays]);
    assert_eq!(lane.body(stays), body[..]);
}

#[test]
fn who_takes_a_shard_reads_little_however_much_is_live() {
    const TAIL: u64 = 1024 * 1024;
    let postgres = server::shared();
    let name = postgres.database();
    let options = Options {
        segment_bytes: 1 << 30,
        tail_bytes: TAIL,
        ..options(postgres.address(&name))
    };
    let database = Database::open(options).expect("it can be used");
    let body = vec![8; 30_000];
    let (mut landed, mut epoch, mut pages) = (Vec::new(), 1, 0);
    // Each owner takes what the one before has left: nothing that is read whole adds up.
    for _ in 0..5 {
        let mut lane = take(&database, 0, epoch).expect("the epoch is higher");
        epoch += 1;
        for nth in 0..80 {
            landed.extend(lane.land(&[&body]).expect("the database is there"));
            if nth % 8 == 0 {
                pass_by(&mut lane, 32_000);
            }
        }
        pages += lane.pages;
    }
    assert!(pages > 1500, "{pages} pages have landed");
    let lane = take(&database, 0, epoch).expect("the epoch is higher");
    assert!(landed.iter().all(|position| lane.told.contains(position)));
    let most = TAIL / 8000 * 3 / 2;
    assert!(lane.read < most, "{} pages were read", lane.read);
    assert_eq!(lane.body(landed[7]), body[..]);
}

#[test]
fn a_shard_that_lands_nothing_more_is_made_quick_to_take() {
    let postgres = server::shared();
    let name = postgres.database();
    let options = Options {
        tail_bytes: 1024 * 1024,
        ..options(postgres.address(&name))
    };
    let database = Database::open(options).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    pass_by_without_checkpoints(&mut lane, 3_000_000);
    drop(lane);
    let mut lane = take(&database, 0, 2).expect("the epoch is higher");
    assert!(lane.read > 300, "{} pages were read", lane.read);
    // Asked once, as the shell does when it starts, and nothing else.
    let landed = lane.ask();
    assert!(landed.checkpoint_wanted);
    grant(&mut lane, landed);
    drop(lane);
    let lane = take(&database, 0, 3).expect("the epoch is higher");
    assert!(lane.read < 60, "{} pages were read", lane.read);
}
