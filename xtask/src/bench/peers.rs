//! What is measured: Landfall and its peers, each running apart; those whose turn it is not are halted, so that they
//! take no time from the others.

pub(super) mod amqp;
mod beanstalkd;
mod nats;
mod redis;

use super::protocol::Control;
use super::report::debian_version;
use crate::install;
use crate::server::{Program, Server};
use crate::shell::{cargo, run, target_dir};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A server, and the kind of queue on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Subject {
    Landfall,
    RabbitClassic,
    RabbitQuorum,
    Nats,
    Redis,
    Beanstalkd,
}

impl Subject {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Landfall => "Landfall",
            Self::RabbitClassic => "RabbitMQ classic",
            Self::RabbitQuorum => "RabbitMQ quorum",
            Self::Nats => "NATS JetStream, no sync",
            Self::Redis => "Redis Streams, always",
            Self::Beanstalkd => "beanstalkd -f0",
        }
    }

    /// Whether it has exchanges, bindings and connections with many consumers.
    pub(super) fn speaks_amqp(self) -> bool {
        matches!(
            self,
            Self::Landfall | Self::RabbitClassic | Self::RabbitQuorum
        )
    }

    /// The argument `x-queue-type` of its queue.
    fn queue_type(self) -> Option<&'static str> {
        match self {
            Self::RabbitClassic => Some("classic"),
            Self::RabbitQuorum => Some("quorum"),
            _ => None,
        }
    }

    /// A quorum queue of RabbitMQ may still be taking in acknowledgements when their channel has closed, and gives the
    /// last few messages back: the peer's own matter, and nothing to the figures.
    pub(super) fn gives_some_back(self) -> bool {
        self == Self::RabbitQuorum
    }

    /// A connection in the server's protocol.
    pub(super) fn control(self, server: &Server) -> Result<Box<dyn Control>> {
        let port = server.port();
        Ok(match self {
            Self::Landfall | Self::RabbitClassic | Self::RabbitQuorum => {
                Box::new(amqp::Amqp::open(port, self.queue_type())?)
            }
            Self::Nats => Box::new(nats::Nats::open(port)?),
            Self::Redis => Box::new(redis::Redis::open(port)?),
            Self::Beanstalkd => Box::new(beanstalkd::Beanstalkd::open(port)?),
        })
    }
}

/// All servers, halted.
pub(super) struct Servers {
    running: Vec<(Vec<Subject>, Server)>,
}

impl Servers {
    /// Starts Landfall and, if wanted, every peer that is there or can be installed; the others are named.
    pub(super) fn start(with_peers: bool) -> Result<Self> {
        let landfall = Server::start(landfall()?)?;
        landfall.halt()?;
        let mut servers = Self {
            running: vec![(vec![Subject::Landfall], landfall)],
        };
        if with_peers {
            for peer in [rabbitmq, nats, redis, beanstalkd] {
                servers.add(peer());
            }
        }
        Ok(servers)
    }

    fn add(&mut self, (subjects, program): (Vec<Subject>, Result<Program>)) {
        let server = program.and_then(|program| {
            let server = Server::start(program)?;
            server.halt()?;
            Ok(server)
        });
        match server {
            Ok(server) => self.running.push((subjects, server)),
            Err(error) => {
                for subject in subjects {
                    eprintln!("left out: {}: {error:#}", subject.name());
                }
            }
        }
    }

    fn subjects(&self) -> Vec<Subject> {
        self.running
            .iter()
            .flat_map(|(subjects, _)| subjects.clone())
            .collect()
    }

    /// All of them, in another order each round.
    pub(super) fn in_turn(&self, round: u32) -> Vec<Subject> {
        let mut subjects = self.subjects();
        let first = round as usize % subjects.len();
        subjects.rotate_left(first);
        subjects
    }

    /// The versions of those that are not ours.
    pub(super) fn versions(&self) -> String {
        let versions = self.subjects().into_iter().filter_map(|subject| {
            Some(match subject {
                Subject::Landfall | Subject::RabbitClassic => return None,
                Subject::RabbitQuorum => {
                    format!("RabbitMQ {}", debian_version("rabbitmq-server"))
                }
                Subject::Nats => format!("NATS {}", install::NATS),
                Subject::Redis => format!("Redis {}", debian_version("redis-server")),
                Subject::Beanstalkd => format!("beanstalkd {}", debian_version("beanstalkd")),
            })
        });
        versions.collect::<Vec<_>>().join(", ")
    }

    /// Lets a server run while it is measured. A peer that fails is told and left out of this figure.
    pub(super) fn measure<T>(
        &self,
        subject: Subject,
        work: impl FnOnce(&Server) -> Result<T>,
    ) -> Result<Option<T>> {
        let server = self
            .running
            .iter()
            .find(|(subjects, _)| subjects.contains(&subject));
        let (_, server) = server.with_context(|| format!("no {}", subject.name()))?;
        server.resume()?;
        let measured =
            work(server).with_context(|| format!("{}\n{}", subject.name(), server.end_of_log()));
        server.halt()?;
        match measured {
            Err(error) if subject != Subject::Landfall => {
                eprintln!("left out of this figure: {error:#}");
                Ok(None)
            }
            measured => measured.map(Some),
        }
    }
}

/// Builds it as a release.
pub(super) fn landfall() -> Result<Program> {
    run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "landfall-server",
    ]))?;
    let binary = target_dir().join("release").join("landfall");
    Ok(Program::Landfall(binary))
}

fn rabbitmq() -> (Vec<Subject>, Result<Program>) {
    let installed = install::packages(install::FOR_RABBITMQ);
    let subjects = vec![Subject::RabbitClassic, Subject::RabbitQuorum];
    (subjects, installed.map(|()| Program::RabbitMq))
}

fn nats() -> (Vec<Subject>, Result<Program>) {
    (vec![Subject::Nats], install::nats().map(Program::Nats))
}

fn redis() -> (Vec<Subject>, Result<Program>) {
    let installed = install::packages(install::FOR_REDIS);
    (vec![Subject::Redis], installed.map(|()| Program::Redis))
}

fn beanstalkd() -> (Vec<Subject>, Result<Program>) {
    let installed = install::packages(install::FOR_BEANSTALKD);
    let program = installed.map(|()| Program::Beanstalkd);
    (vec![Subject::Beanstalkd], program)
}
