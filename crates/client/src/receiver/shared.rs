//! What a receiver, its deliveries and its task share: what came, what was settled, the counts.

use super::ReceiveCounts;
use super::delivery::{Contents, Delivery};
use super::waiting::WaitingTime;
use crate::clock::Clock;
use crate::incoming::{Ticket, Verdict};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// From the task to the application.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) deliveries: VecDeque<Contents>,
    /// How many the application took.
    pub(super) taken: u64,
    pub(super) counts: ReceiveCounts,
    pub(super) ended: bool,
}

/// From the application to the task.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) settled: Vec<(Ticket, Verdict)>,
    pub(super) extended: Vec<(Ticket, Duration)>,
    /// How often the application said anything.
    pub(super) times: u64,
    pub(super) closing: bool,
}

/// Shared by a receiver, its deliveries and its task.
#[derive(Debug)]
pub(super) struct Shared {
    clock: Clock,
    waiting: WaitingTime,
    arrived: Mutex<Arrived>,
    /// Wakes the application.
    news: Notify,
    said: Mutex<Said>,
    /// Wakes the task.
    pub(super) wake: Notify,
    /// Closed when the task has ended.
    end: Semaphore,
}

impl Shared {
    pub(super) fn new(clock: Clock, waiting: WaitingTime) -> Self {
        Self {
            clock,
            waiting,
            arrived: Mutex::default(),
            news: Notify::new(),
            said: Mutex::default(),
            wake: Notify::new(),
            end: Semaphore::new(0),
        }
    }

    pub(super) fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.arrived
            .lock()
            .expect("nothing that holds the lock panics")
    }

    pub(super) fn said(&self) -> MutexGuard<'_, Said> {
        self.said
            .lock()
            .expect("nothing that holds the lock panics")
    }

    pub(super) async fn next(self: &Arc<Self>) -> Option<Delivery> {
        loop {
            {
                let mut arrived = self.arrived();
                if let Some(contents) = arrived.deliveries.pop_front() {
                    arrived.taken += 1;
                    drop(arrived);
                    return Some(self.handed_out(contents));
                }
                if arrived.ended {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    pub(super) fn next_now(self: &Arc<Self>) -> Option<Delivery> {
        let mut arrived = self.arrived();
        let contents = arrived.deliveries.pop_front()?;
        arrived.taken += 1;
        drop(arrived);
        Some(self.handed_out(contents))
    }

    /// The application takes a delivery: where it waited for long, its time begins now.
    fn handed_out(self: &Arc<Self>, contents: Contents) -> Delivery {
        if self.waiting.is_short(self.clock.now(), contents.timed_from) {
            self.extend(contents.ticket, Duration::ZERO);
        }
        Delivery::new(contents, self.clone())
    }

    /// How much the application has done so far; it matters only whether that grows.
    pub(super) fn progress(&self) -> u64 {
        let taken = self.arrived().taken;
        taken + self.said().times
    }

    /// Hands what came to the application.
    pub(super) fn hand_over(&self, came: &mut Vec<Contents>, counts: ReceiveCounts) {
        let any = !came.is_empty();
        let mut arrived = self.arrived();
        arrived.deliveries.extend(came.drain(..));
        arrived.counts = counts;
        drop(arrived);
        if any {
            self.news.notify_one();
        }
    }

    /// The application says something to a delivery.
    pub(super) fn settle(&self, ticket: Ticket, verdict: Verdict) {
        let mut said = self.said();
        said.settled.push((ticket, verdict));
        said.times += 1;
        let first = said.settled.len() == 1;
        drop(said);
        if first {
            self.wake.notify_one();
        }
    }

    /// The application needs more time for a delivery.
    pub(super) fn extend(&self, ticket: Ticket, time: Duration) {
        let mut said = self.said();
        said.extended.push((ticket, time));
        said.times += 1;
        drop(said);
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.said().closing = true;
        self.wake.notify_one();
    }

    /// Waits for the task's end.
    pub(super) async fn ended(&self) {
        // It never has permits, so this waits until it is closed.
        let closed = self.end.acquire().await;
        debug_assert!(closed.is_err());
    }

    /// Nothing comes any more.
    pub(super) fn no_more(&self) {
        self.arrived().ended = true;
        self.news.notify_one();
    }

    /// The task has ended.
    pub(super) fn end(&self) {
        self.no_more();
        self.end.close();
    }

    pub(super) fn counts(&self) -> ReceiveCounts {
        self.arrived().counts
    }
}
