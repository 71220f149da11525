//! How long the journal takes to land a chunk, of one message and of many: `cargo bench -p landfall-journal`. Beside it a
//! plain write and sync of as many bytes in a file that was written before. The disk's rate changes from minute to minute;
//! the example `sync_rate` takes both in turns.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use landfall_journal::{Journal, Options};
use model::{MessageRecord, Position, Properties, QueueId, Record, ShortStr, Timestamp};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use store::{ChunkBuilder, Store};

const BODY: usize = 1024;
const MESSAGES: [u64; 3] = [1, 100, 1_000];
/// What lands stays until the end, so the disk holds no more than this time allows.
const MEASURED: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_millis(300);
const PREWRITTEN: u64 = 64 * 1024 * 1024;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Beside what is built: a real disk, unlike many a folder for what is temporary.
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut criterion = Criterion::default().configure_from_args();
    land(&mut criterion, scratch.path())?;
    write_and_sync(&mut criterion, scratch.path())?;
    criterion.final_summary();
    Ok(())
}

fn land(criterion: &mut Criterion, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (mut journal, _) = Journal::open(Options::new(folder.join("data")), &mut |_| {})?;
    // The journal writes its spare files meanwhile; nothing measured is to pay for that.
    std::thread::sleep(Duration::from_secs(2));
    let mut group = criterion.benchmark_group("a chunk of the journal");
    group
        .sample_size(20)
        .measurement_time(MEASURED)
        .warm_up_time(WARM_UP);
    let mut position = Position(1);
    for messages in MESSAGES {
        group.throughput(Throughput::Elements(messages));
        group.bench_function(
            format!("{messages} messages of {BODY} B landed"),
            |bencher| {
                bencher.iter(|| {
                    let mut builder = ChunkBuilder::new();
                    for _ in 0..messages {
                        builder.push(position, &message(position));
                        position = position.next();
                    }
                    journal.land(builder.take()).expect("the disk takes it")
                });
            },
        );
    }
    Ok(())
}

fn write_and_sync(
    criterion: &mut Criterion,
    folder: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let file = File::create(folder.join("plain"))?;
    for at in 0..PREWRITTEN / BODY as u64 {
        file.write_all_at(&[0; BODY], at * BODY as u64)?;
    }
    file.sync_all()?;
    let mut group = criterion.benchmark_group("write + fdatasync");
    group
        .sample_size(20)
        .measurement_time(MEASURED)
        .warm_up_time(WARM_UP);
    for messages in MESSAGES {
        let length = messages * BODY as u64;
        let bytes = vec![b'x'; length as usize];
        let mut offsets = (0..PREWRITTEN / length).map(|slot| slot * length).cycle();
        group.throughput(Throughput::Elements(messages));
        group.bench_function(format!("{length} B"), |bencher| {
            bencher.iter_batched(
                || offsets.next().unwrap_or(0),
                |offset| {
                    let written = file.write_all_at(&bytes, offset);
                    written.and_then(|()| file.sync_data())
                },
                BatchSize::PerIteration,
            );
        });
    }
    Ok(())
}

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
        body: Bytes::from_static(&[b'x'; BODY]),
    })
}
