//! Reading while segments are recycled and messages are moved, and reading what the disk has spoilt.

use super::history::{self, Random, Script};
use super::image::Image;
use super::sim::SimDisk;
use crate::names::Layout;
use crate::{Journal, Options};
use bytes::Bytes;
use model::record::Ending;
use model::{MessageRecord, Position, Properties, QueueId, Record, Runs, ShortStr, Timestamp};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use store::{ChunkBuilder, ReadError, Reader, Store};
use tempfile::TempDir;

const SEGMENT_BYTES: u64 = 16 * 1024;
const LANDINGS: u64 = 3000;

/// A body that tells which message it belongs to.
fn body(position: u64) -> Bytes {
    let length = 100 + usize::try_from(position % 400).expect("small");
    let pattern = position.to_le_bytes().into_iter().cycle();
    pattern.take(length).collect::<Vec<u8>>().into()
}

fn message(position: u64) -> Record {
    Record::Message(MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: None,
        accepted: Timestamp(0),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("key"),
        properties: Properties::default(),
        body: body(position),
    })
}

/// Reads any live message; what it reads is that message, or it was settled meanwhile.
fn read_one(reader: &dyn Reader, live: &Mutex<BTreeSet<u64>>, random: &mut Random) -> bool {
    let pick = {
        let live = live.lock().expect("no test panics while it holds the set");
        let at = random.below(live.len() as u64 + 1);
        live.iter()
            .nth(usize::try_from(at).expect("small"))
            .copied()
    };
    let Some(pick) = pick else {
        return false;
    };
    match reader.read(Position(pick)) {
        Ok(chunk) => {
            let message = chunk
                .message(Position(pick))
                .expect("the chunk holds the message");
            assert_eq!(message.body, body(pick));
            true
        }
        Err(ReadError::Gone(_)) => {
            let live = live.lock().expect("no test panics while it holds the set");
            assert!(!live.contains(&pick), "message {pick} is live, and gone");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Ends the readers, also when the writer panics.
struct Done<'d>(&'d AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn readers_see_live_messages_while_segments_come_and_go() {
    let dir = TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a scratch directory");
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        disk_free_limit: 0,
        // So little that most reads go to the files.
        cache_bytes: 8 * 1024,
        ..Options::new(dir.path())
    };
    let (mut journal, _) = Journal::open(options, &mut |_| {}).expect("it opens");
    let reader = journal.reader();
    let live = Mutex::new(BTreeSet::new());
    let (done, read) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for seed in 1..=2 {
            let (reader, live, done, read) = (&*reader, &live, &done, &read);
            scope.spawn(move || {
                let mut random = Random(seed * 77);
                while !done.load(Ordering::Relaxed) {
                    read.fetch_add(
                        read_one(reader, live, &mut random).into(),
                        Ordering::Relaxed,
                    );
                }
            });
        }
        let _done = Done(&done);
        let mut random = Random(5);
        let mut next = 1;
        for _ in 0..LANDINGS {
            let mut builder = ChunkBuilder::new();
            let born: Vec<u64> = (next..=next + random.below(4)).collect();
            for position in &born {
                builder.push(Position(*position), &message(*position));
            }
            next += born.len() as u64;
            let settled: Runs = {
                let mut live = live.lock().expect("no test panics while it holds the set");
                // Most are settled soon, one in sixteen late.
                let over = live.len().saturating_sub(200);
                let oldest = live.iter().copied().filter(|each| each % 16 > 0).take(over);
                let late = live
                    .iter()
                    .copied()
                    .filter(|each| each % 16 == 0 && each + 3000 < next);
                let settled: Runs = oldest.chain(late).collect();
                live.retain(|each| !settled.contains(*each));
                settled
            };
            if !settled.is_empty() {
                builder.push(
                    Position(next),
                    &Record::Settled(QueueId(1), Ending::Acknowledged, settled),
                );
                next += 1;
            }
            let landed = journal.land(builder.take()).expect("the disk is good");
            live.lock()
                .expect("no test panics while it holds the set")
                .extend(born);
            if landed.checkpoint_wanted {
                let begin = Position(next);
                let next_queue = QueueId(2);
                builder.push(begin, &Record::Checkpoint { begin, next_queue });
                next += 1;
                let _ = journal.land(builder.take()).expect("the disk is good");
            }
        }
    });
    let report = crate::check(dir.path()).expect("it can be read");
    println!("{} reads\n{report}", read.load(Ordering::Relaxed));
    assert!(report.records.relocated > 0 && read.load(Ordering::Relaxed) > 1000);
}

#[test]
fn a_spoilt_message_is_told_and_keeps_its_segment() {
    let disk = SimDisk::new(Image::default());
    let (mut journal, ..) = history::open(&disk).expect("an empty disk opens");
    let mut script = Script::new(3);
    let mut builder = ChunkBuilder::new();
    script.waiting(&mut builder, 3000);
    let waits = Position(script.ledger.last);
    let _ = journal.land(builder.take()).expect("the disk is good");
    let first = Layout::new(&history::options().dir).segment(1);
    let land = |journal: &mut Journal, script: &mut Script, steps: std::ops::Range<u64>| {
        for step in steps {
            let landed = script.land(journal, step).expect("the disk is good");
            if landed.checkpoint_wanted {
                script.land_checkpoint(journal).expect("the disk is good");
            }
        }
    };
    // Out of the cache, and then spoilt before it is moved.
    land(&mut journal, &mut script, 1..8);
    disk.spoil(&first, 1000);
    land(&mut journal, &mut script, 30..80);
    assert!(
        disk.durable().names.contains_key(&first),
        "what is damaged is not thrown away"
    );
    let reader = journal.reader();
    let error = reader.read(waits).expect_err("it is damaged");
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
}
