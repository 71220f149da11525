//! A server under test as a child process with a port and a folder of its own: Landfall, or one of its peers.

mod program;

pub(crate) use program::Program;

use crate::shell::{Scratch, command, succeeds};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// RabbitMQ takes 10 to 20 seconds to start where the machine is busy; Landfall takes less than one.
const START_WAIT: Duration = Duration::from_secs(90);
/// The time of a start is measured too, so it is looked for often.
const START_POLL: Duration = Duration::from_millis(2);
const STOP_WAIT: Duration = Duration::from_secs(60);

/// A running server. It is killed when dropped.
pub(crate) struct Server {
    program: Program,
    /// Those that are not the same for each start of the program.
    arguments: Vec<String>,
    child: Option<Child>,
    port: u16,
    /// Landfall's HTTP API.
    admin_port: u16,
    epmd_port: u16,
    folder: Scratch,
}

impl Server {
    /// Starts the program in an empty folder and returns when it answers.
    pub(crate) fn start(program: Program) -> Result<Self> {
        Self::start_with(program, &[])
    }

    /// The same with more arguments for the program.
    pub(crate) fn start_with(program: Program, arguments: &[&str]) -> Result<Self> {
        let folder = Scratch::new(program.name())?;
        let mut server = Self {
            program,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            child: None,
            port: free_port()?,
            admin_port: free_port()?,
            epmd_port: free_port()?,
            folder,
        };
        server.launch()?;
        Ok(server)
    }

    /// The port of its AMQP listener on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The port of Landfall's HTTP API on 127.0.0.1.
    pub(crate) fn admin_port(&self) -> u16 {
        self.admin_port
    }

    /// Where it keeps what has landed, as far as its program is told.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Starts the program again on the same folder and port, after it has been stopped.
    pub(crate) fn launch(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the server is still running");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .context("cannot open the server's log")?;
        let mut command = self.command()?;
        // A group of its own, so that a signal reaches the whole tree of processes and not us.
        command.process_group(0).stdin(std::process::Stdio::null());
        command
            .stdout(log.try_clone().context("cannot share the log")?)
            .stderr(log);
        self.child = Some(
            command
                .spawn()
                .with_context(|| format!("cannot start {:?}", self.program))?,
        );
        self.wait_until_it_answers()
    }

    /// SIGKILL: what had not landed is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait_until_gone().map(drop)
    }

    /// SIGTERM, and the exit code has to be 0.
    pub(crate) fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.wait_until_gone()?;
        // Peers pass on the signal's own code.
        if matches!(self.program, Program::Landfall(_)) && !status.success() {
            bail!(
                "the server ended with {status} after SIGTERM\n{}",
                self.end_of_log()
            );
        }
        Ok(())
    }

    /// SIGSTOP: it takes no processor time until it is resumed.
    pub(crate) fn halt(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid())
            .ok()
            .and_then(Pid::from_raw)
            .context("the server is not running")?;
        kill_process_group(pid, signal).context("cannot signal the server")
    }

    fn wait_until_gone(&mut self) -> Result<std::process::ExitStatus> {
        let mut child = self.child.take().context("the server is not running")?;
        let deadline = Instant::now() + STOP_WAIT;
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for the server")? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                self.child = Some(child);
                bail!(
                    "the server is still there after {STOP_WAIT:?}\n{}",
                    self.end_of_log()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A command for operators of the running Landfall: `landfall user`, `definitions` and so on.
    pub(crate) fn operate(&self, binary: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(binary);
        let url = format!("http://127.0.0.1:{}", self.admin_port);
        command.args(args).env("LANDFALL_ADMIN_URL", url);
        command
    }

    /// `rabbitmqctl` for the running RabbitMQ.
    pub(crate) fn rabbitmqctl(&self, args: &[&str]) -> Result<Command> {
        let mut command = self.rabbitmq_script("rabbitmqctl")?;
        command.arg("--quiet").args(args);
        Ok(command)
    }

    /// Waits for the greeting.
    fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_WAIT;
        loop {
            if self.greets().unwrap_or(false) {
                return Ok(());
            }
            let child = self.child.as_mut().context("the server is not running")?;
            if let Some(status) = child.try_wait().context("cannot wait for the server")? {
                self.child = None;
                bail!(
                    "the server ended at its start with {status}\n{}",
                    self.end_of_log()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "the server does not answer after {START_WAIT:?}\n{}",
                    self.end_of_log()
                );
            }
            std::thread::sleep(START_POLL);
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// The last lines that it printed.
    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(25)..];
        format!("the end of its log:\n{}", last.join("\n"))
    }

    /// Ends it, and whatever it left running.
    fn end(&mut self) {
        if self.child.is_some() {
            // Nothing to be done about a failure here: the chore's own result counts.
            let _ = self.kill();
        }
        if matches!(self.program, Program::RabbitMq) {
            // Erlang's port mapper outlives the node that started it, and stays while it still counts the node.
            let mut kill = command("epmd", &["-kill"]);
            kill.env("ERL_EPMD_PORT", self.epmd_port.to_string());
            let mut tries = 0..20;
            while !succeeds(&mut kill) && tries.next().is_some() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("no free port")?.port())
}
