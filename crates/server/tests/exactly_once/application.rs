//! The application under test: a relay, and a handler that kills its own process as a seed says.

use super::{Chance, NO_DATABASE, TOLD, connect, inbox, options, outbox, quick};
use client::postgres::OutboxRelay;
use client::postgres::tokio_postgres::{Client, Config, Error, NoTls};
use client::{Delivery, Inbox, Receiver};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// A part of the other test, which starts it in a process of its own; by itself it has nothing to do.
#[test]
fn the_application() {
    let Ok(told) = std::env::var(TOLD) else {
        return;
    };
    let told: Vec<&str> = told.lines().collect();
    let [seed, address, database, notes] = told[..] else {
        panic!("it is told four things");
    };
    let fate = Fate::new(seed.parse().expect("a number"), notes);
    let address = address.parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if runtime.block_on(apply(address, database, &fate)).is_err() {
        std::process::exit(NO_DATABASE);
    }
}

async fn apply(address: SocketAddr, database: &str, fate: &Fate) -> Result<(), Error> {
    if let Some(end) = fate.any_time() {
        let fate = fate.clone();
        tokio::spawn(async move {
            sleep(end).await;
            fate.die("at any time");
        });
    }
    let config: Config = database.parse().expect("an address");
    let relay = OutboxRelay::of(&outbox("in"))
        .poll_every(Duration::from_millis(200))
        .batch(50, 1 << 20)
        .start(config, NoTls, &options(address));
    let mut receiver = Receiver::of_queue("in")
        .declare_with(quick())
        .prefetch(20)
        .connect(&options(address))
        .await
        .expect("the server comes back");
    let mut database = connect(database).await?;
    let mut resumed = 0;
    while let Some(delivery) = receiver.recv().await {
        handle(&mut database, delivery, fate).await?;
        let before = std::mem::replace(&mut resumed, relay.counts().resumed);
        if resumed > before {
            fate.note(&format!("resumed {}", resumed - before));
        }
    }
    Ok(())
}

async fn handle(database: &mut Client, delivery: Delivery, fate: &Fate) -> Result<(), Error> {
    fate.point("received");
    let text = std::str::from_utf8(delivery.body()).expect("text");
    let number: i64 = text.parse().expect("a number");
    let transaction = database.transaction().await?;
    let once = inbox().once(&transaction, &delivery).await;
    match once {
        Ok(true) => {
            fate.point("noted");
            let effect = "INSERT INTO effect (number) VALUES ($1)";
            transaction.execute(effect, &[&number]).await?;
            fate.point("effect made");
            outbox("out").enqueue(&transaction, text.to_owned()).await?;
            fate.point("enqueued");
        }
        Ok(false) => fate.note("again"),
        Err(client::InboxError::Store(error)) => return Err(error),
        Err(client::InboxError::Anonymous) => panic!("every message has a number"),
    }
    transaction.commit().await?;
    fate.point("committed");
    delivery.ack();
    fate.point("acknowledged");
    Ok(())
}

/// When the application kills itself.
#[derive(Clone)]
struct Fate {
    /// Zero: never.
    seed: u64,
    drawn: std::sync::Arc<AtomicU64>,
    notes: std::path::PathBuf,
}

impl Fate {
    fn new(seed: u64, notes: &str) -> Self {
        Self {
            seed,
            drawn: std::sync::Arc::new(AtomicU64::new(seed)),
            notes: Path::new(notes).to_owned(),
        }
    }

    /// One life in three ends after some time.
    fn any_time(&self) -> Option<Duration> {
        let mut chance = Chance(self.seed);
        let ends = self.seed != 0 && chance.below(3) == 0;
        ends.then(|| Duration::from_millis(20 + chance.below(600)))
    }

    /// One in 200 times, it ends here.
    fn point(&self, point: &str) {
        if self.seed == 0 {
            return;
        }
        let mut chance = Chance(self.drawn.load(Ordering::Relaxed));
        let ends = chance.below(200) == 0;
        self.drawn.store(chance.0, Ordering::Relaxed);
        if ends {
            self.die(point);
        }
    }

    fn die(&self, point: &str) {
        self.note(point);
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
            .expect("one may kill oneself");
        // The signal comes before this ends.
        std::thread::park();
    }

    fn note(&self, what: &str) {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.notes);
        writeln!(file.expect("it can be made"), "{what}").expect("it can be written");
    }
}
