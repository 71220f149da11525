//! How long nothing lands when the database fails over: one small message lands after the other, and each that takes
//! longer than half a second is told, with when it was asked for.
//!
//! ```text
//! cargo run --release -p landfall-cluster --example gaps ADDRESS [seconds]
//! ```
//! ADDRESS is as libpq takes it, and may name several hosts.

use bytes::Bytes;
use landfall_cluster::{Claim, Database, Options};
use model::{MessageRecord, Properties, QueueId, Record, ShortStr, Timestamp};
use std::error::Error;
use std::time::{Duration, Instant, UNIX_EPOCH};
use store::{Chunk, ChunkBuilder, Store};

const PAUSE: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("where is the database?")?;
    let seconds = arguments.next().map_or(Ok(60), |text| text.parse())?;
    let database = Database::open(Options {
        patience: Duration::from_secs(120),
        ..Options::new(address)
    })?;
    let claim = Claim {
        shard: 0,
        epoch: UNIX_EPOCH.elapsed()?.as_millis() as u64,
        owner: "gaps".to_owned(),
        cache_bytes: 1024 * 1024,
    };
    let (mut store, _) = database.take(claim, &mut |_| {})?;
    let mut upto = store.land(Chunk::default())?.upto;
    let mut chunks = ChunkBuilder::new();
    let began = Instant::now();
    let mut landed = 0;
    while began.elapsed() < Duration::from_secs(seconds) {
        chunks.push(upto.next(), &message());
        let (asked, at) = (Instant::now(), UNIX_EPOCH.elapsed()?);
        upto = store.land(chunks.take())?.upto;
        landed += 1;
        if asked.elapsed() > LONG {
            let (at, took) = (at.as_secs_f64(), asked.elapsed());
            println!("asked for at {at:.3}, landed {took:.2?} later");
        }
        std::thread::sleep(PAUSE);
    }
    println!("{landed} landed");
    Ok(())
}

fn message() -> Record {
    Record::Message(MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: None,
        accepted: Timestamp(0),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("queue"),
        properties: Properties::default(),
        body: Bytes::from_static(b"message"),
    })
}
