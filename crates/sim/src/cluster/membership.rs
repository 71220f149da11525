//! A node's session with ZooKeeper: what `cluster::members` does from the registration to the end, question by question.
//!
//! What decides is the real thing (the controller, the planner, the assignment, the lease, what members say); what asks
//! ZooKeeper is told here as a state machine, because the real one waits on sockets. Like that one it asks again what was
//! lost with a connection where that does no harm, and looks what is there where it might.

use super::election::Election;
use super::question::{Purpose, Question, Watch};
use super::roll::Roll;
use super::zookeeper::{ASSIGNMENT, Answer, Ask, CANDIDATES, Change, MEMBERS, SessionId, Znode};
use cluster::members::{About, Assignment, Lease, Member, MemberId, State, View};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many times a session the lease is renewed.
const RENEWALS: u32 = 6;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The next one is built from the ground.
    Lost,
    /// A later run of this node is there.
    Superseded,
}

/// What a session works with.
pub(super) struct Here<'a> {
    /// Microseconds since the run began.
    pub(super) now: u64,
    /// The instant at which it did.
    pub(super) base: Instant,
    pub(super) view: &'a mut View,
}

#[derive(Debug)]
pub(super) struct Membership {
    me: MemberId,
    about: About,
    pub(super) session: SessionId,
    timeout: Duration,
    pub(super) began: u64,
    next: u64,
    /// What was asked and not answered.
    asked: BTreeMap<u64, Question>,
    /// The numbers of what was asked and not sent.
    unsent: Vec<u64>,
    withdrawing: usize,
    roll: Roll,
    pub(super) members: Option<Vec<Member>>,
    pub(super) assignment: Option<(Assignment, i32)>,
    renew_at: Option<u64>,
    /// What its own znode says, and its version.
    mine: Option<(About, i32)>,
    told: State,
    pub(super) election: Election,
    pub(super) over: Option<Over>,
}

impl Membership {
    pub(super) fn new(
        me: MemberId,
        about: About,
        session: SessionId,
        timeout: Duration,
        began: u64,
    ) -> Self {
        let mut membership = Self {
            election: Election::new(timeout),
            told: about.state,
            me,
            about,
            session,
            timeout,
            began,
            next: 0,
            asked: BTreeMap::new(),
            unsent: Vec::new(),
            withdrawing: 0,
            roll: Roll::default(),
            members: None,
            assignment: None,
            renew_at: None,
            mine: None,
            over: None,
        };
        membership.ask(Purpose::Catch, Ask::Sync, None);
        membership
    }

    pub(super) fn ask(&mut self, purpose: Purpose, ask: Ask, watch: Option<Watch>) {
        self.next += 1;
        let question = Question {
            purpose,
            ask,
            watch,
        };
        self.asked.insert(self.next, question);
        self.unsent.push(self.next);
    }

    /// What is to be sent while there is a connection.
    pub(super) fn take_unsent(&mut self) -> Vec<(u64, Question)> {
        let unsent = std::mem::take(&mut self.unsent).into_iter();
        unsent
            .filter_map(|number| Some((number, self.asked.get(&number)?.clone())))
            .collect()
    }

    /// The connection is lost, and with it the answers to what was asked over it.
    pub(super) fn disconnected(&mut self, now: u64) {
        self.unsent.clear();
        for (_, mut question) in std::mem::take(&mut self.asked) {
            // What may not be done twice: look what is there.
            let other = match question.purpose {
                Purpose::Register => Some((Purpose::Runs, Ask::List(MEMBERS))),
                Purpose::Say(_) => Some((Purpose::Mine, self.read_mine())),
                Purpose::Stand => Some((Purpose::Candidates, Ask::List(CANDIDATES))),
                Purpose::Write => Some((Purpose::Reread, Ask::Read(ASSIGNMENT.to_owned()))),
                Purpose::Drain => self.leaver().map(|read| (Purpose::Leaver, read)),
                Purpose::Renew(_) => Some((Purpose::Renew(now), Ask::Sync)),
                _ => None,
            };
            if let Some((purpose, ask)) = other {
                question.watch = matches!(purpose, Purpose::Mine).then_some(Watch::Mine);
                (question.purpose, question.ask) = (purpose, ask);
            }
            self.ask(question.purpose, question.ask, question.watch);
        }
    }

    pub(super) fn wake_at(&self) -> Option<u64> {
        let controller = self.election.wake_at(self.began);
        [self.renew_at, controller].into_iter().flatten().min()
    }

    pub(super) fn tick(&mut self, here: &mut Here<'_>) {
        if self.renew_at.take_if(|at| *at <= here.now).is_some() {
            self.ask(Purpose::Renew(here.now), Ask::Sync, None);
        }
        self.tick_election(here.now);
    }

    /// This node wants something else than its znode says.
    pub(super) fn wishes(&mut self, view: &View) {
        let Some((there, version)) = self.mine.take() else {
            return;
        };
        let wanted = About {
            state: view.state,
            ..self.about.clone()
        };
        if wanted == there {
            self.mine = Some((there, version));
            return;
        }
        let path = member_path(&self.me);
        let change = Change::Set(path, wanted.encode(), version);
        self.ask(Purpose::Say(wanted.state), Ask::Multi(vec![change]), None);
    }

    pub(super) fn answered(&mut self, here: &mut Here<'_>, number: u64, answer: Answer) {
        let Some(question) = self.asked.remove(&number) else {
            return;
        };
        match (question.purpose, answer) {
            (Purpose::Catch, _) => {
                let nobody_has_any = Assignment::empty(1).encode();
                self.ask(Purpose::Found, Ask::Found(nobody_has_any), None);
            }
            (Purpose::Found, _) | (Purpose::Register, Answer::Refused(_)) => {
                self.ask(Purpose::Runs, Ask::List(MEMBERS), None);
            }
            (Purpose::Runs, Answer::Entries(entries)) => self.register(&entries, here),
            (Purpose::Register, _) => self.ask(Purpose::Old, Ask::List(CANDIDATES), None),
            (Purpose::Old, Answer::Entries(entries)) => self.withdraw(entries),
            (Purpose::Withdraw, _) => {
                self.withdrawing -= 1;
                if self.withdrawing == 0 {
                    self.go_on();
                }
            }
            (Purpose::Names, Answer::Entries(entries)) => {
                let names = entries.iter().filter_map(|(path, _)| member_of(path));
                self.roll.called(names.collect());
                self.read_members(here);
            }
            (Purpose::Of(id), Answer::Data(data)) => {
                let about = data.map(|znode| About::decode(&znode.data).ok());
                self.roll.read(id, about);
                self.read_members(here);
            }
            (Purpose::Assignment, Answer::Data(Some(znode))) => self.learn(here, &znode),
            (Purpose::Assignment | Purpose::Mine, Answer::Data(None)) => {
                self.over = Some(Over::Lost);
            }
            (Purpose::Renew(asked), _) => {
                let asked = here.base + Duration::from_micros(asked);
                here.view.lease = here.view.lease.renewed(asked, self.timeout);
                self.renew_at = Some(here.now + micros(self.timeout / RENEWALS));
            }
            (Purpose::Mine, Answer::Data(Some(znode))) => self.heed(here, &znode),
            (Purpose::Say(state), answer) => {
                if matches!(answer, Answer::Written(_)) {
                    self.told = state;
                }
                let mine = self.read_mine();
                self.ask(Purpose::Mine, mine, Some(Watch::Mine));
            }
            (purpose, answer) => self.answered_election(here.now, &purpose, answer),
        }
    }

    /// What a watch was set on has changed.
    pub(super) fn fired(&mut self, here: &mut Here<'_>, watch: Watch) {
        match watch {
            Watch::Names => {
                self.roll.names_changed();
                self.read_members(here);
            }
            Watch::Of(id) => {
                self.roll.changed(id);
                self.read_members(here);
            }
            Watch::Assignment => self.read_assignment(),
            Watch::Mine => {
                self.mine = None;
                let mine = self.read_mine();
                self.ask(Purpose::Mine, mine, Some(Watch::Mine));
            }
            Watch::Requests => self.read_requests(),
            Watch::Ahead => self.ask(Purpose::Candidates, Ask::List(CANDIDATES), None),
        }
    }

    /// Puts this node among the members, in the place of what is left of it there.
    fn register(&mut self, entries: &[(String, Znode)], here: &Here<'_>) {
        let mut changes = Vec::new();
        for (path, znode) in entries {
            let Some(run) = member_of(path).filter(|run| run.node() == self.me.node()) else {
                continue;
            };
            if run > self.me {
                self.over = Some(Over::Superseded);
                return;
            }
            if znode.owner == Some(self.session) {
                // A create whose answer was lost.
                return self.ask(Purpose::Old, Ask::List(CANDIDATES), None);
            }
            changes.push(Change::Delete(path.clone(), znode.version));
        }
        self.about.state = here.view.state;
        self.told = here.view.state;
        changes.push(Change::Create(member_path(&self.me), self.about.encode()));
        self.ask(Purpose::Register, Ask::Multi(changes), None);
    }

    /// Takes back the candidacies that are left of this node from before.
    fn withdraw(&mut self, entries: Vec<(String, Znode)>) {
        for (path, znode) in entries {
            let name = String::from_utf8(znode.data).unwrap_or_default();
            let whose = name.parse::<MemberId>().ok();
            if whose.is_some_and(|whose| whose.node() == self.me.node() && whose <= self.me) {
                self.withdrawing += 1;
                let change = Change::Delete(path, znode.version);
                self.ask(Purpose::Withdraw, Ask::Multi(vec![change]), None);
            }
        }
        if self.withdrawing == 0 {
            self.go_on();
        }
    }

    fn go_on(&mut self) {
        self.roll.names_changed();
        self.ask_roll();
        self.read_assignment();
        let mine = self.read_mine();
        self.ask(Purpose::Mine, mine, Some(Watch::Mine));
        self.stand();
    }

    fn read_assignment(&mut self) {
        let read = Ask::Read(ASSIGNMENT.to_owned());
        self.ask(Purpose::Assignment, read, Some(Watch::Assignment));
    }

    fn read_mine(&self) -> Ask {
        Ask::Read(member_path(&self.me))
    }

    fn ask_roll(&mut self) {
        while let Some(next) = self.roll.next() {
            match next {
                None => self.ask(Purpose::Names, Ask::List(MEMBERS), Some(Watch::Names)),
                Some(id) => {
                    let read = Ask::Read(member_path(&id));
                    self.ask(Purpose::Of(id.clone()), read, Some(Watch::Of(id)));
                }
            }
        }
    }

    fn read_members(&mut self, here: &mut Here<'_>) {
        if let Some(there) = self.roll.complete() {
            here.view.members.clone_from(&there);
            self.members = Some(there);
            self.ask_roll();
            self.inform(here.now);
        } else {
            self.ask_roll();
        }
    }

    fn learn(&mut self, here: &mut Here<'_>, znode: &Znode) {
        let assignment = Assignment::decode(&znode.data).expect("members write what they read");
        here.view.assignment = Some(assignment.clone());
        // What the last session knew may be out of date: from now on the lease is renewed.
        if self.assignment.is_none() {
            self.ask(Purpose::Renew(here.now), Ask::Sync, None);
        }
        self.assignment = Some((assignment, znode.version));
        self.inform(here.now);
    }

    /// Hears what the controller wrote into this member's znode.
    fn heed(&mut self, here: &mut Here<'_>, znode: &Znode) {
        let there = About::decode(&znode.data).expect("members write what they read");
        if there.state != self.told {
            here.view.state = there.state;
            self.told = there.state;
        }
        self.mine = Some((there, znode.version));
        self.wishes(here.view);
    }

    pub(super) fn me(&self) -> &MemberId {
        &self.me
    }
}

/// What a view is before anything is known.
pub(super) fn blank(me: MemberId, state: State) -> View {
    View {
        me,
        state,
        database_ok: true,
        members: Vec::new(),
        assignment: None,
        controller: None,
        requests: Vec::new(),
        serving: Vec::new(),
        prepared: Vec::new(),
        definitions: 0,
        zookeeper: cluster::members::ZooKeeper::Connected,
        lease: Lease::NONE,
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a run is short")
}

pub(super) fn member_path(id: &MemberId) -> String {
    format!("{MEMBERS}{id}")
}

fn member_of(path: &str) -> Option<MemberId> {
    path.strip_prefix(MEMBERS)?.parse().ok()
}
