//! Memory: how much the server may use, which part of it each buffer gets, and when publishers have to wait (promise P9).
//!
//! ```text
//! 0 ──────────── buffers, each with a part of its own ──────────── 70 % ──── 80 % ──────── limit
//!                                               publishers go on ┘         └ publishers are blocked
//! ```
//! What the parts do not know of (queues, connections, what the allocator keeps) is in what the system says that the
//! process has for itself: the pages of the program, which it reads from its file again whenever it wants, do not count.

use crate::units::Portion;
use anyhow::ensure;
use model::{Limits, Timestamp};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// With less, what the server needs at rest and what the allocator keeps would leave too little to work with.
const LEAST: u64 = 128 * 1024 * 1024;

/// Taken for the machine's memory where the system does not tell.
const UNKNOWN: u64 = 2 * 1024 * 1024 * 1024;

/// The most that chunks are kept in memory for, however much there is: what is delivered soon, in bytes.
const CACHE_BYTES_MOST: usize = 64 * 1024 * 1024;

/// The most that is handed out and waits for clients to read it, of all connections together, however much memory
/// there is.
const UNREAD_BYTES_MOST: usize = 512 * 1024 * 1024;

/// What a delivery takes that waits for its acknowledgement, in bytes, roughly.
const UNACKED_BYTES: u64 = 128;

/// Looked at no more often while the server works.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// While memory is short it is looked at so often though nothing happens.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The allocator keeps what was freed for a second. Asked so long after a busy moment it gives it all back.
const GIVE_BACK_AFTER: Duration = Duration::from_millis(1100);

/// Freeing a block of this size makes the allocator look for what it can give back; smaller ones do not.
const NUDGE_BYTES: usize = 4 * 1024 * 1024;

/// How much memory the server may use, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimit(u64);

impl MemoryLimit {
    /// The limit itself.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// From what the operator says.
    ///
    /// # Errors
    /// Where that is too little.
    pub fn of(portion: Portion) -> anyhow::Result<Self> {
        let bytes = match portion {
            Portion::Bytes(bytes) => bytes,
            Portion::Part(part) => (machine() as f64 * part) as u64,
        };
        ensure!(
            bytes >= LEAST,
            "memory-limit is {bytes} bytes; it must be at least {LEAST}"
        );
        Ok(Self(bytes))
    }

    /// Each limit on a buffer, but no more than its part of the memory.
    pub fn bound(self, limits: Limits) -> Limits {
        let deliveries = u32::try_from(self.0 / 8 / UNACKED_BYTES).unwrap_or(u32::MAX);
        Limits {
            message_size_max: limits.message_size_max.min(self.0 / 8),
            unfinished_bytes_max: limits.unfinished_bytes_max.min(self.part(8)),
            inbox_bytes_max: limits.inbox_bytes_max.min(self.part(16)),
            landing_bytes_max: limits.landing_bytes_max.min(self.part(16)),
            transactions_bytes_max: limits.transactions_bytes_max.min(self.part(16)),
            unacked_max: limits.unacked_max.min(deliveries),
            ..limits
        }
    }

    /// What chunks may be kept in memory for. They are counted by what is in them, and their buffers may be twice as
    /// large.
    pub fn cache_bytes(self) -> usize {
        self.part(16).min(CACHE_BYTES_MOST)
    }

    fn part(self, of: u64) -> usize {
        usize::try_from(self.0 / of).unwrap_or(usize::MAX)
    }
}

/// The memory of this machine, or of the container that the process runs in if that is less.
fn machine() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|text| text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map_or(UNKNOWN, |kib| kib * 1024);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().flat_map(group_limits);
    limits.fold(total, u64::min)
}

/// The limits of a control group and of those around it, from a line of `/proc/self/cgroup`.
fn group_limits(line: &str) -> Vec<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (root, file) = match fields.next() {
        Some("") => ("/sys/fs/cgroup", "memory.max"),
        Some("memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return Vec::new(),
    };
    let mut path = fields.next().unwrap_or_default();
    let mut limits = Vec::new();
    loop {
        let limit = fs::read_to_string(format!("{root}{path}/{file}"));
        // "max", or a file that is not there, is no limit.
        limits.extend(limit.ok().and_then(|text| text.trim().parse::<u64>().ok()));
        match path.rsplit_once('/') {
            Some((parent, _)) => path = parent,
            None => return limits,
        }
    }
}

/// The memory as connections see it.
#[derive(Debug)]
pub struct Memory {
    short: AtomicBool,
    /// What was handed out and waits for clients to read it.
    unread: AtomicUsize,
    unread_max: usize,
}

impl Memory {
    /// Of a server with that limit.
    pub fn new(limit: MemoryLimit) -> Arc<Self> {
        Arc::new(Self {
            short: AtomicBool::new(false),
            unread: AtomicUsize::new(0),
            unread_max: limit.part(8).min(UNREAD_BYTES_MOST),
        })
    }

    /// Whether there is so little that nothing more than necessary should be held.
    pub fn is_short(&self) -> bool {
        self.short.load(Relaxed) || self.unread.load(Relaxed) > self.unread_max
    }
}

/// A connection's part of what waits to be read. Dropped, it holds nothing.
#[derive(Debug)]
pub struct Unread<'a> {
    memory: &'a Memory,
    held: usize,
}

impl<'a> Unread<'a> {
    /// Holds nothing yet.
    pub fn of(memory: &'a Memory) -> Self {
        Self { memory, held: 0 }
    }

    /// Takes note of what the connection holds now.
    pub fn hold(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.held, bytes);
        if bytes > before {
            self.memory.unread.fetch_add(bytes - before, Relaxed);
        } else if bytes < before {
            self.memory.unread.fetch_sub(before - bytes, Relaxed);
        }
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        self.hold(0);
    }
}

/// Looks how much memory the process has.
#[derive(Debug)]
pub struct Watch {
    memory: Arc<Memory>,
    limit: MemoryLimit,
    /// Where the system tells; `None` where it does not.
    statm: Option<File>,
    look_at: Timestamp,
    /// When the allocator is to give back what was freed: once after each time of work, so that a server at rest holds
    /// what it needs, and sleeps.
    give_back_at: Option<Timestamp>,
}

impl Watch {
    /// Tells `memory` what it sees. Recovery is work too.
    pub fn new(limit: MemoryLimit, memory: Arc<Memory>, now: Timestamp) -> Self {
        Self {
            memory,
            limit,
            statm: File::open("/proc/self/statm").ok(),
            look_at: now,
            give_back_at: Some(now + GIVE_BACK_AFTER),
        }
    }

    /// When to look though nothing happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let short = self.memory.short.load(Relaxed);
        let times = [short.then_some(self.look_at), self.give_back_at];
        times.into_iter().flatten().min()
    }

    /// Looks, if it is time. Where that changes: whether there is memory enough, and how much the process has.
    pub fn look(&mut self, now: Timestamp, at_work: bool) -> Option<(bool, u64)> {
        if self.give_back_at.take_if(|at| *at <= now).is_some() {
            nudge_allocator();
        }
        if at_work && self.give_back_at.is_none() {
            self.give_back_at = Some(now + GIVE_BACK_AFTER);
        }
        if now < self.look_at {
            return None;
        }
        let was_short = self.memory.short.load(Relaxed);
        if was_short {
            nudge_allocator();
        }
        let used = self.used()?;
        let mark = if was_short { 70 } else { 80 };
        let short = used > self.limit.0 / 100 * mark;
        self.look_at = now + if short { LOOK_AGAIN } else { LOOK_EVERY };
        if short == was_short {
            return None;
        }
        self.memory.short.store(short, Relaxed);
        Some((!short, used))
    }

    /// What the process has of the machine's memory for itself, in bytes.
    fn used(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        own_bytes(std::str::from_utf8(&text[..length]).ok()?)
    }
}

/// Of a process as the system tells of it (proc(5), `statm`): what is resident and not of a file, in bytes.
fn own_bytes(statm: &str) -> Option<u64> {
    let mut pages = statm.split(' ').skip(1).map(str::parse::<u64>);
    let (resident, of_files) = (pages.next()?.ok()?, pages.next()?.ok()?);
    Some(resident.saturating_sub(of_files) * rustix::param::page_size() as u64)
}

/// Makes the allocator give unused memory back to the system. It does so in passing, while it works; in a server that
/// waits it never would.
fn nudge_allocator() {
    std::hint::black_box(Vec::<u8>::with_capacity(NUDGE_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn much_memory_leaves_the_limits_as_they_are_and_little_bounds_each() {
        let much = MemoryLimit::of(Portion::Bytes(8192 * MIB)).expect("enough");
        assert_eq!(much.bound(Limits::default()), Limits::default());
        let little = MemoryLimit::of(Portion::Bytes(128 * MIB)).expect("enough");
        let bounded = little.bound(Limits::default());
        assert_eq!(bounded.inbox_bytes_max, 8 * 1024 * 1024);
        assert_eq!(bounded.message_size_max, 16 * MIB);
        assert_eq!(bounded.unacked_max, 131_072);
        assert_eq!(little.cache_bytes(), 8 * 1024 * 1024);
        assert!(MemoryLimit::of(Portion::Bytes(MIB)).is_err());
    }

    #[test]
    fn pages_of_files_do_not_count() {
        let page = rustix::param::page_size() as u64;
        assert_eq!(own_bytes("9000 700 500 300 0 4000 0\n"), Some(200 * page));
        assert_eq!(own_bytes("9000"), None);
    }

    #[test]
    fn a_part_is_one_of_what_the_machine_has() {
        let whole = MemoryLimit::of(Portion::Part(1.0)).expect("enough").0;
        let half = MemoryLimit::of(Portion::Part(0.5)).expect("enough").0;
        assert!(
            whole > LEAST && whole.abs_diff(2 * half) < 2,
            "{whole} {half}"
        );
    }

    #[test]
    fn it_is_short_from_the_high_mark_until_the_low_one() {
        let used = Watch::new(
            MemoryLimit(LEAST),
            Memory::new(MemoryLimit(LEAST)),
            Timestamp(0),
        )
        .used()
        .expect("the system tells");
        let watch = |limit: u64| {
            let memory = Memory::new(MemoryLimit(limit));
            let watch = Watch::new(MemoryLimit(limit), memory.clone(), Timestamp(0));
            (watch, memory)
        };
        let (mut watch_enough, memory) = watch(used * 4);
        assert_eq!(watch_enough.look(Timestamp(1), false), None);
        assert!(!memory.is_short());
        assert_eq!(
            watch_enough.wake_at(),
            Some(Timestamp(1100)),
            "after recovery"
        );
        watch_enough.look(Timestamp(1100), false);
        assert_eq!(watch_enough.wake_at(), None, "at rest it sleeps");
        watch_enough.look(Timestamp(2000), true);
        assert_eq!(watch_enough.wake_at(), Some(Timestamp(3100)));
        let (mut watch_short, memory) = watch(used);
        let (enough, _) = watch_short.look(Timestamp(1), false).expect("a change");
        assert!(!enough && memory.is_short());
        assert_eq!(watch_short.wake_at(), Some(Timestamp(101)));
        watch_short.limit = MemoryLimit(used * 4);
        assert_eq!(
            watch_short.look(Timestamp(50), false),
            None,
            "it is not time"
        );
        let (enough, _) = watch_short.look(Timestamp(101), false).expect("a change");
        assert!(enough && !memory.is_short());
    }

    #[test]
    fn what_waits_to_be_read_is_counted_together() {
        let memory = Memory::new(MemoryLimit(LEAST));
        let (mut one, mut two) = (Unread::of(&memory), Unread::of(&memory));
        one.hold(9 * 1024 * 1024);
        assert!(!memory.is_short());
        two.hold(9 * 1024 * 1024);
        assert!(memory.is_short());
        one.hold(1);
        assert!(!memory.is_short());
        one.hold(8 * 1024 * 1024);
        assert!(memory.is_short());
        drop(one);
        assert!(!memory.is_short());
    }
}
