//! The files of journeys: a thread of its own appends blocks to the newest, and removes the oldest when there is more
//! than the operator wants to keep.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;
use tracing::warn;

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// The directory of the files.
    pub dir: PathBuf,
    /// All of them together take no more than this; 0 for no journeys.
    pub bytes_max: u64,
    /// What is older goes.
    pub age_max: Duration,
}

/// The most blocks that wait to be written.
const BLOCKS_MAX: usize = 64;

/// What is kept is divided into so many files, so that the oldest part can go.
const PARTS: u32 = 8;

/// No file is longer, however much is kept.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// After an error nothing is written for so long.
const ERROR_PAUSE: Duration = Duration::from_secs(10);

enum ToWrite {
    Block(Vec<u8>),
    Written(oneshot::Sender<()>),
}

/// The way to the thread.
pub(super) struct Files {
    sender: SyncSender<ToWrite>,
    thread: JoinHandle<()>,
}

impl Files {
    pub(super) fn start(keeping: &Keeping) -> io::Result<Self> {
        fs::create_dir_all(&keeping.dir)?;
        let mut writer = Writer::new(keeping)?;
        let (sender, receiver) = sync_channel(BLOCKS_MAX);
        let thread = std::thread::Builder::new()
            .name("journeys".to_owned())
            .spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, thread })
    }

    /// Has a block written; false if too many wait already, and it is left out.
    pub(super) fn append(&self, block: Vec<u8>) -> bool {
        self.sender.try_send(ToWrite::Block(block)).is_ok()
    }

    /// Has it told when all that was appended before is written; at once, where too much waits.
    pub(super) fn tell_when_written(&self, written: oneshot::Sender<()>) {
        let _ = self.sender.try_send(ToWrite::Written(written));
    }

    /// Ends the thread when it has written all.
    pub(super) fn end(self) {
        drop(self.sender);
        if self.thread.join().is_err() {
            warn!("the thread of the journeys ended by a defect of the program");
        }
    }
}

/// The files of a directory, the oldest first.
pub(super) fn files(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".log")?.parse().ok());
        if let Some(number) = number {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

struct Writer {
    keeping: Keeping,
    /// The number of the last file.
    number: u64,
    open: Option<Open>,
    /// Files that are not written to any more, the oldest first, with their lengths.
    closed: VecDeque<(PathBuf, u64)>,
    closed_bytes: u64,
    /// After an error: when to try again.
    try_again: Option<Instant>,
}

struct Open {
    file: File,
    path: PathBuf,
    bytes: u64,
    since: Instant,
}

impl Writer {
    fn new(keeping: &Keeping) -> io::Result<Self> {
        let mut writer = Self {
            keeping: keeping.clone(),
            number: 0,
            open: None,
            closed: VecDeque::new(),
            closed_bytes: 0,
            try_again: None,
        };
        for (number, path) in files(&keeping.dir)? {
            let bytes = fs::metadata(&path)?.len();
            writer.number = number;
            writer.closed.push_back((path, bytes));
            writer.closed_bytes += bytes;
        }
        Ok(writer)
    }

    fn run(&mut self, receiver: &Receiver<ToWrite>) {
        self.remove_old();
        for to_write in receiver {
            match to_write {
                ToWrite::Block(block) => self.append(&block),
                // Whoever does not wait any more need not know.
                ToWrite::Written(written) => drop(written.send(())),
            }
        }
    }

    fn append(&mut self, block: &[u8]) {
        if self.try_again.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.try_again = None;
        if let Err(error) = self.try_append(block) {
            warn!(%error, dir = %self.keeping.dir.display(), "a part of the journeys cannot be written");
            self.close();
            self.try_again = Some(Instant::now() + ERROR_PAUSE);
        }
    }

    fn try_append(&mut self, block: &[u8]) -> io::Result<()> {
        let length = block.len() as u64;
        let bytes_max = (self.keeping.bytes_max / u64::from(PARTS)).min(FILE_BYTES_MAX);
        let age_max = self.keeping.age_max / PARTS;
        let is_full =
            |open: &Open| open.bytes + length > bytes_max || open.since.elapsed() > age_max;
        if self.open.as_ref().is_some_and(is_full) {
            self.close();
        }
        if self.open.is_none() {
            self.number += 1;
            let path = self.keeping.dir.join(format!("{:06}.log", self.number));
            let file = File::options().write(true).create_new(true).open(&path)?;
            self.open = Some(Open {
                file,
                path,
                bytes: 0,
                since: Instant::now(),
            });
        }
        if let Some(open) = &mut self.open {
            open.file.write_all(block)?;
            open.bytes += length;
        }
        self.remove_old();
        Ok(())
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.closed_bytes += open.bytes;
            self.closed.push_back((open.path, open.bytes));
        }
    }

    /// Removes what is too much, and what is too old.
    fn remove_old(&mut self) {
        let open_bytes = self.open.as_ref().map_or(0, |open| open.bytes);
        while let Some((path, bytes)) = self.closed.front() {
            let too_much = self.closed_bytes + open_bytes > self.keeping.bytes_max;
            if !too_much && !is_older(path, self.keeping.age_max) {
                return;
            }
            if let Err(error) = fs::remove_file(path) {
                warn!(%error, path = %path.display(), "an old part of the journeys cannot be removed");
            }
            self.closed_bytes -= bytes;
            self.closed.pop_front();
        }
    }
}

fn is_older(path: &Path, age: Duration) -> bool {
    let written = fs::metadata(path).and_then(|about| about.modified());
    written.is_ok_and(|at| {
        SystemTime::now()
            .duration_since(at)
            .is_ok_and(|old| old > age)
    })
}
