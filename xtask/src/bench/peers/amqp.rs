//! AMQP 0-9-1: Landfall, and RabbitMQ with either kind of queue.

use crate::bench::connection::{Connection, not_a_close};
use crate::bench::layout::{self, Layout};
use crate::bench::protocol::{
    Confirm, Consumer, Consuming, Control, Deliver, Delivery, HEAD_BYTES, Publisher,
};
use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use model::{DeliveryTag, Method, ShortStr};
use std::time::Duration;
use wire::Frame;

const EXCHANGE: &str = "bench";

/// The connection that declares.
pub(in crate::bench) struct Amqp {
    port: u16,
    queue_type: Option<&'static str>,
    connection: Connection,
}

impl Amqp {
    pub(in crate::bench) fn open(port: u16, queue_type: Option<&'static str>) -> Result<Self> {
        Ok(Self {
            port,
            queue_type,
            connection: Connection::open(port)?,
        })
    }
}

fn name(text: &str) -> ShortStr {
    ShortStr::truncated(text)
}

impl Control for Amqp {
    fn make(&mut self, layout: Layout) -> Result<()> {
        self.remove(layout)?;
        for queue in layout.queues() {
            self.connection.declare(&name(&queue), self.queue_type)?;
        }
        let exchange = name(EXCHANGE);
        match layout {
            Layout::Plain | Layout::Shared(_) | Layout::Pairs(_) | Layout::Consumers(_) => {}
            Layout::Bindings(count) => {
                self.connection.declare_exchange(&exchange, "topic")?;
                let queue = name(&layout.queues()[0]);
                for number in 0..count {
                    let pattern = name(&layout::pattern(number));
                    self.connection.bind(&queue, &exchange, &pattern)?;
                }
            }
            Layout::Queues(_) => {
                self.connection.declare_exchange(&exchange, "direct")?;
                for queue in layout.queues() {
                    let queue = name(&queue);
                    self.connection.bind(&queue, &exchange, &queue)?;
                }
            }
        }
        Ok(())
    }

    fn remove(&mut self, layout: Layout) -> Result<()> {
        for queue in layout.queues() {
            self.connection.delete(&name(&queue))?;
        }
        self.connection.delete_exchange(&name(EXCHANGE))
    }

    fn left(&mut self, layout: Layout) -> Result<u64> {
        let mut left = 0;
        for queue in layout.queues() {
            left += u64::from(self.connection.waiting(&name(&queue))?);
        }
        Ok(left)
    }

    fn publisher(&self, layout: Layout, number: usize, size: usize) -> Result<Box<dyn Publisher>> {
        let mut connection = Connection::open(self.port)?;
        connection.ask(model::method::confirm::Select::default())?;
        let exchange = match layout {
            Layout::Bindings(_) | Layout::Queues(_) => name(EXCHANGE),
            _ => ShortStr::empty(),
        };
        let keys = match layout {
            Layout::Bindings(_) => vec![layout::topic()],
            _ => layout.queues_of_end(number),
        };
        let body = vec![0x5a; size];
        let messages = keys
            .iter()
            .map(|key| Connection::encode_publish(&exchange, &name(key), &body));
        Ok(Box::new(AmqpPublisher::new(
            connection,
            messages.collect(),
            size,
        )))
    }

    fn consumer(
        &self,
        layout: Layout,
        number: usize,
        consuming: Consuming,
    ) -> Result<Box<dyn Consumer>> {
        let mut connection = Connection::open(self.port)?;
        let queues: Vec<_> = layout
            .queues_of_end(number)
            .iter()
            .map(|queue| name(queue))
            .collect();
        connection.qos(consuming.prefetch)?;
        for consumer in 0..consuming.on_each_connection {
            for queue in &queues {
                connection.consume(queue, consumer)?;
            }
        }
        connection.wait_a_moment_only()?;
        Ok(Box::new(AmqpConsumer {
            connection,
            delivery: None,
        }))
    }
}

/// Sends messages that were encoded once; only the start of each body changes.
struct AmqpPublisher {
    connection: Connection,
    messages: Vec<BytesMut>,
    next: usize,
    /// Where the body starts in each, counted from the end: what stands before it differs with the key's length.
    body_before_end: usize,
}

impl AmqpPublisher {
    fn new(connection: Connection, messages: Vec<BytesMut>, size: usize) -> Self {
        Self {
            connection,
            messages,
            next: 0,
            // The end of the frame follows the body.
            body_before_end: size + 1,
        }
    }
}

impl Publisher for AmqpPublisher {
    fn put(&mut self, head: &[u8; HEAD_BYTES]) {
        let output = &mut self.connection.output;
        output.extend_from_slice(&self.messages[self.next]);
        let at = output.len() - self.body_before_end;
        output[at..at + HEAD_BYTES].copy_from_slice(head);
        self.next += 1;
        if self.next == self.messages.len() {
            self.next = 0;
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.connection.flush()
    }

    fn confirms(&mut self, wait: Option<Duration>, confirm: Confirm<'_>) -> Result<()> {
        if !self.connection.fill_within(wait)? {
            return Ok(());
        }
        while let Some(frame) = self.connection.buffered_frame()? {
            let Frame::Method(_, method) = frame else {
                continue;
            };
            let Method::BasicAck(ack) = not_a_close(method)? else {
                bail!("the server sends the publisher something else than confirms");
            };
            confirm(ack.delivery_tag.0, ack.multiple)?;
        }
        Ok(())
    }
}

/// The delivery whose body is still to come.
struct Announced {
    tag: DeliveryTag,
    consumer: usize,
    redelivered: bool,
}

/// Acknowledges each message by itself.
struct AmqpConsumer {
    connection: Connection,
    delivery: Option<Announced>,
}

impl Consumer for AmqpConsumer {
    fn receive(&mut self, deliver: Deliver<'_>) -> Result<()> {
        self.connection.fill_if_any()?;
        while let Some(frame) = self.connection.buffered_frame()? {
            match frame {
                Frame::Method(_, method) => match not_a_close(method)? {
                    Method::BasicDeliver(deliver) => {
                        self.delivery = Some(Announced {
                            tag: deliver.delivery_tag,
                            consumer: Connection::consumer_number(&deliver.consumer_tag)?,
                            redelivered: deliver.redelivered,
                        });
                    }
                    other => bail!("{} on its way to the consumer", other.name()),
                },
                Frame::Body(_, body) => {
                    let delivery = self.delivery.take();
                    let delivery = delivery.context("a body without a delivery")?;
                    deliver(Delivery {
                        body: &body,
                        consumer: delivery.consumer,
                        redelivered: delivery.redelivered,
                    })?;
                    self.connection.put_ack(delivery.tag);
                }
                Frame::Header(..) | Frame::Heartbeat => {}
            }
        }
        self.connection.flush()
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.connection.close()
    }
}
