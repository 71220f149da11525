//! One connection to the database that hears everything the server says while a statement runs.
//!
//! # Why a notice makes an outcome unknown
//! A commit that waits for its standby can be cancelled on the server. Then the server reports success, and beside it a
//! warning: the commit is there, and nobody else has it. The warning comes between the statement and the server's
//! "ready for the next"; so that is what a statement waits for, and any notice until then makes its outcome unknown.
//!
//! # Why the server's settings are asked for after each commit
//! A commit that waits for its standby is let go, with success and without a word, when the server is told that there are
//! no standbys any more. Whoever commits tells the server to say when it read its settings last, right behind the
//! statement: a server process that has been told reads them before it does anything else. If it has read them since the
//! server was looked at, the outcome is unknown, and the server is looked at again.
//!
//! # Why nothing is cancelled
//! A cancelled statement may be cancelled while it waits for the standby, with the same end. Who has waited for too long
//! drops the connection, and asks again over another.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection};

const SETTINGS_READ: &str = "select pg_conf_load_time()::text";

/// Why the outcome of a statement is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The connection is gone, or was never made.
    Lost(String),
    /// The server took too long.
    Late(Duration),
    /// The server said success and something beside it.
    Notice(String),
    /// The server said that it failed.
    Failed(String),
    /// The server lets us not in: another user, password or database must be named.
    Shut(String),
    /// The server's settings are such that its word counts for nothing.
    Unsafe(String),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "no connection: {what}"),
            Self::Late(limit) => write!(f, "no answer within {limit:?}"),
            Self::Notice(text) => write!(f, "the server says: {text}"),
            Self::Failed(text) => write!(f, "the server reports: {text}"),
            Self::Shut(text) => write!(f, "the server lets us not in: {text}"),
            Self::Unsafe(text) => write!(f, "the server is refused: {text}"),
        }
    }
}

/// What the server says beside its answers.
trait Messages: Send {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>>;
}

impl<S, T> Messages for Connection<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> {
        self.poll_message(cx)
    }
}

/// A connection, driven by whoever runs a statement on it.
pub(crate) struct Session {
    client: Client,
    messages: Box<dyn Messages>,
    /// When the server had read its settings that were looked at.
    pub(crate) settings_read: String,
}

impl Session {
    /// A connection that was just made.
    pub(crate) fn new<S, T>(client: Client, connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self {
            client,
            messages: Box::new(connection),
            settings_read: String::new(),
        }
    }

    /// Lets the connection run by itself from now on, without anybody hearing what is said beside the answers.
    pub(crate) fn by_itself(self) -> Client {
        let mut messages = self.messages;
        // It ends with the client or with an error, and the client tells of that.
        tokio::spawn(poll_fn(move |cx| {
            hear(&mut *messages, cx, &mut None).map(drop)
        }));
        self.client
    }

    /// The same for a statement that commits: and it has waited for what it was to wait for.
    pub(crate) async fn commit<'a, T, F>(
        &'a mut self,
        limit: Duration,
        statement: impl FnOnce(&'a Client) -> F,
    ) -> Result<T, Doubt>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let looked_at = self.settings_read.clone();
        let (answer, rows) = self
            .run(limit, |client| async move {
                let (statement, settings) =
                    (statement(client), client.query_typed(SETTINGS_READ, &[]));
                // In this order on the way, and without waiting for one another.
                tokio::try_join!(biased; statement, settings)
            })
            .await?;
        let now = rows.first().map(|row| row.get::<_, &str>(0));
        if now != Some(&*looked_at) {
            return Err(Doubt::Unsafe(
                "its settings were changed while it was at work".to_owned(),
            ));
        }
        Ok(answer)
    }

    /// Runs a statement to the end: the answer, and that the server is ready for the next, without a word beside it.
    pub(crate) async fn run<'a, T, F>(
        &'a mut self,
        limit: Duration,
        statement: impl FnOnce(&'a Client) -> F,
    ) -> Result<T, Doubt>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let Self {
            client, messages, ..
        } = self;
        let mut statement = pin!(statement(client));
        let mut notice = None;
        let answered = poll_fn(|cx| {
            // What the server says first: a notice comes before the end of the answer that it is about.
            let lost = hear(&mut **messages, cx, &mut notice);
            match statement.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(answer.map_err(|error| failed(&error))),
                Poll::Pending => lost.map(|what| Err(Doubt::Lost(what))),
            }
        });
        let answer = tokio::time::timeout(limit, answered).await;
        let answer = answer.unwrap_or(Err(Doubt::Late(limit)))?;
        match notice {
            Some(text) => Err(Doubt::Notice(text)),
            None => Ok(answer),
        }
    }
}

/// Hears what there is; ready when the connection has ended.
fn hear(
    messages: &mut dyn Messages,
    cx: &mut Context<'_>,
    notice: &mut Option<String>,
) -> Poll<String> {
    loop {
        match messages.poll(cx) {
            Poll::Ready(Some(Ok(AsyncMessage::Notice(said)))) => {
                notice.get_or_insert_with(|| {
                    format!(
                        "{} {}: {}",
                        said.severity(),
                        said.code().code(),
                        said.message()
                    )
                });
            }
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(error))) => return Poll::Ready(describe(&error)),
            Poll::Ready(None) => return Poll::Ready("it was closed".to_owned()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

fn failed(error: &tokio_postgres::Error) -> Doubt {
    match error.as_db_error() {
        Some(_) => Doubt::Failed(describe(error)),
        None => Doubt::Lost(describe(error)),
    }
}

/// An error of the library with what is behind it: by itself it says only "db error".
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!(
            "{} {}: {}",
            error.severity(),
            error.code().code(),
            error.message()
        );
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
