//! As much of the database as ownership needs: the owner and the epoch of each shard, which only grows, in a file that
//! the processes of a test share.

use landfall_cluster::members::{Epochs, EpochsUnknown};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who took a shard last, and with which epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) owner: String,
    pub(crate) epoch: u64,
}

/// The database, as one of the processes sees it.
pub(crate) struct Database {
    path: PathBuf,
    /// Whose questions are held up while a file of this name is there.
    gate: PathBuf,
}

impl Database {
    /// Makes one in which nothing has been taken.
    pub(crate) fn make(path: &Path, shards: usize) {
        let nothing = vec![Taken::default(); shards];
        let text = serde_json::to_vec(&nothing).expect("it is JSON");
        std::fs::write(path, text).expect("a file can be written");
    }

    /// Opens it for one node.
    pub(crate) fn open(path: &Path, node: &str) -> Self {
        Self {
            path: path.to_owned(),
            gate: gate(path, node),
        }
    }

    /// Takes a shard, if nobody has with as high an epoch.
    pub(crate) fn take(&self, shard: u32, owner: &str, epoch: u64) {
        change(&self.path, |shards| {
            let taken = &mut shards[shard as usize];
            if taken.epoch < epoch {
                let owner = owner.to_owned();
                *taken = Taken { owner, epoch };
            }
        });
    }
}

impl Epochs for Database {
    fn read(&self) -> Result<Vec<u64>, EpochsUnknown> {
        while self.gate.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let shards = read(&self.path);
        Ok(shards.iter().map(|one| one.epoch).collect())
    }
}

/// The file that holds up a node's questions.
pub(crate) fn gate(path: &Path, node: &str) -> PathBuf {
    path.with_extension(format!("gate-{node}"))
}

/// Who has what.
pub(crate) fn read(path: &Path) -> Vec<Taken> {
    change(path, |_| {})
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<Taken>)) -> Vec<Taken> {
    let file = File::options().read(true).write(true).open(path);
    let mut file = file.expect("the test made it");
    flock(&file, FlockOperation::LockExclusive).expect("it can be locked");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("it can be read");
    let before: Vec<Taken> = serde_json::from_str(&text).expect("it is JSON");
    let mut after = before.clone();
    change(&mut after);
    if after != before {
        let text = serde_json::to_vec(&after).expect("it is JSON");
        file.set_len(0).expect("it can be emptied");
        file.rewind().expect("it can be written from the beginning");
        file.write_all(&text).expect("it can be written");
    }
    after
}
