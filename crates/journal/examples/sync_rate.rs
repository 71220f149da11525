//! How much of the disk's own rate is left: confirmed landings a second of chunks of 1 KiB, one at a time, beside
//! plain writes and syncs of as many bytes in a file that was written before. Both in turns, so that other load
//! on the machine meets both.
//!
//! ```text
//! cargo run --release -p landfall-journal --example sync_rate [directory] [landings]
//! ```

use bytes::Bytes;
use landfall_journal::{Journal, Options};
use model::{MessageRecord, Position, Properties, QueueId, Record, ShortStr, Timestamp};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use store::{ChunkBuilder, Store};

const CHUNK: usize = 1024;
const TURN: u64 = 500;
const PREWRITTEN: u64 = 64 * 1024 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let landings: u64 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let scratch = tempfile::tempdir_in(base)?;

    let (mut journal, _) = Journal::open(Options::new(scratch.path().join("data")), &mut |_| {})?;
    let file = File::create(scratch.path().join("plain"))?;
    for at in 0..PREWRITTEN / CHUNK as u64 {
        file.write_all_at(&[0; CHUNK], at * CHUNK as u64)?;
    }
    file.sync_all()?;
    // The journal writes its spare files meanwhile; neither side is to pay for that.
    std::thread::sleep(Duration::from_secs(2));

    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    let (mut position, mut offset) = (Position(1), 0);
    while (ours.len() as u64) < landings {
        for _ in 0..TURN {
            let record = message(position);
            let began = Instant::now();
            let mut builder = ChunkBuilder::new();
            builder.push(position, &record);
            let landed = journal.land(builder.take())?;
            ours.push(began.elapsed());
            position = landed.upto.next();
        }
        for _ in 0..TURN {
            let bytes = [position.0 as u8; CHUNK];
            let began = Instant::now();
            file.write_all_at(&bytes, offset % PREWRITTEN)?;
            file.sync_data()?;
            plain.push(began.elapsed());
            offset += CHUNK as u64;
        }
    }
    let (ours, plain) = (
        rate("journal", &mut ours),
        rate("write + fdatasync", &mut plain),
    );
    println!("ratio {:.2}", ours / plain);
    Ok(())
}

/// A message whose chunk is about [`CHUNK`] bytes long.
fn message(position: Position) -> Record {
    Record::Message(MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: None,
        accepted: Timestamp(position.0),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("queue"),
        properties: Properties::default(),
        body: Bytes::from_static(&[b'x'; CHUNK - 80]),
    })
}

fn rate(what: &str, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let total: Duration = times.iter().sum();
    let rate = times.len() as f64 / total.as_secs_f64();
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_micros();
    println!(
        "{what:18} {rate:8.0} a second, p50 {} us, p99 {} us",
        at(0.5),
        at(0.99)
    );
    rate
}
