//! The disk of this machine.

use super::direct::{Bounce, Direct};
use super::{Access, Disk, DiskFile, Locking};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The disk of this machine.
#[derive(Default)]
pub(crate) struct RealDisk {
    bounce: Arc<Bounce>,
}

/// A file of it.
struct RealFile {
    file: File,
    /// For what can be written around the page cache.
    direct: Option<Direct>,
    bounce: Arc<Bounce>,
}

impl RealDisk {
    fn file(&self, path: &Path, options: &OpenOptions, access: Access) -> io::Result<RealFile> {
        let file = options.open(path)?;
        let direct = match access {
            Access::Write => Direct::open(path, &file),
            Access::Read => None,
        };
        Ok(RealFile {
            file,
            direct,
            bounce: self.bounce.clone(),
        })
    }

    /// The process that holds the lock at `path`, if one does; takes no lock and writes nothing.
    pub(crate) fn lock_holder(path: &Path) -> io::Result<Option<Option<u32>>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(process_id(&mut file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Disk for RealDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = match dir.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        self.make_dir(&parent)?;
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.sync_dir(&parent),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Arc::new(self.file(path, &options, Access::Write)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Write);
        Ok(Arc::new(self.file(path, &options, access)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let numbers = rustix::fs::statvfs(dir)?;
        Ok(numbers.f_bavail.saturating_mul(numbers.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Locking> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {
                // For whoever finds the lock taken; nothing depends on it.
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                Ok(Locking::Ours(Box::new(file)))
            }
            Err(TryLockError::WouldBlock) => Ok(Locking::Theirs(process_id(&mut file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn process_id(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl RealFile {
    fn write_once(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        match &self.direct {
            Some(direct) if direct.takes(offset, bytes.len()) => {
                match direct.write_at(offset, bytes, &self.bounce) {
                    // The file system promised what it does not do. It refused before it wrote anything, so no attempt
                    // was made yet.
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                        self.file.write_at(bytes, offset)
                    }
                    outcome => outcome,
                }
            }
            _ => self.file.write_at(bytes, offset),
        }
    }
}

impl DiskFile for RealFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.write_once(offset, bytes) {
                // Interrupted before anything was written: no attempt was made yet.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        use rustix::io::Errno;
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, length) {
            // A file system that can not reserve: the length at least is there.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.file.set_len(length),
            outcome => Ok(outcome?),
        }
    }

    fn granularity(&self) -> usize {
        self.direct.as_ref().map_or(1, |direct| direct.block)
    }

    fn sync(&self) -> io::Result<()> {
        // Never again after an error, an interrupted call included: what an error leaves behind in the page
        // cache counts as written to the next call.
        rustix::fs::fdatasync(&self.file)?;
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn forget_cached(&self) -> io::Result<()> {
        rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes that begin and end anywhere come out the same, whichever way they take, whatever memory they come from.
    #[test]
    fn all_ways_to_the_disk_write_the_same() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let disk = RealDisk::default();
        let path = dir.path().join("file");
        let file = disk.create(&path).expect("a file");
        let bytes: Vec<u8> = (0..600 * 1024_u32).map(|at| at.to_le_bytes()[1]).collect();
        let pieces = [
            (0, 0, 4096),
            (4096, 1, 512 * 1024),
            (600_000, 3, 7),
            (528_384, 64, 4096),
        ];
        for (offset, from, length) in pieces {
            let piece = &bytes[from..from + length];
            assert_eq!(file.write_at(offset, piece).expect("written"), length);
            let mut read = vec![0; length];
            assert_eq!(file.read_at(offset, &mut read).expect("read"), length);
            assert_eq!(read, piece, "{length} bytes at {offset}");
        }
        file.sync().expect("synced");
    }

    #[test]
    fn a_file_system_that_promised_too_much_is_written_through_the_page_cache() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("file");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = RealDisk::default()
            .file(&path, &options, Access::Write)
            .expect("a file");
        if let Some(direct) = &mut file.direct {
            direct.block = 1;
        }
        assert_eq!(file.write_at(3, b"what it refuses").expect("written"), 15);
        let mut read = [0; 15];
        assert_eq!(file.read_at(3, &mut read).expect("read"), 15);
        assert_eq!(&read, b"what it refuses");
    }
}
