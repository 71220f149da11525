//! A receiver with changing luck, that comes back whenever the server does.

use super::super::Chance;
use super::declared::{DELIVERY_LIMIT, RETRY_MIN, channel, connect, soon};
use super::ledger::{Ledger, wall_clock};
use lapin::message::{Delivery, DeliveryResult};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Consumes from one queue.
pub(super) struct Receiver(JoinHandle<()>);

struct Receiving {
    queue: &'static str,
    ledger: Arc<Ledger>,
    chance: Chance,
}

impl Receiver {
    pub(super) fn start(queue: &'static str, address: SocketAddr, ledger: &Arc<Ledger>) -> Self {
        let mut receiving = Receiving {
            queue,
            ledger: Arc::clone(ledger),
            chance: Chance(wall_clock() | 1),
        };
        Self(tokio::spawn(async move {
            loop {
                // The server may go at any time: whatever that does to a connection, there will be another.
                let _ = receiving.run(address).await;
                sleep(Duration::from_millis(10)).await;
            }
        }))
    }

    pub(super) fn stop(self) {
        self.0.abort();
    }
}

impl Receiving {
    async fn run(&mut self, address: SocketAddr) -> Result<(), lapin::Error> {
        // Asked before: what came over a connection that is dead is handled for some time after the next server has begun.
        let life = self.ledger.life();
        let connection = connect(address).await?;
        let channel = soon("declare", channel(&connection)).await?;
        let prefetch = channel.basic_qos(30, BasicQosOptions::default());
        soon("basic.qos", prefetch).await?;
        let options = BasicConsumeOptions::default();
        let (queue, tag) = (self.queue.into(), "".into());
        let consume = channel.basic_consume(queue, tag, options, FieldTable::default());
        let consumer = soon("basic.consume", consume).await?;
        let (sender, mut deliveries) = mpsc::unbounded_channel();
        consumer.set_delegate(move |delivery: DeliveryResult| {
            // Nobody listens any more once the receiver has died.
            let _ = sender.send(delivery.ok().flatten());
            std::future::ready(())
        });
        loop {
            let delivery = match timeout(Duration::from_millis(500), deliveries.recv()).await {
                Ok(Some(Some(delivery))) => delivery,
                Err(_) if connection.status().connected() => continue,
                _ => return Ok(()),
            };
            let (queue, id) = self.ledger.delivered(life, &delivery.data);
            if !soon("settling", self.settle(life, &delivery, &queue, id)).await? {
                return soon("close", connection.close(200, "dies".into())).await;
            }
        }
    }

    /// False if the receiver dies over the message, with all that it has.
    async fn settle(
        &mut self,
        life: u64,
        delivery: &Delivery,
        queue: &str,
        id: u64,
    ) -> Result<bool, lapin::Error> {
        let luck = match self.queue {
            "later" | "once" => 0,
            _ if self.ledger.is_draining() => 0,
            _ => self.chance.below(1000),
        };
        match luck {
            0..500 => {
                delivery.ack(BasicAckOptions::default()).await?;
                self.ledger.acked(queue, id);
            }
            500..750 => {
                // What is out of attempts is parked, and the operator may send it back at once.
                if self.queue == "park" && times_come_back(delivery) < DELIVERY_LIMIT {
                    self.ledger
                        .given_back(life, queue, id, RETRY_MIN.mul_f64(0.89));
                }
                let requeue = BasicNackOptions {
                    requeue: true,
                    ..BasicNackOptions::default()
                };
                delivery.nack(requeue).await?;
            }
            750..900 if self.queue == "work" => {
                let for_good = BasicRejectOptions { requeue: false };
                delivery.reject(for_good).await?;
            }
            // Silence.
            750..996 => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn times_come_back(delivery: &Delivery) -> i64 {
    let headers = delivery.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    match count {
        Some(AMQPValue::LongLongInt(count)) => *count,
        _ => 0,
    }
}
