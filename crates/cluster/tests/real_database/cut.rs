//! A connection that is cut at every step of an exchange: what was being landed lands once (promises P1, P4).

use crate::lane::{Lane, options, take};
use crate::proxy::{Cut, Proxy};
use crate::server;
use landfall_cluster::{Database, Options};
use std::time::Duration;

/// Cuts each landing at the places that `cut` makes of 0, 1, 2 …, until one is behind the end of the exchange.
fn cut_until_whole(lane: &mut Lane, proxy: &Proxy, cuts: impl Fn(usize) -> Vec<Cut>) -> usize {
    for number in 0.. {
        proxy.cut(&cuts(number));
        let body = format!("message {}", lane.next);
        lane.land(&[body.as_bytes()]).expect("it lands in the end");
        if !proxy.disarm().is_empty() {
            return number;
        }
    }
    unreachable!("an exchange has an end")
}

#[test]
fn what_is_cut_lands_once() {
    let postgres = server::shared();
    let name = postgres.database();
    let proxy = Proxy::start(postgres.directory());
    let options = Options {
        connections: 1,
        ..options(proxy.address(&name))
    };
    let database = Database::open(options).expect("it can be used");
    let mut lane = take(&database, 1, 1).expect("nobody has it");
    lane.land(&[b"message 1"]).expect("nothing is cut");

    let requests = cut_until_whole(&mut lane, &proxy, |at| vec![Cut::Request(at * 23)]);
    let answers = cut_until_whole(&mut lane, &proxy, |at| vec![Cut::Answer(at * 5)]);
    // Landed, but nobody heard of it: and the question what became of it is cut, too.
    let doubts = cut_until_whole(&mut lane, &proxy, |at| {
        vec![Cut::Answer(3), Cut::Answer(at * 5)]
    });
    let asked = cut_until_whole(&mut lane, &proxy, |at| {
        vec![Cut::Answer(3), Cut::Request(at * 11)]
    });
    assert!(requests > 10 && answers > 5 && doubts > 5 && asked > 5);

    let landed = lane.next - 1;
    drop(lane);
    let lane = take(&database, 1, 2).expect("the epoch is higher");
    assert_eq!(lane.told, (1..=landed).collect::<Vec<_>>());
    for position in lane.told.clone() {
        assert_eq!(lane.body(position), format!("message {position}"));
    }
}

#[test]
fn who_cannot_be_reached_has_failed_in_time() {
    let postgres = server::shared();
    let name = postgres.database();
    let proxy = Proxy::start(postgres.directory());
    let options = Options {
        connections: 1,
        patience: Duration::from_millis(300),
        ..options(proxy.address(&name))
    };
    let database = Database::open(options).expect("it can be used");
    let mut lane = take(&database, 1, 1).expect("nobody has it");
    lane.land(&[b"message"]).expect("nothing is cut");
    proxy.cut(&[Cut::Request(10); 1000]);
    let failure = lane.land(&[b"another"]).expect_err("everything is cut");
    let why = crate::lane::why(&failure);
    assert!(
        matches!(why, landfall_cluster::DatabaseError::Unreachable { .. }),
        "{why:?}"
    );
    proxy.disarm();
    lane.land(&[b"another"]).expect_err("a failure is final");
}
