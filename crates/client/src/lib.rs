//! The Rust client of Landfall, for any AMQP 0-9-1 server: messages that are sent until they landed, and received
//! until they are acknowledged.
//!
//! [`Sender`] is the first half. Each message carries its publisher's id and a number (headers `x-publisher-id` and
//! `x-publishing-id`), and has a timer: no confirm in time, and it is transmitted again under the same number, across
//! connections too, so that the server lands it once. After the last attempt its sender is told that it failed, and
//! why. [`Receiver`] is the second half: it hands out deliveries, tells the server what became of them in groups,
//! comes back when the connection is lost, and can spare the application repeats. Both keep their memory within a
//! window.
//!
//! In reading order: [`Options`] (where the servers are), [`Sender`], [`Receiver`]; then the state machines behind
//! them, `outgoing` and `incoming`, which know no sockets and no clock; then the shell around those, `link` and the
//! two `task`s.

mod address;
mod options;
pub use address::{Address, AddressError};
pub use options::Options;

mod retry_policy;
pub use retry_policy::RetryPolicy;

mod message;
pub use message::{Message, SendCounts, SendFailed, Sent, WhyFailed};

mod sender;
pub use sender::{Handle, Sender, SenderBuilder};

mod receiver;
pub use receiver::{Delivery, ReceiveCounts, Receiver, ReceiverBuilder};

mod inbox;
pub use inbox::{Inbox, InboxError, MessageKey};

#[cfg(feature = "postgres")]
pub mod postgres;

mod error;
pub use error::{ConnectError, FailedTry, LinkError};

mod numbered;
mod outgoing;
mod tags;

mod incoming;
mod seen;
pub use seen::SeenWindow;

/// The state machines behind [`Sender`] and [`Receiver`], without sockets and clock: for whoever brings their own, and
/// for simulations.
pub mod machines {
    pub use crate::incoming::{Incoming, Ticket, Verdict};
    pub use crate::outgoing::{Counts, Outgoing, Retransmission, Settled};
    pub use crate::seen::Identity;
}

mod backoff;
mod clock;
mod connector;
mod encoder;
mod extension;
mod heartbeat;
mod link;
mod publisher;
mod socket;

/// The words that messages are made of: properties, tables, names, ids.
pub use model;
