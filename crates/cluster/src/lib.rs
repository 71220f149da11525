//! The store of many machines: the lanes of shards, in PostgreSQL.
//!
//! A chunk is cut into `pages`; a page is a row of a segment table, which is only inserted into, and dropped as a
//! whole when no shard holds it any more. A shard is taken with an epoch, and everything that its owner lands carries
//! it: the database itself refuses whoever is no longer the owner (promise P8).
//!
//! In reading order: a [`Database`] is what the shards of a node share; a cluster may have several [`Databases`]. Its `line`s land what all of them ask for, one
//! statement at a time, over a `session` that hears every notice, and find out what became of a statement whose outcome
//! is unknown (`doubt`); its `desk` reads; its `tending` makes `tables` ahead of use and drops them. The `connector` makes
//! their connections (with `tls` where it is asked for), `settings` says which servers are refused, `schema` what is in the database.
//!
//! [`Database::take`] opens a shard's lane (with most of it read before, where an owner hands it over: `handover`): `scan` reads its pages, `lane` tells them; what is `old` it tells by the
//! `snapshot` of the last checkpoint and the `heads` of its stretches (each in a `frame`). A [`ShardStore`] lands its
//! chunks; `places` says where everything stands, the `reader` finds it again, `reclaim` lets go of what nobody needs and
//! `copying` writes again what little is left of old tables.
//!
//! How the database is doing, `health` asks for operators. The rows are drawn in `docs/format.md`.

mod connector;
mod copying;
mod database;
mod databases;
mod desk;
mod doubt;
mod error;
mod frame;
mod handover;
mod heads;
mod health;
mod identity;
mod lane;
mod line;
pub mod members;
mod old;
mod options;
mod pages;
mod places;
mod reader;
mod reclaim;
mod scan;
mod schema;
mod session;
mod settings;
mod shard;
mod snapshot;
mod tables;
mod tending;
mod tls;

pub use database::{Database, Ownership};
pub use databases::Databases;
pub use error::{DatabaseError, cause, cause_of_read};
pub use handover::Ahead;
pub use health::{Health, Standby};
pub use identity::Identity;
pub use lane::Recovered;
pub use options::{Claim, Options};
pub use shard::ShardStore;

/// What decides without asking anybody: for simulations.
pub mod machines {
    pub use crate::doubt::{Verdict, judge};
    pub use crate::line::Append;
}
