//! What the disk gives at best: one write and one fdatasync after the other on a file written before.

use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
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
