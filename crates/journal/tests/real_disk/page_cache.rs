//! The page cache after a failed sync, on a real file system: it goes on showing what the disk never took.
//! A journal that believes it appends behind a hole, confirms, and loses what it confirmed at the next power cut.
//! Where writes go around the page cache there is nothing that it could show.

use crate::device::{self, Device};
use bytes::Bytes;
use landfall_journal::{Journal, Options};
use model::{MessageRecord, Position, Properties, QueueId, Record, ShortStr, Timestamp};
use rustix::fs::OFlags;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};
use store::{ChunkBuilder, Store, Told};

const SEGMENT_BYTES: u64 = 4 << 20;

fn options(dir: &Path) -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES,
        disk_free_limit: 0,
        ..Options::new(dir)
    }
}

fn open(dir: &Path) -> (Journal, BTreeMap<u64, Record>) {
    let mut told = BTreeMap::new();
    let opened = Journal::open(options(dir), &mut |one| match one {
        Told::Record(position, record) => {
            told.insert(position.0, record);
        }
        Told::Messages(..) => panic!("no segment is full"),
    });
    let (journal, _) = opened.expect("the journal opens: nothing that had landed is damaged");
    (journal, told)
}

fn message(position: u64, round: u64) -> Record {
    let text = format!("message {position} of round {round}; ");
    Record::Message(MessageRecord {
        queues: [QueueId(1)].into_iter().collect(),
        publisher: None,
        accepted: Timestamp(position),
        due: None,
        fingerprints: Vec::new(),
        exchange: ShortStr::empty(),
        routing_key: ShortStr::from_static("key"),
        properties: Properties::default(),
        body: Bytes::from(text.repeat(200)),
    })
}

fn land(journal: &mut Journal, position: u64, record: &Record) -> bool {
    let mut builder = ChunkBuilder::new();
    builder.push(Position(position), record);
    journal.land(builder.take()).is_ok()
}

/// Until the spares are made: what fails then is the one write that is meant, not one for a spare's name.
fn wait_for_spares(dir: &Path) {
    let began = Instant::now();
    let is_spare = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.expect("the directory can be read").file_name();
        let name = name.to_string_lossy();
        name.starts_with("spare-") && !name.ends_with(".tmp")
    };
    loop {
        let entries = fs::read_dir(dir.join("segments")).expect("a data directory");
        if entries.map(is_spare).filter(|is| *is).count() >= 2 {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the spares are made"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the page cache shows the text in a segment.
fn is_shown(dir: &Path, text: &str) -> bool {
    let entries = fs::read_dir(dir.join("segments")).expect("a data directory");
    entries.filter_map(Result::ok).any(|entry| {
        let bytes = fs::read(entry.path()).expect("a segment can be read");
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

/// Whether the file system can write around the page cache.
fn is_written_around(dir: &Path) -> bool {
    let mut options = fs::OpenOptions::new();
    let direct = i32::try_from(OFlags::DIRECT.bits()).expect("a small flag");
    options.read(true).custom_flags(direct);
    options.open(dir.join("format")).is_ok()
}

#[test]
fn what_is_confirmed_after_a_failed_sync_survives() {
    if device::cannot_be_had() {
        return;
    }
    let device = Device::failing();
    let dir = device.path().join("data");
    let mut confirmed: BTreeMap<u64, Record> = BTreeMap::new();
    let mut next = 1;
    for round in 1..=3 {
        let (mut journal, told) = open(&dir);
        for (position, record) in &confirmed {
            assert!(
                told.get(position) == Some(record),
                "round {round}: {position} is lost"
            );
        }
        // What was not confirmed may be told, too: then it is there to stay.
        next = told.keys().last().map_or(next, |last| last + 1);
        confirmed.extend(told);
        for _ in 0..3 {
            let record = message(next, round);
            assert!(land(&mut journal, next, &record), "the disk is good");
            confirmed.insert(next, record);
            next += 1;
        }
        wait_for_spares(&dir);
        device.fail_writes(true);
        assert!(
            !land(&mut journal, next, &message(next, round)),
            "the sync fails"
        );
        device.fail_writes(false);
        assert!(
            !land(&mut journal, next, &message(next, round)),
            "nothing lands behind a failure"
        );
        drop(journal);
        let shown = is_shown(&dir, &format!("message {next} of round {round}; "));
        assert_eq!(
            shown,
            !is_written_around(&dir),
            "only the page cache shows what the disk has not taken"
        );

        // The restarted server confirms more, and then the power goes.
        let (mut journal, told) = open(&dir);
        next = told.keys().last().expect("something had landed") + 1;
        confirmed.extend(told);
        for _ in 0..3 {
            let record = message(next, round);
            assert!(land(&mut journal, next, &record), "the disk is good again");
            confirmed.insert(next, record);
            next += 1;
        }
        drop(journal);
        device.forget_page_cache();
    }
    let (_journal, told) = open(&dir);
    assert!(
        told == confirmed,
        "everything confirmed is there after the last power cut"
    );
    assert!(
        landfall_journal::check(&dir)
            .expect("a data directory")
            .is_sound()
    );
}
