//! Confirmed publish, consume and acknowledge of persistent messages: Landfall beside the RabbitMQ that Debian
//! ships, with one load generator, in one run on one machine.
//!
//! A figure alone says little on a machine that others use too; a ratio of two figures taken in turns says more,
//! and the server's processor time for one message hardly depends on the neighbours at all. So all three are told.

mod connection;
mod cpu;
mod delays;
mod disk;
mod layout;
mod load;
mod report;

pub(crate) use delays::{DelaysArgs, run_delays};

use crate::install;
use crate::server::{Program, Server};
use crate::shell::{Scratch, cargo, run, target_dir};
use anyhow::{Context, Result, bail};
use clap::Args;
use layout::Layout;
use report::{Line, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// What `cargo xtask bench` can be told.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// How long each figure is measured
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How often each figure is measured, in turns; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only these, as SIZE, SIZE/WINDOW or SIZE/WINDOW/LAYOUT: `--only 1024/5000,16,1024/100/1000-queues`
    #[arg(long, value_delimiter = ',')]
    only: Vec<Choice>,
    /// Without RabbitMQ
    #[arg(long)]
    landfall_only: bool,
    /// Writes every single measurement to this file too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Puts the figures into docs/benchmarks.md
    #[arg(long)]
    write: bool,
}

const SIZES: [usize; 3] = [16, 1024, 16 * 1024];
const WINDOWS: [usize; 3] = [1, 100, 5_000];

/// Bindings and queues are measured with messages of this size and this window.
const LAYOUT_CELL: (usize, usize) = (1024, 100);

/// The size of a message's body in bytes, how many messages may be unconfirmed at a time, and what they pass
/// through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    size: usize,
    window: usize,
    layout: Layout,
}

impl Cell {
    fn plain(size: usize, window: usize) -> Self {
        Self {
            size,
            window,
            layout: Layout::Plain,
        }
    }
}

/// A part of the table.
#[derive(Clone, Copy, Debug)]
struct Choice {
    size: usize,
    window: Option<usize>,
    layout: Layout,
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<usize>()
                .map_err(|error| format!("`{text}`: {error}"))
        };
        let mut parts = text.split('/');
        let size = number(parts.next().unwrap_or_default())?;
        let window = parts.next().map(number).transpose()?;
        let layout = parts.next().map(str::parse).transpose()?;
        Ok(Self {
            size,
            window,
            layout: layout.unwrap_or(Layout::Plain),
        })
    }
}

/// What is measured: a server, and the kind of queue on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Landfall,
    RabbitClassic,
    RabbitQuorum,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Landfall => "Landfall",
            Self::RabbitClassic => "RabbitMQ classic",
            Self::RabbitQuorum => "RabbitMQ quorum",
        }
    }

    /// The argument `x-queue-type` of its queue.
    fn queue_type(self) -> Option<&'static str> {
        match self {
            Self::Landfall => None,
            Self::RabbitClassic => Some("classic"),
            Self::RabbitQuorum => Some("quorum"),
        }
    }
}

/// Both servers; the one that is not measured is halted, so that it takes no time from the other.
struct Servers {
    landfall: Server,
    rabbitmq: Option<Server>,
}

impl Servers {
    fn start(args: &BenchArgs) -> Result<Self> {
        run(&mut cargo(&[
            "build",
            "--release",
            "--package",
            "landfall-server",
        ]))?;
        let landfall = Server::start(Program::Landfall(
            target_dir().join("release").join("landfall"),
        ))?;
        landfall.halt()?;
        if args.landfall_only {
            return Ok(Self {
                landfall,
                rabbitmq: None,
            });
        }
        install::packages(install::FOR_RABBITMQ)?;
        let rabbitmq = Server::start(Program::RabbitMq)?;
        rabbitmq.halt()?;
        Ok(Self {
            landfall,
            rabbitmq: Some(rabbitmq),
        })
    }

    fn subjects(&self) -> Vec<Subject> {
        match self.rabbitmq {
            None => vec![Subject::Landfall],
            Some(_) => vec![
                Subject::Landfall,
                Subject::RabbitClassic,
                Subject::RabbitQuorum,
            ],
        }
    }

    fn measure(&self, subject: Subject, cell: Cell, time: Duration) -> Result<load::Figures> {
        let server = match subject {
            Subject::Landfall => &self.landfall,
            Subject::RabbitClassic | Subject::RabbitQuorum => {
                self.rabbitmq.as_ref().context("no RabbitMQ")?
            }
        };
        server.resume()?;
        let figures = load::run(server, subject.queue_type(), cell, time).with_context(|| {
            format!(
                "{}, {} B, window {}, {}\n{}",
                subject.name(),
                cell.size,
                cell.window,
                cell.layout,
                server.end_of_log()
            )
        });
        server.halt()?;
        figures
    }
}

/// Measures and prints the table.
pub(crate) fn run_bench(args: &BenchArgs) -> Result<()> {
    if cfg!(debug_assertions) {
        // A load generator without optimisation would measure itself.
        let us = ["run", "--quiet", "--release", "--package", "xtask", "--"];
        return run(cargo(&us).args(std::env::args_os().skip(1)));
    }
    let cells = cells(&args.only)?;
    let time = Duration::try_from_secs_f64(args.seconds).context("--seconds")?;
    let servers = Servers::start(args)?;
    let scratch = Scratch::new("bench")?;
    let mut runs: BTreeMap<(Cell, Subject), Vec<load::Figures>> = BTreeMap::new();
    let mut raw: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for round in 0..args.rounds {
        for &cell in &cells {
            let mut subjects = servers.subjects();
            let first = round as usize % subjects.len();
            subjects.rotate_left(first);
            for subject in subjects {
                // The disk's own rate changes from minute to minute: it is taken right before and right after.
                let beside_the_disk = cell.window == 1
                    && cell.layout == Layout::Plain
                    && subject == Subject::Landfall;
                let mut take_raw = || -> Result<()> {
                    let rate = disk::syncs_per_second(scratch.path(), cell.size, time / 2)?;
                    raw.entry(cell.size).or_default().push(rate);
                    Ok(())
                };
                if beside_the_disk {
                    take_raw()?;
                }
                let figures = servers.measure(subject, cell, time)?;
                if beside_the_disk {
                    take_raw()?;
                }
                eprintln!("{}", report::progress(round, subject, cell, &figures));
                runs.entry((cell, subject)).or_default().push(figures);
            }
        }
    }
    let report = Report {
        lines: runs
            .into_iter()
            .map(|((cell, subject), runs)| Line::new(cell, subject, runs))
            .collect(),
        raw: raw
            .into_iter()
            .map(|(size, rates)| (size, report::median(rates)))
            .collect(),
        seconds: args.seconds,
        rounds: args.rounds,
    };
    println!("{}", report.table());
    if let Some(path) = &args.json {
        std::fs::write(path, report.json())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.write {
        report.write_into_the_documents()?;
    }
    Ok(())
}

/// The cells of the table that were asked for.
fn cells(only: &[Choice]) -> Result<Vec<Cell>> {
    let all = SIZES
        .iter()
        .flat_map(|&size| WINDOWS.iter().map(move |&window| Cell::plain(size, window)));
    let (size, window) = LAYOUT_CELL;
    let layouts = Layout::MEASURED.iter().map(|&layout| Cell {
        size,
        window,
        layout,
    });
    if only.is_empty() {
        return Ok(all.chain(layouts).collect());
    }
    let mut cells = Vec::new();
    for choice in only {
        if !(load::BODY_MIN..=load::BODY_MAX).contains(&choice.size) || choice.window == Some(0) {
            bail!(
                "a body has {} to {} bytes, a window at least one message",
                load::BODY_MIN,
                load::BODY_MAX
            );
        }
        match choice.window {
            Some(window) => {
                // What a layout costs is told beside the plain one.
                let plain = Cell::plain(choice.size, window);
                let layout = choice.layout;
                cells.extend([plain, Cell { layout, ..plain }]);
            }
            None => cells.extend(
                WINDOWS
                    .iter()
                    .map(|&window| Cell::plain(choice.size, window)),
            ),
        }
    }
    let mut seen = BTreeSet::new();
    cells.retain(|cell| seen.insert(*cell));
    Ok(cells)
}
