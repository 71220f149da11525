//! The disk, as little of it as a journal needs: so that tests can record every operation, cut the power between
//! any two of them, and make any of them fail.

mod direct;
mod real;

pub(crate) use real::RealDisk;

use std::io;
use std::path::Path;
use std::sync::Arc;

/// The most bytes of one write: the kernel itself stops a longer one short, and a short write is a failure.
const WRITE_MAX: usize = 1 << 30;

/// What holds directories and files.
pub(crate) trait Disk: Send + Sync {
    /// Makes a directory and those above it that are missing; what was made survives the loss of power.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// The names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes an empty file, instead of one that has the name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that is there.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name of the same directory, instead of the file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the names in `dir` would survive the loss of power.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// How many bytes can still be written to files in `dir`.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;

    /// Takes a lock that no other process can take until what is returned is dropped, or this process ends.
    fn lock(&self, path: &Path) -> io::Result<Locking>;
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// A file on a disk; read and written at offsets, from any thread.
pub(crate) trait DiskFile: Send + Sync {
    /// Writes at `offset`; returns how many bytes were written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Reads at `offset`; returns how many bytes were read, 0 at the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Makes the file so long that `length` bytes can be written without asking for room; what was not written reads
    /// as zeros.
    fn reserve(&self, length: u64) -> io::Result<()>;

    /// Writes that begin and end at multiples of so many bytes, within the file's length, go to the disk by
    /// themselves; any other goes through the page cache, and is written with what stands beside it in its page. 1
    /// where all do.
    fn granularity(&self) -> usize;

    /// Returns when the file's bytes and length would survive the loss of power.
    fn sync(&self) -> io::Result<()>;

    /// The file's length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Asks that what memory holds of the file be read from the disk again. A hint only.
    fn forget_cached(&self) -> io::Result<()>;
}

/// The outcome of taking a lock.
pub(crate) enum Locking {
    /// It is ours until this is dropped.
    Ours(Box<dyn Send>),
    /// Another process holds it; its id, if it wrote one.
    Theirs(Option<u32>),
}

/// Writes everything, or fails: a short write is a failure like any other, for nothing is tried twice.
pub(crate) fn write_all(file: &dyn DiskFile, mut offset: u64, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(WRITE_MAX) {
        let written = file.write_at(offset, piece)?;
        if written != piece.len() {
            let text = format!("short write: {written} of {} bytes", piece.len());
            return Err(io::Error::new(io::ErrorKind::WriteZero, text));
        }
        offset += written as u64;
    }
    Ok(())
}

/// Reads `length` bytes at `offset`, fewer only where the file ends.
pub(crate) fn read(file: &dyn DiskFile, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(offset + filled as u64, &mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
