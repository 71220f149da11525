//! `kill -9` in every phase of a message's life: while it waits for a retry or for its first delivery, is parked, goes to
//! the dead letters, is sent back from there, or is known again.
//!
//! Publishers send everything again that was not confirmed, and some of what was; receivers acknowledge, give back,
//! refuse, are silent and die; an operator sends parked and dead messages back. Before each kill the phase is brought
//! about. In the end everything drains, and is counted.

mod declared;
mod ledger;
mod receiving;
mod sending;

use super::{Chance, KILLS};
use crate::harness::{Landfall, Scratch};
use declared::connect;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use ledger::Ledger;
use receiving::Receiver;
use sending::Sender;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// How long a phase may take to come about, and the last messages to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a kill finds messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    WaitingForRetry,
    Delayed,
    Parked,
    DeadLettering,
    Redriving,
    Deduplicating,
}

const PHASES: [Phase; 6] = [
    Phase::WaitingForRetry,
    Phase::Delayed,
    Phase::Parked,
    Phase::DeadLettering,
    Phase::Redriving,
    Phase::Deduplicating,
];

/// The queues, as their names say: `work` dead-letters to `dead`, `park` has nowhere to send its own, `later` gets what
/// is delayed, and `once` is read only in the end: what is in it then is what landed.
const QUEUES: [&str; 5] = ["work", "dead", "park", "later", "once"];

/// The server under test, and how an operator reaches it.
struct Stage {
    scratch: Scratch,
    server: Option<Landfall>,
    address: SocketAddr,
    api: String,
    ledger: Arc<Ledger>,
    chance: Chance,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_any_phase_loses_nothing_and_repeats_nothing_that_is_to_be_once() {
    let kills =
        std::env::var("LANDFALL_TEST_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let mut stage = Stage::start();
    let sent = ["work", "park", "later", "once"];
    let senders = sent.map(|queue| Sender::start(queue, stage.address, &stage.ledger));
    let consumed = ["work", "work", "park", "later"];
    let receivers = consumed.map(|queue| Receiver::start(queue, stage.address, &stage.ledger));

    let mut hit: BTreeMap<Phase, u32> = BTreeMap::new();
    for kill in 0..kills {
        let phase = PHASES[kill as usize % PHASES.len()];
        stage.operate().await;
        sleep(Duration::from_millis(100 + stage.chance.below(150))).await;
        if stage.bring_about(phase).await {
            *hit.entry(phase).or_default() += 1;
        }
        stage.kill_and_start();
    }
    println!("{kills} kills, of them when messages were: {hit:?}");
    for sender in senders {
        sender.finish().await;
    }
    let (landed, confirmed) = (
        stage.count("once", "messages").await,
        stage.ledger.confirmed_count("once"),
    );
    assert_eq!(landed, confirmed, "P5: each id landed once");
    let once = stage.get("queues/%2F/once").await;
    let remembered = &once["deduplication"]["remembered"];
    assert_eq!(remembered, &json!(confirmed), "P5: each id is known");
    stage.ledger.drain();
    let reader = Receiver::start("once", stage.address, &stage.ledger);
    stage.drained().await;
    for receiver in receivers.into_iter().chain([reader]) {
        receiver.stop();
    }
    let audit = stage.get("audit").await;
    assert_eq!(audit["balanced"], json!(true), "P10: {audit}");
    stage.ledger.check(&sent);
    assert!(PHASES.iter().all(|phase| hit.contains_key(phase)) || kills < 12);
    let server = stage.server.take().expect("it runs");
    assert!(server.terminate().success());
}

impl Stage {
    fn start() -> Self {
        let scratch = Scratch::new();
        let options = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let server = Landfall::start_with(&scratch.data_dir(), &options);
        Self {
            address: server.address(),
            api: server.api().to_owned(),
            server: Some(server),
            scratch,
            ledger: Arc::default(),
            chance: Chance(0x9e37_79b9_7f4a_7c15),
        }
    }

    fn kill_and_start(&mut self) {
        self.server.take().expect("it runs").kill();
        self.ledger.killed();
        let (address, api) = (self.address.to_string(), self.api.as_str());
        let api = api.trim_start_matches("http://").trim_end_matches('/');
        let options = ["--listen", &address, "--admin-listen", api];
        self.server = Some(Landfall::start_with(&self.scratch.data_dir(), &options));
    }

    /// Sees to it that messages are in that phase, as far as can be seen.
    async fn bring_about(&mut self, phase: Phase) -> bool {
        let moment = Duration::from_micros(self.chance.below(4000));
        match phase {
            Phase::WaitingForRetry => self.some("work", "messages_delayed").await,
            Phase::Delayed => self.some("later", "messages_delayed").await,
            Phase::Parked => self.some("park", "messages_parked").await,
            Phase::DeadLettering => {
                let refused = refuse_many(self.address).await;
                sleep(moment).await;
                refused > 0
            }
            Phase::Redriving => {
                let dead = self.some("dead", "messages_ready").await;
                let api = self.api.clone();
                spawn_blocking(move || redrive(&api, "dead", "ready"));
                sleep(moment).await;
                dead
            }
            Phase::Deduplicating => {
                let again = self.ledger.ask_for_all_again("once");
                sleep(moment).await;
                again
            }
        }
    }

    /// Whether a queue has messages of that state, before long.
    async fn some(&self, queue: &str, state: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) {
            if self.count(queue, state).await > 0 {
                return true;
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    }

    async fn count(&self, queue: &str, state: &str) -> u64 {
        let status = self.get(&format!("queues/%2F/{queue}")).await;
        status[state].as_u64().unwrap_or(0)
    }

    /// Parked and dead messages are sent back.
    async fn operate(&self) {
        for (queue, state) in [("park", "parked"), ("dead", "ready")] {
            let api = self.api.clone();
            let done = spawn_blocking(move || redrive(&api, queue, state)).await;
            let done = done.expect("the request ends").unwrap_or_default();
            self.ledger
                .redriven(queue, done["done"].as_u64().unwrap_or(0));
        }
    }

    /// Everything is acknowledged and nothing is left.
    async fn drained(&self) {
        let started = Instant::now();
        loop {
            self.operate().await;
            let mut left = 0;
            for queue in QUEUES {
                left += self.count(queue, "messages").await;
            }
            if left == 0 && self.ledger.is_complete() {
                return;
            }
            if started.elapsed() > PATIENCE {
                let queues = self.get("queues").await;
                panic!("P2: {left} are left, {}: {queues}", self.ledger.missing());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/landfall/{path}", self.api.trim_end_matches('/'));
        let asked = spawn_blocking(move || {
            let request = ureq::get(&url).header("authorization", GUEST);
            request.call()?.body_mut().read_json()
        });
        let answer: Result<Value, ureq::Error> = asked.await.expect("the request ends");
        answer.unwrap_or_default()
    }
}

/// guest:guest.
const GUEST: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

/// Sends messages of a queue back; what came of it, if the server lived to tell.
fn redrive(api: &str, queue: &str, state: &str) -> Option<Value> {
    let api = api.trim_end_matches('/');
    let url = format!("{api}/api/landfall/queues/%2F/{queue}/redrive");
    let request = ureq::post(url).header("authorization", GUEST);
    let all = request.send_json(json!({"all": true, "state": state}));
    all.ok()?.body_mut().read_json().ok()
}

/// Takes some messages of `work` and refuses all of them at once; how many. The server may be gone at any time.
async fn refuse_many(address: SocketAddr) -> u32 {
    let Ok(connection) = connect(address).await else {
        return 0;
    };
    let Ok(channel) = connection.create_channel().await else {
        return 0;
    };
    let (mut taken, mut last) = (0, 0);
    let started = Instant::now();
    while taken < 40 && started.elapsed() < Duration::from_secs(3) {
        let got = channel.basic_get("work".into(), BasicGetOptions::default());
        match got.await {
            Ok(Some(message)) => {
                taken += 1;
                last = message.delivery.delivery_tag;
            }
            Ok(None) => sleep(Duration::from_millis(5)).await,
            Err(_) => return 0,
        }
    }
    let refuse = BasicNackOptions {
        multiple: true,
        requeue: false,
    };
    match channel.basic_nack(last, refuse).await {
        Ok(()) => taken,
        Err(_) => 0,
    }
}
