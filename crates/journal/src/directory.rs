//! The names in the directory of the segments, changed one at a time, each change synced before it counts.

use crate::disk::Disk;
use crate::names::Layout;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The directory of the segments.
pub(crate) struct Directory {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) layout: Layout,
    /// Whether a sync failed. The system tells an error once, to whichever thread comes first, and forgets what
    /// it could not write; so after one every change fails, and no thread takes the next sync for a good one.
    failed: Mutex<bool>,
}

impl Directory {
    pub(crate) fn new(disk: Arc<dyn Disk>, layout: Layout) -> Self {
        Self {
            disk,
            layout,
            failed: Mutex::new(false),
        }
    }

    /// Gives a file another name, instead of the file that has it.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|disk| disk.rename(from, to))
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(|disk| disk.remove(path))
    }

    /// Whether a sync failed.
    pub(crate) fn has_failed(&self) -> bool {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&dyn Disk) -> io::Result<()>) -> io::Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *failed {
            return Err(io::Error::other("a sync of the directory failed before"));
        }
        change(&*self.disk)?;
        let outcome = self.disk.sync_dir(self.layout.segments());
        *failed = outcome.is_err();
        outcome
    }
}
