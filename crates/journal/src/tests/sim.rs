//! A disk in memory that does what a disk and its page cache may do: bytes and names that were not synced may be
//! there after the power has gone, or not, or in part, or in another order; and what a failed sync has dropped
//! can still be read until the page cache lets go of it.

use super::image::{Image, Op, Unsynced};
use crate::disk::{Access, Disk, DiskFile, Locking};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails with `EIO`; what a sync was to write is dropped, and counts as written for the page cache.
    Io,
    /// It fails with `ENOSPC`.
    Full,
    /// A write stops half-way and says so. Other operations fail with `EIO`.
    Short,
}

/// The disk.
#[derive(Default)]
pub(crate) struct SimDisk {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What a process sees: the page cache.
    seen: Image,
    unsynced: Unsynced,
    log: Vec<Op>,
    /// Operations so far, those that change nothing included.
    operations: u64,
    fault: Option<(RangeInclusive<u64>, Fault)>,
    /// The most bytes of all files.
    capacity: Option<u64>,
    /// Whether `forget_cached` does anything: it is only a hint.
    forgets: bool,
    /// The bytes of the blocks that are written around the page cache; 1 if none are.
    granularity: usize,
}

impl SimDisk {
    /// A disk with this on it.
    pub(crate) fn new(image: Image) -> Arc<Self> {
        Self::with_blocks(image, 1)
    }

    /// The same, where blocks of so many bytes can be written around the page cache.
    pub(crate) fn with_blocks(image: Image, granularity: usize) -> Arc<Self> {
        let state = State {
            granularity,
            seen: image.clone(),
            unsynced: Unsynced::on(image),
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds the disk")
    }

    /// All changes so far.
    pub(crate) fn log(&self) -> Vec<Op> {
        self.state().log.clone()
    }

    /// How many changes there were so far.
    pub(crate) fn log_length(&self) -> usize {
        self.state().log.len()
    }

    /// How many operations there were so far.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Lets the operation of this number fail, counted from the first on this disk.
    pub(crate) fn fail_at(&self, operation: u64, fault: Fault) {
        self.state().fault = Some((operation..=operation, fault));
    }

    /// Lets that operation fail, and all behind it.
    pub(crate) fn fail_from(&self, operation: u64, fault: Fault) {
        self.state().fault = Some((operation..=u64::MAX, fault));
    }

    /// Lets nothing fail any more.
    pub(crate) fn heal(&self) {
        self.state().fault = None;
    }

    /// The most bytes of all files from now on.
    pub(crate) fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// The bytes of all files.
    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// Whether the page cache forgets what it is asked to forget.
    pub(crate) fn set_forgets(&self, forgets: bool) {
        self.state().forgets = forgets;
    }

    /// The disk spoils a byte of a file.
    pub(crate) fn spoil(&self, path: &Path, offset: usize) {
        let mut state = self.state();
        let file = state.seen.names[path];
        state.seen.files[file][offset] ^= 1;
    }

    /// What is left if the power goes and everything is lost that was not synced.
    pub(crate) fn durable(&self) -> Image {
        self.state().unsynced.durable.clone()
    }
}

impl State {
    fn used(&self) -> u64 {
        let lengths = self
            .seen
            .names
            .values()
            .map(|file| self.seen.files[*file].len() as u64);
        lengths.sum()
    }

    /// Counts an operation; tells the fault that it meets.
    fn begin(&mut self) -> Option<Fault> {
        self.operations += 1;
        let fault = self
            .fault
            .as_ref()
            .filter(|(at, _)| at.contains(&self.operations));
        fault.map(|(_, fault)| *fault)
    }

    /// The same for an operation that has no half-way.
    fn begin_whole(&mut self) -> io::Result<()> {
        match self.begin() {
            None => Ok(()),
            Some(Fault::Full) => Err(io::Error::from_raw_os_error(28)),
            Some(Fault::Io | Fault::Short) => Err(io::Error::from_raw_os_error(5)),
        }
    }

    fn change(&mut self, op: Op) {
        match &op {
            Op::Write {
                file,
                offset,
                bytes,
            } => self.seen.write(*file, *offset, bytes),
            Op::Sync { .. } | Op::SyncDir => {}
            name => self.seen.change_name(name),
        }
        self.unsynced.apply(&op);
        self.log.push(op);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        let file = self.seen.names.get(path).copied();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

struct SimFile {
    disk: Arc<SimDisk>,
    file: usize,
}

/// Handles need the disk, and the disk is behind a reference already.
pub(crate) struct SharedDisk(pub(crate) Arc<SimDisk>);

impl Disk for SharedDisk {
    fn make_dir(&self, _dir: &Path) -> io::Result<()> {
        self.0.state().begin_whole()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.0.state();
        state.begin_whole()?;
        let names = state
            .seen
            .names
            .keys()
            .filter(|path| path.parent() == Some(dir));
        Ok(names
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.state();
        state.begin_whole()?;
        let file = state.seen.files.len();
        state.change(Op::Create {
            path: path.to_owned(),
            file,
        });
        Ok(Arc::new(SimFile {
            disk: self.0.clone(),
            file,
        }))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.state();
        state.begin_whole()?;
        let file = state.file(path)?;
        Ok(Arc::new(SimFile {
            disk: self.0.clone(),
            file,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.state();
        state.begin_whole()?;
        let file = state.file(from)?;
        state.change(Op::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            file,
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.state();
        state.begin_whole()?;
        state.file(path)?;
        state.change(Op::Remove {
            path: path.to_owned(),
        });
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut state = self.0.state();
        state.begin_whole()?;
        state.change(Op::SyncDir);
        Ok(())
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        let mut state = self.0.state();
        state.begin_whole()?;
        let used = state.used();
        Ok(state
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(used)))
    }

    fn lock(&self, _path: &Path) -> io::Result<Locking> {
        self.0.state().begin_whole()?;
        Ok(Locking::Ours(Box::new(())))
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        let length = match state.begin() {
            None => bytes.len(),
            Some(Fault::Io) => return Err(io::Error::from_raw_os_error(5)),
            Some(Fault::Full) => return Err(io::Error::from_raw_os_error(28)),
            Some(Fault::Short) => bytes.len() / 2,
        };
        let offset = usize::try_from(offset).expect("simulated files are small");
        let grows = (offset + length).saturating_sub(state.seen.files[self.file].len()) as u64;
        let used = state.used();
        if grows > 0
            && state
                .capacity
                .is_some_and(|capacity| used + grows > capacity)
        {
            return Err(io::Error::from_raw_os_error(28));
        }
        state.change(Op::Write {
            file: self.file,
            offset,
            bytes: bytes[..length].to_vec(),
        });
        Ok(length)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.begin_whole()?;
        let bytes = &state.seen.files[self.file];
        let from = bytes
            .len()
            .min(usize::try_from(offset).expect("simulated files are small"));
        let count = into.len().min(bytes.len() - from);
        into[..count].copy_from_slice(&bytes[from..from + count]);
        Ok(count)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        let here = self.length()?;
        let missing = usize::try_from(length - here).expect("simulated files are small");
        match self.write_at(here, &vec![0; missing])? {
            written if written < missing => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(()),
        }
    }

    fn granularity(&self) -> usize {
        self.disk.state().granularity
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if let Err(error) = state.begin_whole() {
            // The pages are clean now, though the disk never got them.
            let file = self.file;
            state.unsynced.pieces.retain(|(of, ..)| *of != file);
            return Err(error);
        }
        state.change(Op::Sync { file: self.file });
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.begin_whole()?;
        Ok(state.seen.files[self.file].len() as u64)
    }

    fn forget_cached(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin_whole()?;
        let file = self.file;
        // Only clean pages go: what waits to be written stays.
        if state.forgets && state.unsynced.pieces.iter().all(|(of, ..)| *of != file) {
            let mut durable = state
                .unsynced
                .durable
                .files
                .get(file)
                .cloned()
                .unwrap_or_default();
            durable.resize(state.seen.files[file].len().max(durable.len()), 0);
            state.seen.files[file] = durable;
        }
        Ok(())
    }
}
