//! One machine of the lab: what runs on it can be killed, paused and resumed as a whole.

use super::network::{Network, processes};
use crate::shell::command;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Killed processes may take so long to go.
const DYING_MAX: Duration = Duration::from_secs(10);

/// A machine.
pub(super) struct Host {
    pub(super) name: &'static str,
    pub(super) address: Ipv4Addr,
    /// What it has on its disk.
    pub(super) home: PathBuf,
    namespace: Option<String>,
    /// What was started on it and has not been seen to end.
    children: Vec<Child>,
    /// A file that names a process which left its parents: PostgreSQL's.
    pub(super) pid_file: Option<PathBuf>,
}

impl Host {
    /// The machine of that name, with a folder of its own in the lab's.
    pub(super) fn new(name: &'static str, network: &Network, lab: &Path) -> Result<Self> {
        let home = lab.join(name);
        std::fs::create_dir_all(&home).context("cannot make the folder of a machine")?;
        Ok(Self {
            name,
            address: network.address(name),
            home,
            namespace: network.namespace(name),
            children: Vec::new(),
            pid_file: None,
        })
    }

    /// A command that runs on this machine.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut on_it = match &self.namespace {
            Some(namespace) => {
                let mut on_it = command("ip", &["netns", "exec", namespace]);
                on_it.arg(program);
                on_it
            }
            None => command(program, &[]),
        };
        on_it.current_dir(&self.home);
        on_it
    }

    /// Starts it; what it says goes to the end of the machine's log.
    pub(super) fn spawn(&mut self, mut command: Command) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        command
            // Out of the reach of the terminal's signals: the lab ends it in its own order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share a log")?)
            .stderr(log);
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot start {command:?}"))?;
        self.children.push(child);
        Ok(())
    }

    /// Whether something that was started on it has ended by itself; how, if so.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        let mut ended = None;
        self.children.retain_mut(|child| {
            let status = child.try_wait().ok().flatten();
            ended = ended.or(status);
            status.is_none()
        });
        ended
    }

    /// Whether anything runs on it.
    pub(super) fn is_running(&self) -> bool {
        !self.children.is_empty()
    }

    fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// What was said on it so far.
    pub(super) fn said(&self) -> String {
        let said = std::fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// What was said on it since its log was so long.
    pub(super) fn said_since(&self, length: usize) -> String {
        let said = std::fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(said.get(length..).unwrap_or_default()).into_owned()
    }

    /// How long its log is.
    pub(super) fn log_length(&self) -> usize {
        let length = std::fs::metadata(self.log()).map_or(0, |log| log.len());
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    fn pids(&self) -> Vec<i32> {
        if let Some(namespace) = &self.namespace {
            return processes(namespace);
        }
        let started = self.children.iter().map(Child::id);
        let mut pids: Vec<i32> = started.filter_map(|pid| pid.try_into().ok()).collect();
        pids.extend(self.detached());
        with_descendants(pids)
    }

    /// The process in the file.
    pub(super) fn detached(&self) -> Option<i32> {
        let file = std::fs::read_to_string(self.pid_file.as_ref()?).ok()?;
        let pid: i32 = file.lines().next()?.trim().parse().ok()?;
        // A file of the past names nobody, or somebody else.
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        program.ends_with("postgres").then_some(pid)
    }

    /// `kill -9` of all that runs on it.
    pub(super) fn kill(&mut self) -> Result<()> {
        let began = Instant::now();
        loop {
            let pids: Vec<i32> = { self.pids().into_iter() }
                .filter(|pid| lives(*pid))
                .collect();
            if pids.is_empty() {
                break;
            }
            anyhow::ensure!(began.elapsed() < DYING_MAX, "{} does not die", self.name);
            pids.into_iter().for_each(|pid| signal(pid, Signal::KILL));
            self.ended();
            std::thread::sleep(Duration::from_millis(5));
        }
        for mut child in self.children.drain(..) {
            child.wait().context("cannot wait for a killed process")?;
        }
        Ok(())
    }

    /// Kills what was started on it, and not what that has started.
    pub(super) fn kill_started(&mut self) -> Result<()> {
        for mut child in self.children.drain(..) {
            child.kill().context("cannot kill a process")?;
            child.wait().context("cannot wait for a killed process")?;
        }
        Ok(())
    }

    /// It does nothing any more until it is resumed, as a machine whose virtualisation takes a break.
    pub(super) fn pause(&self) {
        // Twice, for what was started in between.
        for pid in [self.pids(), self.pids()].concat() {
            signal(pid, Signal::STOP);
        }
    }

    /// It goes on as if nothing had been.
    pub(super) fn resume(&self) {
        self.pids()
            .into_iter()
            .for_each(|pid| signal(pid, Signal::CONT));
    }

    /// Asks what was started on it to end.
    pub(super) fn terminate(&self) {
        let started = self.children.iter().map(Child::id);
        started
            .filter_map(|pid| pid.try_into().ok())
            .for_each(|pid| signal(pid, Signal::TERM));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The end of the run removes what may be left.
        let _ = self.kill();
    }
}

/// Sends a signal to a process that may be gone.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether it is there and not only waiting to be buried.
fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

/// The state of a process, and its parent.
fn stat(pid: i32) -> Option<(String, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn with_descendants(mut pids: Vec<i32>) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: Vec<(i32, i32)> = all.filter_map(|pid| Some((pid, stat(pid)?.1))).collect();
    let mut at = 0;
    while let Some(parent) = pids.get(at).copied() {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        let new: Vec<i32> = { children.map(|(pid, _)| *pid) }
            .filter(|pid| !pids.contains(pid))
            .collect();
        pids.extend(new);
        at += 1;
    }
    pids
}
