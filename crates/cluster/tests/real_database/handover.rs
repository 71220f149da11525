//! A shard that is handed over: most of it is read while its owner lands, and nothing is missed, told twice, or landed by
//! both (promise P8).

use crate::lane::{Lane, options, take, why};
use crate::server;
use landfall_cluster::{Ahead, Claim, Database, DatabaseError};
use store::conformance::by_position;

fn databases() -> (Database, Database) {
    let postgres = server::shared();
    let address = postgres.address(&postgres.database());
    let open = || Database::open(options(address.clone())).expect("it can be used");
    (open(), open())
}

fn read_ahead(database: &Database, told: &mut Vec<u64>) -> Ahead {
    let ahead = database.read_ahead(0, &mut |one| {
        told.extend(by_position(one).into_iter().map(|(position, _)| position.0));
    });
    ahead.expect("it can be read")
}

fn take_on(database: &Database, epoch: u64, ahead: Ahead, mut told: Vec<u64>) -> Option<Lane> {
    let claim = Claim {
        shard: 0,
        epoch,
        owner: format!("opening {epoch}"),
        cache_bytes: 64 * 1024,
    };
    let taken = database.take_on(&claim, ahead, &mut |one| {
        told.extend(by_position(one).into_iter().map(|(position, _)| position.0));
    });
    let (store, recovered) = taken.expect("the epoch is higher")?;
    Some(Lane {
        store,
        pages: 0,
        read: recovered.pages,
        next: told.iter().max().map_or(1, |last| last + 1),
        told,
    })
}

#[test]
fn what_lands_while_it_is_read_is_read_when_it_is_taken() {
    let (ours, theirs) = databases();
    let mut owner = take(&ours, 0, 1).expect("nobody has it");
    let big = vec![7; 20_000];
    owner.land(&[b"one", &big]).expect("it lands");
    let _ = owner.checkpoint().expect("it lands");
    owner.land(&[b"four"]).expect("it lands");

    let mut told = Vec::new();
    let ahead = read_ahead(&theirs, &mut told);
    assert_eq!(told, [1, 2, 3, 4]);
    let _ = owner.settle(&[1]).expect("it lands");
    owner.land(&[b"six", &big]).expect("it lands");
    ours.release(0, 1).expect("it answers");
    assert_eq!(theirs.owners().expect("it answers")[0].owner, "");

    let mut heir = take_on(&theirs, 2, ahead, told).expect("nothing was let go of");
    assert_eq!(heir.told, [1, 2, 3, 4, 5, 6, 7], "each once, and all");
    for position in [2, 4, 6, 7] {
        assert!(!heir.body(position).is_empty());
    }
    let late = owner.land(&[b"late"]).expect_err("it is owned by another");
    assert!(matches!(why(&late), DatabaseError::Fenced { .. }));
    // What it says that it left is another's now.
    ours.release(0, 1).expect("it answers");
    assert_eq!(theirs.owners().expect("it answers")[0].owner, "opening 2");
    heir.land(&[b"eight"]).expect("it lands");
    drop(heir);

    let again = take(&ours, 0, 3).expect("the epoch is higher");
    let mut live = again.told.clone();
    live.retain(|position| *position != 1);
    assert_eq!(live, [2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(again.body(8), "eight");
}

#[test]
fn where_nothing_lands_meanwhile_nothing_more_is_read() {
    let (ours, theirs) = databases();
    let mut owner = take(&ours, 0, 1).expect("nobody has it");
    owner.land(&[b"one"]).expect("it lands");
    let mut told = Vec::new();
    let ahead = read_ahead(&theirs, &mut told);
    let mut heir = take_on(&theirs, 2, ahead, told).expect("nothing was let go of");
    assert_eq!(heir.told, [1]);
    heir.land(&[b"two"]).expect("it lands");
    assert_eq!((heir.body(1), heir.body(2)), ("one".into(), "two".into()));
}

#[test]
fn what_was_read_before_a_checkpoint_counts_no_more_after_it() {
    let (ours, theirs) = databases();
    let mut owner = take(&ours, 0, 1).expect("nobody has it");
    owner.land(&[b"one"]).expect("it lands");
    let mut told = Vec::new();
    let ahead = read_ahead(&theirs, &mut told);
    let _ = owner.checkpoint().expect("it lands");
    // The snapshot of it is written with the next landing at the latest.
    owner.land(&[b"three"]).expect("it lands");
    assert!(take_on(&theirs, 2, ahead, told).is_none());
    let heir = take(&theirs, 0, 2).expect("it is the same claim");
    assert_eq!((heir.body(1), heir.body(3)), ("one".into(), "three".into()));
}
