//! What is read again whenever it changes: the members, the assignment, the controller, the announced definitions, what
//! is asked of the controller.
//!
//! Every read leaves a watch that tells of the next change, once. Such a watch is set again by the library after a lost
//! connection, from the state that was read, so that no change is missed; lasting watches can miss some
//! (ZOOKEEPER-4698). What comes between a change and the next read is in what the next read says.

use super::assignment::Assignment;
use super::error::Unreadable;
use super::member::{About, Member, MemberId};
use super::request::Request;
use super::silence::{End, persist};
use super::tree;
use super::view::View;
use std::collections::BTreeMap;
use std::convert::Infallible;
use tokio::sync::watch::Sender;
use tokio::task::JoinSet;
use tracing::{error, info};
use zookeeper_client::{Client, Error};

/// What this session has read, for its own parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) members: Option<Vec<Member>>,
    /// With the version of its znode.
    pub(super) assignment: Option<(Assignment, i32)>,
}

/// What changed among the members.
enum Change {
    Names,
    Of(MemberId),
}

/// Keeps knowing who is there. Each member's znode is watched by all: a change costs one event for each member, where a
/// znode for each shard would cost 256.
pub(super) async fn members(
    client: &Client,
    known: &Sender<Known>,
    view: &Sender<View>,
) -> Result<Infallible, End> {
    let mut roll = Roll::default();
    let mut change = Change::Names;
    loop {
        match change {
            Change::Names => roll.call(client).await?,
            Change::Of(id) => roll.read_again(client, id).await?,
        }
        publish(&roll.entries, known, view);
        let next = roll.changes.join_next().await;
        change = next.and_then(Result::ok).unwrap_or(Change::Names);
    }
}

/// Who is there, and the watches that tell of changes.
#[derive(Default)]
struct Roll {
    entries: BTreeMap<MemberId, Entry>,
    changes: JoinSet<Change>,
}

struct Entry {
    /// What the member says; none if that cannot be read.
    about: Option<About>,
    /// Its znode has been seen to be gone, and the names have not been read since. Until then it stays: whoever took
    /// its place is among the names, and without either its shards would be given away.
    gone: bool,
}

impl Roll {
    /// Reads the names, and what newcomers say.
    async fn call(&mut self, client: &Client) -> Result<(), End> {
        let read = async || client.list_and_watch_children(tree::MEMBERS).await;
        let (names, watcher) = persist(read).await?;
        self.changes.spawn(async {
            watcher.changed().await;
            Change::Names
        });
        let there = names.iter().filter_map(|name| name.parse().ok());
        let there: Vec<MemberId> = there.collect();
        self.entries.retain(|id, _| there.contains(id));
        for id in there {
            if self.entries.get(&id).is_none_or(|entry| entry.gone) {
                // One that is gone again is not in the next names.
                if let Some(about) = self.read(client, &id).await? {
                    let gone = false;
                    self.entries.insert(id, Entry { about, gone });
                }
            }
        }
        Ok(())
    }

    /// Reads what one member says now.
    async fn read_again(&mut self, client: &Client, id: MemberId) -> Result<(), End> {
        if !self.entries.contains_key(&id) {
            return Ok(());
        }
        let read = self.read(client, &id).await?;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.gone = read.is_none();
            entry.about = read.unwrap_or(entry.about.take());
        }
        Ok(())
    }

    /// Reads and watches one member; none if it is not there.
    async fn read(&mut self, client: &Client, id: &MemberId) -> Result<Option<Option<About>>, End> {
        let path = tree::member(id);
        let read = persist(async || match client.get_and_watch_data(&path).await {
            Err(Error::NoNode) => Ok(None),
            other => other.map(Some),
        });
        let Some((data, _, watcher)) = read.await? else {
            return Ok(None);
        };
        let changed = id.clone();
        self.changes.spawn(async {
            watcher.changed().await;
            Change::Of(changed)
        });
        let about = About::decode(&data);
        if let Err(why) = &about {
            error!(member = %id, %why, "a member says what cannot be read: it gets no shards");
        }
        Ok(Some(about.ok()))
    }
}

fn publish(entries: &BTreeMap<MemberId, Entry>, known: &Sender<Known>, view: &Sender<View>) {
    let there = entries.iter().filter_map(|(id, entry)| {
        let (id, about) = (id.clone(), entry.about.clone()?);
        Some(Member { id, about })
    });
    let there: Vec<Member> = there.collect();
    known.send_modify(|known| known.members = Some(there.clone()));
    view.send_if_modified(|view| {
        let changed = view.members != there;
        view.members = there;
        changed
    });
}

/// Keeps knowing who is to own what.
pub(super) async fn assignment(
    client: &Client,
    shards: u32,
    known: &Sender<Known>,
    view: &Sender<View>,
) -> Result<Infallible, End> {
    loop {
        let read = async || client.get_and_watch_data(tree::ASSIGNMENT).await;
        let (data, stat, watcher) = persist(read).await?;
        let assignment = Assignment::decode(&data).and_then(|one| fits(one, shards));
        let assignment = assignment.map_err(|why| End::unreadable(tree::ASSIGNMENT, why))?;
        known.send_modify(|known| known.assignment = Some((assignment.clone(), stat.version)));
        view.send_if_modified(|view| {
            let changed = view.assignment.as_ref() != Some(&assignment);
            view.assignment = Some(assignment);
            changed
        });
        watcher.changed().await;
    }
}

pub(super) fn fits(assignment: Assignment, shards: u32) -> Result<Assignment, Unreadable> {
    let found = assignment.shards().len();
    if found == shards as usize {
        return Ok(assignment);
    }
    Err(Unreadable::Damaged(format!(
        "it tells of {found} shards, the cluster has {shards}"
    )))
}

/// Keeps knowing which version of the definitions was announced last.
pub(super) async fn definitions(client: &Client, view: &Sender<View>) -> Result<Infallible, End> {
    loop {
        let read = async || client.get_and_watch_data(tree::DEFINITIONS).await;
        let (data, _, watcher) = persist(read).await?;
        let version = tree::version(&data)?;
        view.send_if_modified(|view| {
            let changed = view.definitions != version;
            view.definitions = version;
            changed
        });
        watcher.changed().await;
    }
}

/// Keeps knowing what is asked of the controller.
pub(super) async fn requests(client: &Client, view: &Sender<View>) -> Result<Infallible, End> {
    loop {
        let read = async || client.list_and_watch_children(tree::REQUESTS).await;
        let (mut names, watcher) = persist(read).await?;
        names.sort_unstable();
        let mut requests = Vec::new();
        for name in names {
            let path = format!("{}/{name}", tree::REQUESTS);
            // What cannot be read is for the elected to refuse.
            let data = data_of(client, &path).await?;
            requests.extend(data.and_then(|data| Request::decode(&data).ok()));
        }
        view.send_if_modified(|view| {
            let changed = view.requests != requests;
            view.requests = requests;
            changed
        });
        watcher.changed().await;
    }
}

/// Keeps knowing who is elected.
pub(super) async fn controller(client: &Client, view: &Sender<View>) -> Result<Infallible, End> {
    loop {
        let read = async || client.list_and_watch_children(tree::ELECTION).await;
        let (mut candidates, watcher) = persist(read).await?;
        // The number at the end decides, whatever stands before it.
        candidates.sort_unstable_by(|a, b| number(a).cmp(number(b)));
        let elected = match candidates.first() {
            Some(name) => who_is(client, &format!("{}/{name}", tree::ELECTION)).await?,
            None => None,
        };
        view.send_if_modified(|view| {
            let changed = view.controller != elected;
            if changed && let Some(elected) = &elected {
                info!(controller = %elected, "elected");
            }
            view.controller = elected;
            changed
        });
        watcher.changed().await;
    }
}

/// The digits that ZooKeeper put at the end of a name.
fn number(name: &str) -> &str {
    let digits = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    &name[digits..]
}

async fn who_is(client: &Client, path: &str) -> Result<Option<MemberId>, End> {
    let name = data_of(client, path).await?;
    let name = name.and_then(|data| String::from_utf8(data).ok());
    Ok(name.and_then(|name| name.parse().ok()))
}

/// What a znode says; none if it is gone since: the watch will tell.
async fn data_of(client: &Client, path: &str) -> Result<Option<Vec<u8>>, End> {
    let read = persist(async || match client.get_data(path).await {
        Err(Error::NoNode) => Ok(None),
        other => other.map(Some),
    });
    Ok(read.await?.map(|(data, _)| data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_candidate_is_at_the_end_of_its_name() {
        let name = "_c_0c9a3c1e-9c0c-4b8e-8f6e-9a2d1f0b7777-latch-0000000012";
        assert_eq!(number(name), "0000000012");
        assert_eq!(number("latch-"), "");
    }
}
