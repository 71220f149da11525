//! What a server uses: the processor time of its process and of all that descend from it, and its memory.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::time::Duration;

/// The parts of `/proc/PID/stat` that count here.
struct Process {
    parent: u32,
    /// User and system time in the kernel's ticks.
    own: u64,
    /// That of its children that have ended.
    ended: u64,
}

/// The time used so far.
pub(super) fn used_by(pid: u32) -> Result<Duration> {
    let processes = processes()?;
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let parent = family[at];
        family.extend(
            processes
                .iter()
                .filter(|(_, process)| process.parent == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    let family = family.iter().filter_map(|pid| processes.get(pid));
    Ok(time(
        family.map(|process| process.own + process.ended).sum(),
    ))
}

/// The time that this process itself used so far.
pub(super) fn used_by_us() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read our own times")?;
    Ok(time(
        parse(&stat).context("our own times make no sense")?.own,
    ))
}

/// How many processes wanted to run over the last minute, as the kernel tells.
pub(super) fn load() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = load.split(' ').next();
    first
        .and_then(|first| first.parse().ok())
        .unwrap_or(f64::NAN)
}

/// The memory of a process that is in use, in bytes: `VmRSS`.
pub(super) fn memory_of(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("cannot read the server's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("no VmRSS")?.trim().parse().context("VmRSS")?;
    Ok(kib * 1024)
}

/// What a process has had written to the disk so far, in bytes.
pub(super) fn written_by(pid: u32) -> Result<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io"))
        .context("cannot read what the server has written")?;
    let bytes = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    let bytes = bytes.context("no write_bytes")?;
    bytes.parse().context("write_bytes")
}

fn time(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn processes() -> Result<HashMap<u32, Process>> {
    let mut processes = HashMap::new();
    for entry in std::fs::read_dir("/proc")
        .context("cannot list the processes")?
        .flatten()
    {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // A process may end while we look at it.
        if let Some(process) = std::fs::read_to_string(entry.path().join("stat"))
            .ok()
            .as_deref()
            .and_then(parse)
        {
            processes.insert(pid, process);
        }
    }
    Ok(processes)
}

/// Reads a line of `/proc/PID/stat` (proc(5)). The program's name may hold blanks and brackets, so fields are
/// counted from its last closing bracket.
fn parse(stat: &str) -> Option<Process> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Here field 0 is the state, which proc(5) counts as 3: so the parent (4) is 1, and utime (14) is 11.
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        ended: number(13)? + number(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let process = parse("7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5")
            .expect("a stat line");
        assert_eq!((process.parent, process.own, process.ended), (3, 30, 70));
    }

    #[test]
    fn our_own_time_grows() {
        let before = used_by_us().expect("we are a process");
        let grown = || used_by_us().expect("we are a process") - before;
        // On a busy machine it takes many times as long.
        let start = std::time::Instant::now();
        while grown() < Duration::from_millis(50) {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", grown());
        }
    }
}
