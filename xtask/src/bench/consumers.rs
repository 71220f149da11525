//! Many consumers on one queue: what they get together, and whether each gets its share; and what a consumer that does
//! not read costs another queue.

use super::BenchArgs;
use super::connection::Connection;
use super::cpu;
use super::layout::Layout;
use super::load::{self, Figures, Work};
use super::peers::{Subject, landfall};
use super::protocol::Consuming;
use super::report::{Table, mib, when_and_where};
use crate::server::Server;
use anyhow::{Context, Result};
use model::ShortStr;
use serde::{Deserialize, Serialize};

const CONSUMERS: [usize; 4] = [1, 10, 100, 1_000];
/// 0 is for any number.
pub(super) const PREFETCHES: [u16; 4] = [1, 10, 1_000, 0];
/// The consumers share so many connections at most, with a thread of the generator each.
const CONNECTIONS_MAX: usize = 10;
const BODY: usize = 1024;
const WINDOW: usize = 5_000;
/// So many messages wait at most, which is soon the case: few consumers with a small prefetch cannot keep up with a publisher.
const WAITING: u64 = 5_000;
/// What lies in the queue of the consumer that does not read.
const UNREAD: u64 = 200_000;
const UNREAD_LAYOUT: Layout = Layout::Pairs(1);

/// The figures of each number of consumers and each prefetch.
#[derive(Serialize, Deserialize)]
pub(super) struct Consumers {
    taken: String,
    lines: Vec<Line>,
    pub(super) unread: Unread,
}

#[derive(Serialize, Deserialize)]
struct Line {
    consumers: usize,
    prefetch: u16,
    median: Figures,
}

/// A queue beside one whose consumer does not read.
#[derive(Serialize, Deserialize)]
pub(super) struct Unread {
    pub(super) alone: Figures,
    pub(super) beside: Figures,
    memory: u64,
}

impl Consumers {
    pub(super) fn measure(args: &BenchArgs) -> Result<Self> {
        let server = Server::start(landfall()?)?;
        let mut lines = Vec::new();
        for prefetch in PREFETCHES {
            for consumers in CONSUMERS {
                let line = Line::measure(&server, consumers, prefetch, args);
                lines.push(line.with_context(|| server.end_of_log())?);
            }
        }
        let unread = Unread::measure(&server, args).with_context(|| server.end_of_log())?;
        Ok(Self {
            taken: format!(
                "{}; bodies of {BODY} B; medians of {} runs of {} s each.",
                when_and_where(),
                args.rounds,
                args.seconds
            ),
            lines,
            unread,
        })
    }

    /// The least rate with a prefetch, as a part of the greatest with the same.
    pub(super) fn evenness(&self, prefetch: u16) -> Option<f64> {
        let rates = || {
            let lines = self.lines.iter().filter(|line| line.prefetch == prefetch);
            lines.map(|line| line.median.acked_per_s)
        };
        Some(rates().min_by(f64::total_cmp)? / rates().max_by(f64::total_cmp)?)
    }

    /// The least of what a consumer got as a part of what another got, of several consumers with a prefetch.
    pub(super) fn fairness(&self, prefetch: u16) -> Option<f64> {
        let lines = self.lines.iter().filter(|line| line.prefetch == prefetch);
        lines
            .map(|line| line.median.fairness)
            .min_by(f64::total_cmp)
    }

    pub(super) fn tables(&self) -> String {
        let mut table = Table::new(
            "prefetch | consumers | acked/s | one consumer = 1 | least share, most = 1 | end to end p50 µs | p99 | server CPU µs/msg",
        );
        for line in &self.lines {
            let one = self
                .lines
                .iter()
                .find(|one| one.prefetch == line.prefetch && one.consumers == 1);
            let one = one.map_or(f64::NAN, |one| one.median.acked_per_s);
            let figures = &line.median;
            table.row([
                prefetch_name(line.prefetch),
                line.consumers.to_string(),
                format!("{:.0}", figures.acked_per_s),
                format!("{:.2}", figures.acked_per_s / one),
                format!("{:.2}", figures.fairness),
                format!("{:.0}", figures.through_p50_us),
                format!("{:.0}", figures.through_p99_us),
                format!("{:.1}", figures.server_cpu_us),
            ]);
        }
        let mut unread = Table::new(
            "one publisher and one consumer: | acked/s | end to end p99 µs | server CPU µs/msg",
        );
        let both = [
            ("alone".to_owned(), &self.unread.alone),
            (
                format!(
                    "beside a consumer that does not read {UNREAD} messages ({} MiB in memory)",
                    mib(self.unread.memory)
                ),
                &self.unread.beside,
            ),
        ];
        for (what, figures) in both {
            unread.row([
                what,
                format!("{:.0}", figures.acked_per_s),
                format!("{:.0}", figures.through_p99_us),
                format!("{:.1}", figures.server_cpu_us),
            ]);
        }
        let tables: Vec<String> = [table, unread].iter().filter_map(Table::text).collect();
        format!("{}\n\n{}", self.taken, tables.join("\n"))
    }
}

pub(super) fn prefetch_name(prefetch: u16) -> String {
    match prefetch {
        0 => "unlimited".into(),
        some => some.to_string(),
    }
}

impl Line {
    fn measure(server: &Server, consumers: usize, prefetch: u16, args: &BenchArgs) -> Result<Self> {
        let connections = consumers.min(CONNECTIONS_MAX);
        let work = Work {
            layout: Layout::Consumers(connections),
            consuming: Consuming {
                prefetch,
                on_each_connection: consumers / connections,
            },
            most_waiting: Some(WAITING),
            ..Work::plain(BODY, WINDOW, args.time()?)
        };
        let runs = (0..args.rounds)
            .map(|_| load::run(server, Subject::Landfall, work))
            .collect::<Result<Vec<_>>>();
        let prefetch_name = prefetch_name(prefetch);
        let runs =
            runs.with_context(|| format!("{consumers} consumers, prefetch {prefetch_name}"))?;
        let median = Figures::median(&runs);
        eprintln!(
            "{consumers:>4} consumers, prefetch {prefetch_name:>9}: {:.0} acked/s, least share {:.2}",
            median.acked_per_s, median.fairness
        );
        Ok(Self {
            consumers,
            prefetch,
            median,
        })
    }
}

impl Unread {
    fn measure(server: &Server, args: &BenchArgs) -> Result<Self> {
        let work = Work::plain(BODY, WINDOW, args.time()?);
        let flow = || -> Result<Figures> {
            let runs = (0..args.rounds).map(|_| load::run(server, Subject::Landfall, work));
            Ok(Figures::median(&runs.collect::<Result<Vec<_>>>()?))
        };
        let alone = flow()?;
        let mut control = Subject::Landfall.control(server)?;
        control.make(UNREAD_LAYOUT)?;
        let unread = Work {
            layout: UNREAD_LAYOUT,
            ..work
        };
        load::fill(&*control, unread, UNREAD)?;
        let mut deaf = Connection::open(server.port())?;
        deaf.consume(&ShortStr::truncated(&UNREAD_LAYOUT.queues()[0]), 0)?;
        let beside = flow()?;
        let memory = cpu::memory_of(server.pid())?;
        drop(deaf);
        control.remove(UNREAD_LAYOUT)?;
        Ok(Self {
            alone,
            beside,
            memory,
        })
    }
}
