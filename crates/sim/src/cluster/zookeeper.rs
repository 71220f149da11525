//! ZooKeeper: a tree that only its leader changes, servers that follow it late, and sessions whose clients must be heard.
//!
//! All that was ever committed is kept, so that a server which lags answers from what was there a while ago, and a watch
//! compares what it was set on with what its server has come to.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

pub(super) const MEMBERS: &str = "/members/";
pub(super) const CANDIDATES: &str = "/controller/";
pub(super) const REQUESTS: &str = "/requests/";
pub(super) const ASSIGNMENT: &str = "/assignment";

pub(super) type SessionId = u64;

/// A znode.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Znode {
    pub(super) data: Vec<u8>,
    pub(super) version: i32,
    /// The session that it ends with.
    pub(super) owner: Option<SessionId>,
    /// Which commit made it.
    made: u64,
}

impl fmt::Debug for Znode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.data);
        write!(f, "{text} in version {}", self.version)
    }
}

/// A folder's entries have paths that begin with its own.
pub(super) type Tree = BTreeMap<String, Znode>;

/// What a client asks for.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// Answered when the server has all that was committed before the leader heard of it.
    Sync,
    /// Makes the assignment unless it is there.
    Found(Vec<u8>),
    Read(String),
    /// The entries of a folder.
    List(&'static str),
    /// All of it or nothing.
    Multi(Vec<Change>),
    /// An entry of the folder of candidates: with the next number, until the session ends.
    Stand(String),
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Check(String),
    Create(String, Vec<u8>),
    Set(String, Vec<u8>, i32),
    Delete(String, i32),
}

/// What it is told.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Done,
    Data(Option<Znode>),
    Entries(Vec<(String, Znode)>),
    /// It was done; the version that a znode has which was written to.
    Written(i32),
    /// That change of several could not be made, so none was.
    Refused(usize),
    Standing(String),
}

#[derive(Debug)]
pub(super) struct ZooKeeper {
    tree: Rc<Tree>,
    /// What there was, and since when.
    commits: Vec<(u64, Rc<Tree>)>,
    number: u64,
    /// Counts the candidates; it begins again when all is wiped out.
    next_candidate: u64,
    next_session: SessionId,
    /// When each client was last heard.
    sessions: BTreeMap<SessionId, u64>,
    pub(super) down_until: u64,
    pub(super) lags_until: u64,
}

impl ZooKeeper {
    pub(super) fn new() -> Self {
        let tree = Rc::new(Tree::new());
        Self {
            commits: vec![(0, tree.clone())],
            tree,
            number: 0,
            next_candidate: 0,
            next_session: 1,
            sessions: BTreeMap::new(),
            down_until: 0,
            lags_until: 0,
        }
    }

    /// A client comes for the first time.
    pub(super) fn open(&mut self, now: u64) -> SessionId {
        let session = self.next_session;
        self.next_session += 1;
        self.sessions.insert(session, now);
        session
    }

    /// A client is heard; false if its session is over.
    pub(super) fn touch(&mut self, session: SessionId, now: u64) -> bool {
        let heard = self.sessions.get_mut(&session);
        heard.is_some_and(|heard| {
            *heard = now.max(*heard);
            true
        })
    }

    /// When a session is over unless its client is heard.
    pub(super) fn heard(&self, session: SessionId) -> Option<u64> {
        self.sessions.get(&session).copied()
    }

    /// A session ends, and everything of it goes.
    pub(super) fn close(&mut self, session: SessionId, now: u64) {
        if self.sessions.remove(&session).is_some()
            && self.tree.values().any(|one| one.owner == Some(session))
        {
            self.commit(now, |tree, _| {
                tree.retain(|_, one| one.owner != Some(session));
            });
        }
    }

    /// A leader that begins counts every session's time anew.
    pub(super) fn recover(&mut self, now: u64) {
        for heard in self.sessions.values_mut() {
            *heard = now;
        }
    }

    /// Somebody put an empty one in its place.
    pub(super) fn wipe(&mut self, now: u64) {
        self.sessions.clear();
        self.next_candidate = 0;
        self.commit(now, |tree, _| tree.clear());
    }

    /// An operator asks the controller for something.
    pub(super) fn request(&mut self, data: Vec<u8>, now: u64) {
        self.commit(now, |tree, made| {
            let path = format!("{REQUESTS}r-{made:010}");
            tree.insert(path, Znode::new(data, None, made));
        });
    }

    /// The last commit.
    pub(super) fn last(&self) -> usize {
        self.commits.len() - 1
    }

    /// When a commit was made.
    pub(super) fn committed(&self, commit: usize) -> u64 {
        self.commits[commit].0
    }

    /// The last commit that a server has which lags by so much.
    pub(super) fn view(&self, now: u64, lag: u64) -> usize {
        let seen = |commit: &(u64, Rc<Tree>)| commit.0 + lag <= now || commit.0 == 0;
        self.commits.iter().rposition(seen).unwrap_or(0)
    }

    /// Whether what a watch is about differs between two commits.
    pub(super) fn differs(&self, path: &str, is_folder: bool, seen: usize, now: usize) -> bool {
        let (before, after) = (&self.commits[seen].1, &self.commits[now].1);
        if is_folder {
            let names = |tree: &Rc<Tree>| -> Vec<(String, u64)> {
                let entries = entries(tree, path);
                entries
                    .map(|(name, one)| (name.clone(), one.made))
                    .collect()
            };
            return names(before) != names(after);
        }
        let state = |tree: &Rc<Tree>| tree.get(path).map(|one| (one.made, one.version));
        state(before) != state(after)
    }

    /// Does what is asked at the leader, or answers from what the asked server has; with the commit that the answer
    /// depends on.
    pub(super) fn answer(
        &mut self,
        session: SessionId,
        ask: &Ask,
        view: usize,
        now: u64,
    ) -> (Answer, usize) {
        let answer = match ask {
            Ask::Sync => Answer::Done,
            Ask::Read(path) => {
                return (Answer::Data(self.commits[view].1.get(path).cloned()), view);
            }
            Ask::List(folder) => {
                let all = entries(&self.commits[view].1, folder);
                let all = all.map(|(name, one)| (name.clone(), one.clone()));
                return (Answer::Entries(all.collect()), view);
            }
            Ask::Found(assignment) => {
                if !self.tree.contains_key(ASSIGNMENT) {
                    let data = assignment.clone();
                    self.commit(now, |tree, made| {
                        tree.insert(ASSIGNMENT.to_owned(), Znode::new(data, None, made));
                    });
                }
                Answer::Done
            }
            Ask::Stand(name) => {
                let path = format!("{CANDIDATES}{:010}-{session}", self.next_candidate);
                self.next_candidate += 1;
                let data = name.clone().into_bytes();
                self.commit(now, |tree, made| {
                    tree.insert(path.clone(), Znode::new(data, Some(session), made));
                });
                Answer::Standing(path)
            }
            Ask::Multi(changes) => self.multi(session, changes, now),
        };
        (answer, self.last())
    }

    fn multi(&mut self, session: SessionId, changes: &[Change], now: u64) -> Answer {
        let mut tree = (*self.tree).clone();
        let mut written = 0;
        for (index, change) in changes.iter().enumerate() {
            let made = self.number + 1;
            let possible = match change {
                Change::Check(path) => tree.contains_key(path),
                Change::Create(path, data) => {
                    let znode = Znode::new(data.clone(), Some(session), made);
                    let there = tree.contains_key(path);
                    if !there {
                        tree.insert(path.clone(), znode);
                    }
                    !there
                }
                Change::Set(path, data, version) => {
                    let there = tree.get_mut(path).filter(|one| one.version == *version);
                    there.is_some_and(|one| {
                        one.data.clone_from(data);
                        one.version += 1;
                        written = one.version;
                        true
                    })
                }
                Change::Delete(path, version) => {
                    let there = tree.get(path).is_some_and(|one| one.version == *version);
                    if there {
                        tree.remove(path);
                    }
                    there
                }
            };
            if !possible {
                return Answer::Refused(index);
            }
        }
        self.commit(now, |current, _| *current = tree);
        Answer::Written(written)
    }

    fn commit(&mut self, now: u64, change: impl FnOnce(&mut Tree, u64)) {
        self.number += 1;
        let mut tree = (*self.tree).clone();
        change(&mut tree, self.number);
        self.tree = Rc::new(tree);
        self.commits.push((now, self.tree.clone()));
    }
}

impl Znode {
    fn new(data: Vec<u8>, owner: Option<SessionId>, made: u64) -> Self {
        Self {
            data,
            version: 0,
            owner,
            made,
        }
    }
}

fn entries<'a>(tree: &'a Tree, folder: &'a str) -> impl Iterator<Item = (&'a String, &'a Znode)> {
    let from = tree.range(folder.to_owned()..);
    from.take_while(move |(path, _)| path.starts_with(folder))
}
