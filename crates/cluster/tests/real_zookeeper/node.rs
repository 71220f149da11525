//! A member that is a process of its own, so that it can be killed and stopped: this test program, started again for
//! the one test that is not one.

use crate::database::Database;
use landfall_cluster::members::{
    About, Login, Member, MembersHandle, Options, Pace, RequestError, Standing, State, View,
    ZooKeeper, start,
};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Which member the process is to be.
const ROLE: &str = "LANDFALL_TEST_MEMBER";
/// What the lines begin with that are meant for the test.
const MARK: &str = "member: ";

/// Which member a process is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Role {
    pub(crate) node: String,
    pub(crate) zookeeper: String,
    pub(crate) cluster: String,
    pub(crate) database: PathBuf,
    pub(crate) shards: u32,
    pub(crate) session: Duration,
    /// The password of the user `landfall` in ZooKeeper.
    pub(crate) password: Option<String>,
}

/// What a member says of its view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) me: String,
    pub(crate) members: Vec<String>,
    /// How many of them get shards.
    pub(crate) ready: usize,
    pub(crate) controller: Option<String>,
    pub(crate) draining: bool,
    pub(crate) may_deliver: bool,
    pub(crate) mine: usize,
    pub(crate) definitions: u64,
    /// `connected`, `silent`, `left`, or why it ended.
    pub(crate) zookeeper: String,
    /// What became of the last request.
    pub(crate) request: Option<String>,
}

/// A running member. Dropped, it is killed.
pub(crate) struct Node {
    pub(crate) name: String,
    process: Child,
    orders: ChildStdin,
    said: Arc<Mutex<Said>>,
    /// Where it logs.
    log: PathBuf,
}

impl Node {
    pub(crate) fn start(role: &Role) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = format!("{}-{number}.log", role.node);
        let log = role.database.with_file_name(log);
        let mut process = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", "node::a_member_of_the_cluster", "--nocapture"])
            .env(ROLE, serde_json::to_string(role).expect("it is JSON"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("a file can be made"))
            .spawn()
            .expect("this program can be started again");
        let said = Arc::new(Mutex::new(Said::default()));
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Libtest writes the name of the test before it, in the same line.
                let Some((_, text)) = line.split_once(MARK) else {
                    continue;
                };
                let now = serde_json::from_str(text).expect("it is JSON");
                *heard.lock().expect("no panic while it is held") = now;
            }
        });
        let orders = process.stdin.take().expect("it is piped");
        Self {
            name: role.node.clone(),
            process,
            orders,
            said,
            log,
        }
    }

    /// What it said last.
    pub(crate) fn said(&self) -> Said {
        self.said.lock().expect("no panic while it is held").clone()
    }

    /// Waits until it says something that fits.
    #[track_caller]
    pub(crate) fn wait(&self, limit: Duration, what: &str, fits: impl Fn(&Said) -> bool) -> Said {
        let began = Instant::now();
        loop {
            let said = self.said();
            if fits(&said) {
                return said;
            }
            assert!(
                began.elapsed() < limit,
                "{} is not {what} within {limit:?}: {said:?}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Has it do something: `drain NODE`, `rebalance`, `announce VERSION`, `without database`,
    /// `with database`, `leave`.
    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("it listens");
    }

    pub(crate) fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it has ended");
    }

    /// Stops it as a frozen machine would be.
    pub(crate) fn pause(&self) {
        kill_process(self.pid(), Signal::STOP).expect("it runs");
    }

    pub(crate) fn revive(&self) {
        kill_process(self.pid(), Signal::CONT).expect("it is there");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            println!("{} logged:\n{log}", self.name);
        }
    }
}

/// Not a test, but the process that the tests start; without a role there is nothing to do.
#[test]
fn a_member_of_the_cluster() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let role: Role = serde_json::from_str(&role).expect("it is JSON");
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().expect("a runtime");
    runtime.block_on(be(role));
}

fn options(role: &Role) -> Options {
    let about = About {
        amqp: format!("{}:5672", role.node),
        node: format!("{}:25672", role.node),
        admin: format!("{}:15672", role.node),
        program: "0.1.0".to_owned(),
        format: 1,
        protocol: 1,
        state: State::Active,
        database_ok: true,
        serving: Vec::new(),
        prepared: Vec::new(),
    };
    let (zookeeper, node) = (role.zookeeper.clone(), role.node.clone());
    let options = Options::new(zookeeper, node, about, role.cluster.clone(), role.shards);
    let login = |password: &String| Login {
        user: "landfall".to_owned(),
        password: password.clone(),
    };
    Options {
        login: role.password.as_ref().map(login),
        session: role.session,
        pace: Pace::new(role.session),
        ..options
    }
}

/// Takes the shards that it is given, does what it is told, and says what it sees.
async fn be(role: Role) {
    let database = Arc::new(Database::open(&role.database, &role.node));
    let (handle, mut view) = start(options(&role), database.clone()).expect("good options");
    let mut orders = orders();
    let mut taken = BTreeSet::new();
    let mut request = None;
    loop {
        let now = view.borrow_and_update().clone();
        let me = now.me.to_string();
        for (shard, epoch) in now.mine() {
            if taken.insert((shard, epoch)) {
                database.take(shard, &me, epoch);
            }
        }
        say(&now, request.clone());
        if matches!(now.zookeeper, ZooKeeper::Ended(_)) {
            return std::future::pending().await;
        }
        tokio::select! {
            changed = view.changed() => changed.expect("the handle keeps it open"),
            // A lease runs out without anybody saying so.
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            order = orders.recv() => match order.as_deref() {
                Some("leave") => {
                    handle.leave().await;
                    say(&view.borrow(), None);
                    std::process::exit(0);
                }
                Some(order) => request = Some(obey(&handle, order).await),
                // The test has ended.
                None => std::process::exit(0),
            },
        }
    }
}

async fn obey(handle: &MembersHandle, order: &str) -> String {
    let told = |done: Result<(), RequestError>| match done {
        Ok(()) => "done".to_owned(),
        Err(why) => why.to_string(),
    };
    let requests = handle.requests();
    match order.split_once(' ') {
        Some(("drain", node)) => told(requests.drain(node).await),
        Some(("resume", node)) => told(requests.resume(node).await),
        Some(("without", _)) => {
            handle.set_database_ok(false);
            told(Ok(()))
        }
        Some(("with", _)) => {
            handle.set_database_ok(true);
            told(Ok(()))
        }
        Some(("announce", version)) => {
            let version = version.parse().expect("a number");
            told(requests.announce_definitions(version).await)
        }
        _ => told(requests.rebalance().await),
    }
}

fn say(view: &View, request: Option<String>) {
    let zookeeper = match &view.zookeeper {
        ZooKeeper::Connected => "connected".to_owned(),
        ZooKeeper::SilentSince(_) => "silent".to_owned(),
        ZooKeeper::Left => "left".to_owned(),
        ZooKeeper::Ended(why) => why.to_string(),
    };
    let ready = |one: &&Member| one.about.standing() == Standing::Ready;
    let said = Said {
        ready: view.members.iter().filter(ready).count(),
        me: view.me.to_string(),
        members: view.members.iter().map(|one| one.id.to_string()).collect(),
        controller: view.controller.as_ref().map(ToString::to_string),
        draining: view.state == State::Draining,
        may_deliver: view.lease.may_deliver(Instant::now()),
        mine: view.mine().count(),
        definitions: view.definitions,
        zookeeper,
        request,
    };
    println!(
        "{MARK}{}",
        serde_json::to_string(&said).expect("it is JSON")
    );
}

/// What the test says, line by line.
fn orders() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
