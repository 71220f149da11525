//! The inbox: which messages were handled, in the transactions that handled them.

use super::table::{self, Table};
use crate::inbox::{Inbox, MessageKey};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, GenericClient, Transaction};

/// Notes of what was handled, in a table of the application's database.
///
/// ```no_run
/// use landfall_client::postgres::PostgresInbox;
/// use landfall_client::{Delivery, Inbox};
///
/// # async fn example(
/// #     database: &mut tokio_postgres::Client,
/// #     delivery: Delivery,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let inbox = PostgresInbox::new("billing");
///
/// let transaction = database.transaction().await?;
/// if inbox.once(&transaction, &delivery).await? {
///     transaction
///         .execute("UPDATE account SET balance = balance + 1", &[])
///         .await?;
/// }
/// transaction.commit().await?;
/// delivery.ack();
/// # Ok(())
/// # }
/// # use landfall_client::postgres::tokio_postgres;
/// ```
///
/// An error before the commit leaves neither effects nor note; the delivery, dropped, goes back to its queue and comes
/// again. A crash between commit and acknowledgement makes the message come again too, and `once` says that it was
/// handled.
///
/// In transactions of PostgreSQL's default isolation, a second delivery of a message waits in `once` until the
/// transaction that handles the first one ends. In stricter ones it may fail with a serialization error instead: then
/// the transaction is to be begun again, as always there.
#[derive(Clone, Debug)]
pub struct PostgresInbox {
    receiver: String,
    table: Table,
}

impl PostgresInbox {
    /// The notes of that receiver, in the table `landfall_inbox`. Receivers whose effects are different things have
    /// different names: each handles a message once. All processes that share one kind of work share the name.
    pub fn new(receiver: impl Into<String>) -> Self {
        Self {
            receiver: receiver.into(),
            table: Table::named("landfall_inbox"),
        }
    }

    /// In a table of another name, which may be `schema.table`.
    pub fn in_table(mut self, name: &str) -> Self {
        self.table = Table::named(name);
        self
    }

    /// The SQL that makes the table where it is missing, for whoever makes tables by other means.
    pub fn schema(&self) -> String {
        let (table, by_age) = (&self.table, self.table.part("_by_age"));
        format!(
            "\
CREATE TABLE IF NOT EXISTS {table} (
    receiver text NOT NULL,
    publisher bytea NOT NULL,           -- the publisher's id; empty for a message known by its message-id
    publishing_id bigint NOT NULL,      -- the publisher's number; -1 for a message known by its message-id
    message_id bytea NOT NULL,          -- the message-id; empty for a message known by its number
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (receiver, publisher, publishing_id, message_id)
);
CREATE INDEX IF NOT EXISTS {by_age} ON {table} (receiver, handled_at);
"
        )
    }

    /// Makes the table where it is missing.
    ///
    /// # Errors
    /// The database's.
    pub async fn create(&self, client: &impl GenericClient) -> Result<(), Error> {
        table::create(client, &self.schema()).await
    }

    /// Forgets the notes of this receiver that are older than `age`, and all but about the newest `count`; says how
    /// many. What is forgotten would be handled again if it came again: keep notes for longer than a message can be on
    /// its way, with its retries and the time until somebody redrives what was parked.
    ///
    /// # Errors
    /// The database's.
    pub async fn prune(
        &self,
        client: &impl GenericClient,
        age: Duration,
        count: u32,
    ) -> Result<u64, Error> {
        let table = &self.table;
        // Notes of one transaction are of one age: those as old as the last that is kept are kept with it.
        let sql = format!(
            "DELETE FROM {table} WHERE receiver = $1 AND handled_at < greatest(
                now() - make_interval(secs => $2),
                (SELECT handled_at FROM {table} WHERE receiver = $1
                 ORDER BY handled_at DESC OFFSET $3 LIMIT 1))"
        );
        let last_kept = i64::from(count.max(1)) - 1;
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.receiver, &age.as_secs_f64(), &last_kept];
        client.execute(&sql, &parameters).await
    }
}

impl Inbox<Transaction<'_>> for PostgresInbox {
    type Error = Error;

    async fn note(
        &self,
        transaction: &Transaction<'_>,
        message: MessageKey<'_>,
    ) -> Result<bool, Error> {
        let (publisher, number, name): (&[u8], i64, &[u8]) = match message {
            // A number that AMQP carried is below 2^63.
            MessageKey::Published(publisher, id) => {
                (publisher, i64::try_from(id.0).unwrap_or(i64::MAX), b"")
            }
            MessageKey::Named(name) => (b"", -1, name.as_bytes()),
        };
        let sql = format!(
            "INSERT INTO {} (receiver, publisher, publishing_id, message_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            self.table
        );
        let parameters = [
            (&self.receiver as _, Type::TEXT),
            (&publisher as _, Type::BYTEA),
            (&number as _, Type::INT8),
            (&name as _, Type::BYTEA),
        ];
        Ok(transaction.execute_typed(&sql, &parameters).await? == 1)
    }
}
