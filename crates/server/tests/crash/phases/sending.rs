//! A publisher that comes back whenever the server does.

use super::super::Chance;
use super::declared::{channel, connect, soon, table};
use super::ledger::{Ledger, body, wall_clock};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, PublisherConfirm};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The longest delay of a message in `later`, in milliseconds.
const DELAY_MAX: u64 = 1500;

/// Publishes to one queue; what was not confirmed is sent again until it is.
pub(super) struct Sender {
    task: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

struct Sending {
    queue: &'static str,
    ledger: Arc<Ledger>,
    chance: Chance,
    /// Not confirmed yet: when each is due.
    pending: BTreeMap<u64, u64>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    pub(super) fn start(queue: &'static str, address: SocketAddr, ledger: &Arc<Ledger>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut sending = Sending {
            queue,
            ledger: Arc::clone(ledger),
            chance: Chance(queue.bytes().map(u64::from).product()),
            pending: BTreeMap::new(),
            stop: Arc::clone(&stop),
        };
        let task = tokio::spawn(async move {
            while !sending.is_done() {
                // The server may go at any time: whatever that does to a connection, there will be another.
                let _ = sending.run(address).await;
                sleep(Duration::from_millis(10)).await;
            }
        });
        Self { task, stop }
    }

    /// Sends nothing new, and returns when all is confirmed.
    pub(super) async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let finished = timeout(super::PATIENCE, self.task).await;
        let finished = finished.expect("all is confirmed before long");
        finished.expect("a publisher does not panic");
    }
}

impl Sending {
    fn is_done(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && self.pending.is_empty()
    }

    async fn run(&mut self, address: SocketAddr) -> Result<(), lapin::Error> {
        let connection = connect(address).await?;
        let channel = soon("declare", channel(&connection)).await?;
        let confirms = ConfirmSelectOptions::default();
        soon("confirm.select", channel.confirm_select(confirms)).await?;
        while !self.is_done() {
            soon("basic.publish", self.send_some(&channel)).await?;
            sleep(Duration::from_millis(15)).await;
        }
        soon("close", connection.close(200, "done".into())).await
    }

    /// What waits for its confirm, some new messages, and some that are known.
    async fn send_some(&mut self, channel: &Channel) -> Result<(), lapin::Error> {
        let mut batch: Vec<(u64, u64)> = self.pending.clone().into_iter().collect();
        let mut again = self.ledger.all_again(self.queue);
        if !self.stop.load(Ordering::Relaxed) {
            for _ in 0..5 {
                let delay = match self.queue {
                    "later" => self.chance.below(DELAY_MAX),
                    _ => 0,
                };
                let (id, due) = (self.ledger.next(self.queue), wall_clock() + delay);
                self.pending.insert(id, due);
                batch.push((id, due));
            }
            let chance = self.chance.below(500);
            again.extend(self.ledger.one_again(self.queue, chance));
        }
        batch.extend(again.into_iter().map(|id| (id, 0)));
        let mut confirms = Vec::new();
        for (id, due) in &batch {
            confirms.push(self.publish(channel, *id, *due).await?);
        }
        for ((id, _), confirm) in batch.into_iter().zip(confirms) {
            if confirm.await?.is_ack() {
                self.pending.remove(&id);
                self.ledger.confirmed(self.queue, id);
            }
        }
        Ok(())
    }

    async fn publish(
        &self,
        channel: &Channel,
        id: u64,
        due: u64,
    ) -> Result<PublisherConfirm, lapin::Error> {
        let mut properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(id.to_string().into());
        let mut exchange = "";
        if self.queue == "later" {
            let delay = due.saturating_sub(wall_clock()).cast_signed();
            let delay = AMQPValue::LongLongInt(delay);
            properties = properties.with_headers(table(&[("x-delay", delay)]));
            exchange = "delays";
        }
        let body = body(self.queue, id, due);
        let options = BasicPublishOptions::default();
        let (exchange, key) = (exchange.into(), self.queue.into());
        channel
            .basic_publish(exchange, key, options, body.as_bytes(), properties)
            .await
    }
}
