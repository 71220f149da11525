//! One owner for a shard: the database refuses the others (promise P8).

use crate::lane::{options, take, why};
use crate::server;
use landfall_cluster::{Database, DatabaseError, cause_of_read};
use model::Position;
use store::Store;

fn fenced(shard: u32, epoch: u64, by: u64) -> DatabaseError {
    DatabaseError::Fenced { shard, epoch, by }
}

#[test]
fn a_takeover_fences_the_owner_before() {
    let postgres = server::shared();
    let name = postgres.database();
    // Two nodes.
    let open = || Database::open(options(postgres.address(&name))).expect("it can be used");
    let (one, two) = (open(), open());
    let mut old = take(&one, 3, 1).expect("nobody has it");
    let first = old.land(&[b"one", b"two"]).expect("it is the owner");
    let mut new = take(&two, 3, 2).expect("the epoch is higher");
    assert_eq!(new.told, first);

    for _ in 0..2 {
        let failure = old.land(&[b"late"]).expect_err("it is the owner no more");
        assert_eq!(*why(&failure), fenced(3, 1, 2));
    }
    // Not even what changes nothing.
    old.checkpoint().expect_err("a failure is final");
    let second = new.land(&[b"three"]).expect("it is the owner");
    drop(new);

    let third = take(&one, 3, 3).expect("the epoch is higher");
    assert_eq!(third.told, [first, second].concat());
    assert_eq!(third.body(3), "three");
}

#[test]
fn an_epoch_counts_once() {
    let postgres = server::shared();
    let name = postgres.database();
    let database = Database::open(options(postgres.address(&name))).expect("it can be used");
    take(&database, 0, 7).expect("nobody has it");
    let owners = database.owners().expect("the database is there");
    assert_eq!(owners.len(), 8);
    let first = (owners[0].owner.as_str(), owners[0].epoch);
    assert_eq!((first, owners[1].epoch), (("opening 7", 7), 0));
    for epoch in [1, 6] {
        let refused = take(&database, 0, epoch).err();
        assert_eq!(refused, Some(fenced(0, epoch, 7)));
    }
    // Another node with the same epoch; `take` names an owner by its epoch.
    postgres.sql(
        &name,
        "update landfall.shard set owner = 'another' where shard = 0",
    );
    assert_eq!(take(&database, 0, 7).err(), Some(fenced(0, 7, 7)));
    let other = take(&database, 8, 1).err();
    assert!(
        matches!(other, Some(DatabaseError::Refused(_))),
        "{other:?}"
    );
}

#[test]
fn a_database_that_is_not_there_is_told_at_once() {
    let address = server::shared().address("nowhere");
    let refused = Database::open(options(address)).err();
    let Some(DatabaseError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("nowhere"), "{why}");
}

#[test]
fn who_is_fenced_takes_nobody_along() {
    let postgres = server::shared();
    let name = postgres.database();
    let options = landfall_cluster::Options {
        connections: 1,
        ..options(postgres.address(&name))
    };
    let database = Database::open(options).expect("it can be used");
    let mut lanes: Vec<_> = (0..4)
        .map(|shard| take(&database, shard, 1).expect("nobody has it"))
        .collect();
    postgres.sql(&name, "update landfall.shard set epoch = 2 where shard = 2");
    // All at once, so that they may share a statement.
    std::thread::scope(|scope| {
        for (shard, lane) in (0..).zip(&mut lanes) {
            scope.spawn(move || {
                for _ in 0..50 {
                    let landed = lane.land(&[b"message"]);
                    assert_eq!(landed.is_ok(), shard != 2);
                }
            });
        }
    });
    drop(lanes);
    for shard in 0..4 {
        let told = take(&database, shard, 3).expect("the epoch is higher").told;
        let expected: Vec<u64> = if shard == 2 {
            vec![]
        } else {
            (1..=50).collect()
        };
        assert_eq!(told, expected);
    }
}

#[test]
fn a_lane_that_wanders_between_nodes_is_told_in_order() {
    let postgres = server::shared();
    let name = postgres.database();
    let open = || {
        let options = landfall_cluster::Options {
            segment_bytes: 64 * 1024,
            ..options(postgres.address(&name))
        };
        Database::open(options).expect("it can be used")
    };
    // Each writes to tables of its own.
    let nodes = [open(), open()];
    let body = [3; 9000];
    let mut landed = 0;
    for epoch in 1..=9 {
        let node = &nodes[usize::try_from(epoch).expect("a small number") % 2];
        let mut lane = take(node, 0, epoch).expect("the epoch is higher");
        assert_eq!(lane.told, (1..=landed).collect::<Vec<_>>());
        for _ in 0..5 {
            lane.land(&[&body[..]; 3]).expect("it is the owner");
        }
        landed = lane.next - 1;
        for position in (1..=landed).step_by(7) {
            assert_eq!(lane.body(position), body[..]);
        }
    }
}

#[test]
fn who_reads_what_its_successor_has_dropped_hears_that_it_is_fenced() {
    let postgres = server::shared();
    let name = postgres.database();
    let open = || Database::open(options(postgres.address(&name))).expect("it can be used");
    let (one, two) = (open(), open());
    let mut old = take(&one, 0, 1).expect("nobody has it");
    let body = vec![7; 30_000];
    for _ in 0..20 {
        old.land(&[&body]).expect("it is the owner");
    }
    let mut new = take(&two, 0, 2).expect("the epoch is higher");
    let _ = new
        .settle(&(1..=20).collect::<Vec<_>>())
        .expect("it is the owner");
    let _ = new.checkpoint().expect("it is the owner");
    let there = "select to_regclass('landfall.seg_1')";
    while postgres.sql(&name, there)[0][0].is_some() {
        let _ = new.land(&[&body]).expect("it is the owner");
    }
    let error = old
        .store
        .reader()
        .read(Position(1))
        .expect_err("it is gone");
    assert_eq!(cause_of_read(&error), Some(&fenced(0, 1, 2)), "{error}");
}
