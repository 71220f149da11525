//! A message to many queues: what it takes of the disk, of memory and of the processor.

use super::connection::Connection;
use super::cpu;
use super::layout::Layout;
use super::load::{self, Work};
use super::peers::{Subject, landfall};
use super::report::{Table, when_and_where};
use crate::server::Server;
use anyhow::{Context, Result};
use model::ShortStr;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const QUEUES: [usize; 3] = [1, 10, 100];
/// Much larger than what a queue has to remember of a message.
const BODY: usize = 16 * 1024;
const WINDOW: usize = 1_000;
const MESSAGES: u64 = 5_000;
/// Before it is counted, so much is sent that buffers and files are there.
const BEFORE: u64 = 1_000;
/// The server's own files that it prepares for later are written by then.
const SETTLING: Duration = Duration::from_secs(2);

/// The figures of each number of queues.
#[derive(Serialize, Deserialize)]
pub(super) struct FanOut {
    taken: String,
    lines: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    queues: usize,
    confirmed_per_s: f64,
    cpu_us: f64,
    /// Bytes for each message, by what the server had written and by how its memory grew.
    written: f64,
    memory: f64,
}

impl FanOut {
    pub(super) fn measure() -> Result<Self> {
        let lines = QUEUES.into_iter().map(|queues| {
            let server = Server::start(landfall()?)?;
            let line = Line::measure(&server, queues);
            line.with_context(|| format!("{queues} queues\n{}", server.end_of_log()))
        });
        Ok(Self {
            taken: format!(
                "{}; {MESSAGES} messages of {BODY} B through a fanout exchange; nobody consumes them.",
                when_and_where()
            ),
            lines: lines.collect::<Result<_>>()?,
        })
    }

    /// What a message to the most queues has written, as a multiple of what one to one queue has.
    pub(super) fn written_part(&self) -> Option<f64> {
        self.part(|line| line.written)
    }

    /// How many bodies a message to the most queues takes in memory.
    pub(super) fn bodies_in_memory(&self) -> Option<f64> {
        Some(self.lines.last()?.memory / BODY as f64)
    }

    fn part(&self, of: fn(&Line) -> f64) -> Option<f64> {
        Some(of(self.lines.last()?) / of(self.lines.first()?))
    }

    pub(super) fn tables(&self) -> String {
        let mut table = Table::new(
            "queues | confirmed/s | copies/s | server CPU µs/msg | bytes written, one body = 1 | bytes of memory, one body = 1",
        );
        for line in &self.lines {
            table.row([
                line.queues.to_string(),
                format!("{:.0}", line.confirmed_per_s),
                format!("{:.0}", line.confirmed_per_s * line.queues as f64),
                format!("{:.1}", line.cpu_us),
                format!("{:.2}", line.written / BODY as f64),
                format!("{:.2}", line.memory / BODY as f64),
            ]);
        }
        format!("{}\n\n{}", self.taken, table.text().unwrap_or_default())
    }
}

impl Line {
    fn measure(server: &Server, queues: usize) -> Result<Self> {
        let mut connection = Connection::open(server.port())?;
        let exchange = ShortStr::from_static("bench");
        connection.declare_exchange(&exchange, "fanout")?;
        let names = || (0..queues).map(|number| ShortStr::truncated(&format!("fan-{number:03}")));
        connection.declare_all(names())?;
        for queue in names() {
            connection.bind(&queue, &exchange, &queue)?;
        }
        // A publisher to that exchange: its bindings and queues are the ones made here.
        let work = Work {
            layout: Layout::Queues(1),
            ..Work::plain(BODY, WINDOW, Duration::ZERO)
        };
        let control = Subject::Landfall.control(server)?;
        load::fill(&*control, work, BEFORE)?;
        std::thread::sleep(SETTLING);
        let pid = server.pid();
        let (cpu, written) = (cpu::used_by(pid)?, cpu::written_by(pid)?);
        let memory = cpu::memory_of(pid)?;
        let took = load::fill(&*control, work, MESSAGES)?;
        std::thread::sleep(SETTLING);
        let each = |all: f64| all / MESSAGES as f64;
        let line = Self {
            queues,
            confirmed_per_s: MESSAGES as f64 / took.as_secs_f64(),
            cpu_us: each((cpu::used_by(pid)? - cpu).as_secs_f64() * 1e6),
            written: each((cpu::written_by(pid)? - written) as f64),
            memory: each(cpu::memory_of(pid)? as f64 - memory as f64),
        };
        eprintln!(
            "{queues:>3} queues: {:.0} messages/s, {:.1} bodies written",
            line.confirmed_per_s,
            line.written / BODY as f64
        );
        Ok(line)
    }
}
