//! ZooKeeper for the tests: Debian's package, one server or three, on free ports, with its data in a scratch directory.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to start. Machines under test are busy.
const PATIENCE: Duration = Duration::from_secs(40);

/// ZooKeeper itself, and something that takes its log.
const CLASSES: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar";

/// Runs the server, and kills it when nobody holds the other end of its standard input any more: so it goes with the
/// tests, however they end. What it was told is on the disk by then.
const SUPERVISED: &str =
    r#""$@" < /dev/null & server=$!; cat > /dev/null; kill -KILL $server; wait $server"#;

/// A running ensemble. Dropped, it is killed, and its data go.
pub(crate) struct Ensemble {
    servers: Vec<Server>,
    /// Holds all of their data.
    _home: TempDir,
}

struct Server {
    home: PathBuf,
    port: u16,
    running: Option<Child>,
}

/// The one that tests share which do not harm it.
pub(crate) fn shared() -> &'static Ensemble {
    static SHARED: OnceLock<Ensemble> = OnceLock::new();
    SHARED.get_or_init(|| Ensemble::start(1))
}

impl Ensemble {
    /// Starts so many servers.
    pub(crate) fn start(servers: usize) -> Self {
        let home = tempfile::tempdir().expect("a scratch directory can be made");
        let ports = free_ports(servers * 3);
        let mut ensemble = String::new();
        if servers > 1 {
            for (number, ports) in ports.chunks(3).enumerate() {
                let (quorum, election) = (ports[1], ports[2]);
                ensemble += &format!("server.{}=127.0.0.1:{quorum}:{election}\n", number + 1);
            }
        }
        let servers = ports.chunks(3).enumerate().map(|(number, ports)| {
            let home = home.path().join(format!("server-{}", number + 1));
            Server::prepare(home, number + 1, ports[0], &ensemble)
        });
        let mut ensemble = Self {
            servers: servers.collect(),
            _home: home,
        };
        ensemble.resume();
        ensemble
    }

    /// The hosts, as in an address.
    pub(crate) fn hosts(&self) -> String {
        let all = self.servers.iter();
        let hosts: Vec<String> = all.map(|one| format!("127.0.0.1:{}", one.port)).collect();
        hosts.join(",")
    }

    /// Kills all servers.
    pub(crate) fn stop(&mut self) {
        for server in &mut self.servers {
            server.kill();
        }
    }

    /// Starts all servers that do not run, and waits until they serve.
    pub(crate) fn resume(&mut self) {
        for server in &mut self.servers {
            if server.running.is_none() {
                server.launch();
            }
        }
        for server in &self.servers {
            server.wait();
        }
    }

    /// Forgets everything that stopped servers were told.
    pub(crate) fn wipe(&mut self) {
        for server in &self.servers {
            assert!(server.running.is_none(), "a running server is not wiped");
            std::fs::remove_dir_all(server.home.join("data/version-2")).expect("it had data");
        }
    }

    /// Kills the leader.
    pub(crate) fn kill_leader(&mut self) {
        let mut servers = self.servers.iter_mut();
        let leader = servers.find(|one| one.mode().is_some_and(|mode| mode == "leader"));
        leader.expect("one of them leads").kill();
    }
}

impl Server {
    fn prepare(home: PathBuf, number: usize, port: u16, ensemble: &str) -> Self {
        let data = home.join("data");
        std::fs::create_dir_all(&data).expect("a directory can be made");
        std::fs::write(data.join("myid"), number.to_string()).expect("a file can be written");
        let settings = format!(
            "tickTime=200\ninitLimit=50\nsyncLimit=10\ndataDir={}\nclientPort={port}\n\
             clientPortAddress=127.0.0.1\nadmin.enableServer=false\nminSessionTimeout=1000\n\
             maxSessionTimeout=60000\nmaxClientCnxns=0\n4lw.commands.whitelist=srvr\n{ensemble}",
            data.display()
        );
        std::fs::write(home.join("zoo.cfg"), settings).expect("a file can be written");
        Self {
            home,
            port,
            running: None,
        }
    }

    fn launch(&mut self) {
        let log = std::fs::File::options();
        let log = { log }
            .create(true)
            .append(true)
            .open(self.home.join("log"))
            .expect("a log can be made");
        // Small and quick to start: many of them run side by side.
        let java = [
            "java",
            "-Xmx96m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dzookeeper.forceSync=no",
            "-cp",
            CLASSES,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        ];
        let child = Command::new("sh")
            .args(["-c", SUPERVISED, "sh"])
            .args(java)
            .arg(self.home.join("zoo.cfg"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn();
        self.running = Some(child.expect("sh can be started"));
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }

    /// Whether it leads, follows or stands alone; none while it does not serve.
    fn mode(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        { stream.set_read_timeout(Some(Duration::from_secs(2))) }.ok()?;
        stream.write_all(b"srvr").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let mode = { answer.lines() }.find_map(|line| line.strip_prefix("Mode: "))?;
        Some(mode.to_owned())
    }

    fn wait(&self) {
        let started = Instant::now();
        while self.mode().is_none() {
            assert!(
                started.elapsed() < PATIENCE,
                "ZooKeeper does not start; it said:\n{}",
                said(&self.home)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn said(home: &Path) -> String {
    std::fs::read_to_string(home.join("log")).unwrap_or_default()
}

/// Ports that nobody uses now. They are given back before the servers take them, so another process may be quicker;
/// the system hands out others first.
fn free_ports(number: usize) -> Vec<u16> {
    let bind = |_| TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let listeners: Vec<TcpListener> = (0..number).map(bind).collect();
    let ports = listeners.iter().map(|one| one.local_addr());
    ports
        .map(|address| address.expect("it is bound").port())
        .collect()
}
