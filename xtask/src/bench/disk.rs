//! What the disk gives at best: one write and one fdatasync after the other on a file written before; and what a
//! folder takes of it.

use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

const FILE_BYTES: usize = 32 * 1024 * 1024;

/// Writes of `size` bytes, each followed by an fdatasync, that this disk takes in a second.
pub(super) fn syncs_per_second(folder: &Path, size: usize, time: Duration) -> Result<f64> {
    let path = folder.join("raw");
    let file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)
        .context("raw file")?;
    let zeros = vec![0; 1024 * 1024];
    for offset in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset as u64)
            .context("raw file")?;
    }
    file.sync_all().context("raw file")?;
    let bytes = vec![0x5a; size];
    let slots = FILE_BYTES / size;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        file.write_all_at(&bytes, (count % slots * size) as u64)
            .context("raw write")?;
        file.sync_data().context("raw fdatasync")?;
        count += 1;
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    std::fs::remove_file(&path).context("raw file")?;
    Ok(rate)
}

/// What a folder and all in it take of the disk, in bytes. A file may go while we look.
pub(super) fn used_by(folder: &Path) -> Result<u64> {
    const BLOCK: u64 = 512;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).context("cannot list a folder")? {
        let entry = entry.context("cannot list a folder")?;
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        bytes += metadata.blocks() * BLOCK;
        if metadata.is_dir() {
            bytes += used_by(&entry.path())?;
        }
    }
    Ok(bytes)
}
