//! Who owns which shard: the members of the cluster, their controller and its assignment, in ZooKeeper.
//!
//! ZooKeeper holds what is alive, in a few small znodes; what must last is in the database. What ZooKeeper says is a
//! hint: it tells who should own a shard, and the database refuses everyone else (promise P8).
//!
//! In reading order, first what is pure: a `member` is one run of a node; the `assignment` says which of them has which
//! shard; the `planner` makes the next one from the last, `fitting` says whom programs of
//! different versions may be given shards beside; the `controller` decides when that is done; a `lease` bounds
//! how long a node delivers on its own word; a `request` is what operators want of the controller, [`Requests`]
//! their way to ask for it.
//!
//! Then what talks to ZooKeeper: [`start`] begins a thread of its own, on which the `supervisor` connects and lives
//! through one `session` after the other, below the `tree` of the cluster. `watch` keeps reading what changes there,
//! `election` makes one member carry out what the controller decides, `silence` says what an error means. The [`View`]
//! is what comes of it.

mod assignment;
mod controller;
mod election;
mod epochs;
mod error;
mod fitting;
mod lease;
mod member;
mod options;
mod planner;
mod request;
mod requests;
mod session;
mod silence;
mod supervisor;
mod tree;
mod view;
mod watch;

pub use assignment::{Assignment, Holding};
pub use controller::{Controller, Effect, Input, Pace, RequestName};
pub use epochs::{Epochs, EpochsUnknown};
pub use error::{MembersError, RequestError, Unreadable};
pub use fitting::{misfit, other_protocol, standing};
pub use lease::Lease;
pub use member::{About, BadName, Member, MemberId, Standing, State};
pub use options::{Login, Options};
pub use planner::{Candidate, Scope, plan};
pub use request::Request;
pub use requests::Requests;
pub use supervisor::{MembersHandle, start};
pub use view::{View, ZooKeeper};
#[cfg(feature = "tls")]
pub use zookeeper_client::{TlsCa, TlsCerts, TlsIdentity, TlsOptions};
