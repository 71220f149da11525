//! What publishers wait for, for whoever asks from beside the shard.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What there is too little of.
#[derive(Debug, Default)]
pub struct Alarms {
    memory: AtomicBool,
    disk: AtomicBool,
}

impl Alarms {
    /// Whether there is memory enough.
    pub fn memory_is(&self, enough: bool) {
        self.memory.store(!enough, Relaxed);
    }

    /// Whether the disk has room.
    pub fn disk_is(&self, open: bool) {
        self.disk.store(!open, Relaxed);
    }

    /// Whether publishers wait for memory.
    pub fn memory(&self) -> bool {
        self.memory.load(Relaxed)
    }

    /// Whether they wait for the disk.
    pub fn disk(&self) -> bool {
        self.disk.load(Relaxed)
    }
}
