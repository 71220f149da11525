//! A running server: a store, a broker, listeners, and the tasks between them.

use crate::clock::Clock;
use crate::config::Config;
use crate::connection::House;
use crate::fetch::Fetcher;
use crate::http;
use crate::inbox::{Handover, inbox};
use crate::journey::{Journeys, Keeping, Teller};
use crate::lander::Lander;
use crate::listen::Door;
use crate::login;
use crate::memory::{Memory, Watch};
use crate::operator::ShardOperator;
use crate::shard::Shard;
use crate::unfinished::Unfinished;
use anyhow::Context;
use broker::Broker;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use store::Store;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What a server is put together from.
pub struct Parts {
    /// The store, opened.
    pub store: Box<dyn Store>,
    /// What recovery found in it.
    pub broker: Broker,
    /// Where clients come in.
    pub listeners: Vec<TcpListener>,
    /// Where operators' tools come in.
    pub admin_listeners: Vec<StdListener>,
    /// Which journeys of messages are kept.
    pub journeys: Keeping,
    /// The time.
    pub clock: Clock,
}

/// Serves clients until `asked_to_stop`, then ends in order: clients are told, what is in flight lands, the
/// store is closed.
///
/// # Errors
/// If something does not land or what had landed cannot be read. Clients were told nothing since, and the
/// process must end (promise P7).
pub async fn run(
    config: &Config,
    parts: Parts,
    asked_to_stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (inbox_sender, inbox) = inbox(config.limits.inbox_bytes_max);
    let fetcher = Fetcher::new(parts.store.reader(), inbox_sender.clone());
    let memory = Memory::new(config.memory_limit);
    let house = Arc::new(House {
        limits: config.limits.clone(),
        server_properties: login::server_properties(config),
        inbox: inbox_sender.clone(),
        reader: parts.store.reader(),
        clock: parts.clock,
        unfinished: Unfinished::new(config.limits.unfinished_bytes_max),
        memory: memory.clone(),
    });
    let lander = Lander::start(parts.store).context("cannot start the landing thread")?;
    let mut broker = parts.broker;
    let teller = Teller::start(&parts.journeys, parts.clock.now());
    if teller.is_some() {
        broker.tell_journeys();
    }
    let journeys = Journeys::new(teller.is_some().then_some(parts.journeys.dir));
    let shard = Shard::new(
        broker,
        inbox,
        lander,
        fetcher,
        Watch::new(config.memory_limit, memory, parts.clock.now()),
        parts.clock,
        config.limits.landing_bytes_max,
    );
    let mut shard = tokio::spawn(shard.telling(teller).run());
    let operator = Arc::new(ShardOperator::new(
        inbox_sender.clone(),
        house.reader.clone(),
        journeys,
    ));
    http::serve(
        parts.admin_listeners,
        admin::router(operator, about(config)),
    )?;
    let door = Door::new(house);
    let accepting: Vec<AbortHandle> = parts
        .listeners
        .into_iter()
        .map(|listener| tokio::spawn(door.clone().accept(listener)).abort_handle())
        .collect();
    let ended = tokio::select! {
        ended = &mut shard => ended,
        () = asked_to_stop => {
            for listener in &accepting {
                listener.abort();
            }
            inbox_sender.tell(Handover::Stop);
            shard.await
        }
    };
    ended.context("the shard ended by a defect of the program")??;
    Ok(())
}

/// What the HTTP API says about the server.
fn about(config: &Config) -> admin::About {
    admin::About {
        product: config.product.clone(),
        version: env!("CARGO_PKG_VERSION"),
        cluster_name: config.cluster_name.clone(),
    }
}
