//! Memory under overload: a publisher that is faster than its consumer, and a consumer that never acknowledges.

use super::BenchArgs;
use super::connection::Connection;
use super::cpu;
use super::layout::Layout;
use super::load::{self, Work};
use super::peers::{Subject, landfall};
use super::report::{Table, mib, when_and_where};
use crate::server::{Program, Server};
use anyhow::{Context, Result, anyhow};
use model::{Method, ShortStr};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use wire::Frame;

/// What the server may take, where it can be told.
const LIMIT_MIB: u64 = 256;
const LIMIT_FLAG: &str = "--memory-limit";
const BODY: usize = 1024;
const WINDOW: usize = 50_000;
/// How long the publisher outruns the consumer, beside the seconds of each figure.
const OUTRUN: u32 = 3;
/// A consumer that rests so long after each read.
const REST: Duration = Duration::from_millis(20);
/// As many bytes as a few times the limit are never acknowledged.
const NEVER_ACKED: u64 = 1_000_000;
const NEVER_ACKED_LAYOUT: Layout = Layout::Pairs(1);
const LOOK: Duration = Duration::from_millis(10);

/// The figures of both.
#[derive(Serialize, Deserialize)]
pub(super) struct Bounded {
    taken: String,
    limit_told: bool,
    lines: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    what: String,
    messages: u64,
    /// What was acknowledged meanwhile.
    acked_per_s: f64,
    most: Most,
}

/// The most that was seen.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Most {
    memory: u64,
    /// What clients had sent and the server had not read from its sockets.
    unread: u64,
}

impl Bounded {
    pub(super) fn measure(args: &BenchArgs) -> Result<Self> {
        let program = landfall()?;
        let limit_told = knows_the_limit(&program)?;
        let limit = format!("{LIMIT_MIB}MiB");
        let arguments = [LIMIT_FLAG, &limit];
        let arguments = if limit_told { &arguments[..] } else { &[] };
        let mut lines = Vec::new();
        for measure in [outrun, never_acked] {
            let server = Server::start_with(program.clone(), arguments)?;
            let line = measure(&server, args).with_context(|| server.end_of_log())?;
            eprintln!("{}: {} MiB at most", line.what, mib(line.most.memory));
            lines.push(line);
        }
        Ok(Self {
            taken: when_and_where(),
            limit_told,
            lines,
        })
    }

    /// The most memory that was seen, as a part of the limit.
    pub(super) fn part_of_limit(&self) -> Option<f64> {
        let most = self.lines.iter().map(|line| line.most.memory).max()?;
        Some(most as f64 / (LIMIT_MIB << 20) as f64)
    }

    pub(super) fn tables(&self) -> String {
        let mut table = Table::new(
            "what: | messages of 1 KiB | most MiB in memory | most MiB not read from sockets | acked/s meanwhile | lost",
        );
        for line in &self.lines {
            table.row([
                line.what.clone(),
                line.messages.to_string(),
                mib(line.most.memory),
                mib(line.most.unread),
                format!("{:.0}", line.acked_per_s),
                // A run that misses one fails.
                "0".into(),
            ]);
        }
        let told = match self.limit_told {
            true => format!("started with {LIMIT_FLAG} {LIMIT_MIB}MiB"),
            false => format!("which has no flag for a limit; the goal is {LIMIT_MIB} MiB"),
        };
        let taken = &self.taken;
        format!(
            "{taken}; Landfall {told}.\n\n{}",
            table.text().unwrap_or_default()
        )
    }
}

fn knows_the_limit(program: &Program) -> Result<bool> {
    let Program::Landfall(binary) = program else {
        return Ok(false);
    };
    let help = Command::new(binary).args(["serve", "--help"]).output();
    let help = help.context("cannot ask Landfall for its flags")?;
    Ok(String::from_utf8_lossy(&help.stdout).contains(LIMIT_FLAG))
}

/// Every message is confirmed, received in order and acknowledged in the end, or the run fails.
fn outrun(server: &Server, args: &BenchArgs) -> Result<Line> {
    let work = Work {
        rest: Some(REST),
        ..Work::plain(BODY, WINDOW, OUTRUN * args.time()?)
    };
    let (figures, most) = watched(server, || load::run(server, Subject::Landfall, work))?;
    Ok(Line {
        what: "a publisher faster than its consumer".into(),
        messages: figures.messages,
        acked_per_s: figures.acked_per_s,
        most,
    })
}

/// All of it is received; what was not acknowledged comes back, in order, when its consumer is gone.
fn never_acked(server: &Server, args: &BenchArgs) -> Result<Line> {
    let mut control = Subject::Landfall.control(server)?;
    control.make(NEVER_ACKED_LAYOUT)?;
    let work = Work {
        layout: NEVER_ACKED_LAYOUT,
        ..Work::plain(BODY, WINDOW, args.time()?)
    };
    let mut consumer = Connection::open(server.port())?;
    let queue = ShortStr::truncated(&NEVER_ACKED_LAYOUT.queues()[0]);
    consumer.consume(&queue, 0)?;
    consumer.wait_a_moment_only()?;
    let filled = AtomicBool::new(false);
    let (beside, most) = watched(server, || {
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_until(&mut consumer, &filled));
            let published = load::fill(&*control, work, NEVER_ACKED);
            // Others are served meanwhile.
            let beside = published.and_then(|_| {
                let work = Work::plain(BODY, WINDOW, args.time()?);
                load::run(server, Subject::Landfall, work)
            });
            filled.store(true, Relaxed);
            reader
                .join()
                .map_err(|_| anyhow!("the reader panicked"))??;
            beside
        })
    })?;
    consumer.close()?;
    load::drain(&*control, work, NEVER_ACKED)?;
    Ok(Line {
        what: "a consumer with unlimited prefetch that never acknowledges; another queue beside it"
            .into(),
        messages: NEVER_ACKED,
        acked_per_s: beside.acked_per_s,
        most,
    })
}

/// Reads and acknowledges nothing.
fn read_until(consumer: &mut Connection, done: &AtomicBool) -> Result<()> {
    while !done.load(Relaxed) {
        consumer.fill_if_any()?;
        while let Some(frame) = consumer.buffered_frame()? {
            if let Frame::Method(_, Method::ChannelClose(close)) = frame {
                return Err(anyhow!("{}", close.reply_text.as_str()));
            }
        }
    }
    Ok(())
}

/// Looks at the server again and again while something is done.
fn watched<T>(server: &Server, work: impl FnOnce() -> Result<T>) -> Result<(T, Most)> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| -> Result<Most> {
            let mut most = Most::default();
            while !done.load(Relaxed) {
                most.memory = most.memory.max(cpu::memory_of(server.pid())?);
                most.unread = most.unread.max(unread(server.port())?);
                std::thread::sleep(LOOK);
            }
            Ok(most)
        });
        let outcome = work();
        done.store(true, Relaxed);
        let most = watcher
            .join()
            .map_err(|_| anyhow!("the watcher panicked"))??;
        Ok((outcome?, most))
    })
}

/// Bytes in the server's sockets that it has not read.
fn unread(port: u16) -> Result<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").context("cannot list the sockets")?;
    let lines = table.lines().filter_map(|line| unread_of(line, port));
    Ok(lines.sum())
}

/// Of one line of `/proc/net/tcp` (proc(5)): number, local address, remote address, state, bytes to send and bytes to
/// read, all in hexadecimal.
fn unread_of(line: &str, port: u16) -> Option<u64> {
    let mut words = line.split_whitespace().skip(1);
    let (_, local) = words.next()?.split_once(':')?;
    if u16::from_str_radix(local, 16).ok()? != port {
        return None;
    }
    let (_, unread) = words.nth(2)?.split_once(':')?;
    u64::from_str_radix(unread, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_tells_what_was_not_read() {
        let line = "  3: 0100007F:1628 0100007F:D431 01 00000007:00000100 00:00000000 00000000 0";
        assert_eq!(unread_of(line, 0x1628), Some(256));
        assert_eq!(unread_of(line, 80), None);
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
        assert_eq!(unread_of(head, 80), None);
    }
}
