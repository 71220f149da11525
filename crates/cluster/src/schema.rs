//! What is in the database beside the pages, made and brought up to date by the node that starts first.

use crate::error::DatabaseError;
use crate::identity::Identity;
use crate::session::describe;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

/// Under this number of an advisory lock the schema and the set of segment tables are changed: "landfall" in ASCII.
pub(crate) const LOCK: i64 = i64::from_be_bytes(*b"landfall");

/// Each step leads from one version to the next; a step that was released is never changed.
const STEPS: &[&str] = &["
    create table landfall.shard(
        shard     int         primary key,
        owner     text        not null default '',
        epoch     bigint      not null default 0,
        head      bigint      not null default 0,
        snap      bigint      not null default 0,
        snap_seg  int         not null default 0,
        backend   int         not null default 0,
        since     timestamptz not null default now()
    ) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
    comment on column landfall.shard.epoch is 'the number of the ownership; nothing is landed under a lower one';
    comment on column landfall.shard.head is 'the number of the next page: what every append compares and sets';
    comment on column landfall.shard.snap is 'the page where the snapshot of the last checkpoint begins';
    comment on column landfall.shard.snap_seg is 'the segment table that it is in; 0 for none';
    create table landfall.segment(
        seg       int         primary key,
        created   timestamptz not null default now());
    create table landfall.held(
        seg       int         not null references landfall.segment,
        shard     int         not null references landfall.shard,
        live      bigint      not null default 0,
        primary key (shard, seg)
    ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
    create index held_seg on landfall.held(seg);
    comment on table landfall.held is 'which shard needs which segment table: what nobody holds is dropped';
    comment on column landfall.held.live is 'about how many bytes of it the shard still needs';
", "
    create table landfall.part(
        one       bool        primary key default true check (one),
        place     int         not null,
        databases int         not null);
    comment on table landfall.part is 'one of several databases of its cluster';
    comment on column landfall.part.place is 'it has the lanes of the shards with this number modulo databases';
"];

/// The version of a cluster's only database. Programs that know no more read it, and those that know more write it.
const ALONE: i32 = 1;

/// The version of one of several databases, and the newest that this program knows.
const SEVERAL: i32 = STEPS.len() as i32;

const FIRST: &str = "
    create schema if not exists landfall;
    create table if not exists landfall.store(
        one       bool        primary key default true check (one),
        cluster   uuid        not null default gen_random_uuid(),
        secret    uuid        not null default gen_random_uuid(),
        shards    int         not null,
        version   int         not null)";

/// What a database is of its cluster's.
#[derive(Clone)]
pub(crate) struct Part {
    /// Its place among them, from 0.
    pub(crate) place: u32,
    /// How many there are.
    pub(crate) databases: u32,
    /// The cluster, where another database says which it is.
    pub(crate) of: Option<Identity>,
}

impl Part {
    /// The only one.
    pub(crate) const WHOLE: Self = Self {
        place: 0,
        databases: 1,
        of: None,
    };

    fn version(&self) -> i32 {
        if self.databases == 1 { ALONE } else { SEVERAL }
    }
}

/// What a database is found to be.
struct Found {
    version: i32,
    shards: u32,
    cluster: String,
    /// Its place, and among how many.
    part: Option<(i32, i32)>,
}

impl Found {
    /// Why it is not the one that is meant.
    fn objection(&self, part: &Part, shards: u32) -> Option<String> {
        let Self { version, .. } = *self;
        if version > SEVERAL {
            return Some(format!(
                "the database has schema version {version}, this program knows versions up to {SEVERAL}"
            ));
        }
        let other = part.of.as_ref().filter(|of| of.cluster != self.cluster);
        if let Some(of) = other {
            let (found, wanted) = (&self.cluster, &of.cluster);
            return Some(format!(
                "the database belongs to cluster {found}, those before it to {wanted}"
            ));
        }
        let meant = (part.place as i32, part.databases as i32);
        let wanted = format!("database {} of {}", meant.0 + 1, meant.1);
        match self.part {
            Some((place, databases)) if (place, databases) != meant => {
                let is = format!("database {} of {databases} of its cluster", place + 1);
                Some(format!(
                    "the database is {is}, not {wanted}: all of them must be named, in their order"
                ))
            }
            None if version >= ALONE && meant.1 > 1 => Some(format!(
                "the database is the only one of its cluster, and cannot become {wanted}"
            )),
            _ if part.of.is_some() && self.shards != shards => Some(format!(
                "the database is of a cluster of {} shards, not {shards}",
                self.shards
            )),
            _ => None,
        }
    }
}

/// Brings the schema up to date; returns how many shards the cluster has.
pub(crate) async fn migrate(
    client: &mut Client,
    shards: u32,
    part: &Part,
) -> Result<u32, DatabaseError> {
    let migrated = steps(client, shards, part).await;
    let migrated = migrated.map_err(|error| {
        DatabaseError::unreachable("bring the schema up to date", describe(&error))
    })?;
    migrated.map_err(DatabaseError::Refused)
}

/// Nothing is changed where the database is another than is meant: then the answer says why.
async fn steps(
    client: &mut Client,
    shards: u32,
    part: &Part,
) -> Result<Result<u32, String>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction
        .execute("select pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    if !is_there(&transaction, "landfall.store").await? {
        make(&transaction, shards, part).await?;
    }
    let found = look(&transaction).await?;
    if let Some(why) = found.objection(part, shards) {
        return Ok(Err(why));
    }
    let (done, wanted) = (found.version, part.version());
    for version in done..wanted {
        let step = STEPS[version.unsigned_abs() as usize];
        transaction.batch_execute(step).await?;
    }
    if done < wanted {
        let fill = "insert into landfall.shard(shard) select * from generate_series(0, $1 - 1) on conflict do nothing";
        let count = found.shards.cast_signed();
        transaction.execute(fill, &[&count]).await?;
        let note = "update landfall.store set version = $1";
        transaction.execute(note, &[&wanted]).await?;
    }
    if part.databases > 1 && found.part.is_none() {
        let note = "insert into landfall.part(place, databases) values ($1, $2)";
        let (place, databases) = (part.place.cast_signed(), part.databases.cast_signed());
        transaction.execute(note, &[&place, &databases]).await?;
    }
    transaction.commit().await?;
    Ok(Ok(found.shards))
}

async fn is_there(
    transaction: &Transaction<'_>,
    table: &str,
) -> Result<bool, tokio_postgres::Error> {
    let found = "select to_regclass($1) is not null";
    Ok(transaction.query_one(found, &[&table]).await?.get(0))
}

/// Of several databases all belong to the cluster of the first.
async fn make(
    transaction: &Transaction<'_>,
    shards: u32,
    part: &Part,
) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute(FIRST).await?;
    let shards = shards.cast_signed();
    let Some(of) = &part.of else {
        let first = "insert into landfall.store(shards, version) values ($1, 0)";
        return transaction.execute(first, &[&shards]).await.map(drop);
    };
    let next = "insert into landfall.store(cluster, secret, shards, version) \
                values ($1::text::uuid, $2::text::uuid, $3, 0)";
    let secret = format!("{:032x}", of.secret);
    let values: [&(dyn ToSql + Sync); 3] = [&of.cluster, &secret, &shards];
    transaction.execute(next, &values).await.map(drop)
}

async fn look(transaction: &Transaction<'_>) -> Result<Found, tokio_postgres::Error> {
    let row = transaction
        .query_one(
            "select version, shards, cluster::text from landfall.store",
            &[],
        )
        .await?;
    let part = match is_there(transaction, "landfall.part").await? {
        true => {
            let part = "select place, databases from landfall.part";
            transaction.query_opt(part, &[]).await?
        }
        false => None,
    };
    Ok(Found {
        version: row.get(0),
        shards: row.get::<_, i32>(1).cast_unsigned(),
        cluster: row.get(2),
        part: part.map(|part| (part.get(0), part.get(1))),
    })
}
