//! The sender's task: the thin shell that carries messages from the handles to the state machine, frames from
//! there to the socket, and what the server says back again. One turn deals with everything that is there.

use super::shared::{Done, Shared};
use crate::clock::Clock;
use crate::connector::Connector;
use crate::encoder::Encoder;
use crate::error::LinkError;
use crate::link::{Link, sleep_until};
use crate::message::{Message, SendCounts, WhyFailed};
use crate::outgoing::Outgoing;
use crate::publisher::publisher_of;
use model::method::channel;
use model::{Method, PublishingId};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use wire::Arrival;

/// No more messages are made frames of while so many bytes wait for the socket.
const OUTPUT_MAX: usize = 256 * 1024;

/// Everything but the connection.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) outgoing: Outgoing<Done>,
    pub(super) encoder: Encoder,
    pub(super) flushes: Vec<(PublishingId, oneshot::Sender<()>)>,
    pub(super) clock: Clock,
    pub(super) reconnected: u64,
    /// Empty between turns: kept for its room.
    pub(super) taken: Vec<(Message, Done)>,
}

impl Task {
    /// Until the sender is closed and every message is settled.
    pub(super) async fn run(mut self, mut connector: Connector, mut link: Link) {
        let mut confirmed_before = 0;
        loop {
            match self.serve(&connector, &mut link).await {
                Ok(()) => {
                    // Everything is settled: a goodbye that goes unheard costs nothing.
                    let _ = timeout(connector.timeout(), link.close()).await;
                    return;
                }
                Err(error) => {
                    tracing::info!(%error, "connection lost");
                    self.outgoing.troubled(error.to_string());
                }
            }
            drop(link);
            let confirmed = self.outgoing.counts().confirmed;
            let was_of_use = confirmed > std::mem::replace(&mut confirmed_before, confirmed);
            link = match self.reconnect(&mut connector, was_of_use).await {
                Some(link) => link,
                None => return,
            };
            self.reconnected += 1;
        }
    }

    /// Uses a connection until it is lost, or until there is nothing left to do.
    async fn serve(&mut self, connector: &Connector, link: &mut Link) -> Result<(), LinkError> {
        self.outgoing.connected();
        loop {
            while let Some(arrival) = link.next_arrival()? {
                match arrival {
                    Arrival::Method(Method::ChannelClose(close)) => {
                        self.channel_closed(&close, connector, link).await?;
                    }
                    arrival => self.arrived(&arrival),
                }
            }
            match link.blocked() {
                Some(reason) => self
                    .outgoing
                    .troubled(format!("the server takes no messages: {reason}")),
                None => self.outgoing.untroubled(),
            }
            self.turn_ends();
            if self.take_inbox() {
                return Ok(());
            }
            self.transmit(link)?;
            link.exchange(self.outgoing.wake_at(), Some(&self.shared.wake))
                .await?;
        }
    }

    /// The server closed the channel over a message: the connection goes on with a new one.
    async fn channel_closed(
        &mut self,
        close: &channel::Close,
        connector: &Connector,
        link: &mut Link,
    ) -> Result<(), LinkError> {
        // Why is told to the messages; the connection is well.
        let _ = link.channel_closed(close);
        self.outgoing
            .channel_closed(close.reply_code, &close.reply_text);
        self.settle();
        connector.reopen(link).await?;
        self.outgoing.connected();
        Ok(())
    }

    /// Looks for a server; `None` if meanwhile there is nothing left to send.
    async fn reconnect(&mut self, connector: &mut Connector, at_once: bool) -> Option<Link> {
        if at_once {
            connector.worked();
        } else {
            self.meanwhile(sleep(connector.pause())).await?;
        }
        loop {
            match self.meanwhile(connector.round()).await? {
                Ok(link) => return Some(link),
                Err(tries) => {
                    let tries: Vec<_> = tries.iter().map(ToString::to_string).collect();
                    self.outgoing.troubled(tries.join("; "));
                }
            }
            self.meanwhile(sleep(connector.pause())).await?;
        }
    }

    /// Waits for `something` while messages are taken in and timers run; `None` if there is nothing left to do.
    async fn meanwhile<F: Future>(&mut self, something: F) -> Option<F::Output> {
        let mut something = pin!(something);
        loop {
            if self.take_inbox() {
                return None;
            }
            let shared = self.shared.clone();
            tokio::select! {
                output = &mut something => return Some(output),
                () = shared.wake.notified() => {}
                () = sleep_until(self.clock, self.outgoing.wake_at()) => {}
            }
            self.turn_ends();
        }
    }

    /// Takes over what was handed over. True if the sender is closed and nothing is left.
    fn take_inbox(&mut self) -> bool {
        let now = self.clock.now();
        let mut inbox = self.shared.inbox();
        std::mem::swap(&mut inbox.messages, &mut self.taken);
        inbox.bytes = 0;
        self.flushes.append(&mut inbox.flushes);
        let closing = inbox.closing;
        drop(inbox);
        for (message, done) in self.taken.drain(..) {
            self.outgoing.accept(now, message, done);
        }
        self.answer_flushes();
        closing && self.outgoing.is_empty()
    }

    /// Makes frames of what is to be transmitted, as long as the socket takes them.
    fn transmit(&mut self, link: &mut Link) -> Result<(), LinkError> {
        loop {
            let frame_max = link.frame_max();
            while link.output.len() < OUTPUT_MAX {
                let Some((id, message)) = self.outgoing.next_transmission() else {
                    return Ok(());
                };
                self.encoder
                    .encode(&mut link.output, id, message, frame_max);
            }
            link.write()?;
            if link.output.len() >= OUTPUT_MAX {
                return Ok(());
            }
        }
    }

    fn arrived(&mut self, arrival: &Arrival) {
        match arrival {
            Arrival::Method(Method::BasicAck(ack)) => {
                self.outgoing.confirmed(ack.delivery_tag, ack.multiple);
            }
            Arrival::Method(Method::BasicNack(nack)) => {
                self.outgoing.refused(nack.delivery_tag, nack.multiple);
            }
            Arrival::Content(Method::BasicReturn(back), properties, _) => {
                if let Some((_, id)) = publisher_of(properties) {
                    let id = PublishingId(id);
                    self.outgoing
                        .returned(id, back.reply_code, &back.reply_text);
                }
            }
            _ => {}
        }
    }

    /// Timers, and everyone who is to be told something.
    fn turn_ends(&mut self) {
        self.outgoing.tick(self.clock.now());
        self.settle();
    }

    fn settle(&mut self) {
        let (mut messages, mut room) = (0, 0);
        while let Some(settled) = self.outgoing.poll_settled() {
            messages += 1;
            room += self.shared.room_of(settled.size);
            settled.done.tell(settled.outcome);
        }
        if messages > 0 {
            self.shared.set_counts(self.counts());
            self.shared.settled(messages, room);
        }
        self.answer_flushes();
    }

    fn answer_flushes(&mut self) {
        let settled_before = self.outgoing.settled_before();
        for (_, done) in self
            .flushes
            .extract_if(.., |(next, _)| *next <= settled_before)
        {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }

    fn counts(&self) -> SendCounts {
        let counts = self.outgoing.counts();
        SendCounts {
            sent: counts.sent,
            confirmed: counts.confirmed,
            failed: counts.failed,
            retransmitted: counts.retransmitted,
            reconnected: self.reconnected,
        }
    }
}

/// However the task ends, also with its runtime: everyone is told.
impl Drop for Task {
    fn drop(&mut self) {
        self.shared.close();
        self.take_inbox();
        self.outgoing.give_up(&WhyFailed::Closed);
        self.settle();
        self.shared.set_counts(self.counts());
        self.shared.end();
    }
}
