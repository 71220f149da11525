//! Inbox and outbox under `kill -9`: every decision of a committed transaction is carried out once, none of an undone
//! one is, whoever is killed when.
//!
//! ```text
//! shop: transaction ── outbox ── relay ── queue "in" ── handler: transaction { inbox, effect, outbox } ── ack
//!                         └──────────────────────────────────────────────────────────┘
//!                         └── relay ── queue "out"
//! ```
//! The shop is this test. The application with relay and handler is a process that kills itself, at points that a seed
//! chooses; the server is killed from here, and the application's connections to the database are cut from here.

mod application;

use crate::harness::postgres::Postgres;
use crate::harness::raw::Raw;
use crate::harness::{Landfall, Scratch};
use client::postgres::tokio_postgres::{self, Client, NoTls};
use client::postgres::{Outbox, PostgresInbox};
use client::{Options, Receiver, RetryPolicy, Sender};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How often the application is killed; LANDFALL_TEST_KILLS says otherwise.
const KILLS: u32 = 30;
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the application's process is told.
const TOLD: &str = "LANDFALL_TEST_APPLICATION";
/// The application's exit when the database left it.
const NO_DATABASE: i32 = 3;

#[test]
fn what_was_committed_happens_once_whoever_is_killed() {
    let kills =
        std::env::var("LANDFALL_TEST_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(World::run(kills));
}

/// Everything that takes part.
struct World {
    scratch: Scratch,
    server: Option<Landfall>,
    address: SocketAddr,
    postgres: Postgres,
    database: Client,
    chance: Chance,
    /// What was committed, and what was undone.
    committed: Vec<i64>,
    undone: u64,
    kills_of_the_server: u32,
    cuts: u32,
}

impl World {
    async fn run(kills: u32) {
        let mut world = Self::begin().await;
        let mut application = world.start_application(true);
        let mut killed = 0;
        let mut next_kill_of_the_server = Instant::now();
        let mut number = 0;
        while killed < kills {
            number += 1;
            world.shop(number).await;
            sleep(Duration::from_millis(2)).await;
            if Instant::now() > next_kill_of_the_server {
                world.kill_server();
                let pause = 500 + world.chance.below(1_500);
                next_kill_of_the_server = Instant::now() + Duration::from_millis(pause);
            }
            if world.chance.below(300) == 0 {
                world.cut_connections().await;
            }
            if world.has_ended(&mut application, &mut killed) {
                application = world.start_application(true);
            }
        }
        // The last one was killed like the others; now nobody is.
        application.kill().expect("it can be killed");
        application.wait().expect("it ends when killed");
        let mut application = world.start_application(false);
        world.wait_for_the_rest().await;
        application.kill().expect("it can be killed");
        application.wait().expect("it ends when killed");
        world.check(killed).await;
    }

    async fn begin() -> Self {
        let postgres = Postgres::start(&["fsync=off"]);
        let database = connect(&postgres.address("postgres"))
            .await
            .expect("it started");
        inbox().create(&database).await.expect("made");
        outbox("in").create(&database).await.expect("made");
        let effects = "CREATE TABLE effect (number bigint NOT NULL)";
        database.batch_execute(effects).await.expect("made");
        let scratch = Scratch::new();
        let server = Landfall::start(&scratch.data_dir());
        let address = server.address();
        for queue in ["in", "out"] {
            let sender = Sender::to_queue(queue)
                .declare_with(quick())
                .connect(&options(address))
                .await;
            sender.expect("the server is up").close().await;
        }
        let seed = std::env::var("LANDFALL_TEST_SEED").map_or(0x9e37_79b9, |text| {
            text.parse().expect("LANDFALL_TEST_SEED is a number")
        });
        println!("LANDFALL_TEST_SEED={seed}");
        Self {
            scratch,
            server: Some(server),
            address,
            postgres,
            database,
            chance: Chance(seed),
            committed: Vec::new(),
            undone: 0,
            kills_of_the_server: 0,
            cuts: 0,
        }
    }

    /// One transaction of the shop; one in five is undone.
    async fn shop(&mut self, number: i64) {
        let undo = self.chance.below(5) == 0;
        let transaction = self.database.transaction().await.expect("the shop's own");
        let body = if undo { -number } else { number };
        let enqueued = outbox("in").enqueue(&transaction, body.to_string()).await;
        enqueued.expect("a row");
        if undo {
            transaction.rollback().await.expect("undone");
            self.undone += 1;
        } else {
            transaction.commit().await.expect("committed");
            self.committed.push(number);
        }
    }

    fn kill_server(&mut self) {
        self.server.take().expect("it runs").kill();
        self.server = Some(Landfall::start_at(&self.scratch.data_dir(), self.address));
        self.kills_of_the_server += 1;
    }

    /// As if the network to the database failed: what was being committed may have been, or not.
    async fn cut_connections(&mut self) {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE pid <> pg_backend_pid() AND datname = current_database()";
        self.database.execute(others, &[]).await.expect("asked");
        self.cuts += 1;
    }

    fn start_application(&mut self, kills_itself: bool) -> Child {
        let seed = if kills_itself { self.chance.next() } else { 0 };
        let told = [
            &seed.to_string(),
            &self.address.to_string(),
            &self.postgres.address("postgres"),
            &self.notes().display().to_string(),
        ]
        .map(String::as_str)
        .join("\n");
        let program = std::env::current_exe().expect("known");
        Command::new(program)
            .args(["exactly_once::application::the_application", "--exact"])
            .env(TOLD, told)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it can be started")
    }

    /// Where the application notes at which point it killed itself.
    fn notes(&self) -> std::path::PathBuf {
        self.scratch.data_dir().with_extension("notes")
    }

    fn has_ended(&mut self, application: &mut Child, killed: &mut u32) -> bool {
        let Some(status) = application.try_wait().expect("it can be waited for") else {
            return false;
        };
        match status.code() {
            None => {
                assert_eq!(status.signal(), Some(9), "it killed itself");
                *killed += 1;
            }
            Some(code) => assert_eq!(code, NO_DATABASE, "the application failed"),
        }
        true
    }

    async fn count(&self, sql: &str) -> i64 {
        let row = self.database.query_one(sql, &[]).await.expect("an answer");
        row.get(0)
    }

    async fn wait_for_the_rest(&mut self) {
        let started = Instant::now();
        let all = i64::try_from(self.committed.len()).expect("few");
        while self.count("SELECT count(*) FROM effect").await < all
            || self.count("SELECT count(*) FROM landfall_outbox").await > 0
        {
            assert!(started.elapsed() < PATIENCE, "not all came");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn check(self, killed: u32) {
        let sql = "SELECT number FROM effect ORDER BY number";
        let rows = self.database.query(sql, &[]).await.expect("an answer");
        let effects: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let mut out = drain("out", self.address).await;
        out.sort_unstable();
        let notes = std::fs::read_to_string(self.notes()).expect("the application wrote them");
        let mut points: BTreeMap<&str, u32> = BTreeMap::new();
        for note in notes.lines() {
            *points.entry(note).or_default() += 1;
        }
        println!(
            "committed {}, undone {}; the application was killed {killed} times, the server {} times, the database cut \
             off {} times; effects {}, messages at the end {}",
            self.committed.len(),
            self.undone,
            self.kills_of_the_server,
            self.cuts,
            effects.len(),
            out.len(),
        );
        println!("{points:?}");
        assert!(effects == self.committed, "each effect once");
        assert!(out == self.committed, "each message once");
        assert!(self.server.expect("it runs").terminate().success());
        assert!(killed > 0 && self.kills_of_the_server > 0);
        if killed >= KILLS {
            let met = |point: &str| points.keys().any(|known| known.starts_with(point));
            assert!(met("resumed"), "a batch was left on its way");
            assert!(met("again"), "a message came again that was handled");
        }
    }
}

/// All bodies that are in a queue. The queue says how many these are: none comes twice unless it landed twice.
async fn drain(queue: &str, address: SocketAddr) -> Vec<i64> {
    let ready = Raw::with_channel(address).ready(queue);
    let receiver = Receiver::of_queue(queue).connect(&options(address)).await;
    let mut receiver = receiver.expect("the server is up");
    let mut bodies = Vec::new();
    for _ in 0..ready {
        let delivery = receiver.recv().await.expect("it goes on");
        let text = std::str::from_utf8(delivery.body()).expect("text");
        bodies.push(text.parse().expect("a number"));
        delivery.ack();
    }
    receiver.close().await;
    bodies
}

fn inbox() -> PostgresInbox {
    PostgresInbox::new("application")
}

fn outbox(queue: &str) -> Outbox {
    Outbox::to_queue(queue)
}

/// Kills are many: what comes back is not to wait for long, and never to be given up.
fn quick() -> RetryPolicy {
    RetryPolicy::default()
        .waits(Duration::from_millis(20), Duration::from_millis(200))
        .without_delivery_limit()
}

fn options(address: SocketAddr) -> Options {
    Options::parse([format!("amqp://{address}").as_str()])
        .expect("a good address")
        .patience(Duration::from_secs(30))
        .pauses(Duration::from_millis(5), Duration::from_millis(50))
}

async fn connect(address: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Numbers that look random (xorshift64) and are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}
