//! What is on its way, as the database knows it.

use super::Interrupted;
use crate::message::Message;
use crate::postgres::outbox::relay_table;
use crate::postgres::table::{LOCK, Table};
use bytes::Bytes;
use model::{Properties, ShortStr};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

/// Rows that are sent together, with the numbers that they are sent under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) publisher: String,
    /// The publishing id of the first row; the others count on.
    first: i64,
    /// Rising.
    rows: Vec<i64>,
}

impl Batch {
    /// Nothing yet, of a publisher that counts from 1.
    pub(super) fn first_of(publisher: String) -> Self {
        Self {
            publisher,
            first: 1,
            rows: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The number of one of its rows.
    pub(super) fn publishing_id(&self, row: i64) -> u64 {
        let place = self.rows.partition_point(|&one| one < row) as u64;
        self.first.unsigned_abs() + place
    }

    /// The one behind it.
    fn followed_by(self, rows: Vec<i64>) -> Self {
        let count = i64::try_from(self.rows.len()).expect("a batch fits into memory");
        Self {
            publisher: self.publisher,
            first: self.first + count,
            rows,
        }
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(super) struct Finished {
    landed: Vec<i64>,
    refused: Vec<i64>,
    reasons: Vec<String>,
}

impl Finished {
    pub(super) fn landed(&mut self, row: i64) {
        self.landed.push(row);
    }

    pub(super) fn refused(&mut self, row: i64, why: String) {
        self.refused.push(row);
        self.reasons.push(why);
    }

    pub(super) fn landed_count(&self) -> u64 {
        self.landed.len() as u64
    }

    pub(super) fn refused_count(&self) -> u64 {
        self.refused.len() as u64
    }

    pub(super) fn count(&self) -> u64 {
        self.landed_count() + self.refused_count()
    }
}

/// A row of the outbox: its message, or why there is none in it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) id: i64,
    pub(super) message: Result<Message, String>,
}

/// The tables, and what they said last.
pub(super) struct Journal {
    client: Client,
    outbox: Table,
    relay: Table,
    known: Batch,
}

impl Journal {
    pub(super) fn new(client: Client, outbox: &Table) -> Self {
        Self {
            client,
            outbox: outbox.clone(),
            relay: relay_table(outbox),
            known: Batch::default(),
        }
    }

    /// Becomes the one relay of the outbox, for as long as the connection lives. False if there is another.
    pub(super) async fn take_charge(&mut self) -> Result<bool, Error> {
        // What is sent is decided by what was committed: a commit that a crash undoes would be decided again,
        // differently, after it was sent.
        let listen = format!(
            "SET synchronous_commit = on; LISTEN {}",
            self.outbox.channel()
        );
        self.client.batch_execute(&listen).await?;
        let sql = "SELECT pg_try_advisory_lock($1, $2::text::regclass::oid::int4)";
        let table = self.outbox.to_string();
        let row = self
            .client
            .query_typed_one(sql, &[(&LOCK, Type::INT4), (&table, Type::TEXT)])
            .await?;
        row.try_get(0)
    }

    /// What the relay before this one left on its way.
    pub(super) async fn underway(&mut self) -> Result<Batch, Error> {
        let sql = format!("SELECT publisher, first, batch FROM {}", self.relay);
        let row = self.client.query_typed_one(&sql, &[]).await?;
        self.known = batch_of(&row)?;
        Ok(self.known.clone())
    }

    /// In one transaction: what is finished goes, and what is next is written down, in the numbers behind `last`.
    pub(super) async fn advance(
        &mut self,
        finished: &Finished,
        last: Batch,
        most: u32,
        bytes: u32,
    ) -> Result<Batch, Interrupted> {
        let (outbox, relay) = (&self.outbox, &self.relay);
        let transaction = self.client.transaction().await?;
        // The lock is the connection's, and a connection can be gone without our knowing: this is what holds.
        let sql = format!("SELECT publisher, first, batch FROM {relay} FOR UPDATE");
        let row = transaction.query_typed_one(&sql, &[]).await?;
        if batch_of(&row)? != self.known {
            return Err(Interrupted::TakenOver);
        }
        if finished.landed_count() > 0 {
            let sql = format!("DELETE FROM {outbox} WHERE id = ANY($1)");
            let landed = (&finished.landed as _, Type::INT8_ARRAY);
            transaction.execute_typed(&sql, &[landed]).await?;
        }
        if finished.refused_count() > 0 {
            let sql = format!(
                "UPDATE {outbox} SET refused = said.why
                 FROM unnest($1, $2) AS said (id, why) WHERE {outbox}.id = said.id"
            );
            let rows = (&finished.refused as _, Type::INT8_ARRAY);
            let reasons = (&finished.reasons as _, Type::TEXT_ARRAY);
            transaction.execute_typed(&sql, &[rows, reasons]).await?;
        }
        let sql = format!(
            "SELECT id FROM (
                SELECT id, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS before
                FROM (SELECT id, body FROM {outbox} WHERE refused IS NULL ORDER BY id LIMIT $1) AS oldest
             ) AS counted WHERE before < $2 ORDER BY id"
        );
        let (most, bytes) = (i64::from(most), i64::from(bytes));
        let limits = [(&most as _, Type::INT8), (&bytes as _, Type::INT8)];
        let rows = transaction.query_typed(&sql, &limits).await?;
        let rows: Vec<i64> = rows
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?;
        let next = last.followed_by(rows);
        if next != self.known {
            let sql = format!("UPDATE {relay} SET publisher = $1, first = $2, batch = $3");
            let publisher = (&next.publisher as _, Type::TEXT);
            let first = (&next.first as _, Type::INT8);
            let rows = (&next.rows as _, Type::INT8_ARRAY);
            transaction
                .execute_typed(&sql, &[publisher, first, rows])
                .await?;
        }
        transaction.commit().await?;
        self.known = next.clone();
        Ok(next)
    }

    /// The rows of a batch that are still there, in order.
    pub(super) async fn fetch(&mut self, batch: &Batch) -> Result<Vec<Written>, Error> {
        let sql = format!(
            "SELECT id, exchange, routing_key, properties, body FROM {} WHERE id = ANY($1) ORDER BY id",
            self.outbox
        );
        let rows = (&batch.rows as _, Type::INT8_ARRAY);
        let rows = self.client.query_typed(&sql, &[rows]).await?;
        rows.iter().map(written).collect()
    }
}

fn batch_of(row: &Row) -> Result<Batch, Error> {
    Ok(Batch {
        publisher: row.try_get(0)?,
        first: row.try_get(1)?,
        rows: row.try_get(2)?,
    })
}

fn written(row: &Row) -> Result<Written, Error> {
    let (exchange, routing_key): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let (properties, body): (Vec<u8>, Vec<u8>) = (row.try_get(3)?, row.try_get(4)?);
    Ok(Written {
        id: row.try_get(0)?,
        message: message(&exchange, &routing_key, properties, body),
    })
}

/// A message of what a row says. Anybody may have written it.
fn message(
    exchange: &str,
    routing_key: &str,
    properties: Vec<u8>,
    body: Vec<u8>,
) -> Result<Message, String> {
    let name = |what: &str, text: &str| {
        ShortStr::try_from(text).map_err(|_| format!("{what} is over 255 bytes"))
    };
    let exchange = name("the exchange's name", exchange)?;
    let routing_key = name("the routing key", routing_key)?;
    let properties = Properties::from_bytes(Bytes::from(properties))
        .map_err(|error| format!("malformed properties: {error}"))?;
    Ok(Message::new(body.into())
        .exchange(exchange)
        .routing_key(routing_key)
        .properties(properties))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_on_where_the_one_before_it_ended() {
        let batch = Batch::first_of("p".into()).followed_by(vec![3, 9, 11]);
        let numbers = |batch: &Batch, rows: [i64; 2]| rows.map(|row| batch.publishing_id(row));
        assert_eq!(numbers(&batch, [3, 11]), [1, 3]);
        let next = batch.followed_by(vec![12, 40]);
        assert_eq!(numbers(&next, [12, 40]), [4, 5]);
        assert_eq!(next.followed_by(Vec::new()).followed_by(vec![7]).first, 6);
    }

    #[test]
    fn a_row_that_is_no_message_says_why() {
        let empty = || vec![0, 0];
        assert!(message("", "q", empty(), Vec::new()).is_ok());
        let long = "k".repeat(256);
        assert_eq!(
            message("", &long, empty(), Vec::new()),
            Err("the routing key is over 255 bytes".into())
        );
        assert!(message("", "q", vec![0x20, 0], Vec::new()).is_err());
    }
}
