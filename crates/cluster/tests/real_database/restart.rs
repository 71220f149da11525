//! A database that is killed under load, and comes back: nothing that was confirmed is lost (promise P1).

use crate::lane::{options, take};
use crate::server::Postgres;
use landfall_cluster::Database;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SHARDS: u32 = 4;
const KILLS: usize = 3;
/// So many chunks are confirmed between two kills.
const BETWEEN: u64 = 200;

#[test]
fn a_killed_database_has_lost_nothing_confirmed() {
    let mut postgres = Postgres::start(&[]);
    let database = Database::open(options(postgres.address("postgres"))).expect("it can be used");
    let (confirmed, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let landed: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let lanes = (0..SHARDS).map(|shard| {
            let (database, confirmed, stop) = (&database, &confirmed, &stop);
            scope.spawn(move || {
                let mut lane = take(database, shard, 1).expect("nobody has it");
                let mut landed = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let body = vec![7; 100 + landed.len() % 10_000];
                    let positions = lane.land(&[&body, b"another"]);
                    landed.extend(positions.expect("the database comes back in time"));
                    confirmed.fetch_add(1, Ordering::Relaxed);
                }
                landed
            })
        });
        let lanes: Vec<_> = lanes.collect();
        for _ in 0..KILLS {
            let before = confirmed.load(Ordering::Relaxed);
            while confirmed.load(Ordering::Relaxed) < before + BETWEEN {
                std::thread::yield_now();
            }
            postgres.kill_and_restart();
        }
        stop.store(true, Ordering::Relaxed);
        let lanes = lanes
            .into_iter()
            .map(|lane| lane.join().expect("the lane goes on"));
        lanes.collect()
    });
    postgres.kill_and_restart();
    for (shard, landed) in (0..).zip(landed) {
        let lane = take(&database, shard, 2).expect("the epoch is higher");
        assert!(
            lane.told == landed,
            "shard {shard} tells what was confirmed, once"
        );
    }
}
