//! What became of an append whose outcome is unknown.
//!
//! The shard's head says it, but only once nothing can take the answer back. So the question is itself a commit on the
//! shard's row: it waits behind a statement that is still at work there, and, as commits wait for the standbys in their
//! order, for everything before it.
//!
//! | the row | what it means | what is done |
//! |---|---|---|
//! | our epoch, head where it was | not landed; the statement may still be on its way, but finds the head moved if it comes second | it is asked for again |
//! | our epoch, head where it was to be | landed | it is confirmed |
//! | a higher epoch | somebody else has the shard | fenced |
//! | a lower epoch, or another head | the database has lost what it had committed, or somebody wrote to it by hand | damaged |

use crate::error::DatabaseError;
use crate::line::Append;
use crate::session::{Doubt, Session};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Landed,
    /// It is not: it is asked for again.
    NotLanded,
    /// It never will be.
    Refused(DatabaseError),
}

const CONFIRM: &str = "
    update landfall.shard set since = since where shard = $1 and epoch = $2 returning head";
const LOOK: &str = "select epoch, head from landfall.shard where shard = $1";

/// Finds out what became of an append.
pub(crate) async fn confirm(
    session: &mut Session,
    limit: Duration,
    append: &Append,
) -> Result<Verdict, Doubt> {
    let (shard, epoch) = (append.shard.cast_signed(), append.epoch);
    let ours: [(&(dyn ToSql + Sync), Type); 2] = [(&shard, Type::INT4), (&epoch, Type::INT8)];
    let rows = session
        .commit(limit, |client| client.query_typed(CONFIRM, &ours))
        .await?;
    if let Some(row) = rows.first() {
        return Ok(judge(append, append.epoch, row.get(0)));
    }
    let rows = session
        .run(limit, |client| client.query_typed(LOOK, &ours[..1]))
        .await?;
    Ok(match rows.first() {
        Some(row) => judge(append, row.get(0), row.get(1)),
        None => Verdict::Refused(DatabaseError::Refused(format!(
            "the cluster has no shard {}",
            append.shard
        ))),
    })
}

/// The table above: what the row of its shard says of an append.
pub fn judge(append: &Append, epoch: i64, head: i64) -> Verdict {
    if epoch > append.epoch {
        return Verdict::Refused(fenced(append.shard, append.epoch, epoch));
    }
    if epoch == append.epoch && head == append.next() {
        return Verdict::Landed;
    }
    if epoch == append.epoch && head == append.head {
        return Verdict::NotLanded;
    }
    Verdict::Refused(DatabaseError::Damaged {
        shard: append.shard,
        place: "its row in landfall.shard".to_owned(),
        what: format!(
            "epoch {epoch} and head {head} stand there, epoch {} and head {} or {} were due: the database has lost what it had committed",
            append.epoch,
            append.head,
            append.next()
        ),
    })
}

/// Somebody else has the shard.
pub(crate) fn fenced(shard: u32, epoch: i64, by: i64) -> DatabaseError {
    DatabaseError::Fenced {
        shard,
        epoch: epoch.cast_unsigned(),
        by: by.cast_unsigned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn the_row_says_what_became_of_it() {
        let append = Append {
            shard: 7,
            epoch: 3,
            head: 10,
            table: 1,
            pages: vec![Bytes::new(), Bytes::new()],
        };
        let judged = |epoch, head| judge(&append, epoch, head);
        assert_eq!(judged(3, 10), Verdict::NotLanded);
        assert_eq!(judged(3, 12), Verdict::Landed);
        for head in [0, 10, 12, 99] {
            let fenced = DatabaseError::Fenced {
                shard: 7,
                epoch: 3,
                by: 4,
            };
            assert_eq!(judged(4, head), Verdict::Refused(fenced));
        }
        for (epoch, head) in [(3, 9), (3, 11), (3, 13), (2, 10), (2, 12)] {
            let verdict = judged(epoch, head);
            let Verdict::Refused(DatabaseError::Damaged { what, .. }) = verdict else {
                panic!("epoch {epoch}, head {head}: {verdict:?}");
            };
            assert!(what.contains("has lost what it had committed"));
        }
    }
}
