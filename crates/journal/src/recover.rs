//! Recovery: what the directory holds is read, checked and told, and the tail is written again.
//!
//! # Which files there may be
//! | row | what is there | what is done |
//! |---|---|---|
//! | empty | no `format` file and no segment | a new directory is made |
//! | not ours | segments, or a `format` file that says something else | refused |
//! | newer | a `format` file of a newer version | refused |
//! | unfinished | a file named `*.tmp` | removed: what was being made when the power went |
//! | spare | a file named `spare-*` | kept if it has the length of a segment, else removed |
//! | checkpoint | the file `checkpoint` | read; refused if it is not whole |
//! | segments | in the order of their numbers | read; `lane.rs` says what may be missing, `scan.rs` how one may end |
//! | replaced | a segment for whose positions the copies in a later one stand | removed |
//! | orphan | a summary without its segment | removed |
//!
//! # Why the tail is written again
//! After a failed sync the page cache may hold bytes as if they were clean that the disk never took. A restarted
//! process reads them, takes them for landed, appends behind them and confirms; at the next loss of power there
//! is a hole, and what was confirmed behind it is lost. So on every opening, for nobody can know how the last
//! run ended, the cached pages of the tail are dropped before it is read, and what is kept of it is written to
//! another file, synced, and put in its place, before anything is appended.

use crate::directory::Directory;
use crate::disk::{self, Access, Disk, DiskFile, Locking};
use crate::error::{OpenError, failed};
use crate::identity::Key;
use crate::lane::Lane;
use crate::mark;
use crate::names::{Layout, Name};
use crate::stock::{Spare, Stock};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How many bytes of the tail are copied at once.
const COPY: usize = 1024 * 1024;

/// What an opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// How many segments there were.
    pub segments: u64,
    /// How many records were told.
    pub records: u64,
    /// How many bytes of a chunk were cut that was being written when the last run ended.
    pub cut_bytes: u64,
    /// Whether the last run ended with [`model::Record::Stopped`], so that nothing was under way.
    pub clean: bool,
    /// How long it took.
    pub took: Duration,
}

/// The files in the directory of the segments.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<u64>,
    pub(crate) summaries: Vec<u64>,
    /// Summaries that had not got their own names when the power went.
    pub(crate) next_summaries: Vec<u64>,
    pub(crate) spares: Vec<u64>,
    pub(crate) unfinished: Vec<PathBuf>,
}

/// Takes the directory's lock.
pub(crate) fn lock(disk: &dyn Disk, layout: &Layout) -> Result<Box<dyn Send>, OpenError> {
    let path = layout.lock();
    match disk.lock(&path).map_err(failed("lock", &path))? {
        Locking::Ours(lock) => Ok(lock),
        Locking::Theirs(pid) => Err(OpenError::Locked {
            dir: layout.dir().to_owned(),
            pid,
        }),
    }
}

/// The directory's key; makes one for an empty directory.
pub(crate) fn key(disk: &dyn Disk, layout: &Layout) -> Result<Key, OpenError> {
    if let Some(key) = Key::read(disk, layout)? {
        return Ok(key);
    }
    // Segments under a new key would be nobody's: their bytes would be taken for leftovers.
    if Listing::read(disk, layout)?.segments.is_empty() {
        Key::make(disk, layout)
    } else {
        Err(OpenError::NotADataDirectory {
            path: layout.format(),
            what: "it is missing, though there are segments",
        })
    }
}

impl Listing {
    /// Reads the names in the directory of the segments.
    pub(crate) fn read(disk: &dyn Disk, layout: &Layout) -> Result<Self, OpenError> {
        let dir = layout.segments();
        let mut listing = Self::default();
        for text in disk.list(dir).map_err(failed("list", dir))? {
            match Name::parse(&text) {
                Some(Name::Segment(number)) => listing.segments.push(number),
                Some(Name::Summary(number)) => listing.summaries.push(number),
                Some(Name::NextSummary(number)) => listing.next_summaries.push(number),
                Some(Name::Spare(number)) => listing.spares.push(number),
                Some(Name::Checkpoint) => {}
                Some(Name::Unfinished) => listing.unfinished.push(dir.join(text)),
                None => {
                    let dir = dir.display();
                    tracing::warn!(file = text, %dir, "leaving alone a file that is none of ours");
                }
            }
        }
        listing.segments.sort_unstable();
        listing.summaries.sort_unstable();
        listing.spares.sort_unstable();
        Ok(listing)
    }
}

/// Removes what was being made, and opens the spares that can be used.
pub(crate) fn spares(
    directory: &Directory,
    listing: &Listing,
    segment_bytes: u64,
) -> Result<Vec<Spare>, OpenError> {
    let disk = &*directory.disk;
    for path in &listing.unfinished {
        disk.remove(path).map_err(failed("remove", path))?;
    }
    let has_none = |number: &&u64| listing.segments.binary_search(number).is_err();
    for number in listing.summaries.iter().filter(has_none) {
        let path = directory.layout.summary(*number);
        disk.remove(&path).map_err(failed("remove", &path))?;
    }
    let mut ready = Vec::new();
    for number in &listing.spares {
        let path = directory.layout.spare(*number);
        let file = disk
            .open(&path, Access::Write)
            .map_err(failed("open", &path))?;
        let length = file.length().map_err(failed("measure", &path))?;
        if length == segment_bytes {
            ready.push(Spare { path, file, length });
        } else {
            disk.remove(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(ready)
}

impl Lane {
    /// Writes what is kept of the tail to another file and puts it in the tail's place; makes the first segment
    /// of an empty lane.
    pub(crate) fn renew_tail(
        &mut self,
        directory: &Directory,
        stock: &Stock,
    ) -> Result<(), OpenError> {
        let is_empty = self.places.count() == 0;
        let number = if is_empty {
            1
        } else {
            self.places.tail().number
        };
        let path = directory.layout.segment(number);
        let (old, used) = if is_empty {
            (None, 0)
        } else {
            let tail = self.places.tail();
            (Some(tail.file.clone()), tail.used)
        };
        let renew = || -> io::Result<Spare> {
            let block = old.as_ref().map_or(1, |old| old.granularity());
            let mark = mark::LENGTH.next_multiple_of(block);
            let spare = stock.take_sparing(used + mark as u64)?;
            // A spare never holds chunks of a segment to come: under this name it is removed if the power goes now.
            let unfinished = Layout::unfinished(&path);
            directory.rename(&spare.path, &unfinished)?;
            if let Some(old) = &old {
                copy(&**old, &*spare.file, used)?;
            }
            spare.file.sync()?;
            directory.rename(&unfinished, &path)?;
            Ok(spare)
        };
        let spare = renew().map_err(failed("write again", &path))?;
        if is_empty {
            self.begin(number, spare.file, spare.length);
        } else {
            self.places.replace_tail(spare.file, spare.length);
        }
        Ok(())
    }
}

fn copy(from: &dyn DiskFile, to: &dyn DiskFile, length: u64) -> io::Result<()> {
    let mut offset = 0;
    while offset < length {
        let left = usize::try_from(length - offset).unwrap_or(COPY);
        let piece = disk::read(from, offset, left.min(COPY))?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        disk::write_all(to, offset, &piece)?;
        offset += piece.len() as u64;
    }
    Ok(())
}
