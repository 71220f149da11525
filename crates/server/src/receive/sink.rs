//! Where received messages go: a file, synced after every write, or standard output.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A file or standard output.
#[derive(Debug)]
pub(super) enum Sink {
    File(File),
    StandardOutput,
}

impl Sink {
    /// A new file, or with `append` the end of one that is there, behind its last separator.
    pub(super) fn file(path: &Path, append: bool, separator: Option<u8>) -> Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let length = file.metadata()?.len();
        if length > 0 && !append {
            bail!("the file is not empty: --append goes on behind what is in it");
        }
        let end = match separator {
            Some(separator) => finished_length(&mut file, length, separator)?,
            None => length,
        };
        if end < length {
            eprintln!("cutting off an unfinished line of {} bytes", length - end);
            file.set_len(end)?;
        }
        file.seek(SeekFrom::End(0))?;
        // The lines are only as safe as the name of the file that they are in.
        file.sync_all()?;
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()?;
        Ok(Self::File(file))
    }

    pub(super) fn standard_output() -> Self {
        Self::StandardOutput
    }

    /// Writes; what was written to a file is on the disk when this returns.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::File(file) => {
                file.write_all(bytes).context("writing to the file")?;
                file.sync_data().context("syncing the file")
            }
            Self::StandardOutput => {
                let mut out = std::io::stdout().lock();
                out.write_all(bytes)
                    .and_then(|()| out.flush())
                    .context("writing to standard output")
            }
        }
    }
}

/// The length up to and with the last separator.
fn finished_length(file: &mut File, length: u64, separator: u8) -> Result<u64> {
    const STEP: u64 = 64 * 1024;
    let mut end = length;
    let mut buffer = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        buffer.clear();
        Read::take(&mut *file, end - start).read_to_end(&mut buffer)?;
        if let Some(at) = buffer.iter().rposition(|&byte| byte == separator) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_behind(before: &[u8], append: bool) -> Result<Vec<u8>> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("out");
        std::fs::write(&path, before)?;
        Sink::file(&path, append, Some(b'\n'))?.write(b"new\n")?;
        Ok(std::fs::read(&path)?)
    }

    #[test]
    fn a_file_with_something_in_it_is_not_touched_unless_asked_to() {
        assert_eq!(write_behind(b"", false).expect("written"), b"new\n");
        assert!(write_behind(b"old\n", false).is_err());
        assert_eq!(
            write_behind(b"old\n", true).expect("written"),
            b"old\nnew\n"
        );
    }

    #[test]
    fn an_unfinished_line_is_cut_off() {
        assert_eq!(
            write_behind(b"old\nhal", true).expect("written"),
            b"old\nnew\n"
        );
        assert_eq!(write_behind(b"half", true).expect("written"), b"new\n");
        let long = [b"old\n".to_vec(), vec![b'x'; 200_000]].concat();
        assert_eq!(write_behind(&long, true).expect("written"), b"old\nnew\n");
    }
}
