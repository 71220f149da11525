//! How much of the database's own rate is left: messages a second that the store lands, beside the bare fenced
//! statement with pages of the same sizes over as many connections, without encoding, accounting or reclaiming anything.
//! And beside a queue of rows as PGMQ has it: the same messages are inserted in batches by one connection; another one
//! takes them in batches with `for update skip locked` and deletes them. What the store lands it settles, too, so both
//! count acknowledged messages. All in turns, so that other load on the machine meets all.
//!
//! ```text
//! cargo run --release -p landfall-cluster --example land_rate ADDRESS [messages per chunk] [shards] [connections] [rounds] [bytes]
//! ```
//! ADDRESS is as libpq takes it, and names a database that is the example's own.

use bytes::Bytes;
use landfall_cluster::{Claim, Database, Options, ShardStore};
use model::record::Ending;
use model::{MessageRecord, Position, Properties, QueueId, Record, ShortStr, Timestamp};
use std::error::Error;
use std::time::{Duration, Instant};
use store::{ChunkBuilder, Store};
use tokio_postgres::{Client, NoTls};

const BODY: u32 = 1024;
const BODY_MOST: usize = 64 * 1024;
const PAGE: usize = 8000;
const TURN: Duration = Duration::from_secs(5);

const BARE_TABLES: &str = "
    create schema if not exists bare;
    create table if not exists bare.shard(
        shard int primary key, epoch bigint not null, head bigint not null) with (fillfactor = 20);
    drop table if exists bare.seg;
    create table bare.seg(
        shard int not null, page bigint not null, epoch bigint not null, data bytea not null,
        primary key (shard, page)) with (autovacuum_enabled = false);
    alter table bare.seg alter data set storage plain;
    truncate bare.shard";
const BARE: &str = "
    with moved as (
        update bare.shard s set head = x.next
          from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) x(shard, epoch, head, next)
         where s.shard = x.shard and s.epoch = x.epoch and s.head = x.head
        returning s.shard, s.epoch),
    landed as (
        insert into bare.seg(shard, page, epoch, data)
        select p.shard, p.page, moved.epoch, p.data
          from unnest($5::int[], $6::bigint[], $7::bytea[]) p(shard, page, data)
          join moved using (shard))
    select shard from moved";

/// As PGMQ 1.5 makes a queue, but for the body, which is bytes here, and JSON there.
const ROWS_TABLE: &str = "
    drop table if exists bare.queue;
    create table bare.queue(
        msg_id bigint primary key generated always as identity, read_ct int not null default 0,
        enqueued_at timestamptz not null default now(), vt timestamptz not null, message bytea);
    create index on bare.queue(vt)";
const ROWS_SEND: &str =
    "insert into bare.queue(vt, message) select clock_timestamp(), unnest($1::bytea[])";
const ROWS_READ: &str = "
    with cte as (
        select msg_id from bare.queue where vt <= clock_timestamp()
         order by msg_id limit $1 for update skip locked)
    update bare.queue m set vt = clock_timestamp() + interval '30 seconds', read_ct = read_ct + 1
      from cte where m.msg_id = cte.msg_id returning m.msg_id, m.message";
const ROWS_DELETE: &str = "delete from bare.queue where msg_id = any($1)";
/// The sizes of its batches.
const ROWS_BATCHES: [usize; 3] = [1, 100, 1000];
/// Who sends waits while so many batches are not taken: a long queue of rows is slower.
const ROWS_AHEAD: usize = 4;

/// What is measured.
#[derive(Clone, Copy)]
struct Load {
    per_chunk: usize,
    shards: u32,
    connections: u32,
    body: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("where is the database?")?;
    let mut number = |usual: u32| arguments.next().map_or(Ok(usual), |text| text.parse());
    let mut load = Load {
        per_chunk: number(250)? as usize,
        shards: number(8)?,
        connections: number(4)?,
        body: 0,
    };
    let rounds = number(3)?;
    load.body = (number(BODY)? as usize).min(BODY_MOST);

    let database = Database::open(Options {
        connections: load.connections as usize,
        ..Options::new(address.as_str())
    })?;
    let epoch = Timestamp(std::time::UNIX_EPOCH.elapsed()?.as_millis() as u64).0;
    let take = |shard| {
        let claim = Claim {
            shard,
            epoch,
            owner: "land_rate".to_owned(),
            cache_bytes: 1024 * 1024,
        };
        let (store, _) = database.take(claim, &mut |_| {})?;
        Ok::<_, Box<dyn Error>>((store, Position::NONE))
    };
    let mut lanes = (0..load.shards).map(take).collect::<Result<Vec<_>, _>>()?;
    for (store, upto) in &mut lanes {
        *upto = store.land(store::Chunk::default())?.upto;
    }
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let ours = through_the_store(&mut lanes, load);
        let bare = bare(&address, load)?;
        println!(
            "store {ours:9.0} a second   bare statement {bare:9.0} a second   ratio {:.2}",
            ours / bare
        );
        ratios.push(ours / bare);
        for batch in ROWS_BATCHES {
            let rows = rows(&address, batch, load.body)?;
            println!(
                "      rows in batches of {batch:4}: {rows:9.0} acknowledged a second   store {:.1} times as many",
                ours / rows
            );
        }
    }
    ratios.sort_by(f64::total_cmp);
    // Of two in the middle the worse.
    println!("ratio {:.2} (the median)", ratios[(ratios.len() - 1) / 2]);
    Ok(())
}

/// Messages a second that the store lands: a thread for each shard, as a node has.
fn through_the_store(lanes: &mut [(ShardStore, Position)], load: Load) -> f64 {
    let began = Instant::now();
    let landed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = lanes
            .iter_mut()
            .map(|(store, upto)| scope.spawn(move || land(store, upto, load)))
            .collect();
        let landed = threads.into_iter().map(|thread| thread.join());
        landed.map(|landed| landed.expect("it lands")).sum()
    });
    landed as f64 / began.elapsed().as_secs_f64()
}

/// Lands chunks, each of which settles the messages of the one before it.
fn land(store: &mut ShardStore, upto: &mut Position, load: Load) -> usize {
    let per_chunk = load.per_chunk;
    let (began, mut landed, mut chunks) = (Instant::now(), 0, ChunkBuilder::new());
    let mut before = 0..0;
    while began.elapsed() < TURN {
        let mut next = upto.next();
        let first = next;
        for _ in 0..per_chunk {
            chunks.push(next, &message(next, load.body));
            next = next.next();
        }
        if !before.is_empty() {
            let settled = Record::Settled(QueueId(1), Ending::Acknowledged, before.collect());
            chunks.push(next, &settled);
        }
        before = first.0..first.0 + per_chunk as u64;
        let outcome = store.land(chunks.take()).expect("the database is there");
        *upto = outcome.upto;
        landed += per_chunk;
        if outcome.checkpoint_wanted {
            let begin = upto.next();
            let next_queue = QueueId(2);
            chunks.push(begin, &Record::Checkpoint { begin, next_queue });
            *upto = store
                .land(chunks.take())
                .expect("the database is there")
                .upto;
        }
    }
    landed
}

fn message(position: Position, body: usize) -> Record {
    // As random as the database's compression would find real bodies.
    static BODIES: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut octets = Vec::with_capacity(2 * BODY_MOST);
        while octets.len() < 2 * BODY_MOST {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            octets.extend_from_slice(&state.to_le_bytes());
        }
        octets.into()
    });
    let at = (position.0 % 64) as usize * (BODY_MOST / 64);
    Record::Message(MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: None,
        accepted: Timestamp(position.0),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("queue"),
        properties: Properties::default(),
        body: BODIES.slice(at..at + body),
    })
}

/// Messages a second that the bare statement lands: each connection has all chunks of its shards in each statement.
fn bare(address: &str, load: Load) -> Result<f64, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(BARE_TABLES).await?;
        let fill = "insert into bare.shard select n, 1, 0 from generate_series(0, $1::int - 1) n";
        client.execute(fill, &[&load.shards.cast_signed()]).await?;
        Ok::<_, Box<dyn Error>>(())
    })?;
    let began = Instant::now();
    let landed: usize = std::thread::scope(|scope| {
        let connections = (0..load.connections.min(load.shards)).map(|number| {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = { runtime }.enable_all().build().expect("a runtime");
                let landed = runtime.block_on(land_bare(address, number, load));
                landed.expect("the database is there")
            })
        });
        let connections: Vec<_> = connections.collect();
        let landed = connections.into_iter().map(|thread| thread.join());
        landed.map(|landed| landed.expect("it lands")).sum()
    });
    Ok(landed as f64 / began.elapsed().as_secs_f64())
}

async fn land_bare(address: &str, number: u32, load: Load) -> Result<usize, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    let statement = client.prepare(BARE).await?;
    let shards = (0..load.shards).filter(|shard| shard % load.connections == number);
    let shards: Vec<i32> = shards.map(u32::cast_signed).collect();
    let chunk = chunk_like(load.per_chunk, load.body);
    let pages: Vec<&[u8]> = chunk.chunks(PAGE).collect();
    let (began, mut head, mut landed) = (Instant::now(), 0i64, 0);
    while began.elapsed() < TURN {
        landed += land_once(&client, &statement, &shards, &pages, head).await? * load.per_chunk;
        head += pages.len() as i64;
    }
    Ok(landed)
}

/// One statement; returns how many chunks it has landed.
async fn land_once(
    client: &Client,
    statement: &tokio_postgres::Statement,
    shards: &[i32],
    pages: &[&[u8]],
    head: i64,
) -> Result<usize, tokio_postgres::Error> {
    let next = head + pages.len() as i64;
    let (epochs, heads) = (vec![1i64; shards.len()], vec![head; shards.len()]);
    let nexts = vec![next; shards.len()];
    let each = || {
        shards
            .iter()
            .flat_map(|shard| (head..next).map(|page| (*shard, page)))
    };
    let of_shards: Vec<i32> = each().map(|(shard, _)| shard).collect();
    let numbers: Vec<i64> = each().map(|(_, page)| page).collect();
    let data: Vec<&[u8]> = shards.iter().flat_map(|_| pages.iter().copied()).collect();
    let rows = client
        .query(
            statement,
            &[
                &shards, &epochs, &heads, &nexts, &of_shards, &numbers, &data,
            ],
        )
        .await?;
    Ok(rows.len())
}

/// Bytes as a chunk of so many messages has.
fn chunk_like(messages: usize, body: usize) -> Vec<u8> {
    let mut chunks = ChunkBuilder::new();
    for position in (1..=messages as u64).map(Position) {
        chunks.push(position, &message(position, body));
    }
    chunks.take().seal(1, 1).bytes().to_vec()
}

/// Messages a second that a queue of rows takes in and gives out again.
fn rows(address: &str, batch: usize, body: usize) -> Result<f64, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let began = Instant::now();
    let acknowledged = runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(ROWS_TABLE).await?;
        let (sent, to_take) = tokio::sync::mpsc::channel(ROWS_AHEAD);
        let sender = address.to_owned();
        let sending = tokio::spawn(async move { send_rows(&sender, batch, body, sent).await });
        let acknowledged = take_rows(&client, batch, to_take).await?;
        sending.await.expect("it does not panic")?;
        Ok::<_, tokio_postgres::Error>(acknowledged)
    })?;
    Ok(acknowledged as f64 / began.elapsed().as_secs_f64())
}

async fn send_rows(
    address: &str,
    batch: usize,
    body: usize,
    sent: tokio::sync::mpsc::Sender<()>,
) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    let statement = client.prepare(ROWS_SEND).await?;
    let chunk = chunk_like(batch, body);
    let bodies: Vec<&[u8]> = chunk.chunks_exact(body).take(batch).collect();
    let began = Instant::now();
    while began.elapsed() < TURN {
        client.execute(&statement, &[&bodies]).await?;
        if sent.send(()).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn take_rows(
    client: &Client,
    batch: usize,
    mut to_take: tokio::sync::mpsc::Receiver<()>,
) -> Result<usize, tokio_postgres::Error> {
    let (read, delete) = (
        client.prepare(ROWS_READ).await?,
        client.prepare(ROWS_DELETE).await?,
    );
    let mut acknowledged = 0;
    while to_take.recv().await.is_some() {
        let rows = client.query(&read, &[&(batch as i64)]).await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        acknowledged += client.execute(&delete, &[&ids]).await? as usize;
    }
    Ok(acknowledged)
}
