//! The suite that every store passes: the promises of the contract, one case each.

use crate::contract::Store;
use model::{Position, Record};

/// A store that has just been opened, and what the opening told.
pub struct Opened {
    /// The store.
    pub store: Box<dyn Store>,
    /// The records that it told, in the order in which it told them.
    pub told: Vec<(Position, Record)>,
}

/// How the suite handles one kind of store.
pub trait Harness {
    /// Makes an empty lane, instead of the one before: each case begins with this.
    fn empty(&mut self);

    /// Opens the lane; called again after each `close` and `crash`.
    fn open(&mut self) -> Opened;

    /// The power goes while `store` is open: it is dropped without having been closed.
    fn crash(&mut self, store: Box<dyn Store>);

    /// Makes the next landing of the open store fail.
    fn fail_next(&mut self);

    /// A number of bytes: when as many have landed behind a record that nothing needs, the record is reclaimed.
    /// Small segments make the suite quick.
    fn reclaimed_after(&self) -> usize;
}

/// Runs every case.
///
/// # Panics
/// If the store breaks a promise.
pub fn run(_harness: &mut dyn Harness) {
    unimplemented!()
}
