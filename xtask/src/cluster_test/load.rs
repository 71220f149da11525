//! Senders and receivers at work on all nodes, and what they see of a fault: pauses, repeats, new connections.

use super::lab::SECOND_VHOST;
use super::ledger::{Arrival, Counts, Ledger, Pulse, body_of};
use super::patience::Chance;
use anyhow::{Context, Result};
use client::{Options, Receiver, Sender};
use model::{PublishingId, Runs};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// The queues, with the receivers of each: one alone sees the whole order.
const QUEUES: [(&str, usize); 4] = [
    ("invoices", 2),
    ("payments", 2),
    ("parcels", 1),
    ("letters", 1),
];
/// Nobody receives from this one while a fault lasts: what was received already cannot be lost.
const HELD: usize = 3;
const SENDERS_OF_EACH: usize = 2;

/// Queues, with all that is at work on them.
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: Option<JoinHandle<Result<()>>>,
    /// With their virtual hosts.
    pub(super) queues: Vec<(&'static str, &'static str)>,
}

struct Shared {
    /// Over so many the queues are divided.
    shards: u8,
    ledgers: Vec<Ledger>,
    senders: Vec<Pulse>,
    receivers: Vec<Pulse>,
    /// Senders are to end.
    enough: AtomicBool,
    /// Receivers are to end.
    over: AtomicBool,
    /// The receiver that is held away from its queue is.
    is_held: AtomicBool,
    /// How often clients were to begin anew.
    generation: AtomicU64,
    reconnected: AtomicU64,
    retransmitted: AtomicU64,
    /// Why messages were given up.
    failed: Mutex<Vec<String>>,
}

impl Shared {
    /// Whether clients need not begin anew yet.
    fn is_still(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Relaxed) == generation
    }

    /// Whether this queue has no receiver now.
    fn is_held(&self, queue: usize) -> bool {
        queue == HELD && self.is_held.load(Ordering::Relaxed)
    }
}

/// Where clients stood at a moment.
pub(super) struct Mark {
    senders: Vec<u64>,
    receivers: Vec<u64>,
}

impl Load {
    /// Senders that send so many messages in a second each, and receivers.
    pub(super) fn start(nodes: &[SocketAddr], rate: u32, shards: u8) -> Result<Self> {
        let receivers = QUEUES.iter().map(|(_, receivers)| receivers).sum();
        let shared = Arc::new(Shared {
            shards,
            ledgers: QUEUES.iter().map(|_| Ledger::default()).collect(),
            senders: pulses(QUEUES.len() * SENDERS_OF_EACH),
            receivers: pulses(receivers),
            enough: AtomicBool::new(false),
            over: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            reconnected: AtomicU64::new(0),
            retransmitted: AtomicU64::new(0),
            failed: Mutex::new(Vec::new()),
        });
        let (at_work, nodes) = (shared.clone(), nodes.to_vec());
        let clients = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }
                .enable_all()
                .build()
                .context("no runtime for the clients")?;
            runtime.block_on(work(at_work, &nodes, rate))
        });
        Ok(Self {
            shared,
            clients: Some(clients),
            queues: { 0.. }
                .zip(QUEUES)
                .map(|(queue, (name, _))| (vhost(queue, shards), name))
                .collect(),
        })
    }

    /// Every client ends and begins anew, as a program that is restarted: at its own node again, wherever faults have
    /// driven it.
    pub(super) fn spread(&self) {
        self.shared.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// While this is so, messages stay in one of the queues.
    pub(super) fn hold(&self, is_held: bool) {
        self.shared.is_held.store(is_held, Ordering::Relaxed);
    }

    /// From now on pauses count.
    pub(super) fn begin_pauses(&self) {
        let clients = self.shared.senders.iter().chain(&self.shared.receivers);
        clients.for_each(Pulse::reset);
    }

    /// The longest pause since then of each sender, and of each receiver.
    pub(super) fn pauses(&self) -> (Vec<Duration>, Vec<Duration>) {
        let longest = |pulses: &[Pulse]| pulses.iter().map(Pulse::longest).collect();
        // The last one is held: it does not wait.
        let at_work = self
            .shared
            .receivers
            .split_last()
            .map_or(&[][..], |(_, all)| all);
        (longest(&self.shared.senders), longest(at_work))
    }

    /// Where the clients stand.
    pub(super) fn mark(&self) -> Mark {
        let counts = |pulses: &[Pulse]| pulses.iter().map(Pulse::count).collect();
        Mark {
            senders: counts(&self.shared.senders),
            receivers: counts(&self.shared.receivers),
        }
    }

    /// Whether every client has been at work again since then.
    pub(super) fn flows_since(&self, mark: &Mark) -> bool {
        let now = self.mark();
        let more =
            |now: &[u64], then: &[u64]| now.iter().zip(then).all(|(now, then)| *now > then + 5);
        more(&now.senders, &mark.senders) && more(&now.receivers, &mark.receivers)
    }

    /// Which clients have not been.
    pub(super) fn stuck_since(&self, mark: &Mark) -> String {
        let now = self.mark();
        let stuck = |what: &str, now: &[u64], then: &[u64]| -> Vec<String> {
            let both = now.iter().zip(then).enumerate();
            let stuck = both.filter(|(_, (now, then))| **now <= **then + 5);
            stuck.map(|(at, _)| format!("{what} {at}")).collect()
        };
        let mut all = stuck("sender", &now.senders, &mark.senders);
        all.extend(stuck("receiver", &now.receivers, &mark.receivers));
        all.join(", ")
    }

    /// What is confirmed and has not been received yet.
    pub(super) fn owed(&self) -> Owed {
        Owed(self.shared.ledgers.iter().map(Ledger::owed).collect())
    }

    /// Whether all of it has come.
    pub(super) fn is_paid(&self, owed: &Owed) -> bool {
        let ledgers = self.shared.ledgers.iter().zip(&owed.0);
        ledgers
            .into_iter()
            .all(|(ledger, owed)| ledger.still_owed(owed).is_empty())
    }

    /// Gives up what has still not come; tells which messages.
    pub(super) fn lose(&self, owed: &Owed) -> Vec<String> {
        let mut all = Vec::new();
        for (ledger, owed) in self.shared.ledgers.iter().zip(&owed.0) {
            let lost = ledger.still_owed(owed);
            ledger.lose(&lost);
            all.extend(
                lost.iter()
                    .map(|(publisher, lost)| format!("{publisher}: {lost:?}")),
            );
        }
        all
    }

    /// The counts of all queues.
    pub(super) fn counts(&self) -> Counts {
        let mut all = Counts::default();
        let counts = self.shared.ledgers.iter().map(Ledger::counts);
        counts.for_each(|one| all.add(&one));
        all
    }

    /// Whether the clients are still there, which they are until they are told to end.
    pub(super) fn is_at_work(&self) -> bool {
        self.clients
            .as_ref()
            .is_some_and(|clients| !clients.is_finished())
    }

    /// Lets the senders end: each waits until all that it sent is settled.
    pub(super) fn stop_sending(&self) {
        self.shared.enough.store(true, Ordering::Relaxed);
    }

    /// Ends the receivers when nothing is left to receive; returns what was noted.
    pub(super) fn finish(mut self) -> Result<(Ended, Counts)> {
        self.stop_sending();
        self.shared.over.store(true, Ordering::Relaxed);
        let clients = self.clients.take().context("it was started")?;
        let joined = clients
            .join()
            .map_err(|_| anyhow::anyhow!("a client panicked"))?;
        joined?;
        self.shared.ledgers.iter().for_each(Ledger::close);
        let failed = self
            .shared
            .failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let ended = Ended {
            reconnected: self.shared.reconnected.load(Ordering::Relaxed),
            retransmitted: self.shared.retransmitted.load(Ordering::Relaxed),
            failed: failed.clone(),
        };
        Ok((ended, self.counts()))
    }
}

/// Messages that were confirmed and have not come.
pub(super) struct Owed(Vec<Vec<(String, Runs)>>);

/// What clients noted until their end.
pub(super) struct Ended {
    /// Connections beyond each client's first.
    pub(super) reconnected: u64,
    /// Transmissions beyond each message's first.
    pub(super) retransmitted: u64,
    /// Why messages were given up.
    pub(super) failed: Vec<String>,
}

fn pulses(count: usize) -> Vec<Pulse> {
    (0..count).map(|_| Pulse::new()).collect()
}

async fn work(shared: Arc<Shared>, nodes: &[SocketAddr], rate: u32) -> Result<()> {
    let mut clients = tokio::task::JoinSet::new();
    let mut receiver = 0;
    for (queue, (name, receivers)) in QUEUES.into_iter().enumerate() {
        for one in 0..SENDERS_OF_EACH {
            let at = queue * SENDERS_OF_EACH + one;
            let sending = Sending {
                queue,
                name,
                at,
                options: options(nodes, at, vhost(queue, shared.shards)),
                rate,
            };
            clients.spawn(send(shared.clone(), sending));
        }
        for _ in 0..receivers {
            let receiving = Receiving {
                queue,
                name,
                at: receiver,
                options: options(nodes, receiver, vhost(queue, shared.shards)),
            };
            clients.spawn(receive(shared.clone(), receiving));
            receiver += 1;
        }
    }
    while let Some(ended) = clients.join_next().await {
        ended.context("a client panicked")??;
    }
    Ok(())
}

/// Where a queue is: of two shards each has every second one.
fn vhost(queue: usize, shards: u8) -> &'static str {
    match queue % usize::from(shards) {
        0 => "/",
        _ => SECOND_VHOST,
    }
}

/// All nodes, in an order of its own for each client. A node that does not answer is given up after two heartbeats.
fn options(nodes: &[SocketAddr], client: usize, vhost: &str) -> Options {
    let vhost = vhost.replace('/', "%2f");
    let urls = nodes.iter().map(|node| format!("amqp://{node}/{vhost}"));
    let mut urls: Vec<String> = urls.collect();
    urls.rotate_left(client % nodes.len());
    Options::parse(urls.iter().map(String::as_str))
        .expect("addresses of ours")
        .heartbeat(Duration::from_secs(1))
        .timeout(Duration::from_secs(3))
        .patience(Duration::from_secs(60))
        .pauses(Duration::from_millis(10), Duration::from_millis(100))
}

struct Sending {
    queue: usize,
    name: &'static str,
    at: usize,
    options: Options,
    rate: u32,
}

async fn send(shared: Arc<Shared>, sending: Sending) -> Result<()> {
    let publisher = format!("{}-{}", sending.name, sending.at);
    shared.ledgers[sending.queue].open(&publisher);
    let mut first = 1;
    while !shared.enough.load(Ordering::Relaxed) {
        first = send_from(first, &publisher, &shared, &sending).await?;
    }
    Ok(())
}

/// Sends until clients are to begin anew, or to end; returns the number to go on from.
async fn send_from(
    first: u64,
    publisher: &str,
    shared: &Arc<Shared>,
    sending: &Sending,
) -> Result<u64> {
    let generation = shared.generation.load(Ordering::Relaxed);
    let sender = Sender::to_queue(sending.name)
        .declare()
        .publisher_id(publisher)
        .first_publishing_id(PublishingId(first))
        .window(2000, 16 * 1024 * 1024)
        .retransmission(Duration::from_secs(2), Duration::from_secs(4), 200)
        .connect(&sending.options)
        .await
        .context("a sender cannot connect")?;
    let mut pace = interval(Duration::from_secs(1) / sending.rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut id = first;
    while !shared.enough.load(Ordering::Relaxed) && shared.is_still(generation) {
        pace.tick().await;
        let (told, name, queue, at) = (
            shared.clone(),
            publisher.to_owned(),
            sending.queue,
            sending.at,
        );
        let given = sender.send_with(body_of(publisher, id), move |outcome| match outcome {
            Ok(sent) => {
                told.ledgers[queue].confirm(&name, sent.publishing_id.0);
                told.senders[at].beat();
            }
            Err(failed) => {
                let mut all = told.failed.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(format!("{name}: {failed}"));
            }
        });
        let given = given.await;
        anyhow::ensure!(given.0 == id, "message {id} was given the number {given:?}");
        id += 1;
    }
    sender.close().await;
    let counts = sender.counts();
    { &shared.reconnected }.fetch_add(counts.reconnected, Ordering::Relaxed);
    { &shared.retransmitted }.fetch_add(counts.retransmitted, Ordering::Relaxed);
    Ok(id)
}

struct Receiving {
    queue: usize,
    name: &'static str,
    at: usize,
    options: Options,
}

async fn receive(shared: Arc<Shared>, receiving: Receiving) -> Result<()> {
    let mut chance = Chance::of(receiving.at as u64);
    while !shared.over.load(Ordering::Relaxed) {
        if shared.is_held(receiving.queue) {
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        receive_some(&shared, &receiving, &mut chance).await?;
    }
    Ok(())
}

/// Receives until clients are to begin anew, or to end and nothing comes any more.
async fn receive_some(shared: &Shared, receiving: &Receiving, chance: &mut Chance) -> Result<()> {
    let generation = shared.generation.load(Ordering::Relaxed);
    let receiver = Receiver::of_queue(receiving.name).declare().prefetch(100);
    let connected = receiver.connect(&receiving.options).await;
    let mut receiver = connected.context("a receiver cannot connect")?;
    let mut in_hand = Vec::new();
    while shared.is_still(generation) && !shared.is_held(receiving.queue) {
        match timeout(Duration::from_millis(200), receiver.recv()).await {
            Ok(delivery) => {
                let delivery = delivery.context("a receiver ended by itself")?;
                note(&shared.ledgers[receiving.queue], receiving.at, &delivery);
                shared.receivers[receiving.at].beat();
                in_hand.push(delivery);
            }
            // What is left in hand is acknowledged before the end, and the server has time to send what it has left.
            Err(_) if in_hand.is_empty() && shared.over.load(Ordering::Relaxed) => break,
            Err(_) => in_hand.drain(..).for_each(client::Delivery::ack),
        }
        // Acknowledgements come in another order than deliveries, as they do from applications.
        if in_hand.len() > 30 {
            in_hand.swap_remove(chance.below(30)).ack();
        }
    }
    in_hand.into_iter().for_each(client::Delivery::ack);
    let reconnected = receiver.counts().reconnected;
    { &shared.reconnected }.fetch_add(reconnected, Ordering::Relaxed);
    receiver.close().await;
    Ok(())
}

fn note(ledger: &Ledger, receiver: usize, delivery: &client::Delivery) {
    let publisher = delivery.publisher();
    let named = publisher.and_then(|(name, id)| Some((std::str::from_utf8(name).ok()?, id.0)));
    ledger.receive(&Arrival {
        receiver,
        publisher: named,
        body: delivery.body(),
        redelivered: delivery.redelivered(),
    });
}
