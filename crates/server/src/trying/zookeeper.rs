//! A ZooKeeper for trying out: one server, of Debian's package.

use super::child::Child;
use super::postgres::on_path;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// ZooKeeper itself, and something that takes its log.
const JARS: [&str; 2] = [
    "/usr/share/java/zookeeper.jar",
    "/usr/share/java/slf4j-simple.jar",
];

/// The program that runs it.
pub(super) fn find() -> Result<PathBuf> {
    let missing: Vec<&str> = { JARS.into_iter() }
        .filter(|jar| !Path::new(jar).exists())
        .collect();
    match (on_path("java"), missing.as_slice()) {
        (Some(java), []) => Ok(java),
        (None, _) => bail!(
            "ZooKeeper needs java, which is not there (Debian: apt-get install default-jre-headless)"
        ),
        (_, missing) => bail!(
            "ZooKeeper is not there: {} is missing (Debian: apt-get install zookeeper libslf4j-java)",
            missing.join(" and ")
        ),
    }
}

/// Starts it in a folder of its own.
pub(super) fn start(java: &Path, folder: &Path, port: u16) -> Result<Child> {
    let data = folder.join("data");
    std::fs::create_dir_all(&data).context("cannot make ZooKeeper's folder")?;
    let settings = format!(
        "tickTime=500\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n\
         admin.enableServer=false\nminSessionTimeout=1000\n4lw.commands.whitelist=srvr\n",
        data.display()
    );
    let file = folder.join("zoo.cfg");
    std::fs::write(&file, settings).context("cannot write ZooKeeper's settings")?;
    let (java, file) = (java.display().to_string(), file.display().to_string());
    let jars = JARS.join(":");
    let main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    let command = [&*java, "-Xmx128m", "-cp", &*jars, main, &*file];
    Child::start(&command, &folder.join("log"), "KILL", None)
}

/// Whether it answers.
pub(super) fn serves(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        stream.write_all(b"srvr").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.contains("Mode: "))
    };
    ask().unwrap_or(false)
}
