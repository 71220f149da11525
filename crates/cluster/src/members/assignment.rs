//! Which member has which shard: the value of the one znode that says it.
//!
//! It is JSON, so that an operator can read it with ZooKeeper's own tools:
//!
//! ```text
//! {"format":1, "version":7, "owners":["mq-1.1790000000000","mq-2.1790000000321"], "shards":[[0,5],[1,6],[null,0]]}
//! ```
//!
//! A shard is a pair: which of the owners has it, and the epoch of that ownership. 256 shards are 2 to 3 KiB, 1,024 are
//! 10; a znode holds 1 MiB.

use super::error::Unreadable;
use super::member::MemberId;
use serde::{Deserialize, Serialize};

/// The format that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// Which member has which shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    version: u64,
    shards: Vec<Holding>,
}

/// Who has a shard, and with which epoch it is to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The run of a node that is to have it.
    pub owner: Option<MemberId>,
    /// The number of the ownership: higher than all before it.
    pub epoch: u64,
}

impl Assignment {
    /// Nobody has any of the shards: what a new cluster begins with, and one whose ZooKeeper was emptied.
    pub fn empty(shards: u32) -> Self {
        Self {
            version: 0,
            shards: vec![Holding::default(); shards as usize],
        }
    }

    /// Counts the changes since the znode was made. It begins again when ZooKeeper is emptied: what only grows is the
    /// epoch of a shard.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every shard, in order.
    pub fn shards(&self) -> &[Holding] {
        &self.shards
    }

    /// Who is to have a shard; nobody has one that is not there.
    pub fn owner(&self, shard: u32) -> Option<&MemberId> {
        self.shards.get(shard as usize)?.owner.as_ref()
    }

    /// The shards that one run of a node is to have, with their epochs.
    pub fn of(&self, member: &MemberId) -> impl Iterator<Item = (u32, u64)> {
        let all = (0..).zip(&self.shards);
        all.filter(move |(_, holding)| holding.owner.as_ref() == Some(member))
            .map(|(shard, holding)| (shard, holding.epoch))
    }

    /// The one that follows this one.
    pub(super) fn followed_by(&self, shards: Vec<Holding>) -> Self {
        debug_assert_eq!(shards.len(), self.shards.len(), "shards are for life");
        Self {
            version: self.version + 1,
            shards,
        }
    }

    /// The text of its znode.
    pub fn encode(&self) -> Vec<u8> {
        let mut owners: Vec<&MemberId> = self
            .shards
            .iter()
            .filter_map(|holding| holding.owner.as_ref())
            .collect();
        owners.sort_unstable();
        owners.dedup();
        let number = |owner: &MemberId| owners.binary_search(&owner).ok();
        let shards = self
            .shards
            .iter()
            .map(|holding| (holding.owner.as_ref().and_then(number), holding.epoch))
            .collect();
        let text = Text {
            format: FORMAT,
            version: self.version,
            owners: owners.into_iter().cloned().collect(),
            shards,
        };
        serde_json::to_vec(&text).expect("text and numbers are JSON")
    }

    /// Reads the text of its znode.
    ///
    /// # Errors
    /// A newer program wrote it, or it is damaged.
    pub fn decode(data: &[u8]) -> Result<Self, Unreadable> {
        let damaged = |why: String| Unreadable::Damaged(why);
        let Format { format } =
            serde_json::from_slice(data).map_err(|error| damaged(error.to_string()))?;
        if format > FORMAT {
            return Err(Unreadable::Newer {
                found: format,
                known: FORMAT,
            });
        }
        let text: Text =
            serde_json::from_slice(data).map_err(|error| damaged(error.to_string()))?;
        let holding = |(owner, epoch): (Option<usize>, u64)| {
            let owner = owner.map(|number| {
                let owner = text.owners.get(number).cloned();
                owner.ok_or_else(|| damaged(format!("there is no owner number {number}")))
            });
            Ok(Holding {
                owner: owner.transpose()?,
                epoch,
            })
        };
        Ok(Self {
            version: text.version,
            shards: text
                .shards
                .into_iter()
                .map(holding)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// What every format tells first.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Format 1.
#[derive(Serialize, Deserialize)]
struct Text {
    format: u32,
    version: u64,
    owners: Vec<MemberId>,
    shards: Vec<(Option<usize>, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(owner: Option<&str>, epoch: u64) -> Holding {
        Holding {
            owner: owner.map(|name| name.parse().expect("a good name")),
            epoch,
        }
    }

    /// The text is frozen: nodes of several versions read it in one cluster.
    #[test]
    fn the_text_of_format_1() {
        let shards = vec![
            holding(Some("b.2"), 6),
            holding(None, 0),
            holding(Some("a.1"), 5),
        ];
        let assignment = Assignment::empty(3).followed_by(shards);
        let text =
            r#"{"format":1,"version":1,"owners":["a.1","b.2"],"shards":[[1,6],[null,0],[0,5]]}"#;
        assert_eq!(String::from_utf8_lossy(&assignment.encode()), text);
        assert_eq!(Assignment::decode(text.as_bytes()), Ok(assignment));
    }

    #[test]
    fn a_member_is_told_its_shards_and_not_those_of_its_former_life() {
        let shards = vec![
            holding(Some("a.1"), 5),
            holding(Some("a.2"), 6),
            holding(Some("b.1"), 7),
        ];
        let assignment = Assignment::empty(3).followed_by(shards);
        let of = |name: &str| -> Vec<_> { assignment.of(&name.parse().expect("good")).collect() };
        assert_eq!(of("a.2"), [(1, 6)]);
        assert_eq!(of("a.1"), [(0, 5)]);
        assert_eq!(assignment.owner(3), None);
    }

    #[test]
    fn a_newer_format_is_told_from_a_damaged_one() {
        let newer = br#"{"format":2,"lanes":[]}"#;
        let found = Unreadable::Newer { found: 2, known: 1 };
        assert_eq!(Assignment::decode(newer), Err(found));
        for text in [
            "",
            "{}",
            r#"{"format":1,"version":1,"owners":[],"shards":[[0,5]]}"#,
            r#"{"format":1,"version":1,"owners":["no name"],"shards":[]}"#,
        ] {
            let read = Assignment::decode(text.as_bytes());
            assert!(
                matches!(read, Err(Unreadable::Damaged(_))),
                "{text}: {read:?}"
            );
        }
    }

    #[test]
    fn a_thousand_shards_fit_many_times_into_a_znode() {
        let owner = |shard| format!("a-node-with-a-long-name-{}.1790000000000", shard % 20);
        let shards = (0..1024)
            .map(|shard| holding(Some(&owner(shard)), 1_000_000 + shard))
            .collect();
        let data = Assignment::empty(1024).followed_by(shards).encode();
        assert!(data.len() < 16 * 1024, "{} bytes", data.len());
    }
}
