//! The heart's tests: transcripts of what goes in and what comes out, and random histories.

mod history;
mod script;

mod definitions;
mod delivery;
mod publishing;
mod recovery;
mod routing;
mod transactions;
