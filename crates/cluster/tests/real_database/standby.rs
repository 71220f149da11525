//! Standbys: a commit that did not wait for them is not taken for landed, and a server that does not wait is refused
//! (promise P1).

use crate::lane::{options, take, why};
use crate::server::{self, Postgres};
use landfall_cluster::{Database, DatabaseError, Options};
use rustix::process::Signal;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// What every commit waits for from now on, for ever.
const NOBODY: &str = "alter system set synchronous_standby_names = 'nobody'";
const NO_MORE: &str = "alter system reset synchronous_standby_names";
/// Landings that wait for a standby; what looks after the tables may wait for one, too.
const WAITING: &str = "
    select pid from pg_stat_activity
     where wait_event = 'SyncRep' and application_name = 'landfall' and query like '%update landfall.shard%'";

fn set(postgres: &Postgres, setting: &str) {
    postgres.sql("postgres", setting);
    postgres.sql("postgres", "select pg_reload_conf()");
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::yield_now();
    }
}

/// Keeps every owner from landing, until there is a table of this name.
const HOLD: &str = "
    begin;
    lock table landfall.shard in share mode;
    do $$ begin
        for nth in 1..500 loop
            exit when exists (select from pg_class where relname = 'go_on');
            perform pg_sleep(0.02);
        end loop;
    end $$;
    commit";
const HELD: &str = "select from pg_locks where relation = 'landfall.shard'::regclass and mode = 'ShareLock' and granted";
/// It waits for no standby.
const GO_ON: &str = "set synchronous_commit = local; create table go_on()";
const LANDING: &str =
    "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%landed as (%'";

/// Makes commits wait for a standby that never comes, when `land` is on its way already: one that is not would meet a server
/// that is refused for having none, and there would be no commit to see.
fn lose_standbys<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    postgres: &'s Postgres,
    land: impl FnOnce() -> T + Send + 's,
) -> ScopedJoinHandle<'s, T> {
    let is_so = |question: &str| {
        let found = postgres.sql("postgres", question);
        (!found.is_empty()).then_some(())
    };
    let holding = scope.spawn(|| postgres.sql("postgres", HOLD));
    until("nobody may land", || is_so(HELD));
    let landing = scope.spawn(land);
    until("a landing is on its way", || is_so(LANDING));
    set(postgres, NOBODY);
    // The process that tells all others reads its settings when it wakes up.
    std::thread::sleep(Duration::from_millis(300));
    postgres.sql("postgres", GO_ON);
    holding.join().expect("it lets go");
    landing
}

/// The server process that waits for the standby.
fn waiting(postgres: &Postgres) -> String {
    until("a commit waits for the standby", || {
        let rows = postgres.sql("postgres", WAITING);
        rows.first().and_then(|row| row[0].clone())
    })
}

#[test]
fn a_cancelled_wait_is_not_taken_for_landed() {
    let postgres = Postgres::start(&[]);
    let options = options(postgres.address("postgres"));
    let database = Database::open(options).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    lane.land(&[b"before"]).expect("there are no standbys");
    let mut lane = std::thread::scope(|scope| {
        let landing = lose_standbys(scope, &postgres, move || {
            lane.land(&[b"cancelled"]).expect("it lands when it may");
            lane
        });
        let process = waiting(&postgres);
        postgres.sql("postgres", &format!("select pg_cancel_backend({process})"));
        // The server says success, with a warning: the store drops the connection.
        until("the connection is dropped", || {
            let alive = format!("select from pg_stat_activity where pid = {process}");
            postgres.sql("postgres", &alive).is_empty().then_some(())
        });
        // The row is there, for everybody to see. It has not landed.
        let rows = postgres.sql(
            "postgres",
            "select head from landfall.shard where shard = 0",
        );
        assert_eq!(rows[0][0].as_deref(), Some("2"));
        assert!(!landing.is_finished());
        set(&postgres, NO_MORE);
        landing.join().expect("it lands")
    });
    lane.land(&[b"after"]).expect("there are no standbys");
    drop(lane);
    let lane = take(&database, 0, 2).expect("the epoch is higher");
    assert_eq!(lane.told, [1, 2, 3]);
    assert_eq!(lane.body(2), "cancelled");
}

#[test]
fn what_was_cancelled_is_never_confirmed_while_the_standby_is_away() {
    let postgres = Postgres::start(&[]);
    let options = Options {
        patience: Duration::from_millis(500),
        ..options(postgres.address("postgres"))
    };
    let database = Database::open(options).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    lane.land(&[b"before"]).expect("there are no standbys");
    std::thread::scope(|scope| {
        let landing = lose_standbys(scope, &postgres, move || lane.land(&[b"cancelled"]));
        let process = waiting(&postgres);
        postgres.sql("postgres", &format!("select pg_cancel_backend({process})"));
        let landed = landing.join().expect("it does not panic");
        let failure = landed.expect_err("no standby has it");
        let DatabaseError::Unreachable { why, .. } = why(&failure) else {
            panic!("{failure}");
        };
        assert!(why.contains("no synchronous standby is connected"), "{why}");
    });
    let refused = take(&database, 0, 2).err();
    assert!(
        matches!(refused, Some(DatabaseError::Unreachable { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_server_that_becomes_unsafe_confirms_nothing_more() {
    let postgres = Postgres::start(&[]);
    let options = Options {
        patience: Duration::from_millis(500),
        ..options(postgres.address("postgres"))
    };
    let database = Database::open(options).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    set(&postgres, "alter system set full_page_writes = off");
    let failure = until("the server is looked at now and then", || {
        lane.land(&[b"message"]).err()
    });
    let DatabaseError::Unreachable { why, .. } = why(&failure) else {
        panic!("{failure}");
    };
    assert!(why.contains("full_page_writes is off"), "{why}");
}

#[test]
fn a_server_that_may_lose_what_it_commits_is_refused() {
    let postgres = Postgres::start(&["fsync=off", "full_page_writes=off"]);
    let open = |allow_asynchronous| {
        let options = options(postgres.address("postgres"));
        Database::open(Options {
            allow_asynchronous,
            ..options
        })
    };
    let Some(DatabaseError::Refused(why)) = open(false).err() else {
        panic!("it is refused");
    };
    assert!(
        why.contains("fsync is off") && why.contains("full_page_writes is off"),
        "{why}"
    );
    assert!(why.contains("allow_asynchronous"), "{why}");
    let database = open(true).expect("the operator takes the blame");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    lane.land(&[b"message"])
        .expect("it lands, for what it is worth");

    let required = Database::open(Options {
        require_standby: true,
        ..options(server::shared().address("postgres"))
    });
    let Some(DatabaseError::Refused(why)) = required.err() else {
        panic!("it is refused");
    };
    assert!(why.contains("must have a synchronous standby"), "{why}");

    let name = postgres.database();
    set(&postgres, "alter system set full_page_writes = on");
    postgres.sql(
        "postgres",
        &format!("alter database {name} set synchronous_commit = local"),
    );
    let refused = Database::open(options(postgres.address(&name))).err();
    let Some(DatabaseError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("synchronous_commit is local"), "{why}");
}

#[test]
fn operators_are_told_what_a_server_lacks() {
    let postgres = Postgres::start(&["fsync=off"]);
    let options = Options {
        allow_asynchronous: true,
        require_standby: true,
        ..options(postgres.address("postgres"))
    };
    let database = Database::open(options).expect("it can be used");
    let health = database.health().expect("it answers");
    assert!(health.version.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(health.standbys, []);
    let told = health.objections.join("\n");
    assert!(told.contains("fsync is off"), "{told}");
    assert!(told.contains("must have a synchronous standby"), "{told}");
    let place = postgres.directory().display().to_string();
    assert_eq!(database.hosts(), [format!("{place}:{}", postgres.port())]);
}

#[test]
fn what_is_confirmed_is_on_the_standby() {
    let primary = Postgres::start(&[]);
    let required = || Options {
        require_standby: true,
        ..options(primary.address("postgres"))
    };
    let refused = Database::open(required()).err();
    assert!(
        matches!(refused, Some(DatabaseError::Refused(_))),
        "{refused:?}"
    );
    let standby = primary.standby("second");
    set(
        &primary,
        "alter system set synchronous_standby_names = 'second'",
    );
    let streams = "select from pg_stat_replication where sync_state = 'sync'";
    until("the standby follows", || {
        (!primary.sql("postgres", streams).is_empty()).then_some(())
    });
    let database = Database::open(required()).expect("it has a standby");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    lane.land(&[b"before"]).expect("the standby has it");
    // The standby hangs, and the wait for it is cancelled: success, says the server.
    standby.signal(Signal::STOP);
    let lane = std::thread::scope(|scope| {
        let landing = scope.spawn(move || {
            lane.land(&[b"cancelled"]).expect("it lands when it may");
            lane
        });
        let process = waiting(&primary);
        primary.sql("postgres", &format!("select pg_cancel_backend({process})"));
        // It is asked what became of it, by a commit that waits as well.
        until("another commit waits", || {
            let again = primary.sql("postgres", WAITING);
            let again = again.first().and_then(|row| row[0].clone());
            again.filter(|again| *again != process)
        });
        assert!(!landing.is_finished());
        standby.signal(Signal::CONT);
        landing.join().expect("it lands")
    });
    let head = |server: &Postgres| {
        let heads = "select head from landfall.shard where shard = 0";
        server.sql("postgres", heads)[0][0].clone()
    };
    assert_eq!(head(&primary).as_deref(), Some("2"));
    until("the standby shows it", || {
        (head(&standby) == head(&primary)).then_some(())
    });
    drop(lane);
    let lane = take(&database, 0, 2).expect("the epoch is higher");
    assert_eq!(lane.told, [1, 2]);
}

#[test]
fn a_wait_that_is_called_off_is_not_taken_for_landed() {
    let primary = Postgres::start(&[]);
    let standby = primary.standby("second");
    let names = "alter system set synchronous_standby_names = 'second'";
    set(&primary, names);
    let streams = "select from pg_stat_replication where sync_state = 'sync'";
    until("the standby follows", || {
        (!primary.sql("postgres", streams).is_empty()).then_some(())
    });
    let database = Database::open(options(primary.address("postgres"))).expect("it can be used");
    let mut lane = take(&database, 0, 1).expect("nobody has it");
    lane.land(&[b"before"]).expect("the standby has it");
    standby.signal(Signal::STOP);
    std::thread::scope(|scope| {
        let landing = scope.spawn(move || lane.land(&[b"called off"]));
        let _ = waiting(&primary);
        // All who wait are let go with success: there are no standbys that anybody need wait for.
        set(&primary, NO_MORE);
        until("nobody waits", || {
            primary.sql("postgres", WAITING).is_empty().then_some(())
        });
        std::thread::sleep(Duration::from_secs(1));
        let has_landed = landing.is_finished();
        set(&primary, names);
        // Before all else: a standby that stands still cannot be ended.
        standby.signal(Signal::CONT);
        assert!(!has_landed, "no standby has it");
        landing
            .join()
            .expect("it does not panic")
            .expect("it lands");
    });
}
