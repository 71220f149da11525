//! The server's tests from outside, in one program: they share the harness, and link once.
//!
//! A new file of tests is a module here; `cargo test -p landfall-server --test end_to_end bad_input` runs one.

mod harness;

mod admin;
mod amqprs;
mod bad_input;
mod cli;
mod cluster;
mod compatibility;
mod crash;
mod declaring;
mod delay;
mod exactly_once;
mod handshake;
mod journey;
mod landing;
mod lapin;
mod limits;
mod login;
mod memory;
mod messages;
mod migrate;
mod outbox;
mod patience;
mod queues;
mod security;
mod slow;
mod statistics;
mod stop;
mod tls;
mod tokens;
mod traces;
mod transactions;
mod trying;
