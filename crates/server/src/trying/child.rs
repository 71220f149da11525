//! A program that runs beside this one, and goes with it, however that ends.

use anyhow::{Context, Result};
use rustix::process::{Pid, test_kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};

/// Says the program's number, and ends it when nobody holds the other end of standard input any more: soon by itself, and one
/// that cannot, because it was stopped, by force.
const SUPERVISED: &str = r#"
    "$@" < /dev/null > "$LOG" 2>&1 & program=$!
    echo $program; exec > /dev/null
    cat > /dev/null; kill -$ENDING $program 2> /dev/null
    (sleep 20 & clock=$!; trap 'kill $clock; exit' TERM; wait $clock; kill -KILL $program 2> /dev/null) & late=$!
    wait $program; kill $late 2> /dev/null; wait $late"#;

/// Whom a program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// A running program. Dropped, it is ended and waited for.
pub(super) struct Child {
    supervisor: Process,
    process: Pid,
    log: PathBuf,
}

impl Child {
    /// Starts a program, whose output goes to a file and which ends on this signal.
    pub(super) fn start(
        command: &[&str],
        log: &Path,
        ending: &str,
        account: Option<Account>,
    ) -> Result<Self> {
        let begun = File::create(log);
        begun.with_context(|| format!("cannot make {}", log.display()))?;
        if let Some(Account { user, group }) = account {
            std::os::unix::fs::chown(log, Some(user), Some(group))
                .context("cannot give it away")?;
        }
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SUPERVISED, "sh"])
            .args(command)
            .env("LOG", log)
            .env("ENDING", ending)
            // A folder that its user may not enter is no place to start from.
            .current_dir("/")
            // What a terminal sends to all at once is for this process alone.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(Account { user, group }) = account {
            shell.uid(user).gid(group);
        }
        let program = command[0];
        let failed = || format!("cannot start {program}");
        let mut supervisor = shell.spawn().with_context(failed)?;
        let mut line = String::new();
        let output = supervisor.stdout.take().with_context(failed)?;
        BufReader::new(output)
            .read_line(&mut line)
            .with_context(failed)?;
        let number = line.trim().parse().with_context(failed)?;
        Ok(Self {
            supervisor,
            process: Pid::from_raw(number).with_context(failed)?,
            log: log.to_owned(),
        })
    }

    /// The number of its process.
    pub(super) fn process(&self) -> i32 {
        self.process.as_raw_nonzero().get()
    }

    /// Where its output is.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it has not ended.
    pub(super) fn runs(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process()));
        // One that has ended and that nobody has waited for is a zombie.
        let state = stat.as_deref().ok().and_then(|stat| stat.rsplit_once(") "));
        test_kill_process(self.process).is_ok()
            && state.is_none_or(|(_, rest)| !rest.starts_with('Z'))
    }

    /// Begins to end it.
    pub(super) fn ask_to_end(&mut self) {
        drop(self.supervisor.stdin.take());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.ask_to_end();
        // It has been told, and is not there any more when this returns.
        let _ = self.supervisor.wait();
    }
}
