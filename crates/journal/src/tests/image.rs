//! What may be on a disk after the power has gone: what was synced for sure, and of the rest any part.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// What a disk writes whole or not at all.
pub(crate) const SECTOR: usize = 512;

/// What is on the disk itself: files and their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Image {
    pub(crate) files: Vec<Vec<u8>>,
    pub(crate) names: BTreeMap<PathBuf, usize>,
}

/// An operation that changes something, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create {
        path: PathBuf,
        file: usize,
    },
    Write {
        file: usize,
        offset: usize,
        bytes: Vec<u8>,
    },
    Sync {
        file: usize,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        file: usize,
    },
    Remove {
        path: PathBuf,
    },
    SyncDir,
}

impl Image {
    pub(crate) fn hash_value(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let content: Vec<_> = self
            .names
            .iter()
            .map(|(path, file)| (path, &self.files[*file]))
            .collect();
        content.hash(&mut hasher);
        hasher.finish()
    }

    /// Writes bytes into a file.
    pub(crate) fn write(&mut self, file: usize, offset: usize, bytes: &[u8]) {
        let content = self.file_mut(file);
        if content.len() < offset + bytes.len() {
            content.resize(offset + bytes.len(), 0);
        }
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn file_mut(&mut self, file: usize) -> &mut Vec<u8> {
        if self.files.len() <= file {
            self.files.resize(file + 1, Vec::new());
        }
        &mut self.files[file]
    }

    /// Does what an operation says about names.
    pub(crate) fn change_name(&mut self, op: &Op) {
        match op {
            Op::Create { path, file } => {
                self.file_mut(*file);
                self.names.insert(path.clone(), *file);
            }
            Op::Rename { from, to, file } => {
                if self.names.get(from) == Some(file) {
                    self.names.remove(from);
                }
                self.file_mut(*file);
                self.names.insert(to.clone(), *file);
            }
            Op::Remove { path } => {
                self.names.remove(path);
            }
            Op::Write { .. } | Op::Sync { .. } | Op::SyncDir => unreachable!("names only"),
        }
    }
}

/// What was asked for but not synced, and what is on the disk for sure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsynced {
    pub(crate) durable: Image,
    /// Pieces of writes, each within one sector; those of one write follow each other.
    pub(crate) pieces: Vec<(usize, usize, Vec<u8>)>,
    pub(crate) names: Vec<Op>,
    /// How many of the last pieces belong to the last write.
    pub(crate) last_write: usize,
}

impl Unsynced {
    pub(crate) fn on(durable: Image) -> Self {
        Self {
            durable,
            ..Self::default()
        }
    }

    /// Takes in the next operation.
    pub(crate) fn apply(&mut self, op: &Op) {
        self.last_write = 0;
        match op {
            Op::Write {
                file,
                offset,
                bytes,
            } => {
                let before = self.pieces.len();
                let mut at = 0;
                while at < bytes.len() {
                    let end = bytes.len().min(at + SECTOR - (offset + at) % SECTOR);
                    self.pieces
                        .push((*file, offset + at, bytes[at..end].to_vec()));
                    at = end;
                }
                self.last_write = self.pieces.len() - before;
            }
            Op::Sync { file } => {
                for (_, offset, bytes) in self.pieces.extract_if(.., |(of, ..)| of == file) {
                    self.durable.write(*file, offset, &bytes);
                }
            }
            Op::SyncDir => {
                for op in self.names.drain(..) {
                    self.durable.change_name(&op);
                }
            }
            name => self.names.push(name.clone()),
        }
    }

    /// The disk after the power has gone, if of what was not synced only this is there.
    pub(crate) fn cut(&self, piece: impl Fn(usize) -> bool, name: impl Fn(usize) -> bool) -> Image {
        let mut image = self.durable.clone();
        for (index, (file, offset, bytes)) in self.pieces.iter().enumerate() {
            if piece(index) {
                image.write(*file, *offset, bytes);
            }
        }
        for (index, op) in self.names.iter().enumerate() {
            if name(index) {
                image.change_name(op);
            }
        }
        image
    }
}
