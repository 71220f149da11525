//! A node's line to the database: one statement at a time, with the outcomes that nobody knows; what became of those the
//! real `cluster::machines` judge. And the questions who owns the shard, which go beside it.

use super::ClusterPlant;
use super::database::{Answer, Statement};
use super::stir::{Asking, Event, Stir, Why};
use super::world::World;
use crate::plan::{MS, SECOND};
use cluster::DatabaseError;
use cluster::machines::{Append, Verdict, judge};
use std::collections::VecDeque;
use std::sync::Arc;
use store::LandedChunk;

/// The server has so long for one statement.
pub(super) const STATEMENT_LIMIT: u64 = 10 * SECOND;
/// What cannot be landed for so long has failed.
const PATIENCE: u64 = 30 * SECOND;
/// The controller waits so long for the epochs.
const EPOCHS_PATIENCE: u64 = 5 * SECOND;

/// Why work could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Somebody else has the shard.
    Fenced,
    /// No answer that can be relied on.
    Unreachable,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    connected: bool,
    connecting: bool,
    /// The statement that is not answered, and which work it is of.
    on_way: Option<(u64, usize)>,
    work: VecDeque<Work>,
    failures: u32,
    resting: bool,
}

/// What the line is to do.
#[derive(Debug)]
struct Work {
    job: Job,
    asked: u64,
    /// It was sent, and nobody knows whether it was done.
    doubtful: bool,
}

#[derive(Debug)]
pub(super) enum Job {
    /// The shard is to be taken under this epoch.
    Take(u64),
    /// A chunk of that tenure is to land.
    Land(u64, Append, Arc<LandedChunk>),
}

/// A statement on its way.
pub(super) struct OnWay {
    node: usize,
    life: u64,
    generation: u64,
    statement: Statement,
    /// Its answer will be lost.
    mute: bool,
}

impl World {
    fn reaches_database(&self, n: usize) -> bool {
        self.now >= self.database.down_until && self.now >= self.nodes[n].database_cut_until
    }

    fn database_latency(&mut self) -> u64 {
        let slow = if self.now < self.database.slow_until {
            self.random.around(4 * SECOND)
        } else {
            0
        };
        50 + self.random.around(self.plan.landing) + slow
    }

    pub(super) fn give_work(&mut self, n: usize, job: Job) {
        let asked = self.now;
        self.nodes[n].line.work.push_back(Work {
            job,
            asked,
            doubtful: false,
        });
        self.pump(n);
    }

    /// Sends the next statement, if there is one.
    fn pump(&mut self, n: usize) {
        let line = &self.nodes[n].line;
        if line.connecting || line.resting || line.on_way.is_some() || line.work.is_empty() {
            return;
        }
        if !line.connected {
            let reaches = self.reaches_database(n);
            let after = if reaches {
                self.database_latency()
            } else {
                self.random.around(SECOND)
            };
            self.nodes[n].line.connecting = true;
            return self.inside_after(n, after, Stir::Connected(reaches));
        }
        let owner = self.nodes[n].view.me.to_string();
        let at = self.foremost(n);
        let work = &self.nodes[n].line.work[at];
        let statement = match (&work.job, work.doubtful) {
            (Job::Take(epoch), _) => Statement::Take {
                owner,
                epoch: *epoch,
            },
            (Job::Land(_, append, chunk), false) => Statement::Land(append.clone(), chunk.clone()),
            (Job::Land(_, append, _), true) => Statement::Confirm {
                epoch: append.epoch.cast_unsigned(),
            },
        };
        self.send_statement(n, at, statement);
    }

    /// What is done first: what is in doubt, what takes the shard, what lands.
    fn foremost(&self, n: usize) -> usize {
        let work = &self.nodes[n].line.work;
        let doubtful = work.iter().position(|work| work.doubtful);
        let takes = || {
            work.iter()
                .position(|work| matches!(work.job, Job::Take(_)))
        };
        doubtful.or_else(takes).unwrap_or(0)
    }

    fn send_statement(&mut self, n: usize, at: usize, statement: Statement) {
        self.next += 1;
        let number = self.next;
        self.nodes[n].line.on_way = Some((number, at));
        self.inside_after(n, STATEMENT_LIMIT, Stir::Answered(number, None));
        if !self.reaches_database(n) {
            let after = self.random.around(2 * SECOND);
            return self.inside_after(n, after, Stir::Answered(number, None));
        }
        let mut latency = self.database_latency();
        let mut mute = false;
        if self.now < self.database.doubtful_until && self.random.percent(30) {
            let lost = latency + self.random.around(50 * MS);
            self.inside_after(n, lost, Stir::Answered(number, None));
            mute = true;
            match self.random.below(3) {
                // It never arrives.
                0 => return,
                // Its answer is lost.
                1 => {}
                // It arrives when it has been given up.
                _ => latency += self.random.around(SECOND),
            }
        }
        let on_way = OnWay {
            node: n,
            life: self.nodes[n].life,
            generation: self.database.generation,
            statement,
            mute,
        };
        self.statements.insert(number, on_way);
        self.events.push(self.now + latency, Event::Execute(number));
    }

    /// A statement reaches the database, if it still can.
    pub(super) fn execute(&mut self, number: u64) {
        let Some(on_way) = self.statements.remove(&number) else {
            return;
        };
        let n = on_way.node;
        if on_way.generation != self.database.generation || !self.reaches_database(n) {
            let after = self.random.around(2 * SECOND);
            return self.inside_of(n, on_way.life, after, Stir::Answered(number, None));
        }
        let warned = self.now < self.database.warns_until && self.random.percent(60);
        let Answer::Row(owned, _) = self.database.look() else {
            unreachable!("a look tells the row");
        };
        let answer = self.database.run(&on_way.statement, warned, self.plant);
        if let (Statement::Land(_, chunk), Answer::Moved(true)) = (&on_way.statement, answer)
            && chunk.epoch() < owned
        {
            let epoch = chunk.epoch();
            let what = format!("a chunk of epoch {epoch} lands, the shard was taken with {owned}");
            self.ledger.blame("P8", what);
        }
        self.database_changed();
        if !on_way.mute {
            let after = 20 + self.random.around(self.plan.landing);
            let answered = Stir::Answered(number, Some((answer, warned)));
            self.inside_of(n, on_way.life, after, answered);
        }
    }

    /// The line has a connection, or has none.
    pub(super) fn connected(&mut self, n: usize, connected: bool) {
        let line = &mut self.nodes[n].line;
        line.connecting = false;
        line.connected = connected;
        if connected {
            self.pump(n);
        } else {
            self.give_up(n);
        }
    }

    /// A statement is answered, or will not be.
    pub(super) fn statement_answered(
        &mut self,
        n: usize,
        number: u64,
        answer: Option<(Answer, bool)>,
    ) {
        let on_way = &mut self.nodes[n].line.on_way;
        let Some((_, at)) = on_way.take_if(|(on_way, _)| *on_way == number) else {
            return;
        };
        let guess = match (answer, self.plant) {
            (None, Some(ClusterPlant::DoubtIsSuccess))
            | (Some((_, true)), Some(ClusterPlant::WarningIsSuccess)) => {
                let work = &self.nodes[n].line.work[at];
                matches!(work.job, Job::Land(..)) && !work.doubtful
            }
            _ => false,
        };
        match answer {
            _ if guess => self.done(n, at, Ok(0)),
            None | Some((_, true)) => {
                let work = &mut self.nodes[n].line.work[at];
                // From when it was sent nobody knows.
                work.doubtful |= matches!(work.job, Job::Land(..));
                self.nodes[n].line.connected = false;
                self.give_up(n);
            }
            Some((answer, false)) => {
                self.nodes[n].line.failures = 0;
                self.hear_database(n, at, answer);
            }
        }
        self.pump(n);
    }

    fn hear_database(&mut self, n: usize, at: usize, answer: Answer) {
        let work = &mut self.nodes[n].line.work[at];
        match (answer, &work.job) {
            (Answer::Taken(head), _) => self.done(n, at, Ok(head)),
            (Answer::Fenced, _) => self.done(n, at, Err(Failed::Fenced)),
            (Answer::Moved(true), _) => self.done(n, at, Ok(0)),
            // Its head was not where it should be, or its epoch counts no more.
            (Answer::Moved(false), _) => work.doubtful = true,
            (Answer::Row(epoch, head), Job::Land(_, append, _)) => {
                let head = i64::try_from(head).expect("a run is short");
                match judge(append, epoch.cast_signed(), head) {
                    Verdict::Landed => self.done(n, at, Ok(0)),
                    Verdict::NotLanded => work.doubtful = false,
                    Verdict::Refused(DatabaseError::Fenced { .. }) => {
                        self.done(n, at, Err(Failed::Fenced));
                    }
                    Verdict::Refused(error) => {
                        self.ledger.blame("P1", error.to_string());
                    }
                }
            }
            (Answer::Row(..), Job::Take(_)) => unreachable!("to take is not doubted"),
        }
    }

    /// Tells those who have waited for too long that it has failed; tries again after a while.
    fn give_up(&mut self, n: usize) {
        let now = self.now;
        let late = |work: &Work| now > work.asked + PATIENCE;
        while let Some(at) = self.nodes[n].line.work.iter().position(late) {
            self.done(n, at, Err(Failed::Unreachable));
            if !self.nodes[n].up {
                return;
            }
        }
        let line = &mut self.nodes[n].line;
        let pause = SECOND.min((20 * MS) << line.failures.min(8));
        line.failures += 1;
        line.resting = true;
        self.inside_after(n, pause, Stir::Again);
    }

    pub(super) fn line_again(&mut self, n: usize) {
        self.nodes[n].line.resting = false;
        self.pump(n);
    }

    fn done(&mut self, n: usize, at: usize, outcome: Result<usize, Failed>) {
        let work = self.nodes[n].line.work.remove(at).expect("it was there");
        match work.job {
            Job::Take(epoch) => self.take_answered(n, epoch, outcome),
            Job::Land(tenure, _, chunk) => {
                self.landing_answered(n, tenure, &chunk, outcome.map(drop));
            }
        }
    }

    // Beside the line.

    pub(super) fn ask_owner(&mut self, node: usize, why: Why) {
        let asking = Asking {
            node,
            life: self.nodes[node].life,
            why,
            asked: self.now,
        };
        let after = self.database_latency();
        self.events.push(self.now + after, Event::Owners(asking));
    }

    /// The question who owns the shard reaches the database; where it does not, it is asked again.
    pub(super) fn owner_asked(&mut self, asking: Asking) {
        let Asking {
            node,
            life,
            why,
            asked,
        } = asking;
        let patience = match why {
            Why::Lease(_) => PATIENCE,
            Why::Epochs(..) => EPOCHS_PATIENCE,
        };
        if self.reaches_database(node) {
            let Answer::Row(epoch, _) = self.database.look() else {
                unreachable!("a look tells the row");
            };
            let after = 20 + self.random.around(self.plan.landing);
            self.inside_of(node, life, after, Stir::Owner(why, asked, Some(epoch)));
        } else if self.now > asked + patience {
            self.inside_of(node, life, 1, Stir::Owner(why, asked, None));
        } else {
            let again = self.now + 20 * MS + self.random.around(500 * MS);
            self.events.push(again, Event::Owners(asking));
        }
    }
}
