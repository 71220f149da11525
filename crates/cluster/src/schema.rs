//! What is in the database beside the pages, made and brought up to date by the node that starts first.

use crate::error::DatabaseError;
use crate::session::describe;
use tokio_postgres::Client;

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
"];

/// The version that this program writes.
const VERSION: i32 = STEPS.len() as i32;

const FIRST: &str = "
    create schema if not exists landfall;
    create table if not exists landfall.store(
        one       bool        primary key default true check (one),
        cluster   uuid        not null default gen_random_uuid(),
        secret    uuid        not null default gen_random_uuid(),
        shards    int         not null,
        version   int         not null)";

/// Brings the schema up to date; returns how many shards the cluster has.
pub(crate) async fn migrate(client: &mut Client, shards: u32) -> Result<u32, DatabaseError> {
    let migrated = steps(client, shards).await;
    let (version, shards) = migrated.map_err(|error| {
        DatabaseError::unreachable("bring the schema up to date", describe(&error))
    })?;
    if version > VERSION {
        return Err(DatabaseError::Refused(format!(
            "the database has schema version {version}, this program knows versions up to {VERSION}"
        )));
    }
    Ok(shards)
}

async fn steps(client: &mut Client, shards: u32) -> Result<(i32, u32), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction
        .execute("select pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let found = "select to_regclass('landfall.store') is not null";
    let is_there: bool = transaction.query_one(found, &[]).await?.get(0);
    if !is_there {
        transaction.batch_execute(FIRST).await?;
        let first = "insert into landfall.store(shards, version) values ($1, 0)";
        transaction.execute(first, &[&(shards as i32)]).await?;
    }
    let row = transaction
        .query_one("select version, shards from landfall.store", &[])
        .await?;
    let (version, shards): (i32, i32) = (row.get(0), row.get(1));
    let done = usize::try_from(version).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction.batch_execute(step).await?;
    }
    if version < VERSION {
        let fill = "insert into landfall.shard(shard) select * from generate_series(0, $1 - 1) on conflict do nothing";
        transaction.execute(fill, &[&shards]).await?;
        let note = "update landfall.store set version = $1";
        transaction.execute(note, &[&VERSION]).await?;
    }
    transaction.commit().await?;
    Ok((version.max(VERSION), shards.cast_unsigned()))
}
