//! Throughput and latency: each cell on each server in turns, and then half of what each server can carry.

mod tables;

use super::BenchArgs;
use super::cell::{self, Cell};
use super::disk;
use super::layout::Layout;
use super::load::{self, Figures, Work};
use super::peers::{Servers, Subject};
use super::report::{median, when_and_where};
use crate::shell::Scratch;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The cell whose throughput is the server's greatest: half of it is a rate that leaves it room.
pub(super) const GREATEST: Cell = Cell::plain(1024, 5_000);

/// All that was measured.
#[derive(Serialize, Deserialize)]
pub(super) struct Throughput {
    taken: String,
    lines: Vec<Line>,
    half_rate: Vec<Line>,
    raw: Vec<Raw>,
}

/// A server in a cell.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) cell: Cell,
    pub(super) subject: Subject,
    /// Messages a second, where they were not sent as fast as could be.
    pub(super) pace: Option<f64>,
    /// The median of each figure by itself.
    pub(super) median: Figures,
    runs: Vec<Figures>,
}

/// What the disk gives by itself.
#[derive(Serialize, Deserialize)]
struct Raw {
    size: usize,
    syncs_per_s: f64,
}

impl Line {
    fn new(cell: Cell, subject: Subject, pace: Option<f64>, runs: Vec<Figures>) -> Self {
        Self {
            cell,
            subject,
            pace,
            median: Figures::median(&runs),
            runs,
        }
    }
}

impl Figures {
    /// The median of each figure by itself.
    pub(super) fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure).collect());
        Self {
            messages: runs.iter().map(|run| run.messages).sum(),
            confirmed_per_s: of(|run| run.confirmed_per_s),
            acked_per_s: of(|run| run.acked_per_s),
            confirm_p50_us: of(|run| run.confirm_p50_us),
            confirm_p99_us: of(|run| run.confirm_p99_us),
            through_p50_us: of(|run| run.through_p50_us),
            through_p99_us: of(|run| run.through_p99_us),
            server_cpu_us: of(|run| run.server_cpu_us),
            generator_cpu_us: of(|run| run.generator_cpu_us),
            fairness: of(|run| run.fairness),
            load: of(|run| run.load),
        }
    }
}

impl Throughput {
    pub(super) fn measure(args: &BenchArgs) -> Result<Self> {
        let time = args.time()?;
        let cells = cell::chosen(&args.only)?;
        let servers = Servers::start(!args.landfall_only)?;
        let scratch = Scratch::new("bench")?;
        let mut runs: BTreeMap<(Cell, Subject), Vec<Figures>> = BTreeMap::new();
        let mut raw: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for round in 0..args.rounds {
            for &cell in &cells {
                for subject in servers.in_turn(round) {
                    if !can_do(subject, cell.layout) {
                        continue;
                    }
                    // The disk's own rate changes from minute to minute: it is taken right before and right after.
                    let beside_the_disk =
                        cell == Cell::plain(cell.size, 1) && subject == Subject::Landfall;
                    let mut take_raw = || -> Result<()> {
                        let rate = disk::syncs_per_second(scratch.path(), cell.size, time / 2)?;
                        raw.entry(cell.size).or_default().push(rate);
                        Ok(())
                    };
                    if beside_the_disk {
                        take_raw()?;
                    }
                    let figures = measured(&servers, subject, cell, None, time)?;
                    if beside_the_disk {
                        take_raw()?;
                    }
                    runs.entry((cell, subject)).or_default().extend(figures);
                }
            }
        }
        let lines: Vec<Line> = runs
            .into_iter()
            .filter(|(_, runs)| !runs.is_empty())
            .map(|((cell, subject), runs)| Line::new(cell, subject, None, runs))
            .collect();
        Ok(Self {
            taken: format!(
                "{}; {}; medians of {} runs of {} s each.",
                when_and_where(),
                servers.versions(),
                args.rounds,
                args.seconds
            ),
            half_rate: half_rate(&servers, &lines, args.rounds, time)?,
            lines,
            raw: raw
                .into_iter()
                .map(|(size, rates)| Raw {
                    size,
                    syncs_per_s: median(rates),
                })
                .collect(),
        })
    }

    /// The medians of a server in a cell.
    pub(super) fn find(&self, cell: Cell, subject: Subject) -> Option<&Figures> {
        let line = self
            .lines
            .iter()
            .find(|line| line.cell == cell && line.subject == subject);
        line.map(|line| &line.median)
    }

    /// The medians of a server at half of what it can carry.
    pub(super) fn at_half_rate(&self, subject: Subject) -> Option<&Figures> {
        let line = self.half_rate.iter().find(|line| line.subject == subject);
        line.map(|line| &line.median)
    }

    /// Writes with fdatasync in a second.
    pub(super) fn raw(&self, size: usize) -> Option<f64> {
        let raw = self.raw.iter().find(|raw| raw.size == size);
        raw.map(|raw| raw.syncs_per_s)
    }
}

/// Only AMQP has exchanges.
fn can_do(subject: Subject, layout: Layout) -> bool {
    subject.speaks_amqp() || !matches!(layout, Layout::Bindings(_) | Layout::Queues(_))
}

/// One run, which is also told at once.
fn measured(
    servers: &Servers,
    subject: Subject,
    cell: Cell,
    pace: Option<f64>,
    time: Duration,
) -> Result<Option<Figures>> {
    let work = Work {
        layout: cell.layout,
        pace,
        ..Work::plain(cell.size, cell.window, time)
    };
    let figures = servers.measure(subject, |server| load::run(server, subject, work))?;
    if let Some(figures) = &figures {
        eprintln!("{}", tables::progress(subject, cell, pace, figures));
    }
    Ok(figures)
}

/// Each server at half of what it carried in the cell of the greatest throughput.
fn half_rate(servers: &Servers, lines: &[Line], rounds: u32, time: Duration) -> Result<Vec<Line>> {
    let paces: Vec<(Subject, f64)> = lines
        .iter()
        .filter(|line| line.cell == GREATEST)
        .map(|line| (line.subject, line.median.acked_per_s / 2.0))
        .collect();
    let mut runs: BTreeMap<Subject, Vec<Figures>> = BTreeMap::new();
    for _ in 0..rounds {
        for &(subject, pace) in &paces {
            let figures = measured(servers, subject, GREATEST, Some(pace), time)?;
            runs.entry(subject).or_default().extend(figures);
        }
    }
    Ok(paces
        .into_iter()
        .filter_map(|(subject, pace)| {
            let runs = runs.remove(&subject).filter(|runs| !runs.is_empty())?;
            Some(Line::new(GREATEST, subject, Some(pace), runs))
        })
        .collect())
}
