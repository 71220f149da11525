//! A shard that this node owns, from the opening of its lane until it is let go of: its loop, and what its clients and
//! its operators need to reach it.

use crate::alarms::Alarms;
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::House;
use crate::fetch::Fetcher;
use crate::inbox::{Handover, InboxSender, inbox};
use crate::journey::Journeys;
use crate::lander::Lander;
use crate::lease::Lease;
use crate::login;
use crate::memory::{Memory, Watch};
use crate::operator::ShardOperator;
use crate::passwords::Passwords;
use crate::shard::{Shard, ShardFailure};
use crate::telling::Telling;
use crate::tokens::Tokens;
use crate::unfinished::Unfinished;
use admin::instruments::Instruments;
use anyhow::Context;
use broker::Broker;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::task::JoinHandle;

/// How long clients may take to answer connection.close when the server stops.
pub(crate) const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// A shard that is served.
pub struct Tenure {
    /// What its clients need.
    pub house: Arc<House>,
    /// What its operators need.
    pub operator: Arc<ShardOperator>,
    inbox: InboxSender,
    shard: JoinHandle<Result<(), ShardFailure>>,
}

impl Tenure {
    /// Serves what recovery found in `store`. Nobody knows of it yet.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn begin(
        config: &Config,
        store: Box<dyn Store>,
        mut broker: Broker,
        clock: Clock,
        lease: Lease,
    ) -> anyhow::Result<Self> {
        let (sender, inbox) = inbox(config.limits.inbox_bytes_max);
        let reader = store.reader();
        let fetcher = Fetcher::new(reader.clone(), sender.clone());
        let memory = Memory::new(config.memory_limit);
        let passwords = Passwords::new();
        let tokens = config
            .oauth
            .as_ref()
            .map(|said| Tokens::new(said, clock))
            .transpose()?;
        let tokens = tokens.map(Arc::new);
        let instruments = Arc::new(Instruments::default());
        let house = Arc::new(House {
            limits: config.limits.clone(),
            server_properties: login::server_properties(config),
            inbox: sender.clone(),
            reader: reader.clone(),
            clock,
            unfinished: Unfinished::new(config.limits.unfinished_bytes_max),
            memory: memory.clone(),
            passwords: passwords.clone(),
            tokens: tokens.clone(),
            instruments: instruments.clone(),
        });
        let lander = Lander::start(store, instruments.clone());
        let lander = lander.context("cannot start the landing thread")?;
        let telling = Telling::start(config, clock, &mut broker, &instruments);
        let telling = telling.context("cannot send traces")?;
        let keeps_journeys = telling.keeps_journeys();
        let dir = keeps_journeys.then(|| config.journeys.dir.clone());
        let alarms = Arc::new(Alarms::default());
        let journeys = Journeys::new(dir);
        let operator = ShardOperator::new(
            sender.clone(),
            reader,
            journeys,
            alarms.clone(),
            passwords,
            tokens,
            instruments.clone(),
        );
        let shard = Shard::new(
            broker,
            inbox,
            lander,
            fetcher,
            Watch::new(config.memory_limit, memory, clock.now()),
            clock,
            config.limits.landing_bytes_max,
        );
        Ok(Self {
            house,
            operator: Arc::new(operator),
            inbox: sender,
            shard: tokio::spawn(
                (shard.telling(telling).under(lease))
                    .raising(alarms)
                    .showing(instruments)
                    .run(),
            ),
        })
    }

    /// Asks for an end in order: clients are told and have so long to leave, what is in flight lands, the store is closed.
    pub fn stop(&self, patience: Duration) {
        self.inbox.tell(Handover::Stop(patience));
    }

    /// Ends at once: somebody else has the shard. Clients are hung up on.
    pub fn abandon(&self) {
        self.shard.abort();
    }

    /// Waits for the end. May be dropped and called again until it has answered.
    ///
    /// # Errors
    /// If something did not land or what had landed cannot be read: clients were told nothing since.
    pub async fn ended(&mut self) -> anyhow::Result<Result<(), ShardFailure>> {
        let ended = (&mut self.shard).await;
        ended.context("the shard ended by a defect of the program")
    }
}
