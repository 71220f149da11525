//! Sender and receiver against a server that loses, repeats, refuses and hangs up as the tests say.

mod peer;
mod receiving;
mod sending;
