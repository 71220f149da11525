//! Coming to a connection that is ready for use: the addresses in turn, and what is set up on the channel.

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::error::{ConnectError, FailedTry, LinkError};
use crate::link::Link;
use crate::options::Options;
use crate::retry_policy::RetryPolicy;
use model::method::{channel, queue};
use model::{Method, ReplyCode, ShortStr};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// What a channel needs before it is used.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The queue that must be there.
    pub(crate) queue: Option<WantedQueue>,
    /// Calls to make, in order.
    pub(crate) calls: Vec<Method>,
}

/// A queue that is made if it is missing, and taken as it is otherwise.
#[derive(Clone, Debug)]
pub(crate) struct WantedQueue {
    pub(crate) name: ShortStr,
    /// What it is to be like if it is made.
    pub(crate) policy: RetryPolicy,
}

impl Setup {
    /// Opens the channel and sets it up.
    pub(crate) async fn perform(&self, link: &mut Link) -> Result<(), LinkError> {
        link.call(channel::Open::default()).await?;
        if let Some(queue) = &self.queue {
            queue.ensure(link).await?;
        }
        for call in &self.calls {
            link.call(call.clone()).await?;
        }
        Ok(())
    }
}

impl WantedQueue {
    /// To declare a queue that is there with other arguments is an error, so it is asked for first. If it is made by
    /// another between the question and the declaration, the question is asked again; if it still is not there, the
    /// server did not like the arguments, and gets a queue without.
    async fn ensure(&self, link: &mut Link) -> Result<(), LinkError> {
        let plain = queue::Declare {
            queue: self.name.clone(),
            durable: true,
            ..queue::Declare::default()
        };
        let asked = queue::Declare {
            passive: true,
            ..plain.clone()
        };
        let wanted = queue::Declare {
            arguments: self.policy.arguments(),
            ..plain.clone()
        };
        for declare in [asked.clone(), wanted, asked] {
            match link.call(declare).await {
                Err(LinkError::Refused { code, .. }) if leaves_a_choice(code) => {
                    link.call(channel::Open::default()).await?;
                }
                other => return other.map(drop),
            }
        }
        link.call(plain).await.map(drop)
    }
}

/// Whether a declaration was refused because the queue is missing, or because of its arguments.
fn leaves_a_choice(code: u16) -> bool {
    code == ReplyCode::NotFound.number() || code == ReplyCode::PreconditionFailed.number()
}

/// Connects, again and again.
#[derive(Debug)]
pub(crate) struct Connector {
    options: Options,
    setup: Setup,
    clock: Clock,
    backoff: Backoff,
    /// The address to try first.
    first: usize,
}

impl Connector {
    pub(crate) fn new(options: &Options, setup: Setup, clock: Clock) -> Self {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self {
            options: options.clone(),
            setup,
            clock,
            backoff: Backoff::new(options.first_pause, options.longest_pause, seed),
            first: 0,
        }
    }

    /// How long any one exchange with the server may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    /// The first connection, for as long as the options have patience.
    pub(crate) async fn connect(&mut self) -> Result<Link, ConnectError> {
        let end = Instant::now() + self.options.patience;
        loop {
            match self.round().await {
                Ok(link) => return Ok(link),
                Err(tries) => {
                    let pause = self.pause();
                    if Instant::now() + pause > end {
                        return Err(ConnectError::NoServer(tries));
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    /// Each address once, beginning behind the one that worked last.
    pub(crate) async fn round(&mut self) -> Result<Link, Vec<FailedTry>> {
        let mut tries = Vec::new();
        for _ in 0..self.options.addresses.len() {
            let address = &self.options.addresses[self.first];
            self.first = (self.first + 1) % self.options.addresses.len();
            match timeout(self.options.timeout, self.ready_link(address)).await {
                Ok(Ok(link)) => {
                    tracing::debug!(%address, "connected");
                    return Ok(link);
                }
                failed => {
                    let error = match failed {
                        Ok(Err(error)) => error,
                        _ => LinkError::TimedOut("connecting"),
                    };
                    tracing::debug!(%address, %error, "cannot connect");
                    tries.push(FailedTry {
                        address: address.clone(),
                        error,
                    });
                }
            }
        }
        Err(tries)
    }

    /// The pause after a round that found no server, or a connection that was of no use.
    pub(crate) fn pause(&mut self) -> Duration {
        self.backoff.failed()
    }

    /// A connection was of use: pauses start from the shortest again. Being connected is not enough, or a server
    /// that hangs up at once would be asked without end.
    pub(crate) fn worked(&mut self) {
        self.backoff.worked();
    }

    async fn ready_link(&self, address: &crate::Address) -> Result<Link, LinkError> {
        let mut link = Link::open(address, &self.options, self.clock).await?;
        self.setup.perform(&mut link).await?;
        Ok(link)
    }

    /// Opens the channel of a connection again, after the server closed it.
    pub(crate) async fn reopen(&self, link: &mut Link) -> Result<(), LinkError> {
        timeout(self.options.timeout, self.setup.perform(link))
            .await
            .unwrap_or(Err(LinkError::TimedOut("opening a channel")))
    }
}
