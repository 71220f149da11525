//! The programs that are run as servers: how each is started apart from the machine's own, and how it greets.

use super::{Server, free_port};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Which program.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// The binary at this path.
    Landfall(PathBuf),
    /// The one that Debian's package `rabbitmq-server` holds.
    RabbitMq,
    /// The binary at this path: NATS with JetStream, as it is by default.
    Nats(PathBuf),
    /// Redis with an append-only file that is synced before each answer.
    Redis,
    /// beanstalkd with a log that is synced at each write.
    Beanstalkd,
}

impl Program {
    /// Names its folder.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Landfall(_) => "landfall",
            Self::RabbitMq => "rabbitmq",
            Self::Nats(_) => "nats",
            Self::Redis => "redis",
            Self::Beanstalkd => "beanstalkd",
        }
    }

    /// What is sent to a server to see whether it answers, and how its answer starts.
    fn greeting(&self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Landfall(_) | Self::RabbitMq => (wire::PROTOCOL_HEADER, &[1]),
            Self::Nats(_) => (b"", b"INFO "),
            Self::Redis => (b"PING\r\n", b"+PONG"),
            Self::Beanstalkd => (b"list-tubes\r\n", b"OK "),
        }
    }
}

impl Server {
    /// The command line that starts the program.
    pub(super) fn command(&self) -> Result<Command> {
        let mut command = match &self.program {
            Program::Landfall(binary) => self.landfall(binary),
            Program::RabbitMq => self.rabbitmq()?,
            Program::Nats(binary) => self.nats(binary),
            Program::Redis => self.redis(),
            Program::Beanstalkd => self.beanstalkd()?,
        };
        command.args(&self.arguments);
        Ok(command)
    }

    /// A listening socket alone is not yet a server: it has to answer.
    pub(super) fn greets(&self) -> std::io::Result<bool> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        let (question, answer) = self.program.greeting();
        socket.write_all(question)?;
        let mut said = vec![0; answer.len()];
        socket.read_exact(&mut said)?;
        Ok(said == answer)
    }

    fn landfall(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .arg("serve")
            .arg("--listen")
            .arg(format!("127.0.0.1:{}", self.port));
        command.arg("--data-dir").arg(self.data_dir());
        command
            .arg("--admin-listen")
            .arg(format!("127.0.0.1:{}", self.admin_port));
        command
    }

    fn nats(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(self.data_dir());
        command
            .args(["--addr", "127.0.0.1", "--port"])
            .arg(self.port.to_string());
        command
    }

    fn redis(&self) -> Command {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port"])
            .arg(self.port.to_string());
        command.arg("--dir").arg(self.folder.path());
        command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        // No snapshots beside the file.
        command.args(["--save", ""]);
        command
    }

    fn beanstalkd(&self) -> Result<Command> {
        std::fs::create_dir_all(self.data_dir()).context("cannot make the folder of beanstalkd")?;
        let mut command = Command::new("beanstalkd");
        command
            .args(["-l", "127.0.0.1", "-p"])
            .arg(self.port.to_string());
        command.arg("-b").arg(self.data_dir()).arg("-f0");
        Ok(command)
    }

    /// A node apart from the machine's own: other name, ports, folders, no plugins. Its start script runs as
    /// whoever runs us; the packaged one would change to the user of the system's service.
    fn rabbitmq(&self) -> Result<Command> {
        let home = self.folder.path();
        let config = home.join("rabbitmq.conf");
        std::fs::write(
            &config,
            format!("listeners.tcp.1 = 127.0.0.1:{}\n", self.port),
        )?;
        let plugins = home.join("enabled_plugins");
        std::fs::write(&plugins, "[].\n")?;
        let mut command = self.rabbitmq_script("rabbitmq-server")?;
        command
            .env("RABBITMQ_DIST_PORT", free_port()?.to_string())
            .env("RABBITMQ_MNESIA_BASE", home.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_CONFIG_FILE", config)
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", home.join("none"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", home.join("config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
            .env("RABBITMQ_PID_FILE", home.join("pid"));
        Ok(command)
    }

    /// One of RabbitMQ's scripts, with all that names the node.
    pub(super) fn rabbitmq_script(&self, name: &str) -> Result<Command> {
        let home = self.folder.path();
        let library =
            std::fs::read_dir("/usr/lib/rabbitmq/lib").context("RabbitMQ is not installed")?;
        let release = library
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.join("sbin").is_dir());
        let scripts = release.context("RabbitMQ is not where Debian puts it")?;
        let mut command = Command::new(scripts.join("sbin").join(name));
        command
            .current_dir(home)
            .env("HOME", home)
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("peer{}@localhost", self.port))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        Ok(command)
    }
}
