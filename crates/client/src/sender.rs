//! `Sender`: the application's side of sending. What happens to a message behind it is in `outgoing`; what moves
//! bytes is in `task`.

mod shared;
mod task;

use crate::clock::Clock;
use crate::connector::{Connector, Setup, WantedQueue};
use crate::encoder::Encoder;
use crate::error::ConnectError;
use crate::message::{Message, SendCounts, SendFailed, Sent, WhyFailed};
use crate::options::Options;
use crate::outgoing::{Outgoing, Retransmission};
use crate::retry_policy::RetryPolicy;
use model::method::confirm;
use model::{PublishingId, ShortStr};
use shared::{Done, Shared};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use task::Task;
use tokio::sync::oneshot;

/// Sends messages, each until it landed or was given up.
///
/// ```no_run
/// use landfall_client::{Options, Sender};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let sender = Sender::to_queue("orders")
///     .declare()
///     .connect(&Options::parse(["amqp://localhost"])?)
///     .await?;
///
/// let sent = sender.send("two apples").await.await?; // landed
/// println!("message {} landed at attempt {}", sent.publishing_id, sent.attempts);
///
/// // Many at a time: hand over first, ask later, or be called.
/// let handles = [sender.send("pears").await, sender.send("plums").await];
/// sender
///     .send_with("figs", |outcome| println!("figs: {outcome:?}"))
///     .await;
/// for handle in handles {
///     handle.await?;
/// }
/// sender.close().await;
/// # Ok(())
/// # }
/// ```
///
/// Clones share one connection, one window and one publisher id. Messages of one task are first transmitted in
/// the order in which they were sent. When the last clone is dropped, what is unconfirmed is still seen through
/// in the background, for as long as the runtime lives.
#[derive(Clone, Debug)]
pub struct Sender {
    owner: Arc<Owner>,
}

/// The last clone of a sender ends its task.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    publisher: String,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Sender {
    /// A sender to one queue, through the default exchange.
    pub fn to_queue(queue: &str) -> SenderBuilder {
        SenderBuilder::new("", queue)
    }

    /// A sender to an exchange, with the routing key of messages that have none of their own.
    pub fn to_exchange(exchange: &str, routing_key: &str) -> SenderBuilder {
        SenderBuilder::new(exchange, routing_key)
    }

    /// SendMsg: takes the message over, waiting while the window is full. Awaiting the handle says what became of
    /// it; dropping the handle changes nothing for the message.
    pub async fn send(&self, message: impl Into<Message>) -> Handle {
        let (done, outcome) = oneshot::channel();
        let id = self.hand_over(message.into(), Done::Handle(done)).await;
        Handle {
            publishing_id: id,
            outcome,
        }
    }

    /// SendMsg with SendCallback: takes the message over, waiting while the window is full, and calls `callback`
    /// exactly once with what became of it. It runs on the connection's task: it must not block, and it must not
    /// wait for this sender.
    pub async fn send_with(
        &self,
        message: impl Into<Message>,
        callback: impl FnOnce(Result<Sent, SendFailed>) + Send + 'static,
    ) -> PublishingId {
        let done = Done::Callback(Box::new(callback));
        self.hand_over(message.into(), done).await
    }

    async fn hand_over(&self, message: Message, done: Done) -> PublishingId {
        self.owner.shared.hand_over(message, done).await
    }

    /// Waits until every message that was sent before this call is settled.
    pub async fn flush(&self) {
        self.owner.shared.flush().await;
    }

    /// Takes no more messages, waits until every message is settled, and says goodbye to the server. What is sent
    /// from now on, by any clone, fails with [`WhyFailed::Closed`].
    pub async fn close(&self) {
        self.owner.shared.close();
        self.owner.shared.ended().await;
    }

    /// The counts so far.
    pub fn counts(&self) -> SendCounts {
        self.owner.shared.counts()
    }

    /// The publisher id that its messages carry.
    pub fn publisher_id(&self) -> &str {
        &self.owner.publisher
    }
}

/// The outcome of one message, to be awaited.
#[must_use = "await it to know whether the message landed"]
#[derive(Debug)]
pub struct Handle {
    publishing_id: PublishingId,
    outcome: oneshot::Receiver<Result<Sent, SendFailed>>,
}

impl Handle {
    /// The message's number at its publisher.
    pub fn publishing_id(&self) -> PublishingId {
        self.publishing_id
    }
}

impl Future for Handle {
    type Output = Result<Sent, SendFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let publishing_id = self.publishing_id;
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| {
            // Without an outcome the runtime ended under the task.
            outcome.unwrap_or(Err(SendFailed {
                publishing_id,
                attempts: 0,
                why: WhyFailed::Closed,
            }))
        })
    }
}

/// What a sender is to be like.
#[derive(Clone, Debug)]
pub struct SenderBuilder {
    exchange: String,
    routing_key: String,
    declare: Option<RetryPolicy>,
    mandatory: bool,
    publisher: Option<String>,
    first: PublishingId,
    window_messages: u32,
    window_bytes: u32,
    retransmission: Retransmission,
}

impl SenderBuilder {
    fn new(exchange: &str, routing_key: &str) -> Self {
        Self {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            declare: None,
            mandatory: true,
            publisher: None,
            first: PublishingId(1),
            window_messages: 10_000,
            window_bytes: 64 * 1024 * 1024,
            retransmission: Retransmission {
                first_wait: Duration::from_secs(5),
                longest_wait: Duration::from_secs(60),
                times: 7,
            },
        }
    }

    /// Makes a durable queue with the routing key as its name, where there is none, with the default [`RetryPolicy`]. A queue that is there is
    /// taken as it is, whatever its rules: they are its owner's, and a program must not fail to start because somebody
    /// changed them.
    pub fn declare(self) -> Self {
        self.declare_with(RetryPolicy::default())
    }

    /// The same with a policy of another kind; the queue's receivers should give the same.
    pub fn declare_with(mut self, policy: RetryPolicy) -> Self {
        self.declare = Some(policy);
        self
    }

    /// Whether a message that no queue takes fails ([`WhyFailed::Unroutable`]). Default: it does. Otherwise it
    /// counts as landed: everywhere it was routed to is nowhere.
    pub fn mandatory(mut self, mandatory: bool) -> Self {
        self.mandatory = mandatory;
        self
    }

    /// The publisher's name, by which the server lands a retransmission once; at most 255 bytes. Default: one that no
    /// other sender has. A process that goes on where an earlier one stopped gives the same name, and the
    /// publishing id to go on from. Two senders must not use one name at the same time with the same ids: the
    /// server would take the messages of one for retransmissions of the other.
    pub fn publisher_id(mut self, name: impl Into<String>) -> Self {
        self.publisher = Some(name.into());
        self
    }

    /// The publishing id of the first message; those after it count on. Default 1.
    pub fn first_publishing_id(mut self, id: PublishingId) -> Self {
        self.first = id;
        self
    }

    /// The most that may be unsettled at a time, in messages and in bytes of bodies, each at least 1: `send` waits
    /// where there would be more. A single message over the limit of bytes goes alone. Default 10,000 messages and
    /// 64 MiB.
    pub fn window(mut self, messages: u32, bytes: u32) -> Self {
        self.window_messages = messages.max(1);
        self.window_bytes = bytes.max(1);
        self
    }

    /// How long a confirm is waited for before the message is transmitted again: `first`, then twice, four times …
    /// as long, but no longer than `longest`; and how many times it is transmitted again before it has failed.
    /// Default 5 s, 60 s and 7 times, which gives a message up after about four minutes and a half.
    pub fn retransmission(mut self, first: Duration, longest: Duration, times: u32) -> Self {
        self.retransmission = Retransmission {
            first_wait: first.max(Duration::from_millis(1)),
            longest_wait: longest.max(first),
            times,
        };
        self
    }

    /// Connects. From then on the sender keeps itself connected.
    ///
    /// # Errors
    /// A name that is too long, or no server that could be reached and would have it, for as long as the options
    /// have patience.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(self, options: &Options) -> Result<Sender, ConnectError> {
        let name = |what, text: &str| {
            ShortStr::try_from(text).map_err(|source| ConnectError::Name { what, source })
        };
        let exchange = name("the exchange's name", &self.exchange)?;
        let routing_key = name("the routing key", &self.routing_key)?;
        let publisher = self
            .publisher
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        name("the publisher id", &publisher)?;

        let setup = Setup {
            queue: self.declare.map(|policy| WantedQueue {
                name: routing_key.clone(),
                policy,
            }),
            calls: vec![confirm::Select::default().into()],
        };
        let clock = Clock::start();
        let mut connector = Connector::new(options, setup, clock);
        let link = connector.connect().await?;
        let shared = Arc::new(Shared::new(
            self.first,
            self.window_messages,
            self.window_bytes,
        ));
        let task = Task {
            shared: shared.clone(),
            outgoing: Outgoing::new(self.retransmission, self.first),
            encoder: Encoder::new(exchange, routing_key, self.mandatory, &publisher),
            flushes: Vec::new(),
            clock,
            reconnected: 0,
            taken: Vec::new(),
        };
        tokio::spawn(task.run(connector, link));
        Ok(Sender {
            owner: Arc::new(Owner { shared, publisher }),
        })
    }
}
