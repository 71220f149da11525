//! What a backlog of waiting messages costs: while it grows, while it lies there, at a start, and when it is drained.

use super::BenchArgs;
use super::connection::Connection;
use super::cpu;
use super::disk;
use super::layout::Layout;
use super::load::{self, Figures, Work};
use super::peers::{Subject, landfall};
use super::report::{Table, ensure_room, mib, when_and_where};
use crate::server::Server;
use crate::shell::target_dir;
use anyhow::{Context, Result};
use model::{Method, ShortStr};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use wire::Frame;

const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const BODY: usize = 1024;
const WINDOW: usize = 5_000;
/// The queue that the backlog lies in is not the one that flows beside it.
const LAYOUT: Layout = Layout::Pairs(1);
/// So many times the backlog's bytes flow past it, in bodies of this size.
const FLOW: u64 = 10;
const FLOW_BODY: usize = 16 * 1024;
const FLOW_WINDOW: usize = 1_000;
/// Once a backlog has taken so many times its own bytes of the disk, and this much at least, nothing more flows past it:
/// it is told that it took too much, and the disk is not filled.
const TOO_MUCH: u64 = 3;
const TOO_MUCH_LEAST: u64 = 4 << 30;

/// The figures of each size.
#[derive(Serialize, Deserialize)]
pub(super) struct Backlog {
    taken: String,
    pub(super) lines: Vec<Line>,
}

/// The figures of one size.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) messages: u64,
    /// One publisher and one consumer on a server that has no backlog.
    pub(super) live: Figures,
    pub(super) published_per_s: f64,
    pub(super) publish_cpu_us: f64,
    pub(super) memory: u64,
    /// One publisher and one consumer on another queue, beside the backlog.
    pub(super) beside: Figures,
    /// What the data directory takes without a backlog, and the most that it took while others flowed past one.
    pub(super) disk_empty: u64,
    pub(super) disk_most: u64,
    pub(super) after_stop: Restart,
    pub(super) after_kill: Restart,
    pub(super) drained_per_s: f64,
    pub(super) drain_cpu_us: f64,
    pub(super) memory_drained: u64,
}

/// A start with a backlog.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Restart {
    pub(super) first_delivery_s: f64,
    pub(super) memory: u64,
}

impl Backlog {
    pub(super) fn measure(args: &BenchArgs) -> Result<Self> {
        let sizes = SIZES.iter().copied().filter(|size| *size <= args.largest);
        let mut lines = Vec::new();
        for messages in sizes {
            let bytes = messages * BODY as u64;
            ensure_room(&target_dir(), too_much(bytes) + bytes)?;
            let mut server = Server::start(landfall()?)?;
            let line = Line::measure(&mut server, messages, args);
            let line =
                line.with_context(|| format!("a backlog of {messages}\n{}", server.end_of_log()))?;
            lines.push(line);
        }
        Ok(Self {
            taken: format!(
                "{}; bodies of {BODY} B; medians of {} runs of {} s each where it flows, one run of the rest.",
                when_and_where(),
                args.rounds,
                args.seconds
            ),
            lines,
        })
    }

    pub(super) fn tables(&self) -> String {
        let tables = [self.growing(), self.lying(), self.starting()];
        let tables: Vec<String> = tables.iter().filter_map(Table::text).collect();
        format!("{}\n\n{}", self.taken, tables.join("\n"))
    }

    fn growing(&self) -> Table {
        let mut table = Table::new(
            "backlog | published/s | confirmed/s of an empty queue = 1 | CPU µs/msg | MiB in memory | drained/s | acked/s of a live queue = 1 | CPU µs/msg | MiB after it",
        );
        for line in &self.lines {
            table.row([
                line.messages.to_string(),
                format!("{:.0}", line.published_per_s),
                format!("{:.2}", line.publish_part()),
                format!("{:.1}", line.publish_cpu_us),
                mib(line.memory),
                format!("{:.0}", line.drained_per_s),
                format!("{:.2}", line.drain_part()),
                format!("{:.1}", line.drain_cpu_us),
                mib(line.memory_drained),
            ]);
        }
        table
    }

    fn lying(&self) -> Table {
        let mut table = Table::new(
            "backlog | another queue, acked/s | without a backlog = 1 | CPU µs/msg | without a backlog | data directory MiB, most | empty | its growth, bytes of the backlog = 1",
        );
        for line in &self.lines {
            table.row([
                line.messages.to_string(),
                format!("{:.0}", line.beside.acked_per_s),
                format!("{:.2}", line.beside.acked_per_s / line.live.acked_per_s),
                format!("{:.1}", line.beside.server_cpu_us),
                format!("{:.1}", line.live.server_cpu_us),
                mib(line.disk_most),
                mib(line.disk_empty),
                format!("{:.2}", line.disk_part()),
            ]);
        }
        table
    }

    fn starting(&self) -> Table {
        let mut table = Table::new(
            "backlog | after a stop: s to the first delivery | MiB | after kill -9: s | MiB",
        );
        for line in &self.lines {
            let (stop, kill) = (line.after_stop, line.after_kill);
            table.row([
                line.messages.to_string(),
                format!("{:.2}", stop.first_delivery_s),
                mib(stop.memory),
                format!("{:.2}", kill.first_delivery_s),
                mib(kill.memory),
            ]);
        }
        table
    }
}

impl Line {
    /// Publishing into the backlog, as a part of publishing into a queue that is emptied.
    pub(super) fn publish_part(&self) -> f64 {
        self.published_per_s / self.live.confirmed_per_s
    }

    /// Draining it, as a part of consuming a queue that is filled.
    pub(super) fn drain_part(&self) -> f64 {
        self.drained_per_s / self.live.acked_per_s
    }

    /// What it pinned on the disk, as a multiple of its own bytes.
    pub(super) fn disk_part(&self) -> f64 {
        let pinned = self.disk_most.saturating_sub(self.disk_empty);
        pinned as f64 / (self.messages * BODY as u64) as f64
    }

    fn measure(server: &mut Server, messages: u64, args: &BenchArgs) -> Result<Self> {
        let time = args.time()?;
        let told = |what: &str, rate: f64| {
            eprintln!("backlog of {messages:>8}: {what}: {rate:.0} messages/s");
        };
        let live = flowing(server, args)?;
        told("a live queue without it", live.acked_per_s);
        let disk_empty = disk_while_others_flow(server, 1, u64::MAX, time)?;

        let work = Work {
            layout: LAYOUT,
            ..Work::plain(BODY, WINDOW, time)
        };
        let mut control = Subject::Landfall.control(server)?;
        control.make(LAYOUT)?;
        let (published_per_s, publish_cpu_us) =
            rate_and_cpu(server, messages, || load::fill(&*control, work, messages))?;
        told("published", published_per_s);
        let memory = cpu::memory_of(server.pid())?;
        let beside = flowing(server, args)?;
        told("a live queue beside it", beside.acked_per_s);
        let bytes = messages * BODY as u64;
        let most = disk_empty + too_much(bytes);
        let disk_most = disk_while_others_flow(server, bytes, most, time)?;

        server.terminate()?;
        let after_stop = Restart::measure(server)?;
        server.kill()?;
        let after_kill = Restart::measure(server)?;
        eprintln!("backlog of {messages:>8}: {after_stop:?}, killed: {after_kill:?}");

        let mut control = Subject::Landfall.control(server)?;
        let (drained_per_s, drain_cpu_us) =
            rate_and_cpu(server, messages, || load::drain(&*control, work, messages))?;
        told("drained", drained_per_s);
        anyhow::ensure!(control.left(LAYOUT)? == 0, "messages are left");
        Ok(Self {
            messages,
            live,
            published_per_s,
            publish_cpu_us,
            memory,
            beside,
            disk_empty,
            disk_most,
            after_stop,
            after_kill,
            drained_per_s,
            drain_cpu_us,
            memory_drained: cpu::memory_of(server.pid())?,
        })
    }
}

/// The medians of one publisher and one consumer on a queue that stays short.
fn flowing(server: &Server, args: &BenchArgs) -> Result<Figures> {
    let work = Work::plain(BODY, WINDOW, args.time()?);
    let runs = (0..args.rounds)
        .map(|_| load::run(server, Subject::Landfall, work))
        .collect::<Result<Vec<_>>>()?;
    Ok(Figures::median(&runs))
}

/// Messages a second, and the server's processor time for each in microseconds.
fn rate_and_cpu(
    server: &Server,
    messages: u64,
    work: impl FnOnce() -> Result<Duration>,
) -> Result<(f64, f64)> {
    let before = cpu::used_by(server.pid())?;
    let took = work()?;
    let used = cpu::used_by(server.pid())? - before;
    let messages = messages as f64;
    Ok((
        messages / took.as_secs_f64(),
        used.as_secs_f64() * 1e6 / messages,
    ))
}

fn too_much(backlog: u64) -> u64 {
    TOO_MUCH_LEAST.max(TOO_MUCH * backlog)
}

/// The most that the data directory takes while many times the backlog's bytes flow through another queue.
fn disk_while_others_flow(
    server: &Server,
    backlog: u64,
    too_much: u64,
    time: Duration,
) -> Result<u64> {
    let (mut flowed, mut most) = (0, 0);
    let work = Work::plain(FLOW_BODY, FLOW_WINDOW, time);
    while flowed < FLOW * backlog && most < too_much {
        flowed += load::run(server, Subject::Landfall, work)?.messages * FLOW_BODY as u64;
        most = most.max(disk::used_by(&server.data_dir())?);
    }
    Ok(most)
}

impl Restart {
    /// Starts a server that was ended, and takes a message.
    fn measure(server: &mut Server) -> Result<Self> {
        let begin = Instant::now();
        server.launch()?;
        let mut connection = Connection::open(server.port())?;
        connection.qos(1)?;
        connection.consume(&ShortStr::truncated(&LAYOUT.queues()[0]), 0)?;
        first_delivery(&mut connection)?;
        let first_delivery_s = begin.elapsed().as_secs_f64();
        let memory = cpu::memory_of(server.pid())?;
        connection.close()?;
        Ok(Self {
            first_delivery_s,
            memory,
        })
    }
}

fn first_delivery(connection: &mut Connection) -> Result<()> {
    loop {
        while let Some(frame) = connection.buffered_frame()? {
            if let Frame::Method(_, Method::BasicDeliver(_)) = frame {
                return Ok(());
            }
        }
        connection.fill()?;
    }
}
