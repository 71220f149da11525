//! A line: the thread and the connection that land for some of a node's shards.
//!
//! While one statement runs, what the shards ask for gathers; then all of it is one statement, one commit and one sync of
//! the database. A shard always uses the same line and asks for one thing at a time, so what it lands stays in order.
//!
//! # The statement
//! It moves the head of each shard from where its owner believes it to be to where it will be, under the owner's epoch,
//! and inserts the pages of the shards whose head it moved. So it is at once the fence (promise P8) and what makes it
//! safe to ask again when the outcome is unknown: a second time it finds the head moved, and does nothing.

use crate::connector::Connector;
use crate::desk::pause;
use crate::doubt::{self, Verdict};
use crate::error::DatabaseError;
use crate::session::{Doubt, Session};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

/// A statement takes no more appends when it has so many bytes: what is larger takes the longer to land.
const STATEMENT_BYTES: usize = 4 * 1024 * 1024;
/// So many prepared statements are kept, one for each table that was written to.
const PREPARED: usize = 4;

/// Pages of one shard that land as one.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose pages.
    pub shard: u32,
    /// The number of the ownership under which they land.
    pub epoch: i64,
    /// The number of the first page; the head must be there.
    pub head: i64,
    /// The number of the table that they go into.
    pub table: u32,
    /// The pages.
    pub pages: Vec<Bytes>,
}

impl Append {
    /// Where the head is when it has landed.
    pub fn next(&self) -> i64 {
        self.head + i64::try_from(self.pages.len()).expect("pages of a chunk are countable")
    }

    fn bytes(&self) -> usize {
        self.pages.iter().map(Bytes::len).sum()
    }
}

/// Another statement that commits something: it comes to the same however often it is run. It returns no row if the
/// shard has another owner by now.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) what: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) values: Vec<Value>,
}

/// A parameter of a command.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(i32),
    Big(i64),
    Text(String),
    Ints(Vec<i32>),
}

impl Value {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Int(value) => (value, Type::INT4),
            Self::Big(value) => (value, Type::INT8),
            Self::Text(value) => (value, Type::TEXT),
            Self::Ints(value) => (value, Type::INT4_ARRAY),
        }
    }
}

type Reply<T> = SyncSender<Result<T, DatabaseError>>;

enum Request {
    Append(Waiting<Append, ()>),
    Command(Waiting<Command, Vec<Row>>),
}

/// Something that was asked for, and who waits for it.
struct Waiting<W, T> {
    wanted: W,
    asked: Instant,
    reply: Reply<T>,
}

impl<W, T> Waiting<W, T> {
    fn answer(self, answer: Result<T, DatabaseError>) {
        // Nobody listens only where the shard's thread has ended.
        let _ = self.reply.send(answer);
    }
}

/// The way to a line's thread.
pub(crate) struct Line {
    requests: Option<mpsc::UnboundedSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    /// Starts the thread; it connects when it is asked for something.
    pub(crate) fn start(number: usize, connector: Arc<Connector>) -> std::io::Result<Self> {
        // Each shard waits for what it asked for: no more is ever in here than there are shards.
        let (requests, asked) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let worker = Worker {
            connector,
            asked,
            session: None,
            refusals: 0,
            prepared: BTreeMap::new(),
            commands: VecDeque::new(),
            appends: VecDeque::new(),
            doubtful: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("line-{number}"))
            .spawn(move || runtime.block_on(worker.run()))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    /// Lands pages; returns when they have landed.
    pub(crate) fn append(&self, append: Append) -> Result<(), DatabaseError> {
        self.wait_for(append, Request::Append)
    }

    /// Has a command run; returns what it returned.
    pub(crate) fn command(&self, command: Command) -> Result<Vec<Row>, DatabaseError> {
        self.wait_for(command, Request::Command)
    }

    fn wait_for<W, T>(
        &self,
        wanted: W,
        request: fn(Waiting<W, T>) -> Request,
    ) -> Result<T, DatabaseError> {
        let (reply, answer) = sync_channel(1);
        let waiting = Waiting {
            wanted,
            asked: Instant::now(),
            reply,
        };
        let requests = self.requests.as_ref().expect("it is here until the end");
        // If the thread has ended, the answer tells.
        let _ = requests.send(request(waiting));
        let ended = |_| {
            Err(DatabaseError::unreachable(
                "land",
                "the line's thread has ended",
            ))
        };
        answer.recv().unwrap_or_else(ended)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // It panics only where a task of it did, and that one's asker was told.
            let _ = thread.join();
        }
    }
}

/// The thread.
struct Worker {
    connector: Arc<Connector>,
    asked: mpsc::UnboundedReceiver<Request>,
    session: Option<Session>,
    /// How often servers had been refused when the session was made: after one more it is made anew.
    refusals: u64,
    /// By table.
    prepared: BTreeMap<u32, Statement>,
    commands: VecDeque<Waiting<Command, Vec<Row>>>,
    appends: VecDeque<Waiting<Append, ()>>,
    /// Appends of which nobody knows whether they have landed.
    doubtful: Vec<Waiting<Append, ()>>,
}

impl Worker {
    async fn run(mut self) {
        while let Some(request) = self.asked.recv().await {
            self.take(request);
            let mut failures = 0;
            while self.has_work() {
                while let Ok(request) = self.asked.try_recv() {
                    self.take(request);
                }
                match self.turn().await {
                    Ok(()) => failures = 0,
                    Err(doubt) => {
                        tracing::warn!(%doubt, "the connection to the database is given up; what was on its way is asked for again");
                        (self.session, self.prepared) = (None, BTreeMap::new());
                        self.give_up_late(&doubt);
                        tokio::time::sleep(pause(failures)).await;
                        failures += 1;
                    }
                }
            }
        }
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Append(append) => self.appends.push_back(append),
            Request::Command(command) => self.commands.push_back(command),
        }
    }

    fn has_work(&self) -> bool {
        !(self.commands.is_empty() && self.appends.is_empty() && self.doubtful.is_empty())
    }

    async fn turn(&mut self) -> Result<(), Doubt> {
        let refusals = self.connector.refusals();
        if self.session.is_none() || self.refusals != refusals {
            (self.session, self.prepared) = (None, BTreeMap::new());
            self.refusals = refusals;
            self.session = Some(self.connector.session().await?);
        }
        self.resolve().await?;
        self.run_commands().await?;
        self.land().await
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("a turn begins with a session")
    }

    /// Finds out what became of the appends whose outcome is unknown.
    async fn resolve(&mut self) -> Result<(), Doubt> {
        let limit = self.connector.options.statement_limit;
        while let Some(waiting) = self.doubtful.last() {
            let append = waiting.wanted.clone();
            let session = self.session.as_mut().expect("a turn begins with a session");
            let verdict = doubt::confirm(session, limit, &append).await?;
            let waiting = self.doubtful.pop().expect("it was looked at");
            match verdict {
                Verdict::Landed => waiting.answer(Ok(())),
                Verdict::NotLanded => self.appends.push_front(waiting),
                Verdict::Refused(error) => waiting.answer(Err(error)),
            }
        }
        Ok(())
    }

    async fn run_commands(&mut self) -> Result<(), Doubt> {
        let limit = self.connector.options.statement_limit;
        while let Some(waiting) = self.commands.front() {
            let Command { sql, values, .. } = waiting.wanted.clone();
            let values: Vec<_> = values.iter().map(Value::typed).collect();
            let rows = self
                .session()
                .commit(limit, |client| client.query_typed(sql, &values))
                .await?;
            let waiting = self.commands.pop_front().expect("it was looked at");
            waiting.answer(Ok(rows));
        }
        Ok(())
    }

    /// Lands as one what waits for the same table.
    async fn land(&mut self) -> Result<(), Doubt> {
        let Some(first) = self.appends.front() else {
            return Ok(());
        };
        let table = first.wanted.table;
        let statement = self.statement(table).await?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.appends.front()
            && next.wanted.table == table
            && (batch.is_empty() || bytes + next.wanted.bytes() <= STATEMENT_BYTES)
        {
            bytes += next.wanted.bytes();
            batch.extend(self.appends.pop_front());
        }
        // From here on, until the answer is there, nobody knows.
        self.doubtful = batch;
        let session = self.session.as_mut().expect("a turn begins with a session");
        let appends: Vec<&Append> = self.doubtful.iter().map(|one| &one.wanted).collect();
        let limit = self.connector.options.statement_limit;
        let landed = land(session, limit, &statement, &appends).await?;
        for waiting in std::mem::take(&mut self.doubtful) {
            if landed.contains(&waiting.wanted.shard) {
                waiting.answer(Ok(()));
            } else {
                // Its head was not where it should be, or its epoch counts no more: `resolve` finds out.
                self.doubtful.push(waiting);
            }
        }
        Ok(())
    }

    async fn statement(&mut self, table: u32) -> Result<Statement, Doubt> {
        if let Some(statement) = self.prepared.get(&table) {
            return Ok(statement.clone());
        }
        let limit = self.connector.options.statement_limit;
        let sql = landing_sql(table);
        let statement = self
            .session()
            .run(limit, |client| client.prepare(&sql))
            .await?;
        if self.prepared.len() >= PREPARED {
            self.prepared.pop_first();
        }
        self.prepared.insert(table, statement.clone());
        Ok(statement)
    }

    /// Tells those who have waited for too long that it has failed: nothing is confirmed that is not known to have landed.
    fn give_up_late(&mut self, doubt: &Doubt) {
        let patience = self.connector.options.patience;
        let late = |asked: &Instant| asked.elapsed() > patience;
        let (appends, doubtful) = (&mut self.appends, &mut self.doubtful);
        let mut given_up: Vec<_> = doubtful.extract_if(.., |one| late(&one.asked)).collect();
        while let Some(one) = appends.pop_front_if(|one| late(&one.asked)) {
            given_up.push(one);
        }
        for one in given_up {
            let what = format!("land in shard {}", one.wanted.shard);
            one.answer(Err(DatabaseError::unreachable(what, doubt)));
        }
        while let Some(one) = self.commands.pop_front_if(|one| late(&one.asked)) {
            let what = one.wanted.what;
            one.answer(Err(DatabaseError::unreachable(what, doubt)));
        }
    }
}

/// The statement that lands in one table.
pub(crate) fn landing_sql(table: u32) -> String {
    format!(
        "with moved as (
            update landfall.shard s set head = x.next
              from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) x(shard, epoch, head, next)
             where s.shard = x.shard and s.epoch = x.epoch and s.head = x.head
            returning s.shard, s.epoch),
        landed as (
            insert into landfall.seg_{table}(shard, page, epoch, data)
            select p.shard, p.page, moved.epoch, p.data
              from unnest($5::int[], $6::bigint[], $7::bytea[]) p(shard, page, data)
              join moved using (shard))
        select shard from moved"
    )
}

/// Runs the statement; returns the shards whose pages have landed. The server has `limit` for a statement of the usual
/// size, and the more for a larger one.
async fn land(
    session: &mut Session,
    limit: Duration,
    statement: &Statement,
    appends: &[&Append],
) -> Result<BTreeSet<u32>, Doubt> {
    let shards: Vec<i32> = appends.iter().map(|one| one.shard.cast_signed()).collect();
    let epochs: Vec<i64> = appends.iter().map(|one| one.epoch).collect();
    let heads: Vec<i64> = appends.iter().map(|one| one.head).collect();
    let nexts: Vec<i64> = appends.iter().map(|one| one.next()).collect();
    let each_page = || {
        appends.iter().flat_map(|one| {
            let numbers = one.head..;
            let pages = numbers.zip(&one.pages);
            pages.map(|(page, data)| (one.shard, page, data))
        })
    };
    let page_shards: Vec<i32> = each_page().map(|(shard, ..)| shard.cast_signed()).collect();
    let pages: Vec<i64> = each_page().map(|(_, page, _)| page).collect();
    let data: Vec<&[u8]> = each_page().map(|(.., data)| &data[..]).collect();
    let bytes: usize = data.iter().map(|page| page.len()).sum();
    let limit = limit.mul_f64((bytes as f64 / STATEMENT_BYTES as f64).max(1.0));
    let values: [&(dyn ToSql + Sync); 7] = [
        &shards,
        &epochs,
        &heads,
        &nexts,
        &page_shards,
        &pages,
        &data,
    ];
    let rows = session
        .commit(limit, |client| client.query(statement, &values))
        .await?;
    let landed = rows.iter().map(|row| row.get::<_, i32>(0).cast_unsigned());
    Ok(landed.collect())
}
