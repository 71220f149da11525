//! Pages that are not what was landed: told, with where.

use crate::lane::{options, take};
use crate::server;
use landfall_cluster::{Database, DatabaseError};
use model::Position;
use store::{ReadError, Store};

/// The page of the first table where its heads begin, once it is full.
const HEADS: &str = "select page from landfall.seg_1 where data like 'LFHD%'";

/// A lane of three chunks, the second of which has three pages; and its database.
fn landed() -> (Database, String) {
    let postgres = server::shared();
    let name = postgres.database();
    let database = Database::open(options(postgres.address(&name))).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    for length in [10, 20_000, 10] {
        lane.land(&[&vec![7; length]])
            .expect("the database is there");
    }
    (database, name)
}

#[test]
fn a_flipped_bit_is_told_with_its_place() {
    let (database, name) = landed();
    let lane = take(&database, 0, 2).expect("all is well");
    let table = server::shared().sql(&name, "select min(seg) from landfall.held");
    let table = table[0][0].clone().expect("it holds one");
    let flip = format!(
        "update landfall.seg_{table} set data = set_byte(data, 500, get_byte(data, 500) # 4) where page = 2"
    );
    server::shared().sql(&name, &flip);
    // Messages before and behind it are read as ever.
    let read = lane.store.reader().read(Position(2));
    let Err(ReadError::Damaged { position, what }) = read else {
        panic!("{read:?}");
    };
    let place = format!("page 1 of landfall.seg_{table}");
    assert!(position == Position(2) && what.contains(&place), "{what}");
    drop(lane);
    let damaged = DatabaseError::Damaged {
        shard: 0,
        place,
        what: "damaged chunk: checksum".into(),
    };
    assert_eq!(take(&database, 0, 3).err(), Some(damaged));
}

#[test]
fn a_missing_page_is_told_with_its_place() {
    for (page, told) in [(0, "page 1 of"), (2, "page 2 of"), (4, "page 4")] {
        let (database, name) = landed();
        let table = server::shared().sql(&name, "select min(seg) from landfall.held");
        let table = table[0][0].clone().expect("it holds one");
        let delete = format!("delete from landfall.seg_{table} where page = {page}");
        server::shared().sql(&name, &delete);
        let taken = take(&database, 0, 3).err();
        let Some(DatabaseError::Damaged { place, what, .. }) = &taken else {
            panic!("{taken:?}");
        };
        assert!(
            place.starts_with(told) && what.contains("missing"),
            "{taken:?}"
        );
    }
}

#[test]
fn of_a_stretch_with_damaged_heads_the_pages_are_read() {
    let postgres = server::shared();
    let name = postgres.database();
    let database = Database::open(options(postgres.address(&name))).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    let body = vec![7; 30_000];
    while postgres.sql(&name, HEADS).is_empty() {
        lane.land(&[&body]).expect("the database is there");
    }
    let landed = lane.next - 1;
    let _ = lane.checkpoint().expect("the database is there");
    drop(lane);
    let whole = take(&database, 0, 2).expect("all is well");
    let heads = postgres.sql(&name, HEADS);
    let page = heads[0][0].as_deref().expect("a page and not null");
    let flip = format!(
        "update landfall.seg_1 set data = set_byte(data, 60, get_byte(data, 60) # 4) where page = {page}"
    );
    let whole_read = whole.read;
    drop(whole);
    postgres.sql(&name, &flip);
    let lane = take(&database, 0, 3).expect("nothing is lost");
    assert_eq!(
        lane.told[..landed as usize],
        (1..=landed).collect::<Vec<_>>()
    );
    assert!(lane.read > whole_read, "{} pages were read", lane.read);
}
