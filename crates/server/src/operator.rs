//! The HTTP API's way to the shard: commands go through the inbox like everything else. What has landed is read
//! beside the shard, which does not wait for it.

use crate::alarms::Alarms;
use crate::inbox::{Handover, InboxSender};
use crate::journey::Journeys;
use crate::passwords::Passwords;
use crate::tokens::{self, TokenRefused, Tokens};
use admin::instruments::Instruments;
use admin::journey::{Journey, Wanted};
use admin::{AskError, Content, Operator, Reading};
use broker::{Answer, Command, CommandRefused, LoginRefused};
use bytes::Bytes;
use model::{MessageRecord, Password, Position, Record, ShortStr};
use std::pin::Pin;
use std::sync::Arc;
use store::{LandedChunk, ReadError, Reader};
use tokio::sync::oneshot;

/// One reading hands out about so many bytes at the most, and reads about so many from the disk.
const HANDED_OUT_BYTES: usize = 8 * 1024 * 1024;
const READ_BYTES: usize = 64 * 1024 * 1024;

/// Asks the shard behind an inbox.
#[derive(Clone)]
pub struct ShardOperator {
    inbox: InboxSender,
    reader: Arc<dyn Reader>,
    journeys: Journeys,
    alarms: Arc<Alarms>,
    passwords: Arc<Passwords>,
    tokens: Option<Arc<Tokens>>,
    instruments: Arc<Instruments>,
}

impl ShardOperator {
    /// One for the shard behind this inbox, whose lane and journeys this reads.
    pub(crate) fn new(
        inbox: InboxSender,
        reader: Arc<dyn Reader>,
        journeys: Journeys,
        alarms: Arc<Alarms>,
        passwords: Arc<Passwords>,
        tokens: Option<Arc<Tokens>>,
        instruments: Arc<Instruments>,
    ) -> Self {
        Self {
            inbox,
            reader,
            journeys,
            alarms,
            passwords,
            tokens,
            instruments,
        }
    }

    async fn tell(&self, command: Command) -> Result<Answer, AskError> {
        let answer = self.inbox.ask(command).await;
        Ok(answer.ok_or(AskError::Stopping)??)
    }

    /// A password that takes long to look at is looked at here, and the shard does not wait for it.
    async fn authenticate(
        &self,
        user: ShortStr,
        password: Password,
        local: bool,
    ) -> Result<Answer, AskError> {
        if let Some(tokens) = self.tokens.as_ref().filter(|_| tokens::is_one(&password)) {
            let checked = tokens.clone().check(password).await;
            let refused = |why: TokenRefused| CommandRefused::AccessRefused(why.to_string());
            return Ok(Answer::Bearer(checked.map_err(refused)?.bearer));
        }
        let asked = Command::Authenticate {
            user: user.clone(),
            password: password.clone(),
            local,
        };
        let slow = match self.tell(asked).await? {
            Answer::Slow(slow) => slow,
            answer => return Ok(answer),
        };
        let passwords = self.passwords.clone();
        let checked = passwords.check(None, user.clone(), password, slow);
        let Some(mark) = checked.await else {
            let why = LoginRefused::WrongPassword.to_string();
            return Err(CommandRefused::AccessRefused(why).into());
        };
        self.tell(Command::User { user, mark, local }).await
    }

    /// What its publishers wait for.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }
}

impl Operator for ShardOperator {
    fn instruments(&self) -> Option<Arc<Instruments>> {
        Some(self.instruments.clone())
    }

    fn ask(
        &self,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + '_>> {
        Box::pin(async move {
            match command {
                Command::Authenticate {
                    user,
                    password,
                    local,
                } => self.authenticate(user, password, local).await,
                command => self.tell(command).await,
            }
        })
    }

    fn read(
        &self,
        positions: Vec<Position>,
        body_most: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Reading>, AskError>> + Send + '_>> {
        Box::pin(async move {
            let reader = self.reader.clone();
            let reading =
                tokio::task::spawn_blocking(move || read(&*reader, &positions, body_most));
            let read = reading.await.map_err(|_| AskError::Stopping)?;
            read.map_err(|error| AskError::Unreadable(error.to_string()))
        })
    }

    fn journeys(
        &self,
        wanted: Wanted,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Journey>, AskError>> + Send + '_>> {
        Box::pin(async move {
            let (sender, written) = oneshot::channel();
            self.inbox.tell(Handover::JourneysWanted(sender));
            // Where too much waits to be written, what is there must do.
            let _ = written.await;
            let journeys = self.journeys.clone();
            let read = tokio::task::spawn_blocking(move || journeys.find(&wanted)).await;
            let read = read.map_err(|error| AskError::Unreadable(error.to_string()))?;
            read.map_err(|error| AskError::Unreadable(error.to_string()))
        })
    }
}

fn read(
    reader: &dyn Reader,
    positions: &[Position],
    body_most: usize,
) -> Result<Vec<Reading>, ReadError> {
    let mut readings: Vec<Reading> = Vec::new();
    let (mut handed_out, mut from_disk) = (0, 0);
    let mut last: Option<Arc<LandedChunk>> = None;
    for &position in positions {
        if handed_out >= HANDED_OUT_BYTES || from_disk >= READ_BYTES {
            break;
        }
        let known = last.take().filter(|chunk| chunk.contains(position));
        last = match known.or_else(|| reader.cached(position)) {
            Some(chunk) => Some(chunk),
            None => match reader.read(position) {
                Ok(chunk) => {
                    from_disk += chunk.bytes().len();
                    Some(chunk)
                }
                Err(ReadError::Gone(_)) => None,
                Err(error) => return Err(error),
            },
        };
        let content = match &last {
            Some(chunk) => Some(content(chunk, position, body_most)?),
            None => None,
        };
        handed_out += content.as_ref().map_or(0, bytes);
        readings.push(Reading { position, content });
    }
    Ok(readings)
}

/// A copy of a message that holds no more memory than it shows.
fn content(
    chunk: &LandedChunk,
    position: Position,
    body_most: usize,
) -> Result<Content, ReadError> {
    let what = match chunk.record(position) {
        Ok(Record::Message(message)) => {
            let shown = message.body.len().min(body_most);
            return Ok(Content {
                body_length: message.body.len(),
                message: MessageRecord {
                    exchange: message.exchange.detached(),
                    routing_key: message.routing_key.detached(),
                    properties: message.properties.detached(),
                    body: Bytes::copy_from_slice(&message.body[..shown]),
                    publisher: None,
                    ..message
                },
            });
        }
        Ok(_) => "no message where one should be".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(ReadError::Damaged { position, what })
}

fn bytes(content: &Content) -> usize {
    content.message.body.len() + content.message.properties.as_bytes().len()
}
