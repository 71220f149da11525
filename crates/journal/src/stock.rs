//! Files written ahead of use. A sync of bytes that lie in a file's own, already written blocks costs about half
//! of one that must also record where the file has grown; so segments begin as files that were filled with zeros
//! before, or were segments once. Only where segments are filled so quickly that a sync covers many records, and none
//! comes back, the zeros would cost more than they save: then the file's room is reserved and no more.
//!
//! The stock holds one spare for the next segment and one more, the reserve: when the disk is so full that no
//! further spare can be made, publishers are told to wait ([`Room::Reserved`]), and what is in flight and the
//! settlings land in what is left. The settlings free segments, freed segments come back as spares, and all is
//! open again.

use crate::directory::Directory;
use crate::disk::DiskFile;
use crate::names::Layout;
use crate::places::Segment;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::Room;

/// The spares that there should be: one for the next segment, and the reserve.
const WANTED: usize = 2;
/// The most spares that are kept; a dead segment beyond them is removed.
const KEPT_MAX: usize = 4;
/// How long to wait before a full disk is looked at again.
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// The bytes of zeros of one write.
const ZEROS: usize = 1024 * 1024;
/// If the last file was made less than this ago, segments are filled quickly.
const QUICK: Duration = Duration::from_secs(3);

/// A file that a segment can be made of. What it holds counts for nothing.
#[derive(Clone)]
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) length: u64,
}

/// A segment that nobody needs.
#[derive(Clone)]
pub(crate) struct Dead {
    pub(crate) file: Spare,
    /// What goes with it.
    pub(crate) summary: PathBuf,
}

impl Dead {
    /// A segment that was taken out of the lane.
    pub(crate) fn new(layout: &Layout, segment: Segment) -> Self {
        Self {
            file: Spare {
                path: layout.segment(segment.number),
                file: segment.file,
                length: segment.length,
            },
            summary: layout.summary(segment.number),
        }
    }
}

/// Who makes the spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// A thread of its own, ahead of use.
    Thread,
    /// Whoever asks the stock, at once: so that every run of a test does the same.
    #[cfg(test)]
    Caller,
}

/// The stock of spares.
pub(crate) struct Stock {
    shared: Arc<Shared>,
    maker: Option<JoinHandle<()>>,
}

struct Shared {
    directory: Arc<Directory>,
    /// The length of a spare.
    length: u64,
    /// Free bytes of the disk that are left alone.
    free_limit: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: Vec<Spare>,
    /// Segments that nobody needs.
    dead: VecDeque<Dead>,
    /// The number of the next spare file.
    next: u64,
    /// When the last file was made.
    made_at: Option<Instant>,
    /// Whether the disk had no room for the last spare that was tried.
    full: bool,
    /// Why no spare can be made any more; a failure of the disk.
    failure: Option<String>,
    stopping: bool,
}

/// The outcome of making a file.
enum Made {
    Spare(Spare),
    NoRoom,
}

impl Stock {
    /// A stock with the spares that are there already; `next` is a number that no spare has.
    pub(crate) fn new(
        directory: Arc<Directory>,
        (length, free_limit): (u64, u64),
        ready: Vec<Spare>,
        next: u64,
    ) -> Self {
        let state = State {
            ready,
            next,
            ..State::default()
        };
        let shared = Arc::new(Shared {
            directory,
            length,
            free_limit,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        Self {
            shared,
            maker: None,
        }
    }

    /// Keeps the stock filled from now on.
    pub(crate) fn begin(&mut self, maker: Maker) -> io::Result<()> {
        if maker == Maker::Thread {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name("journal-spares".into());
            self.maker = Some(thread.spawn(move || shared.keep_filled())?);
        }
        Ok(())
    }

    /// Looks after the stock between landings: fails if the disk has failed under it.
    pub(crate) fn tend(&self) -> io::Result<()> {
        if self.maker.is_none() {
            self.shared.fill()?;
        }
        match &self.shared.state().failure {
            Some(what) => Err(io::Error::other(what.clone())),
            None => Ok(()),
        }
    }

    /// Whether publishes may go on.
    pub(crate) fn room(&self) -> Room {
        let state = self.shared.state();
        if state.full && state.ready.len() < WANTED {
            Room::Reserved
        } else {
            Room::Open
        }
    }

    /// A file of at least `needed` bytes for the next segment: from the stock if it fits, made now if it must be.
    ///
    /// # Errors
    /// Any failure of the disk; [`io::ErrorKind::StorageFull`] if nothing is left, the reserve included.
    pub(crate) fn take(&self, needed: u64) -> io::Result<Spare> {
        if needed <= self.shared.length
            && let Some(spare) = self.shared.take_ready(self.maker.is_some())?
        {
            return Ok(spare);
        }
        // The reserve is used up, or the chunk is longer than a segment: take what the disk still has.
        let standard = self.shared.length.max(needed);
        for length in [standard, needed.max(self.shared.length.min(ZEROS as u64))] {
            if let Made::Spare(spare) = self.shared.make(length)? {
                return Ok(spare);
            }
        }
        let text = "no space is left, not even the reserve";
        Err(io::Error::new(io::ErrorKind::StorageFull, text))
    }

    /// A file of at least `needed` bytes, leaving the reserve alone as long as the disk has room otherwise.
    pub(crate) fn take_sparing(&self, needed: u64) -> io::Result<Spare> {
        let plenty = self.shared.state().ready.len() >= WANTED;
        if !plenty && self.shared.has_room(self.shared.length.max(needed))? {
            let length = self.shared.length.max(needed);
            if let Made::Spare(spare) = self.shared.make(length)? {
                return Ok(spare);
            }
        }
        self.take(needed)
    }

    /// Gives up a spare, the reserve if it must be, for something that will give back more; false if there is none.
    pub(crate) fn make_room(&self) -> io::Result<bool> {
        let spare = self.shared.state().ready.pop();
        match spare {
            Some(spare) => self.shared.directory.remove(&spare.path).map(|()| true),
            None => Ok(false),
        }
    }

    /// Takes the file of a segment that nobody needs, and soon makes a spare of it, or removes it.
    pub(crate) fn put_back(&self, dead: Dead) -> io::Result<()> {
        self.shared.state().dead.push_back(dead);
        self.shared.changed.notify_all();
        match self.maker {
            Some(_) => Ok(()),
            None => self.shared.take_back(),
        }
    }

    /// Ends the thread, if there is one.
    pub(crate) fn stop(&mut self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_all();
        if let Some(maker) = self.maker.take() {
            // It does not panic; and if it did, there would be nothing to do about it here.
            let _ = maker.join();
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Whether a spare should be made.
    fn wants(&self) -> bool {
        self.ready.len() < WANTED && self.failure.is_none() && !self.stopping
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the maker's thread.
    fn keep_filled(&self) {
        while self.take_back().and_then(|()| self.fill()).is_ok() {
            let state = self.state();
            let idle = |state: &mut State| !state.stopping && state.dead.is_empty();
            let wait = if state.full && state.wants() {
                let pause = self.changed.wait_timeout_while(state, FULL_PAUSE, idle);
                pause.map(|(state, _)| state).map_err(|_| ())
            } else {
                let idle = |state: &mut State| idle(state) && !state.wants();
                self.changed.wait_while(state, idle).map_err(|_| ())
            };
            if wait.is_ok_and(|state| state.stopping && state.dead.is_empty()) {
                return;
            }
        }
    }

    /// Makes spares of dead segments, or removes them if there are enough.
    fn take_back(&self) -> io::Result<()> {
        loop {
            let mut state = self.state();
            let Some(Dead {
                file: mut dead,
                summary,
            }) = state.dead.front().cloned()
            else {
                return Ok(());
            };
            let keep = dead.length == self.length && state.ready.len() < KEPT_MAX;
            let path = keep.then(|| self.directory.layout.spare(state.take_number()));
            drop(state);
            let outcome = match &path {
                Some(path) => self.directory.rename(&dead.path, path),
                None => self.directory.remove(&dead.path),
            };
            // Where it stays, the next start removes it: there is no segment beside it.
            let _ = self.directory.disk.remove(&summary);
            let mut state = self.state();
            state.dead.pop_front();
            match (path, &outcome) {
                (_, Err(error)) => state.failure = Some(format!("taking a file back: {error}")),
                (Some(path), Ok(())) => {
                    dead.path = path;
                    state.ready.push(dead);
                }
                (None, Ok(())) => {}
            }
            drop(state);
            self.changed.notify_all();
            outcome?;
        }
    }

    /// Makes spares until there are as many as wanted, or no room for more.
    fn fill(&self) -> io::Result<()> {
        while self.state().wants() {
            let made = match self.has_room(self.length) {
                Ok(true) => self.make(self.length),
                Ok(false) => Ok(Made::NoRoom),
                Err(error) => Err(error),
            };
            let mut state = self.state();
            let outcome = match made {
                Ok(Made::Spare(spare)) => {
                    state.ready.push(spare);
                    state.full = false;
                    None
                }
                Ok(Made::NoRoom) => {
                    state.full = true;
                    Some(Ok(()))
                }
                Err(error) => {
                    state.failure = Some(format!("making a spare file: {error}"));
                    Some(Err(error))
                }
            };
            drop(state);
            self.changed.notify_all();
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        Ok(())
    }

    /// A ready spare; waits for the thread that makes one, as long as it can.
    fn take_ready(&self, wait: bool) -> io::Result<Option<Spare>> {
        let mut state = self.state();
        let hopeful =
            |state: &State| state.failure.is_none() && (!state.full || !state.dead.is_empty());
        while wait && state.ready.is_empty() && hopeful(&state) {
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let spare = state.ready.pop();
        drop(state);
        self.changed.notify_all();
        Ok(spare)
    }

    fn has_room(&self, length: u64) -> io::Result<bool> {
        let directory = &self.directory;
        let free = directory.disk.free_bytes(directory.layout.segments())?;
        Ok(free >= length.saturating_add(self.free_limit))
    }

    /// Makes a file that reads as zeros. Its name is there when all its bytes are.
    fn make(&self, length: u64) -> io::Result<Made> {
        let directory = &self.directory;
        let path = directory.layout.spare(self.state().take_number());
        let unfinished = Layout::unfinished(&path);
        let before = self.state().made_at.replace(Instant::now());
        let written = if before.is_some_and(|before| before.elapsed() < QUICK) {
            self.reserve(&unfinished, length)
        } else {
            self.write_zeros(&unfinished, length)
        };
        let outcome = written.and_then(|file| {
            directory.rename(&unfinished, &path)?;
            Ok(file)
        });
        match outcome {
            Ok(file) => Ok(Made::Spare(Spare { path, file, length })),
            Err(error) if is_full(&error) && !directory.has_failed() => {
                // What is left of it takes the room that others need; if it stays, the next start removes it.
                let _ = directory.disk.remove(&unfinished);
                Ok(Made::NoRoom)
            }
            Err(error) => Err(error),
        }
    }

    fn reserve(&self, path: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.directory.disk.create(path)?;
        file.reserve(length)?;
        file.sync()?;
        Ok(file)
    }

    fn write_zeros(&self, path: &Path, length: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.directory.disk.create(path)?;
        let zeros = vec![0; ZEROS.min(usize::try_from(length).unwrap_or(ZEROS))];
        let mut offset = 0;
        while offset < length {
            let left = usize::try_from(length - offset).unwrap_or(ZEROS);
            let piece = &zeros[..left.min(zeros.len())];
            let written = file.write_at(offset, piece)?;
            if written < piece.len() {
                // Nothing counts in here yet, so this is not a failed landing but the usual sign of a full disk.
                return Err(io::ErrorKind::StorageFull.into());
            }
            offset += written as u64;
        }
        file.sync()?;
        Ok(file)
    }
}

/// Whether an error says that the disk has no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
