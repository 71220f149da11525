//! The store on a real PostgreSQL: the suite that every store passes, and what only a database can do.

mod conformance;
mod cut;
mod damage;
mod handover;
mod lane;
mod ownership;
mod proxy;
mod reclaim;
mod restart;
mod server;
mod standby;
mod tls;
