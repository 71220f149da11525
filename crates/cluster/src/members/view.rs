//! What a node knows of its cluster.

use super::assignment::Assignment;
use super::error::MembersError;
use super::lease::Lease;
use super::member::{Member, MemberId, State};
use super::request::Request;
use std::time::Instant;

/// What a node knows of its cluster. While ZooKeeper is silent it is what was known last: owners keep their shards, and
/// land as long as the database takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// This run of this node: the name under which it takes shards.
    pub me: MemberId,
    /// Whether this node is to get rid of its shards, because it said so or an operator did.
    pub state: State,
    /// Whether this node said that it reaches the database.
    pub database_ok: bool,
    /// What this node said that it serves: shards with their epochs.
    pub serving: Vec<(u32, u64)>,
    /// What it said that it has read ahead, to take it over.
    pub prepared: Vec<(u32, u64)>,
    /// Who is there, by name.
    pub members: Vec<Member>,
    /// Who is to own which shard. None before it was read for the first time.
    pub assignment: Option<Assignment>,
    /// Who decides that. None before it was read, and while an election goes on.
    pub controller: Option<MemberId>,
    /// The version of the definitions that was announced last: whoever has read an older one from the database reads
    /// again. It falls to 0 when ZooKeeper is emptied.
    pub definitions: u64,
    /// What is asked of the controller and not done yet, in the order in which it was asked for.
    pub requests: Vec<Request>,
    /// Whether ZooKeeper answers.
    pub zookeeper: ZooKeeper,
    /// Until when this node may deliver.
    pub lease: Lease,
}

/// Whether ZooKeeper answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZooKeeper {
    /// It does.
    Connected,
    /// It does not; that was noticed then. The node goes on with what it knows, and joins again by itself.
    SilentSince(Instant),
    /// This node has left, as it was told to.
    Left,
    /// This node is no member any more, and will not be before somebody has changed something: it should stop.
    Ended(MembersError),
}

impl View {
    pub(super) fn new(me: MemberId, state: State, database_ok: bool) -> Self {
        Self {
            me,
            state,
            database_ok,
            serving: Vec::new(),
            prepared: Vec::new(),
            members: Vec::new(),
            assignment: None,
            controller: None,
            definitions: 0,
            requests: Vec::new(),
            zookeeper: ZooKeeper::SilentSince(Instant::now()),
            lease: Lease::NONE,
        }
    }

    /// The shards that this node is to own, with the epochs to take them with.
    pub fn mine(&self) -> impl Iterator<Item = (u32, u64)> {
        let assignment = self.assignment.iter();
        assignment.flat_map(|assignment| assignment.of(&self.me))
    }

    /// The member that is to own a shard, if it is there.
    pub fn owner(&self, shard: u32) -> Option<&Member> {
        let owner = self.assignment.as_ref()?.owner(shard)?;
        self.members.iter().find(|member| member.id == *owner)
    }

    /// The member that says it serves a shard; of several the one with the highest epoch.
    pub fn server(&self, shard: u32) -> Option<&Member> {
        let epoch = |member: &&Member| {
            let mut serving = member.about.serving.iter();
            serving
                .find(|(one, _)| *one == shard)
                .map(|(_, epoch)| *epoch)
        };
        let serving = self.members.iter().filter(|one| epoch(one).is_some());
        serving.max_by_key(epoch)
    }

    /// Whether it is this node that decides who owns what.
    pub fn is_controller(&self) -> bool {
        self.controller.as_ref() == Some(&self.me)
    }
}
