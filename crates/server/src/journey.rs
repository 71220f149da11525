//! The journey of every message, on the disk beside the journal: who sent it, who got it, how each attempt ended and
//! what became of it, for as long as the operator wants to know.
//!
//! The broker tells what happened once in a turn; [`Teller`] writes it down in `block`s, which a thread of its own
//! appends to `files`, without any sync. Nothing waits for it: what the thread cannot keep up with is left out, and
//! counted. `read` finds messages in the files again.

mod block;
mod files;
mod read;
mod write;

pub use files::Keeping;
pub use read::Journeys;
pub use write::Teller;

#[cfg(test)]
mod tests;
