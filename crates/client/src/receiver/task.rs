//! The receiver's task: the thin shell that carries deliveries to the application and what it says to them back to
//! the server. One turn deals with everything that is there.

use super::ReceiveCounts;
use super::delivery::Contents;
use super::shared::Shared;
use super::waiting::Rounds;
use crate::clock::Clock;
use crate::connector::Connector;
use crate::error::LinkError;
use crate::extension;
use crate::incoming::{Incoming, Ticket, Verdict};
use crate::link::Link;
use crate::publisher::publisher_of;
use model::{Method, Timestamp};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use wire::Arrival;

/// Everything but the connection.
#[derive(Debug)]
pub(super) struct Task {
    shared: Arc<Shared>,
    incoming: Incoming,
    end_on_cancel: bool,
    cancelled: bool,
    clock: Clock,
    rounds: Rounds,
    counts: ReceiveCounts,
    /// Empty between turns: kept for their room.
    came: Vec<Contents>,
    settled: Vec<(Ticket, Verdict)>,
}

impl Task {
    pub(super) fn new(
        shared: Arc<Shared>,
        incoming: Incoming,
        end_on_cancel: bool,
        clock: Clock,
        rounds: Rounds,
    ) -> Self {
        Self {
            shared,
            incoming,
            end_on_cancel,
            cancelled: false,
            clock,
            rounds,
            counts: ReceiveCounts::default(),
            came: Vec::new(),
            settled: Vec::new(),
        }
    }

    /// Until the receiver is closed, or the connection of one that was cancelled is lost.
    pub(super) async fn run(mut self, mut connector: Connector, mut link: Link) {
        let mut received_before = 0;
        loop {
            match self.serve(&mut link).await {
                Ok(()) => {
                    // What the server did not hear comes again: nothing more can be done.
                    let _ = timeout(connector.timeout(), link.close()).await;
                    return;
                }
                Err(error) => tracing::info!(%error, "subscription lost"),
            }
            drop(link);
            self.discard();
            if self.cancelled {
                return;
            }
            let received = self.counts.received;
            let was_of_use = received > std::mem::replace(&mut received_before, received);
            link = match self.reconnect(&mut connector, was_of_use).await {
                Some(link) => link,
                None => return,
            };
            self.counts.reconnected += 1;
        }
    }

    /// Uses a connection until it is lost, or until the receiver is closed and the server was told everything.
    async fn serve(&mut self, link: &mut Link) -> Result<(), LinkError> {
        self.incoming.connected();
        loop {
            // First what was said, then what comes: a repeat of what was just settled is known as one.
            let closing = self.take_what_was_said();
            // Before anything is waited for: deliveries may have come together with consume-ok.
            let now = self.clock.now();
            while let Some(arrival) = link.next_arrival()? {
                self.arrived(now, arrival, link)?;
            }
            self.counts.suppressed = self.incoming.suppressed();
            self.shared.hand_over(&mut self.came, self.counts);
            if self.cancelled {
                // Nothing more comes, but what came can be settled until the receiver is closed.
                self.shared.no_more();
            }
            self.ask_for_time(link);
            self.incoming.answers(|answer| link.send(answer));
            if closing {
                return Ok(());
            }
            link.exchange(self.rounds.wake_at(), Some(&self.shared.wake))
                .await?;
        }
    }

    /// For what the application asks for, and for what waits for an application that is at work.
    fn ask_for_time(&mut self, link: &mut Link) {
        let now = self.clock.now();
        if self.rounds.is_due(now) && self.rounds.begin(now, self.shared.progress()) {
            for contents in &mut self.shared.arrived().deliveries {
                if self.rounds.includes(now, contents.timed_from) {
                    contents.timed_from = now;
                    self.incoming.extended(contents.ticket, Duration::ZERO);
                }
            }
        }
        let (frame_max, extends) = (link.frame_max(), link.extends());
        self.incoming.extensions(|(tag, time)| {
            if extends {
                extension::put(&mut link.output, tag, time, frame_max);
            }
        });
    }

    fn arrived(
        &mut self,
        now: Timestamp,
        arrival: Arrival,
        link: &mut Link,
    ) -> Result<(), LinkError> {
        match arrival {
            Arrival::Content(Method::BasicDeliver(deliver), properties, body) => {
                let from = publisher_of(&properties);
                let Some(ticket) = self.incoming.delivered(deliver.delivery_tag, from) else {
                    return Ok(());
                };
                self.counts.received += 1;
                self.counts.redelivered += u64::from(deliver.redelivered);
                self.came.push(Contents {
                    ticket,
                    timed_from: now,
                    redelivered: deliver.redelivered,
                    exchange: deliver.exchange,
                    routing_key: deliver.routing_key,
                    properties,
                    body,
                });
                Ok(())
            }
            Arrival::Method(Method::BasicCancel(_)) if self.end_on_cancel => {
                self.cancelled = true;
                Ok(())
            }
            Arrival::Method(Method::BasicCancel(_)) => Err(LinkError::Cancelled),
            Arrival::Method(Method::ChannelClose(close)) => Err(link.channel_closed(&close)),
            _ => Ok(()),
        }
    }

    /// Takes over what the application said. True if the receiver is closed.
    fn take_what_was_said(&mut self) -> bool {
        let mut said = self.shared.said();
        std::mem::swap(&mut said.settled, &mut self.settled);
        let extended = std::mem::take(&mut said.extended);
        let closing = said.closing;
        drop(said);
        for (ticket, time) in extended {
            self.incoming.extended(ticket, time);
        }
        for (ticket, verdict) in self.settled.drain(..) {
            self.incoming.settled(ticket, verdict);
        }
        closing
    }

    /// Throws away what the application did not take before the connection was lost: it comes again.
    fn discard(&mut self) {
        let mut arrived = self.shared.arrived();
        let untaken = std::mem::take(&mut arrived.deliveries);
        drop(arrived);
        for contents in untaken.into_iter().chain(self.came.drain(..)) {
            self.counts.received -= 1;
            self.counts.redelivered -= u64::from(contents.redelivered);
            self.incoming.discarded(contents.ticket);
        }
    }

    /// Looks for a server; `None` if the receiver is closed meanwhile.
    async fn reconnect(&mut self, connector: &mut Connector, at_once: bool) -> Option<Link> {
        if at_once {
            connector.worked();
        } else {
            self.meanwhile(sleep(connector.pause())).await?;
        }
        loop {
            if let Ok(link) = self.meanwhile(connector.round()).await? {
                return Some(link);
            }
            self.meanwhile(sleep(connector.pause())).await?;
        }
    }

    /// Waits for `something`; `None` if the receiver is closed meanwhile.
    async fn meanwhile<F: Future>(&mut self, something: F) -> Option<F::Output> {
        let mut something = pin!(something);
        loop {
            if self.take_what_was_said() {
                return None;
            }
            let shared = self.shared.clone();
            tokio::select! {
                output = &mut something => return Some(output),
                () = shared.wake.notified() => {}
            }
        }
    }
}

/// However the task ends, also with its runtime: the application is told.
impl Drop for Task {
    fn drop(&mut self) {
        self.shared.end();
    }
}
