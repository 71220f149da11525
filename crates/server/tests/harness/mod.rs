//! The real binary under test: started on a free port and a directory of its own, stopped or killed.

pub(crate) mod peer;
#[path = "../../../cluster/tests/real_database/server.rs"]
#[allow(dead_code, reason = "another crate's tests use all of it")]
pub(crate) mod postgres;
pub(crate) mod raw;
#[path = "../../../cluster/tests/real_zookeeper/ensemble.rs"]
#[allow(dead_code, reason = "another crate's tests use all of it")]
pub(crate) mod zookeeper;

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A running server. Dropped, it is killed.
pub(crate) struct Landfall {
    child: Child,
    address: SocketAddr,
    api: Option<String>,
    log: PathBuf,
}

/// How long the binary may take to start or to stop. Far more than it takes: machines under test are busy.
const PATIENCE: Duration = Duration::from_secs(30);

impl Landfall {
    /// Starts a server on a free port.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &["--listen", "127.0.0.1:0"])
    }

    /// Starts a server on an address that an earlier one had.
    pub(crate) fn start_at(data_dir: &Path, address: SocketAddr) -> Self {
        Self::start_with(data_dir, &["--listen", &address.to_string()])
    }

    /// Starts a server with these options beside the directory. Its log goes to a file beside the directory.
    pub(crate) fn start_with(data_dir: &Path, options: &[&str]) -> Self {
        let log = data_dir.with_extension("log");
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file can be made");
        let mut child = command(data_dir, options)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the binary can be started");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let Some((address, api)) = listening_addresses(BufReader::new(stdout)) else {
            let _ = child.wait();
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("the server did not start; it said:\n{said}");
        };
        Self {
            child,
            address,
            api,
            log,
        }
    }

    /// Where it listens (the first address).
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same for clients.
    pub(crate) fn url(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// Where its HTTP API is, if it was asked for one.
    pub(crate) fn api(&self) -> &str {
        self.api.as_deref().expect("started with --admin-listen")
    }

    /// What it logged so far, and those that ran on the directory before it.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log can be read")
    }

    /// The memory that it has in use, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the server runs");
        let own = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let own = own.expect("the system tells");
        let kilobytes = own.trim().trim_end_matches(" kB");
        kilobytes.parse::<usize>().expect("a number") * 1024
    }

    /// `kill -9`, as a loss of the process.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server ends when killed");
    }

    /// SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// SIGHUP.
    pub(crate) fn ask_to_reload(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGSTOP, as a machine that does not run for a while.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the server can be signalled");
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the server can be waited for") {
                return status;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "the server does not end; it said:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM, and its exit status.
    pub(crate) fn terminate(self) -> ExitStatus {
        self.ask_to_stop();
        self.wait()
    }
}

impl Drop for Landfall {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data_dir: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(data_dir)
        .args(options)
        // Many servers at a time cannot all have the default port; a test that asks for the API says where.
        .env("LANDFALL_ADMIN_LISTEN", "none")
        .stdin(Stdio::null());
    command
}

/// Runs a server that is expected to end by itself, with an error.
pub(crate) fn start_and_fail(data_dir: &Path, options: &[&str]) -> Output {
    command(data_dir, options)
        .output()
        .expect("the binary can be started")
}

/// Runs `landfall check`.
pub(crate) fn check(data_dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landfall"))
        .arg("check")
        .arg("--data-dir")
        .arg(data_dir)
        .output()
        .expect("the binary can be started")
}

/// Reads what the server prints at its start: `… listens on ADDRESS and ADDRESS; the HTTP API is at URL; …`.
fn listening_addresses(mut stdout: impl BufRead) -> Option<(SocketAddr, Option<String>)> {
    let mut line = String::new();
    stdout
        .read_line(&mut line)
        .expect("standard output can be read");
    let (_, addresses) = line.split_once("listens on ")?;
    let end = addresses.find([' ', ';'])?;
    let address = addresses[..end].parse().expect("an address");
    let api = addresses.split_once("the HTTP API is at ");
    let api = api.and_then(|(_, rest)| Some(rest.split_once(';')?.0.to_owned()));
    Some((address, api))
}

/// A directory for one test's data, which goes with it. The data directory in it does not exist yet.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a scratch directory can be made"))
    }

    /// Where the server's data go.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.0.path().join("data")
    }
}
