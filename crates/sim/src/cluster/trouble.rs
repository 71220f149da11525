//! What may go wrong in a cluster; each seed draws its own mix.

use crate::random::Random;

macro_rules! troubles {
    ($($name:ident: $percent:literal, $word:literal;)*) => {
        /// A fault, or something that is done to a cluster.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Trouble {
            $(#[doc = $word] $name,)*
        }

        impl Trouble {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// In how many of a hundred runs it happens.
            const fn percent(self) -> u64 {
                match self {
                    $(Self::$name => $percent,)*
                }
            }

            /// What happens.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

troubles! {
    Kill: 50, "node killed";
    Stop: 40, "node stopped";
    Drain: 30, "node drained by an operator";
    Pause: 50, "node paused";
    CutFromZooKeeper: 40, "node cut off from ZooKeeper";
    CutFromDatabase: 40, "node cut off from the database";
    CutFromClients: 30, "node cut off from clients and nodes";
    CutFromAll: 30, "node cut off from all";
    DatabaseDown: 35, "database down";
    DatabaseSlow: 35, "database slow";
    DatabaseDoubtful: 40, "answers of the database lost";
    DatabaseWarns: 30, "commits with a warning";
    FailOver: 35, "database failed over";
    ZooKeeperDown: 35, "ZooKeeper down";
    ZooKeeperWiped: 25, "ZooKeeper emptied";
    ZooKeeperLags: 35, "ZooKeeper's servers lag";
    Sever: 40, "client's connection lost";
    Checkpoint: 40, "checkpoint";
}

impl Trouble {
    /// Those of one run: some see little of everything, others a lot of it.
    pub(super) fn drawn(random: &mut Random) -> Vec<Self> {
        let more = random.below(3) * 30;
        let all = Self::ALL.iter().copied();
        let drawn = all.filter(|trouble| {
            let percent = trouble.percent();
            random.percent(percent + (100 - percent) * more / 100)
        });
        let mut drawn: Vec<Self> = drawn.collect();
        if drawn.iter().all(|trouble| *trouble == Self::Checkpoint) {
            drawn.push(Self::Kill);
        }
        drawn
    }
}

/// How often each of them happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles([u64; Trouble::ALL.len()]);

impl Troubles {
    pub(super) fn count(&mut self, trouble: Trouble) {
        self.0[trouble as usize] += 1;
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }

    /// All of them together.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = (Trouble, u64)> {
        Trouble::ALL.iter().copied().zip(self.0)
    }
}
