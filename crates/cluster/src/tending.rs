//! What a node does for the segment tables beside landing: it makes the next one ahead of use, drops those that no shard
//! holds, tells how much of each its shards still need, and looks now and then whether the server can still be relied on.
//!
//! All nodes do it, each for itself: what they change, they change under an advisory lock.

use crate::connector::Connector;
use crate::database::lock;
use crate::desk::pause;
use crate::error::DatabaseError;
use crate::schema::{self, Part};
use crate::session::{Doubt, describe};
use crate::settings;
use crate::tables::Tables;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio_postgres::Client;

/// So often it looks round without being nudged.
const EVERY: Duration = Duration::from_secs(1);

/// A new table; nothing happens if it is there. Rows are never updated or deleted, so there is nothing to vacuum, and
/// 8,000 bytes of random data are not worth being compressed or moved out of line.
fn new_table(table: u32) -> String {
    format!(
        "create table if not exists landfall.seg_{table}(
             shard int not null, page bigint not null, epoch bigint not null, data bytea not null,
             primary key (shard, page)) with (autovacuum_enabled = false);
         alter table landfall.seg_{table} alter data set storage plain;
         insert into landfall.segment(seg) values ({table}) on conflict do nothing"
    )
}

/// Drops the tables that nobody holds, but never the two newest: somebody is about to write to them. Who is about to hold
/// one locks its row of `landfall.segment`, so the two never miss each other. Whoever reads a table for long keeps it.
const DROP_UNHELD: &str = "
    do $$
    declare unheld int;
    begin
        if not pg_catalog.pg_try_advisory_xact_lock(LOCK) then return; end if;
        perform pg_catalog.set_config('lock_timeout', '200ms', true);
        for unheld in
            select s.seg from landfall.segment s
             where s.seg < (select max(seg) - 1 from landfall.segment)
               and not exists (select from landfall.held h where h.seg = s.seg)
             order by s.seg
        loop
            begin
                perform from landfall.segment where seg = unheld for update;
                if not exists (select from landfall.held where seg = unheld) then
                    execute pg_catalog.format('drop table landfall.seg_%s', unheld);
                    delete from landfall.segment where seg = unheld;
                end if;
            exception when lock_not_available then null;
            end;
        end loop;
    end $$";

/// The tending of one node.
pub(crate) struct Tending {
    pub(crate) tables: Arc<Mutex<Tables>>,
    connector: Arc<Connector>,
    client: AsyncMutex<Option<Client>>,
    nudged: Notify,
}

impl Tending {
    pub(crate) fn new(connector: Arc<Connector>, tables: Arc<Mutex<Tables>>) -> Self {
        Self {
            tables,
            connector,
            client: AsyncMutex::new(None),
            nudged: Notify::new(),
        }
    }

    /// There may be something to do.
    pub(crate) fn nudge(&self) {
        self.nudged.notify_one();
    }

    async fn connect(&self) -> Result<Client, Doubt> {
        self.connector.client().await
    }

    /// Does something with the connection, which is given up if it fails.
    async fn with_client<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Doubt> {
        let mut slot = self.client.lock().await;
        let client = match slot.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect().await?,
        };
        let limit = self.connector.options.statement_limit;
        let done = tokio::time::timeout(limit, work(&client)).await;
        let done = done.map_err(|_| Doubt::Late(limit))?;
        let done = done.map_err(|error| Doubt::Failed(describe(&error)))?;
        *slot = Some(client);
        Ok(done)
    }

    /// Makes a table ahead of use, unless one is there.
    async fn make_ahead(&self) -> Result<(), Doubt> {
        if !lock(&self.tables).wants_one() {
            return Ok(());
        }
        let made = self.with_client(async |client| {
            let next = "select coalesce(max(seg), 0) + 1 from landfall.segment";
            let table: i32 = client.query_one(next, &[]).await?.get(0);
            let table = table.cast_unsigned();
            // Of two nodes that make the same one the second waits, and finds it there: they may share it.
            let lock = format!("select pg_advisory_xact_lock({});", schema::LOCK);
            client.batch_execute(&(lock + &new_table(table))).await?;
            Ok(table)
        });
        let table = made.await?;
        let mut tables = lock(&self.tables);
        if tables.wants_one() {
            tables.made(table);
        }
        Ok(())
    }

    /// Does all that there is to do.
    async fn look_round(&self) -> Result<(), Doubt> {
        self.make_ahead().await?;
        let (ours, unmeasured) = {
            let tables = lock(&self.tables);
            (tables.ours(), tables.unmeasured())
        };
        let drop_unheld = DROP_UNHELD.replace("LOCK", &schema::LOCK.to_string());
        let told = self.with_client(async |client| {
            tell_live(client, &ours).await?;
            client.batch_execute(&drop_unheld).await?;
            Ok((held(client).await?, sizes(client, &unmeasured).await?))
        });
        let (held, sizes) = told.await?;
        let mut tables = lock(&self.tables);
        tables.held(&held);
        for (table, bytes) in sizes {
            match bytes {
                Some(bytes) => tables.measured(table, bytes),
                None => tables.gone(table),
            }
        }
        Ok(())
    }

    /// Whether the server can still be relied on: Patroni, for one, leaves commits asynchronous for a while.
    async fn check_settings(&self) -> Result<(), Doubt> {
        let row = self.with_client(async |client| client.query_one(settings::QUESTION, &[]).await);
        let checked = self.connector.check(&row.await?);
        if checked.is_err() {
            self.connector.note_refused(self.connector.host());
            // Another host may be the primary by now.
            *self.client.lock().await = None;
        }
        checked.map(drop)
    }
}

/// Notes how much of each table our shards still need. It need not be so for ever: nothing but thrift depends on it.
async fn tell_live(client: &Client, ours: &[(u32, u32, u64)]) -> Result<(), tokio_postgres::Error> {
    let tables: Vec<i32> = ours.iter().map(|(table, ..)| table.cast_signed()).collect();
    let shards: Vec<i32> = ours
        .iter()
        .map(|(_, shard, _)| shard.cast_signed())
        .collect();
    let live: Vec<i64> = ours.iter().map(|(.., live)| live.cast_signed()).collect();
    let tell = "update landfall.held h set live = x.live
                  from unnest($1::int[], $2::int[], $3::bigint[]) x(seg, shard, live)
                 where h.seg = x.seg and h.shard = x.shard and h.live <> x.live";
    client.execute(tell, &[&tables, &shards, &live]).await?;
    Ok(())
}

/// What each shard needs of each table.
async fn held(client: &Client) -> Result<Vec<(u32, u32, u64)>, tokio_postgres::Error> {
    let rows = client
        .query("select seg, shard, live from landfall.held", &[])
        .await?;
    let row = |row: &tokio_postgres::Row| {
        let (table, shard, live): (i32, i32, i64) = (row.get(0), row.get(1), row.get(2));
        (
            table.cast_unsigned(),
            shard.cast_unsigned(),
            live.cast_unsigned(),
        )
    };
    Ok(rows.iter().map(row).collect())
}

/// The sizes of tables with their indexes; `None` for one that is gone.
async fn sizes(
    client: &Client,
    tables: &[u32],
) -> Result<Vec<(u32, Option<u64>)>, tokio_postgres::Error> {
    let numbers: Vec<i32> = tables.iter().map(|table| table.cast_signed()).collect();
    let ask = "select n, pg_total_relation_size(to_regclass(format('landfall.seg_%s', n))) from unnest($1::int[]) n";
    let rows = client.query(ask, &[&numbers]).await?;
    let row = |row: &tokio_postgres::Row| {
        let (table, bytes): (i32, Option<i64>) = (row.get(0), row.get(1));
        (table.cast_unsigned(), bytes.map(i64::cast_unsigned))
    };
    Ok(rows.iter().map(row).collect())
}

/// The first connection: what is there is brought up to date and looked at. Returns how many shards there are.
pub(crate) async fn begin(tending: Arc<Tending>, part: Part) -> Result<u32, DatabaseError> {
    let began = Instant::now();
    let mut client = None;
    for nth in 0.. {
        match tending.connect().await {
            Ok(connected) => {
                client = Some(connected);
                break;
            }
            Err(Doubt::Unsafe(why)) => return Err(refused(&why)),
            Err(doubt @ Doubt::Shut(_)) => return Err(DatabaseError::Refused(doubt.to_string())),
            Err(doubt) if began.elapsed() > tending.connector.options.patience => {
                return Err(DatabaseError::unreachable("reach the database", doubt));
            }
            Err(_) => tokio::time::sleep(pause(nth)).await,
        }
    }
    let mut client = client.expect("the loop ends with one");
    let shards = schema::migrate(&mut client, tending.connector.options.shards, &part).await?;
    let all = "select seg from landfall.segment";
    let rows = client.query(all, &[]).await;
    let rows =
        rows.map_err(|error| DatabaseError::unreachable("list the tables", describe(&error)))?;
    let there: Vec<u32> = rows
        .iter()
        .map(|row| row.get::<_, i32>(0).cast_unsigned())
        .collect();
    for table in there {
        // As good as full: nothing of ours goes there any more. Its size is asked for soon.
        lock(&tending.tables).add(table, 0, 0);
    }
    *tending.client.lock().await = Some(client);
    tending.look_round().await.map_err(|doubt| match doubt {
        Doubt::Unsafe(why) => refused(&why),
        doubt => DatabaseError::unreachable("look at the tables", doubt),
    })?;
    Ok(shards)
}

fn refused(why: &str) -> DatabaseError {
    DatabaseError::Refused(format!(
        "this database could lose what it has committed: {why}; set allow_asynchronous to use it all the same"
    ))
}

/// Makes a table now: somebody waits for it.
pub(crate) async fn make_table(tending: Arc<Tending>) -> Result<(), DatabaseError> {
    let began = Instant::now();
    for nth in 0.. {
        match tending.make_ahead().await {
            Ok(()) => break,
            Err(doubt) if began.elapsed() > tending.connector.options.patience => {
                return Err(DatabaseError::unreachable("make a segment table", doubt));
            }
            Err(_) => tokio::time::sleep(pause(nth)).await,
        }
    }
    Ok(())
}

/// Goes on until the thread ends.
pub(crate) async fn go_on(tending: Arc<Tending>) {
    let mut checked = Instant::now();
    let mut failures = 0;
    loop {
        let nudged = tokio::time::timeout(EVERY, tending.nudged.notified());
        // By a nudge or by the time: it is the same.
        let _ = nudged.await;
        let looked = if checked.elapsed() >= EVERY {
            checked = Instant::now();
            tending.check_settings().await
        } else {
            Ok(())
        };
        let done = match looked {
            Ok(()) => tending.look_round().await,
            Err(doubt) => Err(doubt),
        };
        match done {
            Ok(()) => failures = 0,
            Err(doubt) => {
                tracing::warn!(%doubt, "the segment tables cannot be tended; it is tried again");
                tokio::time::sleep(pause(failures)).await;
                failures += 1;
            }
        }
    }
}
