//! Who is there, as a node reads it: the names, then what each newcomer says, one change after the other.

use cluster::members::{About, Member, MemberId};
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
struct Entry {
    /// What the member says; none if that cannot be read.
    about: Option<About>,
    /// Its znode has been seen to be gone, and the names have not been read since.
    gone: bool,
}

#[derive(Debug, Default)]
pub(super) struct Roll {
    entries: BTreeMap<MemberId, Entry>,
    /// What has changed: the names, or what one of them says.
    changes: VecDeque<Option<MemberId>>,
    /// What is to be asked for the change at hand, and how many answers are missing.
    to_ask: VecDeque<Option<MemberId>>,
    missing: usize,
    /// The change at hand is what one member says, not the names.
    single: bool,
    at_work: bool,
}

impl Roll {
    pub(super) fn names_changed(&mut self) {
        self.changes.push_back(None);
    }

    pub(super) fn changed(&mut self, id: MemberId) {
        self.changes.push_back(Some(id));
    }

    /// What is to be asked next: the names, or one of them.
    pub(super) fn next(&mut self) -> Option<Option<MemberId>> {
        while !self.at_work {
            let change = self.changes.pop_front()?;
            if change
                .as_ref()
                .is_some_and(|id| !self.entries.contains_key(id))
            {
                continue;
            }
            self.single = change.is_some();
            self.at_work = true;
            self.to_ask.push_back(change);
        }
        let ask = self.to_ask.pop_front()?;
        self.missing += 1;
        Some(ask)
    }

    /// The names have been read.
    pub(super) fn called(&mut self, names: Vec<MemberId>) {
        self.missing -= 1;
        self.entries.retain(|id, _| names.contains(id));
        for id in names {
            if self.entries.get(&id).is_none_or(|entry| entry.gone) {
                self.to_ask.push_back(Some(id));
            }
        }
    }

    /// One member has been read; none if it is not there.
    pub(super) fn read(&mut self, id: MemberId, about: Option<Option<About>>) {
        self.missing -= 1;
        match (about, self.entries.get_mut(&id)) {
            (Some(about), _) => {
                let gone = false;
                self.entries.insert(id, Entry { about, gone });
            }
            (None, Some(entry)) if self.single => entry.gone = true,
            // One that is gone again is not in the next names.
            (None, _) => {}
        }
    }

    /// Who is there, when all that belongs to a change has been read.
    pub(super) fn complete(&mut self) -> Option<Vec<Member>> {
        if !self.at_work || self.missing > 0 || !self.to_ask.is_empty() {
            return None;
        }
        self.at_work = false;
        let there = self.entries.iter().filter_map(|(id, entry)| {
            let (id, about) = (id.clone(), entry.about.clone()?);
            Some(Member { id, about })
        });
        Some(there.collect())
    }
}
