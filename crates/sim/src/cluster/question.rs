//! What a node asks ZooKeeper, and why.

use super::zookeeper::Ask;
use cluster::members::{MemberId, State};

/// Why something is asked.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    // To become a member.
    Catch,
    Found,
    Runs,
    Register,
    Old,
    Withdraw,
    // To know.
    Names,
    Of(MemberId),
    Assignment,
    /// Asked then.
    Renew(u64),
    // To be known.
    Mine,
    Say(State),
    // To be elected, and to rule.
    Stand,
    Candidates,
    Ahead,
    Write,
    Reread,
    Resign,
    Requests,
    Leaver,
    Drain,
    Remove,
}

/// What a node wants to hear of.
#[derive(Clone, Debug)]
pub(super) enum Watch {
    Names,
    Of(MemberId),
    Assignment,
    Mine,
    Ahead,
    Requests,
}

/// A question on its way.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) purpose: Purpose,
    pub(super) ask: Ask,
    pub(super) watch: Option<Watch>,
}

impl Watch {
    /// Whether it is the same that was set.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Of(one), Self::Of(other)) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}
