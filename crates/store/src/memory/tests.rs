//! The store in memory passes the suite, and its disk fails as it is told to.

use super::*;
use crate::conformance::{self, Harness, Known, Opened};
use crate::contract::{ReadError, Room};
use crate::recording::{Event, Log, Recording};

struct InMemory {
    disk: Disk,
    fault: Fault,
}

const SEGMENT_BYTES: u64 = 32 * 1024;

impl Harness for InMemory {
    fn empty(&mut self) {
        self.disk = Disk::new(SEGMENT_BYTES);
    }

    fn open(&mut self) -> Opened {
        let (store, told) = open(&self.disk);
        let known = |(position, record)| (position, Known::Record(record));
        Opened {
            store: Box::new(store),
            told: told.into_iter().map(known).collect(),
        }
    }

    fn crash(&mut self, store: Box<dyn Store>) {
        self.disk.crash();
        drop(store);
    }

    fn fail_next(&mut self) {
        self.disk.fail_after(0, self.fault);
    }

    fn reclaimed_after(&self) -> usize {
        4 * SEGMENT_BYTES as usize
    }
}

fn open(disk: &Disk) -> (MemoryStore, Vec<(Position, Record)>) {
    let mut told = Vec::new();
    let store = MemoryStore::open(disk, &mut |position, record| told.push((position, record)));
    (store.expect("the disk is sound"), told)
}

fn stopped(position: u64) -> Chunk {
    let mut builder = ChunkBuilder::new();
    builder.push(Position(position), &Record::Stopped);
    builder.take()
}

fn in_memory(fault: Fault) -> InMemory {
    let disk = Disk::new(SEGMENT_BYTES);
    InMemory { disk, fault }
}

#[test]
fn it_passes_the_suite() {
    conformance::run(&mut in_memory(Fault::Torn(5000)));
}

#[test]
fn a_failure_is_final_whatever_reached_the_disk() {
    for fault in [Fault::Lost, Fault::Kept] {
        conformance::cases::a_failure_is_final(&mut in_memory(fault));
    }
}

#[test]
fn faults_leave_on_the_disk_what_they_say() {
    for (fault, told) in [(Fault::Lost, 2), (Fault::Torn(52), 2), (Fault::Kept, 3)] {
        let disk = Disk::new(SEGMENT_BYTES);
        let (mut store, _) = open(&disk);
        disk.fail_after(2, fault);
        for position in 1..=2 {
            let landed = store
                .land(stopped(position))
                .expect("the fault comes later");
            assert_eq!(landed.upto, Position(position));
        }
        store
            .land(stopped(3))
            .expect_err("the third meets the fault");
        store.land(stopped(3)).expect_err("a failure is final");
        assert_eq!(open(&disk).1.len(), told, "{fault:?}");
    }
}

#[test]
fn an_opening_ends_the_one_before() {
    let disk = Disk::new(SEGMENT_BYTES);
    let (mut old, _) = open(&disk);
    let (mut new, _) = open(&disk);
    old.land(stopped(1))
        .expect_err("the old owner is fenced off");
    let landed = new.land(stopped(1)).expect("the new owner lands");
    assert_eq!(landed.upto, Position(1));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a landing that is held up waits on a thread of its own"
)]
fn a_slow_disk_lands_when_it_is_released() {
    let disk = Disk::new(SEGMENT_BYTES);
    disk.set_room(Room::Reserved);
    disk.set_caches(false);
    let (store, _) = open(&disk);
    let reader = store.reader();
    let log = Log::new();
    let mut store = Recording::new(store, log.clone());
    disk.hold();
    std::thread::scope(|scope| {
        let landing = scope.spawn(|| store.land(stopped(1)));
        while log.events().is_empty() {
            std::thread::yield_now();
        }
        log.push(Event::Noted("released".into()));
        disk.release();
        let landed = landing.join().expect("the landing does not panic");
        assert_eq!(landed.expect("it lands").room, Room::Reserved);
    });
    let events = [
        Event::Started(Position(1)),
        Event::Noted("released".into()),
        Event::Landed(Position(1)),
    ];
    assert_eq!(log.events(), events);
    assert!(reader.cached(Position(1)).is_none());
    assert!(reader.read(Position(1)).is_ok());
    assert!(matches!(reader.read(Position(2)), Err(ReadError::Gone(_))));
}

#[test]
fn a_long_lane_is_reclaimed_to_what_is_live() {
    let mut harness = in_memory(Fault::Lost);
    conformance::fill(&mut harness, 100);
    let disk = harness.disk;
    assert!(
        disk.bytes() < 10 * SEGMENT_BYTES as usize,
        "{} bytes are left",
        disk.bytes()
    );
}
