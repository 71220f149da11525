//! `Receiver`: the application's side of receiving. What is known of deliveries is in `incoming`; what moves bytes
//! is in `task`.

mod delivery;
mod shared;
mod task;
mod waiting;

pub use delivery::Delivery;

use crate::clock::Clock;
use crate::connector::{Connector, Setup, WantedQueue};
use crate::error::ConnectError;
use crate::incoming::Incoming;
use crate::options::Options;
use crate::retry_policy::RetryPolicy;
use crate::seen::SeenWindow;
use model::ShortStr;
use model::method::basic;
use shared::Shared;
use std::sync::Arc;
use task::Task;
use waiting::{Rounds, WaitingTime};

/// Receives a queue's messages, each until it is acknowledged.
///
/// ```no_run
/// use landfall_client::{Options, Receiver};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut receiver = Receiver::of_queue("orders")
///     .prefetch(100)
///     .suppress_duplicates()
///     .connect(&Options::parse(["amqp://localhost"])?)
///     .await?;
/// while let Some(delivery) = receiver.recv().await {
///     println!("{}", String::from_utf8_lossy(delivery.body()));
///     delivery.ack();
/// }
/// # Ok(())
/// # }
/// ```
///
/// When the connection is lost, the receiver connects and subscribes again, and what was not acknowledged comes
/// again. Settling a delivery of the lost connection then does nothing, except that with
/// [`suppress_duplicates`](ReceiverBuilder::suppress_duplicates) its repeat is settled in its place.
///
/// What has come and waits for the application to take it does not lose its time, as long as the application goes on
/// taking and settling: the receiver asks the server for more, and a delivery that waited for long gets its whole time
/// when it is taken. An application that does nothing for that long loses what waits for it to other receivers.
///
/// Dropping the receiver ends it in the background; [`close`](Self::close) says when everything that was settled
/// has been heard by the server.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
}

impl Receiver {
    /// A receiver of that queue.
    pub fn of_queue(queue: &str) -> ReceiverBuilder {
        ReceiverBuilder {
            queue: queue.into(),
            declare: None,
            prefetch: 500,
            suppress: None,
            end_on_cancel: false,
        }
    }

    /// The next delivery. `None` when the receiver has ended: by the server, where
    /// [`end_on_cancel`](ReceiverBuilder::end_on_cancel) asks for that, or with its runtime. Dropping the future
    /// loses no delivery.
    pub async fn recv(&mut self) -> Option<Delivery> {
        self.shared.next().await
    }

    /// The next delivery if it has come already: for taking all that is there.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        self.shared.next_now()
    }

    /// RecvCallback: calls `callback` with each delivery, until the receiver ends. The callback owns the delivery
    /// and may settle it later, anywhere.
    ///
    /// ```no_run
    /// # async fn example(receiver: landfall_client::Receiver) {
    /// receiver
    ///     .for_each(|delivery| {
    ///         println!("{} bytes", delivery.body().len());
    ///         delivery.ack();
    ///     })
    ///     .await;
    /// # }
    /// ```
    pub async fn for_each(mut self, mut callback: impl FnMut(Delivery)) {
        while let Some(delivery) = self.recv().await {
            callback(delivery);
        }
    }

    /// Ends the receiver: tells the server everything that was settled, and waits until it has heard it. What is
    /// not settled by then goes back to the queue. Without a connection there is nobody to tell, and it all comes
    /// again.
    pub async fn close(self) {
        self.shared.close();
        self.shared.ended().await;
    }

    /// The counts so far.
    pub fn counts(&self) -> ReceiveCounts {
        self.shared.counts()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// A receiver's counts since it connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveCounts {
    /// Deliveries that came for the application.
    pub received: u64,
    /// Those among them that the server marked: they may have been delivered before, to anyone.
    pub redelivered: u64,
    /// Repeats that the application was spared.
    pub suppressed: u64,
    /// Connections beyond the first.
    pub reconnected: u64,
}

/// What a receiver is to be like.
#[derive(Clone, Debug)]
pub struct ReceiverBuilder {
    queue: String,
    declare: Option<RetryPolicy>,
    prefetch: u16,
    suppress: Option<SeenWindow>,
    end_on_cancel: bool,
}

impl ReceiverBuilder {
    /// Makes a durable queue of that name, where there is none, with the default [`RetryPolicy`]. A queue that is there is
    /// taken as it is, whatever its rules: they are its owner's, and a program must not fail to start because somebody
    /// changed them.
    pub fn declare(self) -> Self {
        self.declare_with(RetryPolicy::default())
    }

    /// The same with a policy of another kind; the queue's senders should give the same.
    pub fn declare_with(mut self, policy: RetryPolicy) -> Self {
        self.declare = Some(policy);
        self
    }

    /// The most deliveries that may be unsettled at a time, at least 1; it bounds the memory of the receiver.
    /// Default 500.
    pub fn prefetch(mut self, deliveries: u16) -> Self {
        self.prefetch = deliveries.max(1);
        self
    }

    /// Hands no message to the application that it acknowledged before, or still has in hand. Messages are told
    /// apart by publisher and publishing id, as every [`Sender`](crate::Sender) writes them; one without comes
    /// through always. The memory is this receiver's alone and ends with it.
    pub fn suppress_duplicates(self) -> Self {
        self.suppress_duplicates_within(SeenWindow::default())
    }

    /// The same with a memory of another size.
    pub fn suppress_duplicates_within(mut self, window: SeenWindow) -> Self {
        self.suppress = Some(window);
        self
    }

    /// Ends the receiver when the server cancels it: the queue was deleted. What came before can still be settled.
    /// Default: it subscribes again, with pauses, until there is such a queue.
    pub fn end_on_cancel(mut self) -> Self {
        self.end_on_cancel = true;
        self
    }

    /// Connects and subscribes. From then on the receiver keeps itself connected.
    ///
    /// # Errors
    /// A queue's name that is too long, or no server that could be reached and has the queue, for as long as the
    /// options have patience.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(self, options: &Options) -> Result<Receiver, ConnectError> {
        let queue =
            ShortStr::try_from(self.queue.as_str()).map_err(|source| ConnectError::Name {
                what: "the queue's name",
                source,
            })?;
        let setup = Setup {
            queue: self.declare.map(|policy| WantedQueue {
                name: queue.clone(),
                policy,
            }),
            calls: vec![
                basic::Qos {
                    prefetch_count: self.prefetch,
                    ..basic::Qos::default()
                }
                .into(),
                basic::Consume {
                    queue,
                    ..basic::Consume::default()
                }
                .into(),
            ],
        };
        let clock = Clock::start();
        let mut connector = Connector::new(options, setup, clock);
        let link = connector.connect().await?;
        let policy = self.declare.unwrap_or_default();
        let waiting = WaitingTime::of(policy.time_out());
        let shared = Arc::new(Shared::new(clock, waiting));
        let incoming = Incoming::new(self.suppress);
        let rounds = Rounds::new(waiting);
        let task = Task::new(shared.clone(), incoming, self.end_on_cancel, clock, rounds);
        tokio::spawn(task.run(connector, link));
        Ok(Receiver { shared })
    }
}
