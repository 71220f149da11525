//! What a sender's handles and its task share: the messages handed over, the room in the window, the counts.

use crate::message::{Message, SendCounts, SendFailed, Sent, WhyFailed};
use model::PublishingId;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::yield_now;

/// With so many bytes handed over it is the task's turn: enough for one large write, and soon enough that the server
/// begins while the application goes on.
const ENOUGH_FOR_A_WRITE: usize = 256 * 1024;

/// Who is told what became of a message.
pub(super) enum Done {
    Handle(oneshot::Sender<Result<Sent, SendFailed>>),
    Callback(Box<dyn FnOnce(Result<Sent, SendFailed>) + Send>),
}

impl Done {
    pub(super) fn tell(self, outcome: Result<Sent, SendFailed>) {
        match self {
            // Nobody has to wait for the outcome.
            Self::Handle(handle) => drop(handle.send(outcome)),
            Self::Callback(callback) => callback(outcome),
        }
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done(…)")
    }
}

/// What was handed over and not yet taken by the task.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) messages: Vec<(Message, Done)>,
    /// Their bodies, and a little for each message.
    pub(super) bytes: usize,
    /// Who waits for everything before them; the number is the publishing id that comes next.
    pub(super) flushes: Vec<(PublishingId, oneshot::Sender<()>)>,
    next_id: u64,
    pub(super) closing: bool,
    counts: SendCounts,
}

/// Shared by a sender's clones and its task.
#[derive(Debug)]
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    /// Wakes the task.
    pub(super) wake: Notify,
    messages: Semaphore,
    bytes: Semaphore,
    bytes_max: u32,
    /// Closed when the task has ended.
    end: Semaphore,
}

impl Shared {
    pub(super) fn new(first: PublishingId, messages_max: u32, bytes_max: u32) -> Self {
        Self {
            inbox: Mutex::new(Inbox {
                messages: Vec::new(),
                bytes: 0,
                flushes: Vec::new(),
                next_id: first.0,
                closing: false,
                counts: SendCounts::default(),
            }),
            wake: Notify::new(),
            messages: Semaphore::new(messages_max as usize),
            bytes: Semaphore::new(bytes_max as usize),
            bytes_max,
            end: Semaphore::new(0),
        }
    }

    pub(super) fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox
            .lock()
            .expect("nothing that holds the lock panics")
    }

    /// Waits for room and hands a message to the task, under the next publishing id. The room is freed by
    /// [`Self::settled`].
    pub(super) async fn hand_over(&self, message: Message, done: Done) -> PublishingId {
        let size = self.room_for(message.body().len());
        let has_room = self.takes_room(size) || self.waits_for_room(size).await;
        let (id, enough) = self.put(message, done, has_room);
        if enough {
            yield_now().await;
        }
        id
    }

    /// Gives a message that has room to the task, under the next publishing id; others have failed. Says whether it is
    /// the task's turn.
    fn put(&self, message: Message, done: Done, has_room: bool) -> (PublishingId, bool) {
        let own = message.own_publishing_id();
        let mut inbox = self.inbox();
        let id = own.unwrap_or(PublishingId(inbox.next_id));
        if !has_room || inbox.closing {
            drop(inbox);
            done.tell(Err(SendFailed {
                publishing_id: id,
                attempts: 0,
                why: WhyFailed::Closed,
            }));
            return (id, false);
        }
        inbox.next_id += 1;
        inbox.bytes += message.body().len() + size_of::<(Message, Done)>();
        inbox.messages.push((message, done));
        let first = inbox.messages.len() == 1;
        let enough = inbox.bytes >= ENOUGH_FOR_A_WRITE;
        drop(inbox);
        if first {
            self.wake.notify_one();
        }
        (id, enough)
    }

    /// Takes room in the window if there is some and nobody waits for it. Mostly there is.
    fn takes_room(&self, size: u32) -> bool {
        let Ok(message) = self.messages.try_acquire() else {
            return false;
        };
        let Ok(bytes) = self.bytes.try_acquire_many(size) else {
            return false;
        };
        message.forget();
        bytes.forget();
        true
    }

    /// Waits for room in the window; false where the sender is closed first.
    async fn waits_for_room(&self, size: u32) -> bool {
        let Ok(message) = self.messages.acquire().await else {
            return false;
        };
        let Ok(bytes) = self.bytes.acquire_many(size).await else {
            return false;
        };
        message.forget();
        bytes.forget();
        true
    }

    /// How much of the window's bytes a body takes: one too large for the window takes all.
    fn room_for(&self, size: usize) -> u32 {
        u32::try_from(size).unwrap_or(u32::MAX).min(self.bytes_max)
    }

    /// Messages are settled: how many, and the room that their bodies took.
    pub(super) fn settled(&self, messages: usize, room: usize) {
        self.messages.add_permits(messages);
        self.bytes.add_permits(room);
    }

    /// The room that a body of that size took.
    pub(super) fn room_of(&self, size: usize) -> usize {
        self.room_for(size) as usize
    }

    pub(super) async fn flush(&self) {
        let (done, settled) = oneshot::channel();
        {
            let mut inbox = self.inbox();
            let next = PublishingId(inbox.next_id);
            inbox.flushes.push((next, done));
        }
        self.wake.notify_one();
        // An error says that the task has ended: nothing is unsettled.
        tokio::select! {
            _ = settled => {}
            () = self.ended() => {}
        }
    }

    /// Takes no more messages.
    pub(super) fn close(&self) {
        self.inbox().closing = true;
        self.messages.close();
        self.bytes.close();
        self.wake.notify_one();
    }

    /// Waits for the task's end.
    pub(super) async fn ended(&self) {
        // It never has permits, so this waits until it is closed.
        let closed = self.end.acquire().await;
        debug_assert!(closed.is_err());
    }

    /// The task has ended, and left what is in the inbox to the caller.
    pub(super) fn end(&self) {
        self.end.close();
    }

    pub(super) fn counts(&self) -> SendCounts {
        self.inbox().counts
    }

    pub(super) fn set_counts(&self, counts: SendCounts) {
        self.inbox().counts = counts;
    }
}
