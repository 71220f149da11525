//! Which member gets which shard: from who is there and what was, what is to be.
//!
//! As few shards move as possible. What *must* move goes to whoever has fewest; what *may* move (from a member that is
//! about to leave, or to spread the load) goes a few at a time, when it is asked for. A shard that changes hands, or
//! whose owner starts again, gets an epoch above all that the assignment or the database have seen, so that it can be
//! taken even if ZooKeeper forgot everything.

use super::assignment::{Assignment, Holding};
use super::member::{MemberId, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// A member as far as planning goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which run of which node.
    pub id: MemberId,
    /// What it is good for.
    pub standing: Standing,
}

/// What may be changed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Shards that nobody has, or whose owner is not there.
    pub abandoned: bool,
    /// Shards whose owner does not reach the database.
    pub stranded: bool,
    /// Shards of members that have more than their part.
    pub balance: bool,
    /// The most shards that are taken from owners which still serve them: from leaving ones, or for balance.
    pub planned: usize,
}

impl Scope {
    /// Everything at once.
    pub const ALL: Self = Self {
        abandoned: true,
        stranded: true,
        balance: true,
        planned: usize::MAX,
    };
}

/// What is to be, if that is not what is. `epochs` are those that the database knows, by shard.
pub fn plan(
    members: &[Candidate],
    old: &Assignment,
    epochs: &[u64],
    scope: Scope,
) -> Option<Assignment> {
    let mut table = Table::new(members, old, scope)?;
    let mut given: BTreeMap<usize, MemberId> = BTreeMap::new();
    let mut abandoned = Vec::new();
    let mut leaving = Vec::new();
    for (shard, holding) in old.shards().iter().enumerate() {
        let known = epochs.get(shard).copied().unwrap_or(0);
        match table.fate(holding, known) {
            Fate::Stays => {}
            Fate::Again(owner) => {
                given.insert(shard, owner);
            }
            Fate::Abandoned => abandoned.push(shard),
            Fate::Leaving => leaving.push(shard),
        }
    }
    let coming = abandoned.len() + leaving.len();
    leaving.truncate(scope.planned);
    let mut moving = abandoned;
    let room = scope.planned - leaving.len();
    moving.append(&mut leaving);
    if scope.balance {
        moving.extend(table.excess(coming, room));
    }
    for shard in moving {
        given.insert(shard, table.give());
    }
    follow(old, epochs, given)
}

/// The assignment in which some shards have been given anew.
fn follow(
    old: &Assignment,
    epochs: &[u64],
    given: BTreeMap<usize, MemberId>,
) -> Option<Assignment> {
    if given.is_empty() {
        return None;
    }
    let mut shards = old.shards().to_vec();
    for (shard, owner) in given {
        let known = epochs.get(shard).copied().unwrap_or(0);
        shards[shard] = Holding {
            owner: Some(owner),
            epoch: shards[shard].epoch.max(known) + 1,
        };
    }
    Some(old.followed_by(shards))
}

/// What becomes of a shard.
enum Fate {
    /// As it was; also what would change if the scope allowed it.
    Stays,
    /// The same node has it, with a new epoch: it is a new run of it, or the database is ahead of the assignment.
    Again(MemberId),
    /// It has no owner that could serve it.
    Abandoned,
    /// Its owner serves it until another has it.
    Leaving,
}

/// Who is there, and who gets shards.
struct Table<'a> {
    scope: Scope,
    /// The newest run of each node.
    present: BTreeMap<&'a str, &'a Candidate>,
    /// Those who get shards, with the ones they keep.
    takers: BTreeMap<&'a MemberId, BTreeSet<usize>>,
    /// How many shards each of them has in the end.
    load: BTreeMap<&'a MemberId, usize>,
}

impl<'a> Table<'a> {
    /// None where nobody could be given anything.
    fn new(members: &'a [Candidate], old: &Assignment, scope: Scope) -> Option<Self> {
        let mut present: BTreeMap<&str, &Candidate> = BTreeMap::new();
        for member in members {
            let newest = present.entry(member.id.node()).or_insert(member);
            if newest.id < member.id {
                *newest = member;
            }
        }
        let with = |standing| -> BTreeMap<&MemberId, BTreeSet<usize>> {
            let all = present.values().filter(|one| one.standing == standing);
            all.map(|one| (&one.id, BTreeSet::new())).collect()
        };
        // A node that is about to leave is better than none. One without the database is not.
        let mut takers = with(Standing::Ready);
        if takers.is_empty() {
            takers = with(Standing::Draining);
        }
        for (shard, holding) in old.shards().iter().enumerate() {
            let Some(owner) = &holding.owner else {
                continue;
            };
            // A node that starts again keeps what the run before had.
            let Some(newest) = present.get(owner.node()) else {
                continue;
            };
            if let Some(kept) = takers.get_mut(&newest.id) {
                kept.insert(shard);
            }
        }
        let load = takers.iter().map(|(id, kept)| (*id, kept.len())).collect();
        (!takers.is_empty()).then_some(Self {
            scope,
            present,
            takers,
            load,
        })
    }

    fn fate(&self, holding: &Holding, known: u64) -> Fate {
        let found = { holding.owner.as_ref() }.and_then(|owner| self.present.get(owner.node()));
        let Some(newest) = found else {
            return self.if_allowed(self.scope.abandoned, Fate::Abandoned);
        };
        let same = holding.owner.as_ref() == Some(&newest.id);
        if self.takers.contains_key(&newest.id) {
            // A database that is ahead would refuse the owner for ever.
            return if same && known <= holding.epoch {
                Fate::Stays
            } else {
                Fate::Again(newest.id.clone())
            };
        }
        match newest.standing {
            Standing::WithoutDatabase => self.if_allowed(self.scope.stranded, Fate::Abandoned),
            _ if same => Fate::Leaving,
            _ => self.if_allowed(self.scope.abandoned, Fate::Abandoned),
        }
    }

    fn if_allowed(&self, allowed: bool, fate: Fate) -> Fate {
        if allowed { fate } else { Fate::Stays }
    }

    /// Takes from those who have more than their part when `coming` shards will have been given, at most `max`.
    fn excess(&mut self, coming: usize, max: usize) -> Vec<usize> {
        let all = self.load.values().sum::<usize>() + coming;
        let (part, more) = (all / self.load.len(), all % self.load.len());
        let mut fullest: Vec<&MemberId> = self.load.keys().copied().collect();
        // Who has most keeps one more where the parts cannot be equal: that moves one less.
        fullest.sort_by_key(|id| std::cmp::Reverse(self.load[id]));
        let mut taken = Vec::new();
        for (rank, id) in fullest.into_iter().enumerate() {
            let part = part + usize::from(rank < more);
            let excess = self.load[id].saturating_sub(part).min(max - taken.len());
            taken.extend(self.takers[id].iter().rev().take(excess));
            self.load.entry(id).and_modify(|load| *load -= excess);
        }
        taken
    }

    /// Who gets the next one: whoever has fewest.
    fn give(&mut self) -> MemberId {
        let fewest = self.load.iter_mut().min_by_key(|(_, load)| **load);
        let (id, load) = fewest.expect("there are takers");
        *load += 1;
        (*id).clone()
    }
}

#[cfg(test)]
mod tests;
