//! The shell: configuration, listeners, connections, the shard's loop and the landing thread. It decides nothing
//! about messages.
//!
//! In reading order: a server is put together by [`serve`] and run by [`server`]; clients come in by [`listen`],
//! each to a [`connection`] of its own. What a client does goes through the [`inbox`] to the [`shard`], whose
//! [`effects`] go to the [`lander`] and, by the [`outbox`], back to the connection, which is [`handout`]'s work.

pub mod serve;
pub mod server;
pub mod stop;

pub mod config;
pub mod log;
pub mod units;

pub mod clock;
pub mod listen;
pub mod login;

pub mod connection;
pub mod fetch;
pub mod handout;

pub mod inbox;
pub mod memory;
pub mod outbox;
pub mod publishing;
pub mod unfinished;

pub mod audit;
pub mod effects;
pub mod journey;
pub mod lander;
pub mod shard;

pub mod http;
pub mod operator;

pub mod check;

pub mod manage;
pub mod receive;
pub mod send;
