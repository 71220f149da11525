//! What the elected member writes next: from what it was told and when, to what it wants done. No IO and no clock.
//!
//! The controller reacts to whoever is there. A dead member's shards move at once; a leaving one's a few at a time, the
//! next when the database says that the ones before have been taken; and shards go back to a node that returned only
//! when nothing has changed for a while. Nothing is written before the database has been asked for the epochs that it
//! knows, and one write is under way at a time.
//!
//! `now` is the time since ZooKeeper gave this member its session.

use super::assignment::Assignment;
use super::fitting::standing;
use super::member::{Member, MemberId, State};
use super::planner::{Candidate, Scope, plan};
use super::request::Request;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How hasty the controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// After an outage of ZooKeeper the members come back one by one, and so they start: for so long after its own
    /// session began the controller gives nobody's shards away. A session's time-out is enough.
    pub gather: Duration,
    /// A database that fails over is missed by all nodes, and found by one of them first: a node that misses it loses
    /// its shards when the members have said the same for so long.
    pub stranded: Duration,
    /// Shards are spread anew when the members have been the same for so long.
    pub stable: Duration,
    /// So many shards at a time are taken from an owner that still serves them.
    pub at_once: usize,
    /// Whether the database says that they have been taken is asked so often.
    pub poll: Duration,
    /// What has not been taken after so long does not hold up the others.
    pub hand_over: Duration,
}

impl Pace {
    /// The defaults, for a session that times out after `session`.
    pub fn new(session: Duration) -> Self {
        Self {
            gather: session,
            stranded: Duration::from_secs(2),
            stable: Duration::from_secs(60),
            at_once: 8,
            poll: Duration::from_millis(50),
            hand_over: Duration::from_secs(10),
        }
    }
}

/// The name of a request's znode.
pub type RequestName = String;

/// What the controller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Who is there.
    Members(Vec<Member>),
    /// What the assignment is, and the version of its znode. Whoever was late with an older one is ignored.
    Assignment {
        /// What it says.
        assignment: Assignment,
        /// The version that ZooKeeper gave the znode.
        revision: i32,
    },
    /// What is asked for.
    Requests(Vec<(RequestName, Request)>),
    /// The epochs that the database knows, by shard: the answer to [`Effect::ReadEpochs`].
    Epochs(Vec<u64>),
    /// What was asked to be written has been: the answer to [`Effect::Write`].
    Written {
        /// The version that the znode has now.
        revision: i32,
    },
    /// It has not been, or nobody knows; this is what is there: the other answer to [`Effect::Write`].
    NotWritten {
        /// What the znode says.
        assignment: Assignment,
        /// Its version.
        revision: i32,
    },
}

/// What the controller wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the database for the epochs that it knows.
    ReadEpochs,
    /// Write the assignment if its znode still has this version, and this member is still elected.
    Write {
        /// What it is to say.
        assignment: Assignment,
        /// The version that it replaces.
        revision: i32,
    },
    /// Write into a member's znode whether it is to have shards, and remove the request.
    SetState {
        /// Which member.
        member: MemberId,
        /// What it is to be.
        state: State,
        /// The request.
        request: RequestName,
    },
    /// Remove a request: it is done, or there is nothing to do.
    Remove {
        /// The request.
        request: RequestName,
    },
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Epochs,
    Outcome,
}

/// The controller's knowledge and intentions.
#[derive(Debug)]
pub struct Controller {
    pace: Pace,
    /// The time of the last input or tick.
    now: Duration,
    members: Option<Vec<Member>>,
    candidates: Vec<Candidate>,
    /// When the candidates became what they are.
    changed: Duration,
    assignment: Option<(Assignment, i32)>,
    /// What was last asked to be written.
    proposed: Option<Assignment>,
    /// The epochs of the last answer; whether they were read for the decision at hand.
    epochs: Vec<u64>,
    fresh: bool,
    /// When the database answered last.
    asked: Option<Duration>,
    waiting: Waiting,
    /// Shards on their way from one owner to the next, and since when.
    moving: BTreeMap<u32, Duration>,
    requests: BTreeMap<RequestName, Request>,
    /// Requests for which an effect has been given out.
    answered: BTreeSet<RequestName>,
    effects: VecDeque<Effect>,
}

impl Controller {
    /// A controller that knows nothing yet.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            now: Duration::ZERO,
            members: None,
            candidates: Vec::new(),
            changed: Duration::ZERO,
            assignment: None,
            proposed: None,
            epochs: Vec::new(),
            fresh: false,
            asked: None,
            waiting: Waiting::Nothing,
            moving: BTreeMap::new(),
            requests: BTreeMap::new(),
            answered: BTreeSet::new(),
            effects: VecDeque::new(),
        }
    }

    /// Something happened.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.now = now;
        match input {
            Input::Members(members) => self.meet(members),
            Input::Assignment {
                assignment,
                revision,
            } => self.learn(assignment, revision),
            Input::Requests(requests) => {
                self.requests = requests.into_iter().collect();
                let left = &self.requests;
                self.answered.retain(|name| left.contains_key(name));
            }
            Input::Epochs(epochs) => {
                self.waiting = Waiting::Nothing;
                self.epochs = epochs;
                self.fresh = true;
                self.asked = Some(now);
            }
            Input::Written { revision } => {
                self.waiting = Waiting::Nothing;
                if let Some(written) = self.proposed.take() {
                    self.learn(written, revision);
                }
            }
            Input::NotWritten {
                assignment,
                revision,
            } => {
                self.waiting = Waiting::Nothing;
                self.proposed = None;
                self.learn(assignment, revision);
            }
        }
        self.decide();
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        self.decide();
    }

    /// What is to be done next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Self::tick`] is to be called, if nothing happens before.
    pub fn wake_at(&self) -> Option<Duration> {
        if self.waiting != Waiting::Nothing {
            return None;
        }
        let poll = { !self.moving.is_empty() }.then(|| self.poll_at());
        let times = [
            Some(self.pace.gather),
            Some(self.changed + self.pace.stranded),
            Some(self.changed + self.pace.stable),
            poll,
        ];
        times
            .into_iter()
            .flatten()
            .filter(|at| *at > self.now)
            .min()
    }

    fn meet(&mut self, members: Vec<Member>) {
        let candidate = |member: &Member| Candidate {
            id: member.id.clone(),
            standing: standing(member, &members),
        };
        let candidates: Vec<Candidate> = members.iter().map(candidate).collect();
        if self.members.is_none() || candidates != self.candidates {
            self.changed = self.now;
        }
        self.candidates = candidates;
        self.members = Some(members);
    }

    fn learn(&mut self, assignment: Assignment, revision: i32) {
        let known = self.assignment.as_ref().map(|(_, revision)| *revision);
        if known.is_none_or(|known| known <= revision) {
            self.assignment = Some((assignment, revision));
        }
    }

    fn decide(&mut self) {
        self.answer_states();
        if self.waiting != Waiting::Nothing || self.members.is_none() {
            return;
        }
        let Some((assignment, revision)) = self.assignment.take() else {
            return;
        };
        self.settle(&assignment);
        let scope = self.scope();
        match plan(&self.candidates, &assignment, &self.epochs, scope) {
            // What is planned with old epochs only says that it is time to ask for new ones.
            Some(_) if !self.fresh => self.read_epochs(),
            Some(new) => self.write(&assignment, new, revision),
            None if self.asked.is_none() => self.read_epochs(),
            None if !self.moving.is_empty() && self.poll_at() <= self.now => self.read_epochs(),
            None => self.finish_rebalance(&assignment),
        }
        self.fresh = false;
        self.assignment = Some((assignment, revision));
    }

    /// What time and requests allow.
    fn scope(&self) -> Scope {
        let asked_for = self.requests.values().any(|one| *one == Request::Rebalance);
        Scope {
            abandoned: self.now >= self.pace.gather,
            stranded: self.now >= self.changed + self.pace.stranded,
            balance: asked_for || self.now >= self.changed + self.pace.stable,
            planned: self.pace.at_once.saturating_sub(self.moving.len()),
        }
    }

    /// Takes off the list what has been taken, or takes too long.
    fn settle(&mut self, assignment: &Assignment) {
        let (epochs, now, limit) = (&self.epochs, self.now, self.pace.hand_over);
        self.moving.retain(|shard, since| {
            let known = epochs.get(*shard as usize).copied().unwrap_or(0);
            let given = assignment.shards().get(*shard as usize);
            given.is_some_and(|given| known < given.epoch) && now < *since + limit
        });
    }

    fn poll_at(&self) -> Duration {
        self.asked.unwrap_or_default() + self.pace.poll
    }

    fn read_epochs(&mut self) {
        self.waiting = Waiting::Epochs;
        self.effects.push_back(Effect::ReadEpochs);
    }

    fn write(&mut self, old: &Assignment, new: Assignment, revision: i32) {
        let served = |owner: &MemberId| self.candidates.iter().any(|one| one.id == *owner);
        for (shard, (old, new)) in (0..).zip(old.shards().iter().zip(new.shards())) {
            if old.owner != new.owner && old.owner.as_ref().is_some_and(served) {
                self.moving.insert(shard, self.now);
            }
        }
        self.waiting = Waiting::Outcome;
        self.proposed = Some(new.clone());
        self.effects.push_back(Effect::Write {
            assignment: new,
            revision,
        });
    }

    /// A rebalance is done when nothing is left to be moved, and all that was is where it belongs.
    fn finish_rebalance(&mut self, assignment: &Assignment) {
        let left = Scope {
            planned: usize::MAX,
            ..self.scope()
        };
        let done = self.moving.is_empty()
            && plan(&self.candidates, assignment, &self.epochs, left).is_none();
        if !done {
            return;
        }
        for (name, request) in &self.requests {
            if *request == Request::Rebalance && self.answered.insert(name.clone()) {
                let request = name.clone();
                self.effects.push_back(Effect::Remove { request });
            }
        }
    }

    fn answer_states(&mut self) {
        let Some(members) = &self.members else {
            return;
        };
        for (name, request) in &self.requests {
            let (node, state) = match request {
                Request::Drain { node } => (node, State::Draining),
                Request::Resume { node } => (node, State::Active),
                Request::Rebalance => continue,
            };
            if !self.answered.insert(name.clone()) {
                continue;
            }
            let there = members.iter().filter(|one| one.id.node() == node);
            let newest = there.max_by_key(|one| one.id.incarnation());
            let request = name.clone();
            self.effects.push_back(match newest {
                Some(member) if member.about.state != state => Effect::SetState {
                    member: member.id.clone(),
                    state,
                    request,
                },
                _ => Effect::Remove { request },
            });
        }
    }
}

#[cfg(test)]
mod tests;
