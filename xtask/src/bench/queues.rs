//! What many queues cost: where all of them flow, and where all but one are idle.

use super::BenchArgs;
use super::connection::Connection;
use super::cpu;
use super::layout::Layout;
use super::load::{self, Figures, Work};
use super::peers::{Servers, Subject, landfall};
use super::report::{Table, mib, when_and_where};
use crate::server::Server;
use anyhow::{Context, Result};
use model::ShortStr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

const FLOWING: [usize; 4] = [1, 10, 100, 1_000];
/// Peers take long to declare and delete more.
const FLOWING_OF_PEERS: usize = 100;
const IDLE: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
const BODY: usize = 1024;
const WINDOW: usize = 5_000;

/// The figures of each number of queues.
#[derive(Serialize, Deserialize)]
pub(super) struct Queues {
    taken: String,
    pub(super) flowing: Vec<Flowing>,
    pub(super) idle: Vec<Idle>,
}

/// Messages to so many queues, one after the other.
#[derive(Serialize, Deserialize)]
pub(super) struct Flowing {
    pub(super) queues: usize,
    pub(super) subject: Subject,
    pub(super) median: Figures,
}

/// So many durable queues that nobody uses.
#[derive(Serialize, Deserialize)]
pub(super) struct Idle {
    pub(super) queues: usize,
    /// Memory before there was a queue, with all of them, and after a start with all of them.
    memory_without: u64,
    pub(super) memory: u64,
    pub(super) memory_started: u64,
    pub(super) start_s: f64,
    /// One publisher and one consumer on another queue.
    pub(super) beside: Figures,
}

impl Queues {
    pub(super) fn measure(args: &BenchArgs) -> Result<Self> {
        Ok(Self {
            taken: format!(
                "{}; bodies of {BODY} B, window {WINDOW}; medians of {} runs of {} s each.",
                when_and_where(),
                args.rounds,
                args.seconds
            ),
            flowing: flowing(args)?,
            idle: IDLE
                .into_iter()
                .map(|queues| Idle::measure(queues, args))
                .collect::<Result<_>>()?,
        })
    }

    pub(super) fn tables(&self) -> String {
        let tables = [self.flowing_table(), self.idle_table()];
        let tables: Vec<String> = tables.iter().filter_map(Table::text).collect();
        format!("{}\n\n{}", self.taken, tables.join("\n"))
    }

    /// What Landfall acknowledged with so many queues, as a part of what it did with one.
    pub(super) fn kept(&self, queues: usize) -> Option<f64> {
        let acked = |queues| self.acked(queues, Subject::Landfall);
        Some(acked(queues)? / acked(1)?)
    }

    fn acked(&self, queues: usize, subject: Subject) -> Option<f64> {
        let line = self
            .flowing
            .iter()
            .find(|line| line.queues == queues && line.subject == subject);
        line.map(|line| line.median.acked_per_s)
    }

    fn flowing_table(&self) -> Table {
        let mut table = Table::new(
            "queues, all flowing | server: | confirmed/s | acked/s | acked/s, one queue = 1 | end to end p50 µs | p99 | server CPU µs/msg",
        );
        for line in &self.flowing {
            let figures = &line.median;
            let one = self.acked(1, line.subject).unwrap_or(f64::NAN);
            table.row([
                line.queues.to_string(),
                line.subject.name().into(),
                format!("{:.0}", figures.confirmed_per_s),
                format!("{:.0}", figures.acked_per_s),
                format!("{:.2}", figures.acked_per_s / one),
                format!("{:.0}", figures.through_p50_us),
                format!("{:.0}", figures.through_p99_us),
                format!("{:.1}", figures.server_cpu_us),
            ]);
        }
        table
    }

    fn idle_table(&self) -> Table {
        let mut table = Table::new(
            "idle queues | MiB | bytes each | start s | MiB after it | bytes each | another queue, acked/s | CPU µs/msg",
        );
        for line in &self.idle {
            table.row([
                line.queues.to_string(),
                mib(line.memory),
                format!("{:.0}", line.each(line.memory)),
                format!("{:.2}", line.start_s),
                mib(line.memory_started),
                format!("{:.0}", line.each(line.memory_started)),
                format!("{:.0}", line.beside.acked_per_s),
                format!("{:.1}", line.beside.server_cpu_us),
            ]);
        }
        table
    }
}

fn flowing(args: &BenchArgs) -> Result<Vec<Flowing>> {
    let servers = Servers::start(!args.landfall_only)?;
    let time = args.time()?;
    let mut runs: BTreeMap<(usize, Subject), Vec<Figures>> = BTreeMap::new();
    for round in 0..args.rounds {
        for queues in FLOWING {
            let work = Work {
                layout: Layout::Queues(queues),
                ..Work::plain(BODY, WINDOW, time)
            };
            let can_do = |subject: &Subject| {
                *subject == Subject::Landfall || subject.speaks_amqp() && queues <= FLOWING_OF_PEERS
            };
            for subject in servers.in_turn(round).into_iter().filter(can_do) {
                let figures =
                    servers.measure(subject, |server| load::run(server, subject, work))?;
                let Some(figures) = figures else {
                    continue;
                };
                eprintln!(
                    "{:>23}, {queues:>4} queues: {:.0} acked/s, {:.1} µs CPU",
                    subject.name(),
                    figures.acked_per_s,
                    figures.server_cpu_us
                );
                runs.entry((queues, subject)).or_default().push(figures);
            }
        }
    }
    let lines = runs.into_iter().map(|((queues, subject), runs)| Flowing {
        queues,
        subject,
        median: Figures::median(&runs),
    });
    Ok(lines.collect())
}

impl Idle {
    /// Bytes of each queue.
    pub(super) fn each(&self, memory: u64) -> f64 {
        (memory as f64 - self.memory_without as f64) / self.queues as f64
    }

    /// The most that a queue takes, declared or found at a start.
    pub(super) fn most_each(&self) -> f64 {
        self.each(self.memory.max(self.memory_started))
    }

    fn measure(queues: usize, args: &BenchArgs) -> Result<Self> {
        let mut server = Server::start(landfall()?)?;
        let idle = Self::of(&mut server, queues, args);
        let idle = idle.with_context(|| format!("{queues} queues\n{}", server.end_of_log()))?;
        eprintln!(
            "{queues:>6} idle queues: {:.0} B each, start {:.2} s",
            idle.most_each(),
            idle.start_s
        );
        Ok(idle)
    }

    fn of(server: &mut Server, queues: usize, args: &BenchArgs) -> Result<Self> {
        let memory_without = cpu::memory_of(server.pid())?;
        let mut connection = Connection::open(server.port())?;
        let names = (0..queues).map(|number| ShortStr::truncated(&format!("idle-{number:06}")));
        connection.declare_all(names)?;
        let memory = cpu::memory_of(server.pid())?;
        drop(connection);
        server.terminate()?;
        let begin = Instant::now();
        server.launch()?;
        let start_s = begin.elapsed().as_secs_f64();
        let memory_started = cpu::memory_of(server.pid())?;
        let work = Work::plain(BODY, WINDOW, args.time()?);
        let runs = (0..args.rounds)
            .map(|_| load::run(server, Subject::Landfall, work))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            queues,
            memory_without,
            memory,
            memory_started,
            start_s,
            beside: Figures::median(&runs),
        })
    }
}
