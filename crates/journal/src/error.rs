//! Why a data directory cannot be opened, in words for the person who must do something about it.

use std::io;
use std::path::{Path, PathBuf};

/// A data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data directory {dir} is in use by another server{}", process(*.pid))]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// The other process, if it told its id.
        pid: Option<u32>,
    },
    /// A later version of the program wrote it.
    #[error(
        "{path} was written by a newer version of the program (format {found}, this program reads up to {known})"
    )]
    NewerVersion {
        /// The file that says so.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The newest version that this program reads.
        known: u16,
    },
    /// The directory is not one that this program made, or its `format` file was changed.
    #[error("{path} does not say that this is a data directory: {what}")]
    NotADataDirectory {
        /// The file that should say so.
        path: PathBuf,
        /// What is there instead.
        what: &'static str,
    },
    /// A segment of another data directory, or the `format` file of another.
    #[error(
        "{path} was written under another key than that in the directory's `format` file: one of the two is from another data directory"
    )]
    OtherDirectory {
        /// The segment file.
        path: PathBuf,
    },
    /// Records are not there that must be: a segment file is gone.
    #[error(
        "the records {from} to {to} are missing before {path}: what had landed there is lost unless the segment's file is put back"
    )]
    MissingRecords {
        /// The segment behind them, or the directory of the segments.
        path: PathBuf,
        /// The first of them.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Bytes that had landed are not what was written, and more that landed stands behind them.
    #[error(
        "{path} is damaged at byte {offset}: {what}; nothing was changed (`landfall check` tells more)"
    )]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What does not fit.
        what: String,
    },
    /// An option has a value that cannot be used.
    #[error("{0}")]
    Option(&'static str),
    /// The disk failed, or the directory cannot be written.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// The system's own error.
        source: io::Error,
    },
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// Says what was being done, and to what, when the disk failed: `.map_err(failed("open", path))`.
pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}
