//! The table of clients: where each comes from, which version, and how its suite is run.

use crate::install;
use crate::shell::{cargo, command, root, run};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// One client and the tests with it.
pub(crate) struct Suite {
    /// The client's name in its registry, and in the table.
    pub(crate) client: &'static str,
    origin: Origin,
    /// Files of tests, or for Rust the filter of their names.
    tests: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    PyPi,
    Npm,
    /// A module of the server's own tests.
    Crates,
    /// A program of crates.io: its name there, and its version. Its tests are Python.
    Program(&'static str, &'static str),
    /// The Debian package, and what runs its tests.
    Debian(&'static str, Runner),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Runner {
    Pytest,
    Php,
    Ruby,
    Go,
}

/// The longest first, so that none is left for the end.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        client: "celery",
        origin: Origin::PyPi,
        tests: &["test_celery.py"],
    },
    Suite {
        client: "kombu",
        origin: Origin::PyPi,
        tests: &["test_kombu.py"],
    },
    Suite {
        client: "pika",
        origin: Origin::PyPi,
        tests: &[
            "test_pika.py",
            "test_pika_routing.py",
            "test_pika_queues.py",
            "test_pika_deduplication.py",
            "test_pika_consumers.py",
            "test_pika_retry.py",
            "test_pika_delay.py",
            "test_pika_conversations.py",
        ],
    },
    Suite {
        client: "amqp",
        origin: Origin::PyPi,
        tests: &["test_py_amqp.py"],
    },
    Suite {
        client: "aio-pika",
        origin: Origin::PyPi,
        tests: &["test_aio_pika.py"],
    },
    Suite {
        client: "amqplib",
        origin: Origin::Npm,
        tests: &["amqplib.test.js"],
    },
    Suite {
        client: "@cloudamqp/amqp-client",
        origin: Origin::Npm,
        tests: &["amqp-client.test.js"],
    },
    Suite {
        client: "lapin",
        origin: Origin::Crates,
        tests: &["lapin::"],
    },
    Suite {
        client: "amqprs",
        origin: Origin::Crates,
        tests: &["amqprs::"],
    },
    Suite {
        client: "bunny",
        origin: Origin::Debian("ruby-bunny", Runner::Ruby),
        tests: &["bunny_test.rb"],
    },
    Suite {
        client: "php-amqplib",
        origin: Origin::Debian("php-amqplib", Runner::Php),
        tests: &["php_amqplib_test.php"],
    },
    Suite {
        client: "amqp091-go",
        origin: Origin::Debian("golang-github-rabbitmq-amqp091-go-dev", Runner::Go),
        tests: &["."],
    },
    Suite {
        client: RABBITMQADMIN,
        origin: Origin::Debian("rabbitmq-server", Runner::Pytest),
        tests: &["test_rabbitmqadmin.py"],
    },
    Suite {
        client: RABBITMQADMIN_V2,
        origin: Origin::Program("rabbitmqadmin", "2.35.0"),
        tests: &["test_rabbitmqadmin_v2.py"],
    },
    Suite {
        client: FLOWER,
        origin: Origin::PyPi,
        tests: &["test_flower.py"],
    },
    Suite {
        client: PROMETHEUS,
        origin: Origin::PyPi,
        tests: &["test_prometheus.py"],
    },
    Suite {
        client: OPENAPI,
        origin: Origin::PyPi,
        tests: &["test_openapi.py"],
    },
    Suite {
        client: "amqp-tools",
        origin: Origin::Debian("amqp-tools", Runner::Pytest),
        tests: &["test_amqp_tools.py"],
    },
];

/// RabbitMQ's own command line, which its package brings.
const RABBITMQADMIN: &str = "rabbitmqadmin";
/// Its successor, in Rust: it takes answers only as RabbitMQ gives them.
const RABBITMQADMIN_V2: &str = "rabbitmqadmin-v2";
/// Celery's monitor.
const FLOWER: &str = "flower";
/// The official client for Python, of which the strict parsers are wanted.
const PROMETHEUS: &str = "prometheus_client";

/// A validator of documents of OpenAPI.
const OPENAPI: &str = "openapi-spec-validator";

impl Suite {
    /// Whether it speaks HTTP as well.
    pub(crate) fn asks_the_api(&self) -> bool {
        [RABBITMQADMIN, RABBITMQADMIN_V2, FLOWER, PROMETHEUS, OPENAPI].contains(&self.client)
    }

    /// What is pinned, or installed.
    pub(crate) fn version(&self) -> Result<String> {
        let client = self.client;
        match self.origin {
            Origin::PyPi => between(
                "tests/clients/python/requirements.txt",
                &format!("{client}=="),
                "\n",
            ),
            Origin::Npm => between(
                "tests/clients/node/package.json",
                &format!("\"{client}\": \""),
                "\"",
            ),
            Origin::Crates => between(
                "Cargo.lock",
                &format!("name = \"{client}\"\nversion = \""),
                "\"",
            ),
            Origin::Program(_, version) => Ok(version.to_owned()),
            Origin::Debian(package, _) => installed_version(package),
        }
    }

    /// The command that runs the tests.
    pub(crate) fn command(&self) -> Result<Command> {
        let folder = root().join("tests/clients");
        Ok(match self.origin {
            Origin::PyPi | Origin::Debian(_, Runner::Pytest) => {
                let mut pytest = command(python()?, &["-B", "-m", "pytest"]);
                pytest.args(self.tests).current_dir(folder.join("python"));
                pytest
            }
            Origin::Program(name, version) => {
                let mut pytest = command(python()?, &["-B", "-m", "pytest"]);
                pytest.args(self.tests).current_dir(folder.join("python"));
                pytest.env("PROGRAM_UNDER_TEST", install::program(name, version)?);
                pytest
            }
            Origin::Npm => {
                let mut node = command("node", &["--test", "--test-reporter=./reporter.mjs"]);
                node.args(self.tests).current_dir(folder.join("node"));
                node
            }
            Origin::Crates => {
                let mut tests = cargo(END_TO_END);
                // One at a time: they share a server, and some restart it.
                tests.arg("--").args(self.tests).arg("--test-threads=1");
                tests
            }
            Origin::Debian(_, Runner::Php) => {
                let mut php = command("php", &[]);
                php.args(self.tests).current_dir(folder.join("php"));
                php
            }
            Origin::Debian(_, Runner::Ruby) => {
                let mut ruby = command("ruby", &[]);
                ruby.args(self.tests).current_dir(folder.join("ruby"));
                ruby
            }
            Origin::Debian(_, Runner::Go) => {
                // Debian's libraries lie in a path of the old kind, without modules.
                let mut go = command("go", &["test", "-count=1", "-vet=off"]);
                go.args(self.tests)
                    .current_dir(folder.join("go"))
                    .env("GO111MODULE", "off")
                    .env("GOPATH", "/usr/share/gocode")
                    .env("GOFLAGS", "");
                go
            }
        })
    }
}

const END_TO_END: &[&str] = &[
    "test",
    "--package",
    "landfall-server",
    "--test",
    "end_to_end",
];

/// Installs and builds what the suites need, before any clock runs.
pub(crate) fn prepare(suites: &[&Suite]) -> Result<()> {
    let any = |of: fn(Origin) -> bool| suites.iter().any(|suite| of(suite.origin));
    let is_python = |origin| {
        matches!(
            origin,
            Origin::PyPi | Origin::Program(..) | Origin::Debian(_, Runner::Pytest)
        )
    };
    if any(is_python) {
        python()?;
    }
    for suite in suites {
        if let Origin::Program(name, version) = suite.origin {
            install::program(name, version)?;
        }
    }
    if any(|origin| origin == Origin::Npm) {
        install::node(&root().join("tests/clients/node"))?;
    }
    if any(|origin| origin == Origin::Crates) {
        run(cargo(END_TO_END).arg("--no-run"))?;
    }
    Ok(())
}

fn python() -> Result<PathBuf> {
    install::python(&root().join("tests/clients/python/requirements.txt"))
}

/// What stands in a file between two texts.
fn between(file: &str, before: &str, after: &str) -> Result<String> {
    let text = std::fs::read_to_string(root().join(file))
        .with_context(|| format!("cannot read {file}"))?;
    let found = text.match_indices(before).find_map(|(at, _)| {
        // At the start of a line, so that `pika==` is not found in `aio-pika==`.
        let line = text[..at].rsplit('\n').next().unwrap_or_default();
        let rest = &text[at + before.len()..];
        line.trim().is_empty().then(|| rest.split(after).next())?
    });
    found
        .map(str::to_owned)
        .with_context(|| format!("no version after `{before}` in {file}"))
}

fn installed_version(package: &str) -> Result<String> {
    let output = command("dpkg-query", &["-W", "-f", "${Version}", package])
        .output()
        .context("cannot ask dpkg")?;
    if !output.status.success() {
        bail!("the Debian package {package} is not installed");
    }
    // Without Debian's own revision.
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(version.split('-').next().unwrap_or_default().to_owned())
}
