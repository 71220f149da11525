//! The suite that every store passes: the promises of the [`contract`](crate::contract), a case each, and random
//! histories of landing, settling, checkpoints and crashes.

pub(crate) mod cases;
mod history;
mod lane;

use crate::chunk::summary::Messages;
use crate::contract::{Store, Told};
use model::record::MessageHead;
use model::{Position, Record, Run};

/// A store that has just been opened, and what the opening told.
pub struct Opened {
    /// The store.
    pub store: Box<dyn Store>,
    /// What it told, in the order in which it told it.
    pub told: Vec<(Position, Known)>,
}

/// What an opening told of one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The whole record.
    Record(Record),
    /// A message without its body.
    Head(MessageHead),
}

/// What was told, position by position.
pub fn by_position(told: Told) -> Vec<(Position, Known)> {
    match told {
        Told::Record(position, record) => vec![(position, Known::Record(record))],
        Told::Messages(run, head) => {
            let all = Messages {
                run,
                bytes: 0,
                head,
            };
            let one = |first| {
                let head = all.part(Run { first, count: 1 }).head;
                (Position(first), Known::Head(head))
            };
            (run.first..run.end()).map(one).collect()
        }
    }
}

/// How the suite handles one kind of store.
pub trait Harness {
    /// Makes an empty lane, instead of the one before: each case begins with this.
    fn empty(&mut self);

    /// Opens the lane; called again after the store was closed, and after `crash`.
    fn open(&mut self) -> Opened;

    /// The power goes while `store` is open: it ends without having been closed.
    fn crash(&mut self, store: Box<dyn Store>);

    /// Makes the next landing of the open store fail.
    fn fail_next(&mut self);

    /// A number of bytes: a record that nothing needs is gone when so many have landed behind it. The smaller the
    /// segments, the quicker the suite; a few hundred KiB are good.
    fn reclaimed_after(&self) -> usize;
}

/// Runs every case.
///
/// # Panics
/// If the store breaks a promise.
pub fn run(harness: &mut dyn Harness) {
    for case in cases::ALL {
        harness.empty();
        case(harness);
    }
    for seed in 1..=history::SEEDS {
        harness.empty();
        history::run(harness, seed);
    }
}

/// Fills an empty lane: one message waits, and so many times as much as [`Harness::reclaimed_after`] says is landed
/// and settled behind it. For what only one kind of store can be asked, such as what it has left on its disk.
///
/// # Panics
/// If the store breaks a promise on the way.
pub fn fill(harness: &mut dyn Harness, times: usize) {
    harness.empty();
    let mut lane = lane::Lane::new(harness);
    lane.message(&[1], 100);
    lane.land();
    for _ in 0..times {
        lane.fill();
    }
    lane.check_readable();
    lane.reopen();
}
