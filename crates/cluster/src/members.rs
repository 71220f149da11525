//! Who owns which shard: the members of the cluster, their controller and its assignment.
//!
//! What this says is a hint: it tells who should own a shard, and the database refuses everyone else (promise P8).
//!
//! Nothing in here does IO. In reading order: a `member` is one run of a node; the `assignment` says which of them has
//! which shard; the `planner` makes the next one from the last; the `controller` decides when that is done; a `lease`
//! bounds how long a node delivers on its own word; a `request` is what operators want of the controller.

mod assignment;
mod controller;
mod error;
mod lease;
mod member;
mod planner;
mod request;

pub use assignment::{Assignment, Holding};
pub use controller::{Controller, Effect, Input, Pace, RequestName};
pub use error::{MembersError, RequestError, Unreadable};
pub use lease::Lease;
pub use member::{About, BadName, Member, MemberId, Standing, State};
pub use planner::{Candidate, Scope, plan};
pub use request::Request;
