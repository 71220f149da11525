//! Opening a directory of this machine: who may, and what is said to who may not.

use crate::{Journal, OpenError, Options, check};
use model::{Position, Record};
use std::fs;
use std::path::Path;
use store::{ChunkBuilder, Store};
use tempfile::TempDir;

fn open(dir: &Path) -> Result<Journal, OpenError> {
    let options = Options {
        segment_bytes: 64 * 1024,
        disk_free_limit: 0,
        ..Options::new(dir)
    };
    Journal::open(options, &mut |_| {}).map(|(journal, _)| journal)
}

fn refusal(dir: &Path) -> String {
    let error = open(dir).err().expect("the directory is refused");
    error.to_string()
}

#[test]
fn a_second_process_is_told_who_has_the_directory() {
    let dir = TempDir::new().expect("a scratch directory");
    let journal = open(dir.path()).expect("it opens");
    let text = refusal(dir.path());
    let pid = std::process::id();
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    assert!(text.contains(&format!("process {pid}")), "{text}");
    assert_eq!(
        check(dir.path()).expect("it can be read").in_use,
        Some(Some(pid))
    );
    Box::new(journal).close().expect("it closes");
    assert_eq!(check(dir.path()).expect("it can be read").in_use, None);
    open(dir.path()).expect("it opens again");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = TempDir::new().expect("a scratch directory");
    let file = dir.path().join("file");
    fs::write(&file, "text").expect("a file");
    let text = refusal(&file.join("data"));
    assert!(
        text.starts_with("cannot make") && text.contains("file"),
        "{text}"
    );
    let text = refusal(&file);
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert!(
        open(&dir.path().join("a/b/c")).is_ok(),
        "what is missing above is made"
    );
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let dir = TempDir::new().expect("a scratch directory");
    for segment_bytes in [0, 4095, 1 << 32] {
        let options = Options {
            segment_bytes,
            ..Options::new(dir.path())
        };
        let outcome = Journal::open(options, &mut |_| {});
        assert!(matches!(outcome, Err(OpenError::Option(_))));
    }
}

#[test]
fn a_check_says_what_there_is_and_changes_nothing() {
    let dir = TempDir::new().expect("a scratch directory");
    let error = check(dir.path()).expect_err("nothing is there");
    assert!(error.to_string().contains("data directory"), "{error}");
    let mut journal = open(dir.path()).expect("it opens");
    let mut builder = ChunkBuilder::new();
    builder.push(Position(1), &Record::Stopped);
    let _ = journal.land(builder.take()).expect("the disk is good");
    drop(journal);
    let report = check(dir.path()).expect("it can be read");
    assert!(report.is_sound() && report.clean);
    assert_eq!(
        (report.segments, report.chunks, report.records.stopped),
        (1, 1, 1)
    );
    let text = report.to_string();
    assert!(text.contains("everything that landed is whole"), "{text}");
    let segment = dir.path().join("segments/000000000001.seg");
    let mut bytes = fs::read(&segment).expect("a segment");
    bytes[50] ^= 1;
    fs::write(&segment, &bytes).expect("a segment");
    let report = check(dir.path()).expect("it can be read");
    assert!(
        report.torn_bytes > 0 && report.to_string().contains("would cut"),
        "{report}"
    );
    assert_eq!(fs::read(&segment).expect("a segment"), bytes);
}
