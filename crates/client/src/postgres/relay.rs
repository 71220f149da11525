//! The relay: passes on what is in an outbox, each message once, whatever is killed when.
//!
//! ```text
//! one transaction:  the batch that landed is deleted, and the next one is written down with its publishing ids
//! publish it, and wait for every confirm
//! ```
//! A relay that dies in between leaves a batch that is written down. The next relay sends exactly that one first, under
//! the same publisher and the same publishing ids: what landed already lands no second time (promise P5).
//!
//! Each relay counts under a publisher id of its own. Counting on from what the table says would lose messages after
//! the database came back from a backup: its numbers would have landed before, with other messages.

mod batch;

use super::outbox::Outbox;
use super::table::Table;
use crate::backoff::Backoff;
use crate::error::ConnectError;
use crate::message::WhyFailed;
use crate::options::Options;
use crate::sender::Sender;
use batch::{Batch, Finished, Journal};
use model::PublishingId;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Socket};

/// Passes the messages of an [`Outbox`] on, in the background, until it is stopped.
///
/// ```no_run
/// use landfall_client::Options;
/// use landfall_client::postgres::tokio_postgres::{Config, NoTls};
/// use landfall_client::postgres::{Outbox, OutboxRelay};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = Outbox::to_queue("orders");
/// let database: Config = "host=/run/postgresql user=shop dbname=shop".parse()?;
/// let relay = OutboxRelay::of(&outbox).start(
///     database,
///     NoTls,
///     &Options::parse(["amqp://localhost"])?,
/// );
/// // …
/// relay.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// Start one in each process if you like: one of them works, the others wait until it goes. A lost database or server
/// is looked for again, for as long as it takes; so long, messages wait in the outbox. Dropping the relay stops it.
#[derive(Debug)]
pub struct OutboxRelay {
    task: JoinHandle<()>,
    counts: Arc<Mutex<RelayCounts>>,
}

/// What a relay did since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounts {
    /// Messages that landed and were deleted from the outbox.
    pub landed: u64,
    /// Messages that the server refused, which stay in the outbox with the reason.
    pub refused: u64,
    /// Messages among them that an earlier relay, or an earlier connection of this one, may have sent already.
    pub resumed: u64,
}

/// What a relay is to be like.
#[derive(Clone, Debug)]
pub struct OutboxRelayBuilder {
    table: Table,
    pause: Duration,
    batch: u32,
    batch_bytes: u32,
}

impl OutboxRelay {
    /// A relay of that outbox: of all messages in its table.
    pub fn of(outbox: &Outbox) -> OutboxRelayBuilder {
        OutboxRelayBuilder {
            table: outbox.table().clone(),
            pause: Duration::from_secs(1),
            batch: 1_000,
            batch_bytes: 16 * 1024 * 1024,
        }
    }

    /// Stops. What is on its way then may have landed: the next relay knows which messages these are.
    pub async fn stop(mut self) {
        self.task.abort();
        // It was aborted: that is all that it can say.
        let _ = (&mut self.task).await;
    }

    /// The counts so far.
    pub fn counts(&self) -> RelayCounts {
        *locked(&self.counts)
    }
}

impl Drop for OutboxRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl OutboxRelayBuilder {
    /// How long to wait before looking for new messages where nobody tells of any; and, where another relay is at work,
    /// before looking whether it has gone. Default 1 s.
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.pause = pause.max(Duration::from_millis(1));
        self
    }

    /// The most messages on their way at a time, and about the most bytes of their bodies, each at least 1. Default
    /// 1,000 and 16 MiB.
    pub fn batch(mut self, messages: u32, bytes: u32) -> Self {
        self.batch = messages.max(1);
        self.batch_bytes = bytes.max(1);
        self
    }

    /// Starts it: with a connection of its own to the database, and one to the servers.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start<T>(self, database: Config, tls: T, servers: &Options) -> OutboxRelay
    where
        T: MakeTlsConnect<Socket, Stream: Send + 'static> + Clone + Send + Sync + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let counts = Arc::new(Mutex::new(RelayCounts::default()));
        let work = Work {
            settings: self,
            servers: servers.clone(),
            counts: counts.clone(),
        };
        let connect = move || {
            let (database, tls) = (database.clone(), tls.clone());
            async move { database.connect(tls).await }
        };
        let task = tokio::spawn(work.run(connect));
        OutboxRelay { task, counts }
    }
}

/// Why a relay has to begin anew.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("the database: {0}")]
    Database(#[from] tokio_postgres::Error),
    #[error("the server: {0}")]
    Server(#[from] ConnectError),
    #[error("a message could not be sent: {0}")]
    NotSent(WhyFailed),
    #[error("another relay took over")]
    TakenOver,
}

/// A relay at work.
struct Work {
    settings: OutboxRelayBuilder,
    servers: Options,
    counts: Arc<Mutex<RelayCounts>>,
}

impl Work {
    /// For ever.
    async fn run<S, C>(self, connect: impl Fn() -> C)
    where
        C: Future<Output = Result<(Client, Connection<Socket, S>), tokio_postgres::Error>>,
        S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
    {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        let longest = Duration::from_secs(10);
        let mut backoff = Backoff::new(Duration::from_millis(100), longest, seed);
        loop {
            let landed_before = locked(&self.counts).landed;
            let Err(why) = self.serve(connect()).await;
            tracing::warn!(table = %self.settings.table, %why, "the outbox waits");
            if locked(&self.counts).landed > landed_before {
                backoff.worked();
            }
            sleep(backoff.failed()).await;
        }
    }

    /// Uses a connection to the database until something goes wrong.
    async fn serve<S, C>(&self, connect: C) -> Result<std::convert::Infallible, Interrupted>
    where
        C: Future<Output = Result<(Client, Connection<Socket, S>), tokio_postgres::Error>>,
        S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
    {
        let table = &self.settings.table;
        let (client, connection) = connect.await?;
        let news = Arc::new(Notify::new());
        let _driver = Driver::start(connection, news.clone());
        let mut journal = Journal::new(client, table);
        while !journal.take_charge().await? {
            sleep(self.settings.pause).await;
        }

        let mut finished = Finished::default();
        let left = journal.underway().await?;
        if !left.is_empty() {
            let sender = self.sender(&left.publisher).await?;
            finished = self.publish(&sender, &mut journal, &left).await?;
            locked(&self.counts).resumed += finished.count();
        }
        let name = uuid::Uuid::new_v4().to_string();
        let sender = self.sender(&name).await?;
        let mut batch = Batch::first_of(name);
        loop {
            let (most, bytes) = (self.settings.batch, self.settings.batch_bytes);
            batch = journal.advance(&finished, batch, most, bytes).await?;
            self.count(&finished);
            finished = self.publish(&sender, &mut journal, &batch).await?;
            if batch.is_empty() {
                // Whether news came or not: look.
                let _ = timeout(self.settings.pause, news.notified()).await;
            }
        }
    }

    /// One that never gives up.
    async fn sender(&self, publisher: &str) -> Result<Sender, ConnectError> {
        Sender::to_exchange("", "")
            .publisher_id(publisher)
            .window(self.settings.batch, self.settings.batch_bytes)
            .retransmission(Duration::from_secs(5), Duration::from_secs(60), u32::MAX)
            .connect(&self.servers)
            .await
    }

    /// Sends a batch, and waits until it is known of each message what became of it.
    async fn publish(
        &self,
        sender: &Sender,
        journal: &mut Journal,
        batch: &Batch,
    ) -> Result<Finished, Interrupted> {
        let mut finished = Finished::default();
        if batch.is_empty() {
            return Ok(finished);
        }
        let mut on_their_way = Vec::new();
        for row in journal.fetch(batch).await? {
            match row.message {
                Ok(message) => {
                    let number = batch.publishing_id(row.id);
                    let message = message.publishing_id(PublishingId(number));
                    on_their_way.push((row.id, sender.send(message).await));
                }
                Err(why) => finished.refused(row.id, why),
            }
        }
        for (id, handle) in on_their_way {
            match handle.await {
                Ok(_) => finished.landed(id),
                Err(failed) => match failed.why {
                    why @ (WhyFailed::Unroutable { .. } | WhyFailed::Refused { .. }) => {
                        finished.refused(id, why.to_string());
                    }
                    why => return Err(Interrupted::NotSent(why)),
                },
            }
        }
        Ok(finished)
    }

    fn count(&self, finished: &Finished) {
        let mut counts = locked(&self.counts);
        counts.landed += finished.landed_count();
        counts.refused += finished.refused_count();
    }
}

/// Drives a connection to the database, for as long as somebody has it in hand.
struct Driver(JoinHandle<()>);

impl Driver {
    fn start<S>(mut connection: Connection<Socket, S>, news: Arc<Notify>) -> Self
    where
        S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
    {
        Self(tokio::spawn(async move {
            // An end or an error shows at the client's next question: it is asked at once.
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    news.notify_one();
                }
            }
            news.notify_one();
        }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn locked(counts: &Mutex<RelayCounts>) -> MutexGuard<'_, RelayCounts> {
    counts.lock().expect("nothing that holds the lock panics")
}
