//! Writes around the page cache. They save its copy and the search for what is dirty in it, about half of what a sync
//! costs the processor; and they write blocks of the disk instead of pages, so that what has landed is not written again
//! with what lands behind it. Nor can a page show what the disk never took.
//!
//! The kernel takes such a write if it begins and ends with a block and comes from memory that lies where the disk's
//! controller wants it.

use rustix::fs::{AtFlags, OFlags, StatxFlags};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where the kernel is too old to tell: what suits every disk.
const ANY_DISK: usize = 4096;

/// The most bytes that are moved to where the controller wants them at a time.
const PIECE: usize = 256 * 1024;

/// Memory that any controller can read from, for one writer at a time.
#[derive(Default)]
pub(super) struct Bounce(Mutex<Vec<u8>>);

/// A file opened for writes around the page cache.
pub(super) struct Direct {
    file: File,
    /// Of offsets and lengths.
    pub(super) block: usize,
    /// Of addresses.
    memory: usize,
}

impl Direct {
    /// Opens the file at `path` once more; `None` where the file system has no such writes.
    pub(super) fn open(path: &Path, file: &File) -> Option<Self> {
        let (block, memory) = alignments(file)?;
        let mut options = OpenOptions::new();
        options.write(true);
        options.custom_flags(i32::try_from(OFlags::DIRECT.bits()).ok()?);
        let file = options.open(path).ok()?;
        Some(Self {
            file,
            block,
            memory,
        })
    }

    /// Whether these bytes can be written here.
    pub(super) fn takes(&self, offset: u64, length: usize) -> bool {
        offset.is_multiple_of(self.block as u64) && length.is_multiple_of(self.block)
    }

    /// Writes at `offset`; returns how many bytes were written. An error says that none were.
    pub(super) fn write_at(&self, offset: u64, bytes: &[u8], bounce: &Bounce) -> io::Result<usize> {
        if bytes.as_ptr().addr().is_multiple_of(self.memory) {
            return self.file.write_at(bytes, offset);
        }
        let mut room = bounce.0.lock().unwrap_or_else(PoisonError::into_inner);
        room.resize(PIECE + self.memory, 0);
        let start = room.as_ptr().align_offset(self.memory);
        let mut written = 0;
        for piece in bytes.chunks(PIECE) {
            let aligned = &mut room[start..start + piece.len()];
            aligned.copy_from_slice(piece);
            match self.file.write_at(aligned, offset + written as u64) {
                Ok(count) => written += count,
                Err(error) if written == 0 => return Err(error),
                Err(_) => return Ok(written),
            }
            if !written.is_multiple_of(PIECE) {
                break;
            }
        }
        Ok(written)
    }
}

/// What offsets and lengths, and what addresses, must be multiples of.
fn alignments(file: &File) -> Option<(usize, usize)> {
    let told = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN).ok();
    let told = told.filter(|told| told.stx_mask & StatxFlags::DIOALIGN.bits() != 0);
    let Some(told) = told else {
        return Some((ANY_DISK, ANY_DISK));
    };
    let (block, memory) = (told.stx_dio_offset_align, told.stx_dio_mem_align);
    let possible = block.is_power_of_two() && memory.is_power_of_two() && block <= 1 << 16;
    possible.then_some((block as usize, memory as usize))
}
