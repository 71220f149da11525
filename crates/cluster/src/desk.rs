//! Where the database is asked and nothing is landed: one thread with a connection for all readers of a node.

use crate::connector::Connector;
use crate::error::DatabaseError;
use crate::session::{Doubt, describe};
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot};
use tokio_postgres::Client;

/// A plan that reads a table from its front, made while it was empty, would be kept when it is full.
const BY_INDEX: &str = "set enable_seqscan = off; set enable_bitmapscan = off";

/// The first pause before another try; the next are twice as long each.
const PAUSE_LEAST: Duration = Duration::from_millis(20);
pub(crate) const PAUSE_MOST: Duration = Duration::from_millis(250);

/// A pause before the `nth` try that follows a failure, counted from 0.
pub(crate) fn pause(nth: u32) -> Duration {
    PAUSE_MOST.min(PAUSE_LEAST * 2u32.saturating_pow(nth.min(8)))
}

/// The thread, and how to reach it.
pub(crate) struct Desk {
    runtime: Handle,
    reading: Arc<Reading>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What was asked for and is not there yet.
pub(crate) struct Coming<T>(Receiver<Result<T, DatabaseError>>);

impl<T> Coming<T> {
    /// Waits for it.
    pub(crate) fn wait(self) -> Result<T, DatabaseError> {
        let ended = |_| {
            Err(DatabaseError::unreachable(
                "ask the database",
                "its thread has ended",
            ))
        };
        self.0.recv().unwrap_or_else(ended)
    }
}

/// The connection for reading: several questions may be on their way over it.
struct Reading {
    connector: Arc<Connector>,
    /// And the host where was landed last when it was made.
    client: Mutex<Option<(Arc<Client>, usize)>>,
}

impl Desk {
    /// Starts the thread; it connects when it is asked something.
    pub(crate) fn start(connector: Arc<Connector>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("database".to_owned())
            .spawn(move || {
                // Ends when the sender is dropped.
                let _ = runtime.block_on(stopped);
            })?;
        Ok(Self {
            runtime: handle,
            reading: Arc::new(Reading {
                connector,
                client: Mutex::new(None),
            }),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Has something done on the thread, and waits for it.
    pub(crate) fn perform<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DatabaseError>> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.begin(work).wait()
    }

    fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DatabaseError>> + Send + 'static,
    ) -> Coming<T> {
        let (answer, answered) = sync_channel(1);
        self.runtime.spawn(async move {
            // Nobody listens where what was asked for is not needed any more.
            let _ = answer.send(work.await);
        });
        Coming(answered)
    }

    /// Goes on on the thread by itself, until the desk is closed.
    pub(crate) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Asks a question that changes nothing, again and again while the connection fails and the patience lasts.
    pub(crate) fn ask<T, F>(
        &self,
        what: &'static str,
        question: impl Fn(Arc<Client>) -> F + Send + Sync + 'static,
    ) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send,
    {
        self.begin_asking(what, question).wait()
    }

    /// The same, without waiting for the answer.
    pub(crate) fn begin_asking<T, F>(
        &self,
        what: &'static str,
        question: impl Fn(Arc<Client>) -> F + Send + Sync + 'static,
    ) -> Coming<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send,
    {
        let reading = self.reading.clone();
        self.begin(async move { reading.ask(what, question).await })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panics only where a task of it did, and that one's asker was told.
            let _ = thread.join();
        }
    }
}

impl Reading {
    async fn ask<T, F>(
        &self,
        what: &'static str,
        question: impl Fn(Arc<Client>) -> F,
    ) -> Result<T, DatabaseError>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let began = Instant::now();
        for nth in 0.. {
            let doubt = match self.try_once(&question).await {
                Ok(Ok(answer)) => return Ok(answer),
                // The question itself is wrong by now: its table is gone.
                Ok(Err(error)) => return Err(DatabaseError::unreachable(what, describe(&error))),
                Err(doubt) => doubt,
            };
            if began.elapsed() > self.connector.options.patience {
                return Err(DatabaseError::unreachable(what, doubt));
            }
            tokio::time::sleep(pause(nth)).await;
        }
        unreachable!("the loop has no end but those above")
    }

    async fn try_once<T, F>(
        &self,
        question: &impl Fn(Arc<Client>) -> F,
    ) -> Result<Result<T, tokio_postgres::Error>, Doubt>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let client = self.client().await?;
        let limit = self.connector.options.statement_limit;
        let answer = tokio::time::timeout(limit, question(client)).await;
        match answer {
            Ok(Ok(answer)) => Ok(Ok(answer)),
            Ok(Err(error))
                if error
                    .code()
                    .is_some_and(|code| code.code().starts_with("42")) =>
            {
                Ok(Err(error))
            }
            Ok(Err(error)) => Err(self.give_up(Doubt::Lost(describe(&error))).await),
            Err(_) => Err(self.give_up(Doubt::Late(limit)).await),
        }
    }

    async fn client(&self) -> Result<Arc<Client>, Doubt> {
        let mut slot = self.client.lock().await;
        let here = self.connector.host();
        if let Some((client, then)) = slot.as_ref()
            && !client.is_closed()
            && *then == here
        {
            return Ok(client.clone());
        }
        let client = self.connector.client().await?;
        let set = client.batch_execute(BY_INDEX).await;
        set.map_err(|error| Doubt::Lost(describe(&error)))?;
        let client = Arc::new(client);
        *slot = Some((client.clone(), here));
        Ok(client)
    }

    async fn give_up(&self, doubt: Doubt) -> Doubt {
        *self.client.lock().await = None;
        doubt
    }
}
