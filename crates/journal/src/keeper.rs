//! What is written beside the lane while it goes on: summaries, checkpoints, and copies of what is left of old
//! segments. Nobody waits for any of it; what depends on one of them learns when it has landed.

use crate::compact::{self, Compacted, Plan};
use crate::directory::Directory;
use crate::disk;
use crate::names::Layout;
use crate::stock::{Maker, is_full};
use model::Position;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// So much may wait to be written; who has more waits, for the disk is slower than what comes.
const WAITING_MAX: usize = 4;

/// Something to write.
pub(crate) enum Job {
    /// The summary of a segment.
    Summary { segment: u64, file: Vec<u8> },
    /// The file `checkpoint`.
    Checkpoint { begin: Position, file: Vec<u8> },
    /// Copies of what is left of some segments.
    Compact(Plan),
}

/// What came of a job that somebody must know of.
pub(crate) enum Done {
    /// The checkpoint that begins there has landed; `None` if there was no room for it.
    Checkpoint(Option<Position>),
    /// The copies have landed.
    Compacted(Compacted),
    /// There was no room for copies.
    NoRoom,
    /// A message of this segment cannot be read.
    Unreadable { segment: u64, what: String },
    /// The disk has failed: nothing may be confirmed any more.
    Failed(io::Error),
}

/// Who writes.
pub(crate) struct Keeper {
    directory: Arc<Directory>,
    jobs: Option<SyncSender<Job>>,
    outcomes: Sender<Done>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    /// A checkpoint or copies are being written: one at a time.
    busy: bool,
}

impl Keeper {
    /// One that has nothing to do yet.
    pub(crate) fn start(directory: Arc<Directory>, maker: Maker) -> io::Result<Self> {
        let (outcomes, done) = channel();
        let mut keeper = Self {
            directory,
            jobs: None,
            outcomes,
            done,
            thread: None,
            busy: false,
        };
        if maker == Maker::Thread {
            let (jobs, waiting) = sync_channel(WAITING_MAX);
            let (directory, outcomes) = (keeper.directory.clone(), keeper.outcomes.clone());
            let thread = std::thread::Builder::new().name("journal-keeper".into());
            let work = move || {
                for job in waiting {
                    perform(&directory, job, &outcomes);
                }
            };
            keeper.jobs = Some(jobs);
            keeper.thread = Some(thread.spawn(work)?);
        }
        Ok(keeper)
    }

    /// Whether a checkpoint or copies are being written.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Writes something; [`done`](Self::done) tells what came of it.
    pub(crate) fn put(&mut self, job: Job) {
        self.busy |= !matches!(job, Job::Summary { .. });
        match &self.jobs {
            Some(jobs) => jobs.send(job).expect("the thread ends after its last job"),
            None => perform(&self.directory, job, &self.outcomes),
        }
    }

    /// What came of a job that is done.
    pub(crate) fn done(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.busy = false;
        Some(done)
    }

    /// Ends when all is written.
    pub(crate) fn stop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there would be nothing to do about it here.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Does one job and tells what came of it, if somebody must know.
fn perform(directory: &Directory, job: Job, outcomes: &Sender<Done>) {
    let outcome = match job {
        Job::Summary { segment, file } => {
            let path = directory.layout.summary(segment);
            // Without room for it the segment itself is read at the next start.
            keep(directory, &path, &file).map(|_| None)
        }
        Job::Checkpoint { begin, file } => keep(directory, &directory.layout.checkpoint(), &file)
            .map(|kept| Some(Done::Checkpoint(kept.then_some(begin)))),
        Job::Compact(plan) => compact::perform(directory, plan).map(Some),
    };
    match outcome {
        Ok(None) => {}
        // Nobody asks any more if the journal has ended.
        Ok(Some(done)) => drop(outcomes.send(done)),
        Err(error) => drop(outcomes.send(Done::Failed(error))),
    }
}

/// Writes a small file whose name is there when all its bytes are; false if there is no room for it.
pub(crate) fn keep(directory: &Directory, path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let unfinished = Layout::unfinished(path);
    let write = || {
        let file = directory.disk.create(&unfinished)?;
        disk::write_all(&*file, 0, bytes)?;
        file.sync()
    };
    match write() {
        Ok(()) => directory.rename(&unfinished, path).map(|()| true),
        Err(error) => give_up(directory, &unfinished, error).map(|()| false),
    }
}

/// A file could not be written: that is no failure where only the room was missing.
pub(crate) fn give_up(
    directory: &Directory,
    unfinished: &Path,
    error: io::Error,
) -> io::Result<()> {
    if !is_full(&error) || directory.has_failed() {
        return Err(error);
    }
    // What is left of it takes the room that others need; if it stays, the next start removes it.
    let _ = directory.disk.remove(unfinished);
    Ok(())
}
