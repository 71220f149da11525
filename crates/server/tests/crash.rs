//! `kill -9` under load, again and again: nothing confirmed is lost, nothing is invented, nothing lands twice.
//!
//! Three queues live through the same kills, each with a sender and a ledger of what it was told had landed:
//! - `plain` is received all the while, acknowledged late and out of order;
//! - `once` too, by a receiver that suppresses repeats: the application sees each message once;
//! - `unread` is received only at the end: what is in it then is what landed, so each publishing id is there once
//!   however often it was transmitted.

pub(crate) mod ledger;
mod phases;

use crate::harness::raw::Raw;
use crate::harness::{Landfall, Scratch};
use ledger::{Chance, Drain, Load, check};
use std::thread::sleep;
use std::time::Duration;

/// How often the server is killed; LANDFALL_TEST_KILLS says otherwise.
const KILLS: u32 = 30;

#[test]
fn nothing_confirmed_is_lost_and_nothing_is_invented_or_landed_twice() {
    let kills =
        std::env::var("LANDFALL_TEST_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let scratch = Scratch::new();
    let mut server = Landfall::start(&scratch.data_dir());
    let address = server.address();

    let senders = ["plain", "once", "unread"].map(|queue| Load::start(queue, &[address]));
    let plain = Drain::start("plain", &[address], false);
    let once = Drain::start("once", &[address], true);
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..kills {
        // Now and then so soon that a sender or receiver is still coming back.
        sleep(Duration::from_millis(chance.below(400)));
        server.kill();
        server = Landfall::start_at(&scratch.data_dir(), address);
    }
    let [sent_plain, sent_once, sent_unread] = senders.map(Load::finish);
    println!("{kills} kills");

    let landed = Raw::with_channel(address).ready("unread");
    assert_eq!(
        u64::from(landed),
        sent_unread.confirmed.count(),
        "each id landed once"
    );
    let unread = Drain::start("unread", &[address], false);
    for (sent, drain) in [
        (sent_plain, plain),
        (sent_once, once),
        (sent_unread, unread),
    ] {
        check(&sent, drain);
    }
    for queue in ["plain", "once", "unread"] {
        let left = Raw::with_channel(address).ready(queue);
        assert_eq!(left, 0, "{queue} is empty in the end");
    }
    assert!(server.terminate().success());
}
