//! `landfall migrate`: from a data directory into a cluster's database, or back.
//!
//! Nothing lands in the source and nothing leaves it; a data directory is opened as a start would, which tidies it up. The
//! target must be empty, and is read and compared when all has been written. Of one that was left half-way nobody makes use:
//! a database is refused by nodes and by the next migration, a data directory gets its name when it is complete.

mod comparing;
mod copying;
mod mind;

use crate::clock::Clock;
use crate::config::{Config, Member, ServeArgs};
use crate::joining::{join_as_guest, open_databases};
use crate::{log, taking};
use anyhow::{Context, Result, bail, ensure};
use cluster::{Claim, Database};
use comparing::{Same, compare};
use copying::copy;
use journal::{Journal, Options};
use mind::{Hearing, Mind};
use model::Timestamp;
use std::path::{Path, PathBuf};
use store::Store;

/// The options of `landfall migrate`.
#[derive(Debug, clap::Args)]
pub struct MigrateArgs {
    /// Migrate from the cluster's database into the data directory, which must not be there yet
    #[arg(long)]
    to_journal: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Migrates.
///
/// # Errors
/// If the target is not empty, a node is running, something cannot be read or written, or what was written is not what
/// was read.
pub async fn migrate(args: MigrateArgs) -> Result<()> {
    let config = args.serve.config()?;
    log::start(config.log_format, "warn")?;
    let member = config.member.clone();
    let member = member.context(
        "zookeeper and database are missing: they say which cluster (--zookeeper, --database)",
    )?;
    let to_journal = args.to_journal;
    let begun = Begun::begin(&config, &member).await?;
    let claim = begun.claim.clone();
    let database = begun.database.clone();
    let migrating = tokio::task::spawn_blocking(move || {
        let same = if to_journal {
            to_directory(&config, &database, &claim)
        } else {
            to_database(&config, &database, &claim)
        };
        same.map(|same| (same, config.data_dir))
    });
    let migrated = migrating.await.context("the migration panicked")?;
    begun.end().await;
    let (Same { queues, messages }, dir) = migrated?;
    let dir = dir.display();
    let (from, to) = match to_journal {
        false => (dir.to_string(), "the database".to_owned()),
        true => ("the database".to_owned(), dir.to_string()),
    };
    println!(
        "{queues} queues with {messages} messages are in {to} as they were in {from}, where they still are: \
         read again, and compared byte for byte"
    );
    Ok(())
}

/// The one shard of the cluster.
const SHARD: u32 = 0;

/// The cluster's shard, as of the only member that there is.
struct Begun {
    database: Database,
    members: cluster::members::MembersHandle,
    claim: Claim,
}

impl Begun {
    async fn begin(config: &Config, member: &Member) -> Result<Self> {
        let (databases, identity) = open_databases(member).await?;
        let (members, me, epoch) = join_as_guest(member, &databases, &identity).await?;
        let claim = Claim {
            shard: SHARD,
            epoch,
            owner: me,
            cache_bytes: config.memory_limit.cache_bytes(),
        };
        Ok(Self {
            database: databases.of(SHARD).clone(),
            members,
            claim,
        })
    }

    async fn end(self) {
        let (database, epoch) = (self.database, self.claim.epoch);
        let released = tokio::task::spawn_blocking(move || database.release(SHARD, epoch)).await;
        // The shard is whose turn it is next in any case.
        drop(released);
        self.members.leave().await;
    }
}

fn to_database(config: &Config, database: &Database, claim: &Claim) -> Result<Same> {
    // Nothing expires, and nothing's time comes, between reading and comparing.
    let now = Clock::start().now();
    let place = config.data_dir.display();
    // To open it makes one of any directory.
    ensure!(
        config.data_dir.join("format").is_file(),
        "{place} is no data directory"
    );
    let (mut source, journal) = open_directory(config, &config.data_dir, now)?;
    let target = {
        let mut hearing = Hearing::new(&config.limits);
        let mut unfinished = taking::Unfinished::default();
        let (store, _) = database.take(claim.clone(), &mut |told| {
            unfinished.hear(&told);
            hearing.hear(told);
        })?;
        unfinished.check()?;
        ensure!(
            hearing.heard == 0,
            "the database is not empty: it holds {} records of a cluster; migrate into a new one",
            hearing.heard
        );
        store
    };
    let numbers = copy(&mut source, Box::new(target))?;
    let mut written = open_shard(config, database, claim, now)?.0;
    let same = compare(&mut source, &mut written, &numbers);
    drop(journal);
    same
}

fn to_directory(config: &Config, database: &Database, claim: &Claim) -> Result<Same> {
    let now = Clock::start().now();
    let dir = &config.data_dir;
    ensure!(!dir.exists(), "{} is there already", dir.display());
    let (mut source, store) = open_shard(config, database, claim, now)?;
    let unfinished = beside(dir)?;
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).context("cannot remove what was left half-way")?;
    }
    let (_, target) = open_directory(config, &unfinished, now)?;
    let numbers = copy(&mut source, Box::new(target))?;
    let (mut written, journal) = open_directory(config, &unfinished, now)?;
    let same = compare(&mut source, &mut written, &numbers)?;
    still_owned(database, claim)?;
    drop((written, journal, store));
    std::fs::rename(&unfinished, dir).context("cannot give the data directory its name")?;
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty());
    let above = std::fs::File::open(above.unwrap_or(Path::new(".")));
    above
        .and_then(|above| above.sync_all())
        .context("cannot sync the folder of the data directory")?;
    Ok(same)
}

/// What was read counts only if nobody has taken the shard since: a node that did has landed more, and forgotten some.
fn still_owned(database: &Database, claim: &Claim) -> Result<()> {
    let owners = database.owners()?;
    let owner = owners.get(claim.shard as usize);
    ensure!(
        owner.is_some_and(|it| it.epoch == claim.epoch && it.owner == claim.owner),
        "a node of the cluster was started meanwhile: stop it, and migrate again"
    );
    Ok(())
}

/// Where a data directory is until it is complete.
fn beside(dir: &Path) -> Result<PathBuf> {
    let name = dir.file_name();
    let name = name.with_context(|| format!("{} names no directory", dir.display()))?;
    let mut unfinished = name.to_owned();
    unfinished.push(".migrating");
    Ok(dir.with_file_name(unfinished))
}

fn open_directory(config: &Config, dir: &Path, now: Timestamp) -> Result<(Mind, Journal)> {
    let options = Options {
        dir: dir.to_owned(),
        segment_bytes: crate::serve::SEGMENT_BYTES,
        disk_free_limit: config.disk_free_limit,
        cache_bytes: config.memory_limit.cache_bytes(),
    };
    let mut hearing = Hearing::new(&config.limits);
    let (journal, _) = Journal::open(options, &mut |told| hearing.hear(told))?;
    let mind = hearing.finish(now, journal.reader());
    Ok((mind, journal))
}

fn open_shard(
    config: &Config,
    database: &Database,
    claim: &Claim,
    now: Timestamp,
) -> Result<(Mind, cluster::ShardStore)> {
    let mut hearing = Hearing::new(&config.limits);
    let mut unfinished = taking::Unfinished::default();
    let (store, _) = database.take(claim.clone(), &mut |told| {
        unfinished.hear(&told);
        hearing.hear(told);
    })?;
    unfinished.check()?;
    if hearing.heard == 0 {
        bail!("the database holds nothing of a cluster");
    }
    let reader = store.reader();
    Ok((hearing.finish(now, reader), store))
}
