//! What operators did, as lines of JSON in files of this node: the newest is appended to, the oldest goes when there are
//! enough. A line is written before its request is answered, and outlives the process; it is not synced, so a loss of power may
//! take the last ones. Messages do not wait for it, nor for its errors.

use admin::operations::{Operation, Operations, Wanted};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use tracing::warn;

/// A file is not appended to any more when it has so many bytes; some hundred are a line.
const FILE_BYTES: u64 = 4 * 1024 * 1024;
/// All of them together take so many bytes and one file more; then the oldest go.
const BYTES: u64 = 28 * 1024 * 1024;

/// The files of a directory.
pub(crate) struct OperationFiles {
    dir: PathBuf,
    open: Mutex<Option<Open>>,
    unwritten: AtomicU64,
}

/// The file that is appended to.
struct Open {
    file: File,
    number: u64,
    bytes: u64,
    /// The number of the next operation.
    next: u64,
}

impl OperationFiles {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            open: Mutex::new(None),
            unwritten: AtomicU64::new(0),
        }
    }

    fn append(&self, operation: &Operation) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match &*open {
            Some(current) if current.bytes < FILE_BYTES => None,
            Some(full) => Some((full.number + 1, full.next)),
            // What a process before this one left may end within a line.
            None => {
                let last = self.numbers()?.last().copied();
                Some((last.map_or(0, |last| last + 1), self.last_operation()? + 1))
            }
        };
        if let Some((number, next)) = next {
            *open = Some(self.create(number, next)?);
        }
        if let Some(current) = &mut *open {
            let numbered = Operation {
                number: current.next,
                ..operation.clone()
            };
            let mut line = serde_json::to_vec(&numbered).map_err(io::Error::other)?;
            line.push(b'\n');
            current.next += 1;
            current.file.write_all(&line)?;
            current.bytes += line.len() as u64;
        }
        Ok(())
    }

    /// The number of the last operation that was noted; 0 where there is none, or where none has a number.
    fn last_operation(&self) -> io::Result<u64> {
        let last = Wanted {
            limit: Some(0),
            ..Wanted::default()
        };
        Ok(self.read(&last)?.first().map_or(0, |last| last.number))
    }

    fn create(&self, number: u64, next: u64) -> io::Result<Open> {
        fs::create_dir_all(&self.dir)?;
        let file = File::create_new(self.path(number))?;
        if let Err(error) = self.forget_oldest() {
            warn!(dir = %self.dir.display(), %error, "what operators did long ago cannot be removed");
        }
        Ok(Open {
            file,
            number,
            bytes: 0,
            next,
        })
    }

    fn forget_oldest(&self) -> io::Result<()> {
        let mut left = BYTES;
        for old in self.numbers()?.into_iter().rev() {
            let path = self.path(old);
            let bytes = fs::metadata(&path)?.len();
            if left == 0 || bytes > left {
                left = 0;
                fs::remove_file(path)?;
            } else {
                left -= bytes;
            }
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.jsonl"))
    }

    /// Of all files there are, the oldest first.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let found = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found?,
        };
        let mut numbers = Vec::new();
        for entry in found {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

impl Operations for OperationFiles {
    fn note(&self, operation: &Operation) {
        if let Err(error) = self.append(operation)
            && self.unwritten.fetch_add(1, Relaxed) == 0
        {
            warn!(dir = %self.dir.display(), %error, "what operators do cannot be written down");
        }
    }

    fn read(&self, wanted: &Wanted) -> io::Result<Vec<Operation>> {
        let (mut found, most) = (Vec::new(), wanted.most() + 1);
        for number in self.numbers()?.into_iter().rev() {
            let bytes = match fs::read(self.path(number)) {
                // It was the oldest, and has gone meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes?,
            };
            // A process that was killed may have left part of a line.
            let operations = { bytes.rsplit(|byte| *byte == b'\n') }
                .filter_map(|line| serde_json::from_slice::<Operation>(line).ok());
            found.extend(operations.filter(|operation| wanted.includes(operation)));
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }

    fn unwritten(&self) -> u64 {
        self.unwritten.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use admin::operations::Before;

    fn operation(at: u64, user: &str, status: u16) -> Operation {
        Operation {
            at,
            user: user.to_owned(),
            address: [127, 0, 0, 1].into(),
            method: "DELETE".to_owned(),
            path: "/api/queues/%2F/q".to_owned(),
            status,
            number: 0,
            vhost: Some("/".to_owned()),
            name: Some("q".to_owned()),
            error: None,
        }
    }

    #[test]
    fn they_are_found_again_after_a_kill_and_the_oldest_go() {
        let dir = tempfile::tempdir().expect("a directory");
        let files = OperationFiles::new(dir.path().join("operations"));
        assert_eq!(files.read(&Wanted::default()).expect("none"), []);
        files.note(&operation(1, "ada", 204));
        files.note(&operation(2, "bob", 401));
        let torn = files.path(0);
        let mut text = fs::read(&torn).expect("written");
        text.extend_from_slice(b"{\"at\":3,\"us");
        fs::write(&torn, text).expect("torn");

        let files = OperationFiles::new(dir.path().join("operations"));
        files.note(&operation(4, "ada", 204));
        let at = |wanted: Wanted| {
            let found = files.read(&wanted).expect("read");
            found.iter().map(|one| one.at).collect::<Vec<_>>()
        };
        assert_eq!(at(Wanted::default()), [4, 2, 1]);
        let of_bob = Wanted {
            user: Some("bob".to_owned()),
            ..Wanted::default()
        };
        assert_eq!(at(of_bob), [2]);
        let before = Wanted {
            before: Some(Before { at: 4, number: 0 }),
            limit: Some(1),
            ..Wanted::default()
        };
        assert_eq!(at(before), [2, 1], "one, and that there are more");
        let found = files.read(&Wanted::default()).expect("read");
        let numbers: Vec<u64> = found.iter().map(|one| one.number).collect();
        assert_eq!(numbers, [3, 2, 1], "a start goes on counting");

        for number in 2..20 {
            drop(files.create(number, 0).expect("created"));
        }
        assert_eq!(at(Wanted::default()), [4, 2, 1], "starts take nothing away");
        for number in 20..28 {
            let full = files.create(number, 0).expect("created");
            full.file.set_len(FILE_BYTES).expect("it grows");
        }
        assert_eq!(at(Wanted::default()), [0; 0], "those were the oldest");
        assert_eq!(
            files.numbers().expect("listed"),
            (20..28).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a file");
        fs::write(&file, "").expect("written");
        let files = OperationFiles::new(file);
        files.note(&operation(1, "ada", 204));
        assert_eq!(files.unwritten(), 1);
    }
}
