//! What goes wrong: one thing after the other, sometimes two at once, and the end of it.

use super::SESSION;
use super::line::STATEMENT_LIMIT;
use super::stir::Event;
use super::trouble::Trouble;
use super::world::World;
use crate::plan::{MS, SECOND};
use cluster::members::Request;

impl World {
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let next = self.now + 1 + self.random.around(self.plan.fault_every);
        self.events.push(next, Event::Fault);
        loop {
            let trouble = *self.random.pick(&self.mix);
            self.inflict(trouble);
            // Troubles come together.
            if !self.random.percent(30) {
                return;
            }
        }
    }

    /// How long something lasts: shorter than a lease, than a session, than anybody's patience, or longer.
    fn duration(&mut self) -> u64 {
        let about =
            *self
                .random
                .pick(&[SECOND, SESSION / 2, 2 * SESSION, 2 * SESSION, 6 * SESSION]);
        self.now + MS + self.random.around(about)
    }

    /// It happens to somebody; to the owner more often than to others.
    fn victim(&mut self) -> usize {
        match self.owner() {
            Some((n, _)) if self.random.percent(50) => n,
            _ => self.random.below(self.nodes.len() as u64) as usize,
        }
    }

    pub(super) fn inflict(&mut self, trouble: Trouble) {
        let n = self.victim();
        if self.trace.told {
            eprintln!("{} us: {}: node {n}", self.now, trouble.word());
        }
        match trouble {
            Trouble::Kill if self.nodes[n].up => self.exit(n),
            Trouble::Stop if self.nodes[n].up && self.now >= self.nodes[n].paused_until => {
                self.stop(n);
            }
            Trouble::Kill | Trouble::Stop => return,
            Trouble::Drain => {
                if self.now < self.zookeeper.down_until {
                    return;
                }
                let node = self.nodes[n].name.clone();
                self.ask_controller(&Request::Drain { node });
            }
            Trouble::Pause => {
                let until = self.duration();
                self.pause(n, until);
            }
            Trouble::CutFromZooKeeper => self.cut_from_zookeeper(n),
            Trouble::CutFromDatabase => self.cut_from_database(n),
            Trouble::CutFromClients => self.cut_from_clients(n),
            Trouble::CutFromAll => {
                self.cut_from_zookeeper(n);
                self.cut_from_database(n);
                self.cut_from_clients(n);
            }
            Trouble::DatabaseDown => {
                self.database.generation += 1;
                self.database.down_until = self.duration();
            }
            Trouble::DatabaseSlow => {
                self.database.slow_until = self.now + self.random.around(2 * STATEMENT_LIMIT);
            }
            Trouble::DatabaseDoubtful => self.database.doubtful_until = self.duration(),
            Trouble::DatabaseWarns => self.database.warns_until = self.duration(),
            Trouble::FailOver => {
                self.database.fail_over();
                self.database.down_until = self.now + self.random.around(3 * SECOND);
            }
            Trouble::ZooKeeperDown => self.zookeeper_down(),
            Trouble::ZooKeeperWiped => {
                self.zookeeper_down();
                self.zookeeper.wipe(self.now);
            }
            Trouble::ZooKeeperLags => self.zookeeper_lags(),
            Trouble::Sever => {
                if !self.sever_one() {
                    return;
                }
            }
            Trouble::Checkpoint => {
                let Some((n, tenure)) = self.owner() else {
                    return;
                };
                if self.now < self.nodes[n].paused_until {
                    return;
                }
                let outcome = self.with_shell(n, tenure, |serving, it| {
                    serving.shell.checkpoint(it);
                });
                self.follow_outcome(n, tenure, outcome);
                self.turn_soon(n, tenure);
            }
        }
        self.troubles.count(trouble);
    }

    fn cut_from_zookeeper(&mut self, n: usize) {
        self.nodes[n].zookeeper_cut_until = self.duration();
        self.break_link(n);
    }

    fn cut_from_database(&mut self, n: usize) {
        self.nodes[n].database_cut_until = self.duration();
    }

    fn cut_from_clients(&mut self, n: usize) {
        self.nodes[n].clients_cut_until = self.duration();
        self.sever_all(n);
    }

    fn zookeeper_down(&mut self) {
        let until = self.duration();
        self.zookeeper.down_until = until;
        for n in 0..self.nodes.len() {
            self.break_link(n);
        }
        self.events.push(until, Event::ZooKeeperUp);
    }

    fn zookeeper_lags(&mut self) {
        self.zookeeper.lags_until = self.duration();
        for n in 0..self.nodes.len() {
            let lag = self.random.around(SECOND);
            self.nodes[n].link.lag = lag;
        }
    }
}
