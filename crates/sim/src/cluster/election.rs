//! Standing for election, and what the elected member does: the real controller decides, and everything is written
//! together with a check that the candidacy still stands.

use super::membership::{Membership, member_path};
use super::question::{Purpose, Watch};
use super::zookeeper::{ASSIGNMENT, Answer, Ask, CANDIDATES, Change, REQUESTS, Znode};
use crate::plan::SECOND;
use cluster::members::{
    About, Assignment, Controller, Effect, Input, MemberId, Pace, Request, RequestName, State,
};
use std::time::Duration;

/// One who could not rule stands again after so long.
const PAUSE: u64 = SECOND;

#[derive(Debug)]
pub(super) struct Election {
    pace: Pace,
    /// The candidacy.
    path: Option<String>,
    /// It stands again then.
    rests_until: Option<u64>,
    rule: Option<Rule>,
    /// Counts how often it was elected.
    pub(super) term: u64,
    /// The database is to be asked for the epochs.
    pub(super) wants_epochs: bool,
}

/// What the elected member knows.
#[derive(Debug)]
struct Rule {
    controller: Controller,
    /// Something that it wants done is under way.
    at_work: bool,
    /// There is news that it was not told.
    news: bool,
    /// So are requests.
    requests: Option<Vec<(RequestName, Request)>>,
    /// Who is to be told what it is to be, and by which request.
    leaver: Option<(MemberId, State, RequestName)>,
}

impl Election {
    pub(super) fn new(session: Duration) -> Self {
        Self {
            pace: Pace::new(session),
            path: None,
            rests_until: None,
            rule: None,
            term: 0,
            wants_epochs: false,
        }
    }

    pub(super) fn wake_at(&self, began: u64) -> Option<u64> {
        let rule = self.rule.as_ref().filter(|rule| !rule.at_work);
        let controller = rule.and_then(|rule| rule.controller.wake_at());
        let controller = controller.map(|at| began + super::membership::micros(at));
        [self.rests_until, controller].into_iter().flatten().min()
    }
}

impl Membership {
    pub(super) fn stand(&mut self) {
        let name = self.me().to_string();
        self.ask(Purpose::Stand, Ask::Stand(name), None);
    }

    pub(super) fn tick_election(&mut self, now: u64) {
        let rested = self.election.rests_until.take_if(|until| *until <= now);
        if rested.is_some() {
            self.stand();
        }
        let since = self.since(now);
        if let Some(rule) = self.election.rule.as_mut().filter(|rule| !rule.at_work) {
            rule.controller.tick(since);
            self.rule_on(now);
        }
    }

    pub(super) fn answered_election(&mut self, now: u64, purpose: &Purpose, answer: Answer) {
        match (purpose, answer) {
            (Purpose::Stand, Answer::Standing(path)) => {
                self.election.path = Some(path);
                self.ask(Purpose::Candidates, Ask::List(CANDIDATES), None);
            }
            (Purpose::Candidates, Answer::Entries(entries)) => {
                let ours = entries
                    .iter()
                    .position(|(_, one)| one.owner == Some(self.session));
                match ours {
                    Some(0) => {
                        self.election.path = Some(entries[0].0.clone());
                        self.begin_to_rule(now);
                    }
                    Some(place) => {
                        self.election.path = Some(entries[place].0.clone());
                        let ahead = Ask::Read(entries[place - 1].0.clone());
                        self.ask(Purpose::Ahead, ahead, Some(Watch::Ahead));
                    }
                    // It was never made, or somebody removed it.
                    None => self.rest(now),
                }
            }
            (Purpose::Ahead, Answer::Data(None)) => {
                self.ask(Purpose::Candidates, Ask::List(CANDIDATES), None);
            }
            (Purpose::Write, Answer::Written(revision)) => {
                self.tell_controller(now, Input::Written { revision });
            }
            (Purpose::Write | Purpose::Drain | Purpose::Remove, Answer::Refused(0)) => {
                self.rest(now);
            }
            (Purpose::Requests, Answer::Entries(entries)) => self.hear_requests(now, &entries),
            (Purpose::Leaver, Answer::Data(znode)) => self.drain(znode),
            // The member itself wrote meanwhile, or went.
            (Purpose::Drain, Answer::Refused(1)) => {
                if let Some(read) = self.leaver() {
                    self.ask(Purpose::Leaver, read, None);
                }
            }
            (Purpose::Drain | Purpose::Remove, _) => self.done(now),
            (Purpose::Write, _) => {
                let read = Ask::Read(ASSIGNMENT.to_owned());
                self.ask(Purpose::Reread, read, None);
            }
            (Purpose::Reread, Answer::Data(Some(znode))) => {
                let assignment = Assignment::decode(&znode.data).expect("members write it");
                let revision = znode.version;
                let there = Input::NotWritten {
                    assignment,
                    revision,
                };
                self.tell_controller(now, there);
            }
            _ => {}
        }
    }

    fn begin_to_rule(&mut self, now: u64) {
        if self.election.rule.is_some() {
            return;
        }
        self.election.term += 1;
        self.election.rule = Some(Rule {
            controller: Controller::new(self.election.pace),
            at_work: false,
            news: true,
            requests: None,
            leaver: None,
        });
        self.read_requests();
        self.rule_on(now);
    }

    /// It rules no more, and stands again after a while.
    fn rest(&mut self, now: u64) {
        self.election.rule = None;
        self.election.path = None;
        self.election.rests_until = Some(now + PAUSE);
    }

    /// What this session has read has changed.
    pub(super) fn inform(&mut self, now: u64) {
        if let Some(rule) = &mut self.election.rule {
            rule.news = true;
            self.rule_on(now);
        }
    }

    /// The database has said which epochs it knows; none if it does not answer.
    pub(super) fn hear_epochs(&mut self, now: u64, term: u64, epochs: Option<Vec<u64>>) {
        if term != self.election.term || self.election.rule.is_none() {
            return;
        }
        match epochs {
            Some(epochs) => self.tell_controller(now, Input::Epochs(epochs)),
            None => {
                let path = self.election.path.take().expect("who rules stands");
                let change = Change::Delete(path, 0);
                self.ask(Purpose::Resign, Ask::Multi(vec![change]), None);
                self.rest(now);
            }
        }
    }

    fn tell_controller(&mut self, now: u64, input: Input) {
        let since = self.since(now);
        if let Some(rule) = &mut self.election.rule {
            rule.at_work = false;
            rule.controller.handle(since, input);
            self.rule_on(now);
        }
    }

    /// Does what the controller wants, and tells it the news when it has nothing to do.
    fn rule_on(&mut self, now: u64) {
        let since = self.since(now);
        loop {
            let Some(rule) = self.election.rule.as_mut().filter(|rule| !rule.at_work) else {
                return;
            };
            match rule.controller.poll_effect() {
                Some(Effect::ReadEpochs) => {
                    rule.at_work = true;
                    self.election.wants_epochs = true;
                }
                Some(Effect::Write {
                    assignment,
                    revision,
                }) => {
                    rule.at_work = true;
                    let data = assignment.encode();
                    let set = Change::Set(ASSIGNMENT.to_owned(), data, revision);
                    self.write_as_elected(Purpose::Write, vec![set]);
                }
                Some(Effect::SetState {
                    member,
                    state,
                    request,
                }) => {
                    rule.at_work = true;
                    let read = Ask::Read(member_path(&member));
                    rule.leaver = Some((member, state, request));
                    self.ask(Purpose::Leaver, read, None);
                }
                Some(Effect::Remove { request }) => {
                    rule.at_work = true;
                    self.remove(&request);
                }
                None if rule.requests.is_some() => {
                    let requests = rule.requests.take().unwrap_or_default();
                    rule.controller.handle(since, Input::Requests(requests));
                }
                None if std::mem::take(&mut rule.news) => {
                    if let Some((assignment, revision)) = self.assignment.clone() {
                        let known = Input::Assignment {
                            assignment,
                            revision,
                        };
                        rule.controller.handle(since, known);
                    }
                    if let Some(members) = self.members.clone() {
                        rule.controller.handle(since, Input::Members(members));
                    }
                }
                None => return,
            }
        }
    }

    // What operators ask for.

    pub(super) fn read_requests(&mut self) {
        // Who is elected no more has nothing to hear.
        if self.election.rule.is_none() {
            return;
        }
        let list = Ask::List(REQUESTS);
        self.ask(Purpose::Requests, list, Some(Watch::Requests));
    }

    fn hear_requests(&mut self, now: u64, entries: &[(String, Znode)]) {
        if let Some(rule) = &mut self.election.rule {
            let requests = entries.iter().filter_map(|(path, znode)| {
                let name = path.strip_prefix(REQUESTS)?.to_owned();
                Some((name, Request::decode(&znode.data).ok()?))
            });
            rule.requests = Some(requests.collect());
            self.rule_on(now);
        }
    }

    /// What is to be read of whoever is to be told what it is to be.
    pub(super) fn leaver(&self) -> Option<Ask> {
        let (member, ..) = self.election.rule.as_ref()?.leaver.as_ref()?;
        Some(Ask::Read(member_path(member)))
    }

    /// Says in a member's own znode what it is to be; it hears of it there.
    fn drain(&mut self, znode: Option<Znode>) {
        let rule = self.election.rule.as_ref();
        let Some((member, state, request)) = rule.and_then(|rule| rule.leaver.clone()) else {
            return;
        };
        let Some(znode) = znode else {
            return self.remove(&request);
        };
        let about = About {
            state,
            ..About::decode(&znode.data).expect("members write what they read")
        };
        let set = Change::Set(member_path(&member), about.encode(), znode.version);
        let done = Change::Delete(format!("{REQUESTS}{request}"), 0);
        self.write_as_elected(Purpose::Drain, vec![set, done]);
    }

    fn remove(&mut self, request: &str) {
        let done = Change::Delete(format!("{REQUESTS}{request}"), 0);
        self.write_as_elected(Purpose::Remove, vec![done]);
    }

    /// Writes together with a check that the candidacy still stands.
    fn write_as_elected(&mut self, purpose: Purpose, mut changes: Vec<Change>) {
        let path = self.election.path.clone().expect("who rules stands");
        changes.insert(0, Change::Check(path));
        self.ask(purpose, Ask::Multi(changes), None);
    }

    fn done(&mut self, now: u64) {
        if let Some(rule) = &mut self.election.rule {
            rule.at_work = false;
            self.rule_on(now);
        }
    }

    fn since(&self, now: u64) -> Duration {
        Duration::from_micros(now - self.began)
    }
}
