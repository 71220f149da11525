//! A disk in memory: what was written to it outlives the stores on it, and it fails when it is told to.

use crate::chunk::LandedChunk;
use crate::contract::Room;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What happens to one landing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error; nothing reached the disk.
    Lost,
    /// An error; only so many bytes of the chunk reached the disk.
    Torn(usize),
    /// An error, though the whole chunk reached the disk.
    Kept,
}

/// A disk that outlives the stores on it. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Rings when a landing that is held up may go on.
    changed: Condvar,
    segment_bytes: u64,
}

#[derive(Debug)]
struct State {
    segments: VecDeque<(u64, Vec<Bytes>)>,
    /// The number of the last opening; raised by a crash too, so that nobody writes who was open before.
    epoch: u64,
    /// After so many more landings, this happens.
    fault: Option<(u64, Fault)>,
    held: bool,
    room: Room,
    caches: bool,
}

fn crashed() -> io::Error {
    io::Error::other("the disk was opened again or lost its power")
}

fn fail_by(fault: Option<Fault>) -> io::Result<()> {
    match fault {
        None => Ok(()),
        Some(_) => Err(io::Error::other("the disk was told to fail")),
    }
}

impl State {
    /// What one more write meets.
    fn next_fault(&mut self) -> Option<Fault> {
        let (writes, fault) = self.fault.as_mut()?;
        if *writes > 0 {
            *writes -= 1;
            return None;
        }
        let fault = *fault;
        self.fault = None;
        Some(fault)
    }
}

impl Disk {
    /// An empty disk. A segment begins when the last one has reached `segment_bytes`.
    pub fn new(segment_bytes: u64) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                segments: VecDeque::new(),
                epoch: 0,
                fault: None,
                held: false,
                room: Room::Open,
                caches: true,
            }),
            changed: Condvar::new(),
            segment_bytes,
        }))
    }

    /// The power goes: what is open can write nothing more, and a landing that is held up fails. What was written
    /// stays.
    pub fn crash(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.fault = None;
        state.held = false;
        self.0.changed.notify_all();
    }

    /// After `writes` more chunks were written, the next one meets `fault`.
    pub fn fail_after(&self, writes: u64, fault: Fault) {
        self.state().fault = Some((writes, fault));
    }

    /// Holds up every landing before its first byte is written, until [`release`](Self::release): a slow disk.
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// Lets landings go on.
    pub fn release(&self) {
        self.state().held = false;
        self.0.changed.notify_all();
    }

    /// What landings say about the room on the disk from now on.
    pub fn set_room(&self, room: Room) {
        self.state().room = room;
    }

    /// Whether readers find chunks without waiting for the disk. They do at first.
    pub fn set_caches(&self, caches: bool) {
        self.state().caches = caches;
    }

    /// The bytes of all segments.
    pub fn bytes(&self) -> usize {
        let state = self.state();
        let chunks = state.segments.iter().flat_map(|(_, chunks)| chunks);
        chunks.map(Bytes::len).sum()
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.0.segment_bytes
    }

    pub(super) fn room(&self) -> Room {
        self.state().room
    }

    pub(super) fn caches(&self) -> bool {
        self.state().caches
    }

    /// A new epoch, and what the disk holds. A torn chunk at its end is cut.
    pub(super) fn open(&self) -> (u64, VecDeque<(u64, Vec<Bytes>)>) {
        let mut state = self.state();
        state.epoch += 1;
        if let Some((_, chunks)) = state.segments.back_mut() {
            chunks.pop_if(|last| LandedChunk::parse(last.clone()).is_err());
        }
        (state.epoch, state.segments.clone())
    }

    pub(super) fn create(&self, epoch: u64, segment: u64) -> io::Result<()> {
        let mut state = self.writable(epoch)?;
        state.segments.push_back((segment, Vec::new()));
        Ok(())
    }

    /// Appends a chunk to the last segment.
    pub(super) fn write(&self, epoch: u64, chunk: &Bytes) -> io::Result<()> {
        let mut state = self.writable(epoch)?;
        while state.held {
            state = self
                .0
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        // The power may have gone meanwhile.
        if state.epoch != epoch {
            return Err(crashed());
        }
        let fault = state.next_fault();
        let written = match fault {
            None | Some(Fault::Kept) => chunk.clone(),
            Some(Fault::Lost) => Bytes::new(),
            Some(Fault::Torn(bytes)) => chunk.slice(..bytes.min(chunk.len())),
        };
        if !written.is_empty() {
            let last = state.segments.back_mut();
            let (_, chunks) = last.expect("a segment is created before it is written to");
            chunks.push(written);
        }
        fail_by(fault)
    }

    /// Puts one segment in the place of neighbouring ones, wholly or not at all.
    pub(super) fn replace(
        &self,
        epoch: u64,
        replaced: &[u64],
        segment: u64,
        chunks: Vec<Bytes>,
    ) -> io::Result<()> {
        let mut state = self.writable(epoch)?;
        let fault = state.next_fault();
        if matches!(fault, None | Some(Fault::Kept)) {
            let is_first = |(number, _): &(u64, Vec<Bytes>)| *number == replaced[0];
            let at = state.segments.iter().position(is_first);
            let at = at.expect("what is replaced is there");
            state.segments.drain(at..at + replaced.len());
            state.segments.insert(at, (segment, chunks));
        }
        fail_by(fault)
    }

    fn writable(&self, epoch: u64) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.epoch == epoch {
            Ok(state)
        } else {
            Err(crashed())
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
