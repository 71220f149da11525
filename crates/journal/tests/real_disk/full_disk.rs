//! A disk that is really full: publishers are told to wait, settlings land, and room comes back.

use crate::device::{self, Device};
use bytes::Bytes;
use landfall_journal::{Journal, OpenError, Options};
use model::record::Ending;
use model::{MessageRecord, Position, Properties, QueueId, Record, Runs, ShortStr, Timestamp};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use store::{ChunkBuilder, Landed, Room, Store, StoreFailure, Told};

const SEGMENT_BYTES: u64 = 4 << 20;
const BODY: usize = 100_000;

struct Lane {
    journal: Journal,
    next: u64,
    live: BTreeSet<u64>,
}

fn try_open(dir: &Path) -> Result<Lane, OpenError> {
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        disk_free_limit: 2 * SEGMENT_BYTES,
        ..Options::new(dir)
    };
    let (mut live, mut last) = (BTreeSet::new(), 0);
    let (journal, _) = Journal::open(options, &mut |one| {
        let (position, record) = match one {
            Told::Record(position, record) => (position, record),
            Told::Messages(run, head) => {
                assert_eq!(head.arrival.bytes as usize, BODY);
                last = last.max(run.end() - 1);
                live.extend(run.first..run.end());
                return;
            }
        };
        last = last.max(position.0);
        match record {
            Record::Message(message) => {
                assert_eq!(message.body.len(), BODY);
                live.insert(position.0);
            }
            Record::Settled(_, _, runs) => {
                for position in runs.positions() {
                    live.remove(&position.0);
                }
            }
            _ => {}
        }
    })?;
    Ok(Lane {
        journal,
        next: last + 1,
        live,
    })
}

fn open(dir: &Path) -> Lane {
    try_open(dir).expect("the journal opens")
}

impl Lane {
    fn land(&mut self, record: &Record) -> Result<Landed, StoreFailure> {
        let mut builder = ChunkBuilder::new();
        builder.push(Position(self.next), record);
        let landed = self.journal.land(builder.take())?;
        self.next += 1;
        if landed.checkpoint_wanted {
            let begin = Position(self.next);
            let next_queue = QueueId(2);
            return self.land(&Record::Checkpoint { begin, next_queue });
        }
        Ok(landed)
    }

    fn publish(&mut self) -> Result<Landed, StoreFailure> {
        let record = Record::Message(MessageRecord {
            queues: [QueueId(1)].into_iter().collect(),
            publisher: None,
            accepted: Timestamp(0),
            due: None,
            fingerprints: Vec::new(),
            exchange: ShortStr::empty(),
            routing_key: ShortStr::from_static("key"),
            properties: Properties::default(),
            body: Bytes::from(vec![self.next as u8; BODY]),
        });
        let position = self.next;
        let landed = self.land(&record)?;
        self.live.insert(position);
        Ok(landed)
    }

    fn settle(&mut self, count: usize) -> Landed {
        let positions: Vec<u64> = self.live.iter().copied().take(count).collect();
        let runs: Runs = positions.iter().copied().collect();
        let landed = self.land(&Record::Settled(QueueId(1), Ending::Acknowledged, runs));
        for position in positions {
            self.live.remove(&position);
        }
        landed.expect("a settling lands on a full disk")
    }

    fn fill(&mut self) {
        while self.publish().expect("there is room, or the reserve").room == Room::Open {}
    }

    fn reopen(self, dir: &Path) -> Self {
        let Self { journal, live, .. } = self;
        drop(journal);
        let lane = open(dir);
        assert!(
            lane.live == live,
            "everything that landed is told, and nothing else"
        );
        lane
    }
}

#[test]
fn settlings_land_and_room_comes_back() {
    if device::cannot_be_had() {
        return;
    }
    let device = Device::plain(96 << 20);
    let dir = device.path().join("data");
    let mut lane = open(&dir);
    for _ in 0..2 {
        lane.fill();
        // What was under way still lands.
        for _ in 0..10 {
            assert_eq!(
                lane.publish().expect("the reserve is there").room,
                Room::Reserved
            );
        }
        lane = lane.reopen(&dir);
        for _ in 0..200 {
            let _ = lane.settle(1);
        }
        lane = lane.reopen(&dir);
        let began = Instant::now();
        while lane.settle(1).room == Room::Reserved {
            assert!(began.elapsed() < Duration::from_secs(20), "room comes back");
            std::thread::sleep(Duration::from_millis(10));
        }
        lane = lane.reopen(&dir);
    }
    assert!(lane.live.len() > 300, "most of the disk is in use");
}

#[test]
fn a_publisher_that_does_not_wait_loses_nothing_that_was_confirmed() {
    if device::cannot_be_had() {
        return;
    }
    let device = Device::plain(64 << 20);
    let dir = device.path().join("data");
    let ballast = device.path().join("ballast");
    fs::write(&ballast, vec![1; 12 << 20]).expect("there is room for the ballast");
    let mut lane = open(&dir);
    let failure = loop {
        if let Err(failure) = lane.publish() {
            break failure;
        }
    };
    assert!(failure.to_string().contains("no space"), "{failure}");
    lane.publish().expect_err("nothing lands behind a failure");
    let Lane { journal, live, .. } = lane;
    drop(journal);
    // Full to the last block: a start says so, or finds a way.
    if let Err(error) = try_open(&dir) {
        assert!(error.to_string().contains("no space"), "{error}");
    }
    fs::remove_file(&ballast).expect("the ballast goes");
    let mut lane = open(&dir);
    let unconfirmed: Vec<_> = lane.live.difference(&live).collect();
    assert!(
        live.is_subset(&lane.live) && unconfirmed.len() <= 1,
        "{unconfirmed:?}"
    );
    let _ = lane.publish().expect("there is room again");
}
