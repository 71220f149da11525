//! PostgreSQL for the tests: Debian's package, in a scratch directory, reached by a socket there.

use rustix::process::Signal;
use std::fs::Permissions;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// How long it may take to start. Machines under test are busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server, and ends it when nobody holds the other end of its standard input any more: so it goes with the
/// tests, however they end.
const SUPERVISED: &str = r#""$@" < /dev/null & server=$!; cat > /dev/null; kill -QUIT $server; wait $server
    [ -z "$REMOVED" ] || rm -rf "$REMOVED""#;

/// A running PostgreSQL. Dropped, it is stopped, and its data go.
pub(crate) struct Postgres {
    supervisor: Child,
    home: TempDir,
    port: u16,
    settings: Vec<String>,
}

/// A cluster that does not run yet.
struct Made {
    home: TempDir,
    port: u16,
}

impl Made {
    fn launch(self, settings: Vec<String>, is_removed: bool) -> Postgres {
        let Self { home, port } = self;
        let postgres = Postgres {
            supervisor: launch(home.path(), port, &settings, is_removed),
            home,
            port,
            settings,
        };
        postgres.wait();
        postgres
    }
}

/// The one that tests share which do not harm it.
pub(crate) fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    // Nobody drops it: who stops it removes its data, too.
    SHARED.get_or_init(|| Postgres::make(5432).launch(Vec::new(), true))
}

impl Postgres {
    /// Makes a cluster and starts it with settings of its own, as in `fsync=off`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let made = Self::make(5432);
        let settings = settings.iter().map(|one| (*one).to_owned());
        made.launch(settings.collect(), false)
    }

    /// The same, with TLS on a port of this machine.
    pub(crate) fn start_with_tls(certificate: &Path, key: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let made = Self::make(port.expect("a port is free").port());
        let copy = |file: &Path, name: &str| {
            let to = made.home.path().join(name);
            std::fs::copy(file, &to).expect("it can be copied");
            std::fs::set_permissions(&to, Permissions::from_mode(0o600)).expect("it is ours");
            if let Some(account) = Account::for_server() {
                chown(&to, Some(account.uid), Some(account.gid)).expect("root may do that");
            }
            to.display().to_string()
        };
        let settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", copy(certificate, "server.pem")),
            format!("ssl_key_file={}", copy(key, "server.key")),
        ];
        made.launch(settings, false)
    }

    fn make(port: u16) -> Made {
        let home = tempfile::tempdir().expect("a scratch directory can be made");
        let account = Account::for_server();
        if let Some(account) = &account {
            chown(home.path(), Some(account.uid), Some(account.gid)).expect("root may do that");
        }
        let made = program("initdb", account.as_ref())
            .args(["--auth=trust", "--username=postgres", "--no-sync"])
            .args(["--encoding=UTF8", "--no-locale", "--pgdata"])
            .arg(home.path().join("data"))
            .output()
            .expect("initdb can be started");
        assert!(made.status.success(), "{made:?}");
        Made { home, port }
    }

    /// The directory of its socket.
    pub(crate) fn directory(&self) -> &Path {
        self.home.path()
    }

    /// How to reach a database of it.
    pub(crate) fn address(&self, database: &str) -> String {
        let port = self.port;
        format!("{} port={port}", address(self.directory(), database))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes an empty database; returns its name.
    pub(crate) fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("create database {name}"));
        name
    }

    /// Runs statements and returns the rows of a single one.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        simple(&self.address(database), sql).expect("a statement of the test's own succeeds")
    }

    /// Starts a server that follows this one, under a name.
    pub(crate) fn standby(&self, name: &str) -> Self {
        let home = tempfile::tempdir().expect("a scratch directory can be made");
        let account = Account::for_server();
        if let Some(account) = &account {
            chown(home.path(), Some(account.uid), Some(account.gid)).expect("root may do that");
        }
        let primary = format!("{} application_name={name}", self.address("postgres"));
        let copied = program("pg_basebackup", account.as_ref())
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .args(["--dbname", &primary, "--pgdata"])
            .arg(home.path().join("data"))
            .output()
            .expect("pg_basebackup can be started");
        assert!(copied.status.success(), "{copied:?}");
        let port = self.port;
        Made { home, port }.launch(Vec::new(), false)
    }

    /// Kills all of its processes as a failure of the machine's memory would, and starts it again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.signal(Signal::KILL);
        self.end();
        self.supervisor = launch(self.home.path(), self.port, &self.settings, false);
        self.wait();
    }

    /// Sends a signal to all of its processes.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = std::fs::read_to_string(self.home.path().join("data/postmaster.pid"));
        let pid = pid.expect("a running server has one");
        let pid: i32 = pid
            .lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("a number");
        let children = children(pid);
        for pid in std::iter::once(pid).chain(children) {
            let pid = rustix::process::Pid::from_raw(pid).expect("not 0");
            // A child may have ended with its parent.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    fn end(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }

    fn wait(&self) {
        let started = Instant::now();
        loop {
            let mut ask = program("pg_isready", None);
            ask.arg("--quiet").arg("--host").arg(self.home.path());
            ask.arg("--port").arg(self.port.to_string());
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
        self.end();
    }
}

/// How to reach a database by the socket in a directory.
pub(crate) fn address(directory: &Path, database: &str) -> String {
    format!(
        "host={} user=postgres dbname={database}",
        directory.display()
    )
}

/// Runs statements over a connection of its own.
pub(crate) fn simple(
    address: &str,
    sql: &str,
) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
    with_client(address, async |client| {
        let messages = client.simple_query(sql).await?;
        let rows = messages.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|at| row.get(at).map(str::to_owned));
                Some(values.collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    })
}

fn with_client<T>(
    address: &str,
    work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        let connection = tokio::spawn(connection);
        let done = work(&client).await;
        drop(client);
        let _ = connection.await;
        done
    })
}

fn launch(home: &Path, port: u16, settings: &[String], is_removed: bool) -> Child {
    let account = Account::for_server();
    let log = std::fs::File::create(home.join("log")).expect("a log can be made");
    let mut command = Command::new("sh");
    command.current_dir("/");
    if let Some(account) = &account {
        command.uid(account.uid).gid(account.gid);
    }
    command
        .args(["-c", SUPERVISED, "sh"])
        .arg(path_of("postgres"))
        .args(["-c", "listen_addresses=", "-c", "max_connections=60", "-k"])
        .arg(home)
        .arg("-D")
        .arg(home.join("data"))
        .args(["-p", &port.to_string()]);
    if is_removed {
        command.env("REMOVED", home);
    }
    for setting in settings {
        command.args(["-c", setting]);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log);
    let mut supervisor = command.spawn().expect("a shell can be started");
    let stdin = supervisor.stdin.as_mut().expect("it was asked for");
    stdin.flush().expect("a pipe can be flushed");
    supervisor
}

/// The processes that a process has started.
fn children(parent: i32) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").expect("processes can be listed");
    let children = processes.flatten().filter_map(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(')')?;
        let ppid: i32 = after.split_whitespace().nth(1)?.parse().ok()?;
        (ppid == parent).then(|| before.split(' ').next()?.parse().ok())?
    });
    children.collect()
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

/// One of PostgreSQL's programs. Debian keeps those of each version in a place of its own.
fn path_of(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let versions = versions.into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| Path::new(name).to_owned())
}

fn program(name: &str, account: Option<&Account>) -> Command {
    let mut command = Command::new(path_of(name));
    // A directory that it may not enter is no place to start from.
    command.current_dir("/");
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}
