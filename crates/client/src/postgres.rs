//! Inbox and outbox in the application's own PostgreSQL: what a handler does happens once, and what a transaction
//! decides to send is sent if the transaction is committed, and only then.
//!
//! Both work in transactions of `tokio_postgres` that the application begins and commits. [`PostgresInbox`] is for
//! handlers, [`Outbox`] for senders, [`OutboxRelay`] passes on what is in the outbox.

mod inbox;
mod outbox;
mod relay;
mod table;

pub use inbox::PostgresInbox;
pub use outbox::{Outbox, Refused};
pub use relay::{OutboxRelay, OutboxRelayBuilder, RelayCounts};

/// The library whose clients and transactions are meant.
pub use tokio_postgres;
