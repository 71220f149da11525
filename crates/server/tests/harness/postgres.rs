//! A PostgreSQL of the test's own: a new cluster in a scratch directory, reached by a socket there.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running PostgreSQL. Dropped, it is stopped, and its data go.
pub(crate) struct Postgres {
    server: Child,
    home: tempfile::TempDir,
}

/// How long it may take to start. Machines under test are busy.
const PATIENCE: Duration = Duration::from_secs(60);

impl Postgres {
    /// Makes a cluster and starts it. It does not sync: the tests kill programs, and not the machine.
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().expect("a scratch directory can be made");
        let account = Account::for_server();
        if let Some(account) = &account {
            chown(home.path(), Some(account.uid), Some(account.gid)).expect("root may do that");
        }
        let data = home.path().join("data");
        let mut initdb = program("initdb", account.as_ref());
        initdb
            .args(["--auth=trust", "--username=postgres", "--no-sync"])
            .args(["--encoding=UTF8", "--no-locale", "--pgdata"])
            .arg(&data);
        let made = initdb.output().expect("initdb can be started");
        assert!(made.status.success(), "{made:?}");
        let log = std::fs::File::create(home.path().join("log")).expect("a log can be made");
        let mut server = program("postgres", account.as_ref());
        server
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(home.path())
            .arg("-D")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let server = server.spawn().expect("postgres can be started");
        let postgres = Self { server, home };
        postgres.wait();
        postgres
    }

    /// How to reach it, as libpq's clients take it.
    pub(crate) fn address(&self) -> String {
        let directory = self.home.path().display();
        format!("host={directory} user=postgres dbname=postgres")
    }

    fn wait(&self) {
        let started = Instant::now();
        loop {
            let mut ask = program("pg_isready", None);
            ask.arg("--quiet").arg("--host").arg(self.home.path());
            if ask.status().expect("pg_isready can be started").success() {
                return;
            }
            let log = self.home.path().join("log");
            assert!(
                started.elapsed() < PATIENCE,
                "PostgreSQL does not start; it said:\n{}",
                std::fs::read_to_string(log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT is its immediate shutdown: a killed postmaster would leave its children behind.
        let server = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(server, rustix::process::Signal::QUIT);
        let _ = self.server.wait();
    }
}

/// Whom PostgreSQL runs as: it refuses root.
struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The one that its package made, where we are root; `None` where we are somebody else already.
    fn for_server() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let accounts = std::fs::read_to_string("/etc/passwd").expect("accounts can be read");
        let line = accounts.lines().find(|line| line.starts_with("postgres:"));
        let mut fields = line
            .expect("PostgreSQL's package made it")
            .split(':')
            .skip(2);
        let mut number = || fields.next()?.parse().ok();
        Some(Self {
            uid: number().expect("a number"),
            gid: number().expect("a number"),
        })
    }
}

/// One of PostgreSQL's programs, as whom it has to run. Debian keeps those of each version in a place of its own.
fn program(name: &str, account: Option<&Account>) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let versions = versions.into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    let path = found.pop().unwrap_or_else(|| Path::new(name).to_owned());
    let mut command = Command::new(path);
    // A directory that it may not enter is no place to start from.
    command.current_dir("/");
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}
