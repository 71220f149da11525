//! What is left when many messages have passed by: so many of 1 KiB are landed and acknowledged, but for the last so many,
//! which wait. Told are the rate, the bytes of the tables with their indexes beside those of what waits, and what the
//! next owner reads to take the shard.
//!
//! ```text
//! cargo run --release -p landfall-cluster --example passing_by ADDRESS [messages] [waiting] [messages per chunk]
//! ```
//! ADDRESS is as libpq takes it, and names a database that is the example's own.

use bytes::Bytes;
use landfall_cluster::{Claim, Database, Options, ShardStore};
use model::record::Ending;
use model::{MessageRecord, Position, Properties, QueueId, Record, ShortStr, Timestamp};
use std::collections::VecDeque;
use std::error::Error;
use std::time::{Duration, Instant};
use store::{Chunk, ChunkBuilder, Landed, Store};
use tokio_postgres::NoTls;

const BODY: usize = 1024;
/// The shell asks so often when nothing lands, and here for so long.
const ASKED_EVERY: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_secs(30);

const TABLES: &str = "
    select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint, count(*) from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'landfall' and c.relname ~ '^seg_[0-9]+$'";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("where is the database?")?;
    let mut number = |usual: u64| arguments.next().map_or(Ok(usual), |text| text.parse());
    let (messages, waiting, per_chunk) = (number(10_000_000)?, number(100_000)?, number(1000)?);
    let database = Database::open(Options::new(address.as_str()))?;
    let (store, _) = take(&database)?;
    let mut lane = Lane {
        store,
        upto: Position::NONE,
        live: VecDeque::new(),
        chunks: ChunkBuilder::new(),
    };
    lane.ask();
    let began = Instant::now();
    let mut most = 0;
    for chunk in 1..=messages / per_chunk {
        lane.land(per_chunk, waiting);
        if chunk % (messages / per_chunk / 10).max(1) == 0 {
            let (bytes, tables) = tables(&address)?;
            most = most.max(bytes);
            let passed = chunk * per_chunk;
            let rate = passed as f64 / began.elapsed().as_secs_f64();
            println!("{passed:10} landed, {rate:8.0} a second, {tables} tables of {bytes} bytes");
        }
    }
    let live = (lane
        .live
        .iter()
        .map(|(first, end)| end - first)
        .sum::<u64>())
        * BODY as u64;
    let rested = Instant::now();
    while rested.elapsed() < REST {
        std::thread::sleep(ASKED_EVERY);
        lane.ask();
    }
    let (bytes, count) = tables(&address)?;
    println!(
        "{live} bytes of bodies wait in {count} tables of {bytes} bytes: {:.2} times as many (at the most {:.2})",
        bytes as f64 / live as f64,
        most as f64 / live as f64,
    );
    drop(lane);
    let began = Instant::now();
    let (_store, recovered) = take(&database)?;
    println!(
        "taken in {:?}: {} pages read, {} records told",
        began.elapsed(),
        recovered.pages,
        recovered.records
    );
    Ok(())
}

fn take(database: &Database) -> Result<(ShardStore, landfall_cluster::Recovered), Box<dyn Error>> {
    let claim = Claim {
        shard: 0,
        epoch: std::time::UNIX_EPOCH.elapsed()?.as_millis() as u64,
        owner: "passing_by".to_owned(),
        cache_bytes: 16 * 1024 * 1024,
    };
    Ok(database.take(claim, &mut |_| {})?)
}

struct Lane {
    store: ShardStore,
    upto: Position,
    /// First and end of what is not acknowledged, oldest first.
    live: VecDeque<(u64, u64)>,
    chunks: ChunkBuilder,
}

impl Lane {
    /// Lands a chunk, which acknowledges the oldest messages if more than so many wait.
    fn land(&mut self, messages: u64, waiting: u64) {
        let mut next = self.upto.next();
        self.live.push_back((next.0, next.0 + messages));
        for _ in 0..messages {
            self.chunks.push(next, &message(next));
            next = next.next();
        }
        if self.live.len() as u64 * messages > waiting
            && let Some((first, end)) = self.live.pop_front()
        {
            let settled = (first..end).collect();
            let settled = Record::Settled(QueueId(1), Ending::Acknowledged, settled);
            self.chunks.push(next, &settled);
        }
        let chunk = self.chunks.take();
        self.land_chunk(chunk);
    }

    fn ask(&mut self) {
        self.land_chunk(Chunk::default());
    }

    fn land_chunk(&mut self, chunk: Chunk) {
        let landed = self.store.land(chunk).expect("the database is there");
        self.upto = landed.upto;
        self.grant(landed);
    }

    fn grant(&mut self, landed: Landed) {
        if landed.checkpoint_wanted {
            let begin = self.upto.next();
            let next_queue = QueueId(2);
            let checkpoint = Record::Checkpoint { begin, next_queue };
            self.chunks.push(begin, &checkpoint);
            let landed = self.store.land(self.chunks.take());
            self.upto = landed.expect("the database is there").upto;
        }
    }
}

fn tables(address: &str) -> Result<(i64, i64), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        tokio::spawn(connection);
        let row = client.query_one(TABLES, &[]).await?;
        Ok((row.get(0), row.get(1)))
    })
}

fn message(position: Position) -> Record {
    // Not to be compressed by whatever the database is kept on.
    let mut state = position.0 | 1 << 63;
    let mut octets = Vec::with_capacity(BODY);
    while octets.len() < BODY {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        octets.extend_from_slice(&state.to_le_bytes());
    }
    Record::Message(MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: None,
        accepted: Timestamp(position.0 / 100),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("queue"),
        properties: Properties::default(),
        body: Bytes::from(octets),
    })
}
