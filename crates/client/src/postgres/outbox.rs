//! The outbox: what a transaction decides to send, as rows that are there if it is committed.

use super::table::{self, Table};
use crate::message::Message;
use model::{Properties, ShortStr};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient, Transaction};

/// Messages that a transaction wants sent, in a table of the application's database. An
/// [`OutboxRelay`](super::OutboxRelay) passes them on.
///
/// ```no_run
/// use landfall_client::postgres::Outbox;
///
/// # use landfall_client::postgres::tokio_postgres;
/// # async fn example(
/// #     database: &mut tokio_postgres::Client,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = Outbox::to_queue("orders");
///
/// let transaction = database.transaction().await?;
/// transaction
///     .execute("UPDATE stock SET apples = apples - 2", &[])
///     .await?;
/// outbox.enqueue(&transaction, "two apples").await?;
/// transaction.commit().await?; // from here on the message will land
/// # Ok(())
/// # }
/// ```
///
/// Messages are sent in the order of their rows. Transactions that run at the same time get their rows in any order, as
/// they are committed in any order; of two that follow each other, the messages follow each other too.
#[derive(Clone, Debug)]
pub struct Outbox {
    exchange: String,
    routing_key: String,
    table: Table,
    notify: bool,
}

impl Outbox {
    /// For messages to one queue, through the default exchange.
    pub fn to_queue(queue: &str) -> Self {
        Self::to_exchange("", queue)
    }

    /// For messages to an exchange, with the routing key of those that have none of their own.
    pub fn to_exchange(exchange: &str, routing_key: &str) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            table: Table::named("landfall_outbox"),
            notify: true,
        }
    }

    /// In a table of another name than `landfall_outbox`; it may be `schema.table`. Messages to many destinations can
    /// share a table, and then keep their order among each other: one that the server cannot take for now holds up
    /// those behind it. Where they must not wait for each other, each gets a table, with a relay of its own.
    pub fn in_table(mut self, name: &str) -> Self {
        self.table = Table::named(name);
        self
    }

    /// Does not tell the relay of each message (with NOTIFY): the relay finds it when it next looks, a second later at
    /// the most. PostgreSQL commits transactions that notify one after the other: worth it where very many commit at
    /// once.
    pub fn without_notify(mut self) -> Self {
        self.notify = false;
        self
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The SQL that makes the tables where they are missing, for whoever makes tables by other means.
    ///
    /// Programs in other languages write rows of their own: `exchange`, `routing_key` and `body`, and for properties
    /// what AMQP's content header has behind the body's size.
    pub fn schema(&self) -> String {
        let (table, relay) = (&self.table, relay_table(&self.table));
        format!(
            "\
CREATE TABLE IF NOT EXISTS {table} (
    id bigserial PRIMARY KEY,
    exchange text NOT NULL DEFAULT '',
    routing_key text NOT NULL,
    properties bytea NOT NULL DEFAULT '\\x0000',   -- as AMQP writes them
    body bytea NOT NULL,
    refused text,                                 -- why the server will not take it; it stays here
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS {relay} (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    publisher text NOT NULL DEFAULT '',           -- the publisher id of what is on its way
    first bigint NOT NULL DEFAULT 1,              -- the publishing id of the first of them
    batch bigint[] NOT NULL DEFAULT '{{}}'          -- their rows, one publishing id after the other
);
INSERT INTO {relay} DEFAULT VALUES ON CONFLICT DO NOTHING;
"
        )
    }

    /// Makes the tables where they are missing.
    ///
    /// # Errors
    /// The database's.
    pub async fn create(&self, client: &impl GenericClient) -> Result<(), Error> {
        table::create(client, &self.schema()).await
    }

    /// Writes a message into the outbox, in the application's transaction: it will land if that is committed. Returns
    /// the number of its row. A publishing id of the message's own is not kept: the relay gives it one.
    ///
    /// # Errors
    /// The database's.
    pub async fn enqueue(
        &self,
        transaction: &Transaction<'_>,
        message: impl Into<Message>,
    ) -> Result<i64, Error> {
        let message = message.into();
        let or = |own: Option<&ShortStr>, usual: &str| {
            own.map_or(usual.to_owned(), |own| own.to_string())
        };
        let exchange = or(message.own_exchange(), &self.exchange);
        let routing_key = or(message.own_routing_key(), &self.routing_key);
        let none = Properties::default();
        let properties: &[u8] = message.own_properties().unwrap_or(&none).as_bytes();
        let body: &[u8] = message.body();
        let channel = self.notify.then(|| self.table.channel_name());
        // Without a channel pg_notify tells nobody.
        let sql = format!(
            "WITH written AS (
                INSERT INTO {} (exchange, routing_key, properties, body) VALUES ($1, $2, $3, $4)
                RETURNING id)
             SELECT id, CASE WHEN $5 IS NOT NULL THEN pg_notify($5, '')::text END FROM written",
            self.table
        );
        let row = transaction
            .query_typed_one(
                &sql,
                &[
                    (&exchange, Type::TEXT),
                    (&routing_key, Type::TEXT),
                    (&properties, Type::BYTEA),
                    (&body, Type::BYTEA),
                    (&channel, Type::TEXT),
                ],
            )
            .await?;
        row.try_get(0)
    }

    /// The messages that the server refused for good, oldest first: to an exchange that is not there, to no queue at
    /// all, or not well-formed. They stay in the table, and nothing waits for them.
    ///
    /// # Errors
    /// The database's.
    pub async fn refused(&self, client: &impl GenericClient) -> Result<Vec<Refused>, Error> {
        let sql = format!(
            "SELECT id, refused FROM {} WHERE refused IS NOT NULL ORDER BY id",
            self.table
        );
        let rows = client.query(&sql, &[]).await?;
        let each = |row: &tokio_postgres::Row| {
            Ok(Refused {
                id: row.try_get(0)?,
                why: row.try_get(1)?,
            })
        };
        rows.iter().map(each).collect()
    }

    /// Has the refused messages sent again, before whatever is newer; says how many.
    ///
    /// # Errors
    /// The database's.
    pub async fn send_refused_again(&self, client: &impl GenericClient) -> Result<u64, Error> {
        let sql = format!(
            "UPDATE {} SET refused = NULL WHERE refused IS NOT NULL",
            self.table
        );
        client.execute(&sql, &[]).await
    }
}

/// What the relay of an outbox keeps.
pub(super) fn relay_table(outbox: &Table) -> Table {
    outbox.with("_relay")
}

/// A message that stays in the outbox because the server will not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The number of its row.
    pub id: i64,
    /// The server's words.
    pub why: String,
}
