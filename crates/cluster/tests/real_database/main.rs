//! The store on a real PostgreSQL: the suite that every store passes, and what only a database can do.

mod conformance;
mod lane;
mod ownership;
mod restart;
mod server;
