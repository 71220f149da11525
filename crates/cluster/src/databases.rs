//! Several databases behind one cluster: each has the lanes of some of its shards, for good. A shard is in the database
//! whose place in the list is the shard's number modulo how many there are.
//!
//! The first one says which cluster it is. Each of the others is told so when it is made, and its place: databases in
//! another order, or of another cluster, are refused before anything is read from them.

use crate::database::{Database, Ownership};
use crate::error::DatabaseError;
use crate::identity::Identity;
use crate::options::Options;
use crate::schema::Part;
use std::sync::Arc;

/// The databases of a cluster, at least one. Clones are the same.
#[derive(Clone)]
pub struct Databases(Arc<[Database]>);

impl Databases {
    /// Opens all of them: `options.database` is the first, `others` are those behind it.
    ///
    /// # Errors
    /// As [`Database::open`]; `Refused` too for a database of another cluster, or at another place.
    pub fn open(options: Options, others: &[String]) -> Result<Self, DatabaseError> {
        let databases = 1 + u32::try_from(others.len()).unwrap_or(u32::MAX);
        if options.shards < databases {
            let shards = options.shards;
            return Err(DatabaseError::Refused(format!(
                "{databases} databases need at least as many shards: there would be {shards}"
            )));
        }
        let part = |place, of| Part {
            place,
            databases,
            of,
        };
        let first = Database::open_part(options.clone(), part(0, None))?;
        let identity = first.identity()?;
        let mut each = vec![first];
        for (place, address) in (1..).zip(others) {
            let options = Options {
                database: address.clone(),
                shards: each[0].shards(),
                ..options.clone()
            };
            let part = part(place, Some(identity.clone()));
            each.push(Database::open_part(options, part)?);
        }
        Ok(Self(each.into()))
    }

    /// The database that has a shard's lane.
    pub fn of(&self, shard: u32) -> &Database {
        &self.0[self.place(shard)]
    }

    /// The place of the database that has a shard's lane, from 0.
    pub fn place(&self, shard: u32) -> usize {
        shard as usize % self.0.len()
    }

    /// All of them, in order.
    pub fn each(&self) -> &[Database] {
        &self.0
    }

    /// How many shards the cluster has.
    pub fn shards(&self) -> u32 {
        self.0[0].shards()
    }

    /// Which cluster they belong to.
    ///
    /// # Errors
    /// As [`Database::identity`].
    pub fn identity(&self) -> Result<Identity, DatabaseError> {
        self.0[0].identity()
    }

    /// Who has which shard, in the order of the shards.
    ///
    /// # Errors
    /// `Unreachable`, where one of them is.
    pub fn owners(&self) -> Result<Vec<Ownership>, DatabaseError> {
        let told = self.0.iter().map(Database::owners);
        let told: Vec<Vec<Ownership>> = told.collect::<Result<_, _>>()?;
        let place = |one: &Ownership| self.place(one.shard);
        let all = (0..).zip(told).flat_map(|(of, owners)| {
            let owners = owners.into_iter();
            owners.filter(move |one| place(one) == of)
        });
        let mut all: Vec<Ownership> = all.collect();
        all.sort_unstable_by_key(|one| one.shard);
        Ok(all)
    }
}
