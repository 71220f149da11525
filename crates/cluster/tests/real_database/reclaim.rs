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
    let body = [7; 1000];
    let bodies = [&body[..]; 32];
    for _ in 0..bytes / (32 * 1000) {
        let landed = lane.land_passing(&bodies).expect("the database is there");
        grant(lane, landed);
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
