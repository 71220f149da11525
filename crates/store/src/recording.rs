//! A store that writes down what happened in which order, so that a test can hold "no confirm before its sync".

use crate::chunk::Chunk;
use crate::contract::{Landed, Reader, Store, StoreFailure};
use model::Position;
use std::sync::{Arc, Mutex};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Landing began of a chunk whose last position is this.
    Started(Position),
    /// Landing returned: everything up to here would survive the loss of power.
    Landed(Position),
    /// Landing failed of the chunk whose last position is this.
    Failed(Position),
    /// What the test itself wrote down between.
    Noted(String),
}

/// Events in the order in which they happened. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes an event down.
    pub fn push(&self, event: Event) {
        self.lock().push(event);
    }

    /// Everything so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Event>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A store that writes down what happens to it.
#[derive(Debug)]
pub struct Recording<S> {
    store: S,
    log: Log,
}

impl<S> Recording<S> {
    /// Writes down in `log` what happens to `store`.
    pub fn new(store: S, log: Log) -> Self {
        Self { store, log }
    }
}

impl<S: Store> Store for Recording<S> {
    fn land(&mut self, chunk: Chunk) -> Result<Landed, StoreFailure> {
        let last = chunk.last();
        self.log.push(Event::Started(last));
        let result = self.store.land(chunk);
        self.log.push(match &result {
            Ok(landed) => Event::Landed(landed.upto),
            Err(_) => Event::Failed(last),
        });
        result
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }

    fn close(self: Box<Self>) -> Result<(), StoreFailure> {
        Box::new(self.store).close()
    }
}
