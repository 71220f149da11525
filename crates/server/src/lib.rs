//! The shell: configuration, listeners, connections, the shard's loop and the landing thread. It decides nothing
//! about messages.
//!
//! In reading order: a server is put together by [`serve`] and run by [`server`]; clients come in by [`listen`],
//! each to a [`connection`] of its own. What a client does goes through the [`inbox`] to the [`shard`], whose
//! [`effects`] go to the [`lander`] and, by the [`outbox`], back to the connection, which is [`handout`]'s work. A
//! [`member`] of a cluster does the same for as long as it owns a shard (its [`tenure`], under a [`lease`]), and is a
//! [`bridge`] for clients of those that other nodes own.

mod following;
mod holding;
mod holdings;
mod joining;
pub mod member;
pub mod migrate;
pub mod ownership;
pub mod serve;
pub mod server;
pub mod stop;
mod taking;

pub mod config;
pub mod log;
pub mod units;

pub mod bridge;
pub mod clock;
pub mod host;
pub mod listen;
pub mod login;
pub mod reach;
pub mod relay;

pub mod connection;
pub mod fetch;
pub mod handout;

pub mod inbox;
pub mod memory;
pub mod outbox;
pub mod passwords;
pub mod publishing;
mod socket;
pub mod tls;
mod tokens;
pub mod unfinished;

pub mod alarms;
pub mod audit;
pub mod effects;
pub mod journey;
pub mod lander;
pub mod lease;
pub mod shard;
pub mod telling;
pub mod tenure;
pub mod traces;

pub mod attending;
pub mod http;
mod membership;
mod node;
mod operations;
pub mod operator;
mod passing;
mod room;
mod spread;

pub mod check;

pub mod manage;
pub mod receive;
pub mod send;

pub mod trying;
