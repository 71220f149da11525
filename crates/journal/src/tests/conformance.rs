//! The suite that every store passes, on this machine's disk and on the simulated one.

use super::image::Image;
use super::sim::{Fault, SharedDisk, SimDisk};
use crate::disk::{Access, Disk, DiskFile, Locking, RealDisk};
use crate::stock::Maker;
use crate::{Journal, Options};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::Store;
use store::conformance::{self, Harness, Opened};
use tempfile::TempDir;

const SEGMENT_BYTES: u64 = 128 * 1024;

fn options(dir: &Path) -> Options {
    Options {
        segment_bytes: SEGMENT_BYTES,
        disk_free_limit: 0,
        cache_bytes: 128 * 1024,
        ..Options::new(dir)
    }
}

/// In memory where that can be had: the suite is about what is told, and what a sync is worth is tested elsewhere.
fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a scratch directory")
}

fn open(disk: Arc<dyn Disk>, maker: Maker, dir: &Path) -> Opened {
    let mut told = Vec::new();
    let opened = Journal::open_on(disk, maker, options(dir), &mut |one| {
        told.extend(conformance::by_position(one));
    });
    let (journal, recovered) = opened.expect("the journal opens");
    assert_eq!(recovered.records, told.len() as u64);
    Opened {
        store: Box::new(journal),
        told,
    }
}

/// This machine's disk, one write of which can be made to fail.
struct FailingDisk(Arc<AtomicBool>);

struct FailingFile(Arc<dyn DiskFile>, Arc<AtomicBool>);

impl FailingDisk {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FailingFile(file, self.0.clone()))
    }
}

impl Disk for FailingDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk::default().make_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk::default().list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk::default().create(path).map(|file| self.file(file))
    }
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk::default()
            .open(path, access)
            .map(|file| self.file(file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk::default().rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk::default().remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk::default().sync_dir(dir)
    }
    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        RealDisk::default().free_bytes(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Locking> {
        RealDisk::default().lock(path)
    }
}

impl DiskFile for FailingFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        if self.1.swap(false, Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.write_at(offset, bytes)
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, into)
    }
    fn reserve(&self, length: u64) -> io::Result<()> {
        self.0.reserve(length)
    }
    fn granularity(&self) -> usize {
        self.0.granularity()
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }
    fn forget_cached(&self) -> io::Result<()> {
        self.0.forget_cached()
    }
}

struct OnThisMachine {
    dir: TempDir,
    fails: Arc<AtomicBool>,
}

impl Harness for OnThisMachine {
    fn empty(&mut self) {
        self.dir = scratch();
    }

    fn open(&mut self) -> Opened {
        self.fails.store(false, Ordering::Relaxed);
        let disk = Arc::new(FailingDisk(self.fails.clone()));
        open(disk, Maker::Thread, self.dir.path())
    }

    fn crash(&mut self, store: Box<dyn Store>) {
        drop(store);
    }

    fn fail_next(&mut self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    fn reclaimed_after(&self) -> usize {
        8 * SEGMENT_BYTES as usize
    }
}

#[test]
fn on_this_machines_disk() {
    conformance::run(&mut OnThisMachine {
        dir: scratch(),
        fails: Arc::default(),
    });
}

/// A crash is a power cut here: only what was synced is left.
struct OnSimulatedDisk {
    disk: Arc<SimDisk>,
}

impl Harness for OnSimulatedDisk {
    fn empty(&mut self) {
        self.disk = SimDisk::new(Image::default());
    }

    fn open(&mut self) -> Opened {
        let disk = Arc::new(SharedDisk(self.disk.clone()));
        open(disk, Maker::Caller, &PathBuf::from("/data"))
    }

    fn crash(&mut self, store: Box<dyn Store>) {
        drop(store);
        self.disk = SimDisk::new(self.disk.durable());
    }

    fn fail_next(&mut self) {
        // The next operation may be about a spare: all of them fail.
        self.disk.fail_from(self.disk.operations() + 1, Fault::Io);
    }

    fn reclaimed_after(&self) -> usize {
        8 * SEGMENT_BYTES as usize
    }
}

#[test]
fn on_a_simulated_disk() {
    conformance::run(&mut OnSimulatedDisk {
        disk: SimDisk::new(Image::default()),
    });
}

#[test]
fn a_slow_queue_pins_a_small_multiple_of_its_own_bytes() {
    let mut harness = OnThisMachine {
        dir: scratch(),
        fails: Arc::default(),
    };
    // One message of 100 bytes waits while 30 times the bound passes by it.
    conformance::fill(&mut harness, 30);
    let report = crate::check(harness.dir.path()).expect("the directory can be read");
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.live_messages, 1);
    assert!(report.bytes < 6 * SEGMENT_BYTES, "{report}");
    assert!(report.records.relocated > 0, "{report}");
}
