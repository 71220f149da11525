//! What a queue that this client declares does with attempts in vain.

use model::{FieldTable, TableBuilder, Value};
use std::time::Duration;

/// How a queue treats messages that nobody acknowledges, written into the queue when [`declare`] makes it. A sender
/// and a receiver that declare the same queue should give the same policy.
///
/// A delivery that is not settled in time is given up, and so is one that is put back, or whose connection died: its
/// message waits, after each attempt in vain longer, and is then delivered again, to any receiver. A message that has
/// used up its attempts goes to the queue's dead-letter exchange; without one it is parked in the queue, in sight.
///
/// ```
/// use landfall_client::{Receiver, RetryPolicy};
/// use std::time::Duration;
///
/// let slow_work = RetryPolicy::default()
///     .acknowledge_within(Duration::from_secs(300))
///     .waits(Duration::from_secs(5), Duration::from_secs(3600))
///     .delivery_limit(10);
/// let receiver = Receiver::of_queue("videos").declare_with(slow_work);
/// ```
///
/// [`declare`]: crate::ReceiverBuilder::declare
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    time_out: Option<Duration>,
    waits: Option<(Duration, Duration)>,
    delivery_limit: Option<u32>,
}

impl Default for RetryPolicy {
    /// 30 seconds for an attempt; waits of 1, 2, 4 … seconds, at most 5 minutes; 20 returns. So a message whose
    /// receiver fails at once is tried for about an hour, which is longer than most restarts of what receivers depend
    /// on, before it is parked; 20 is also the limit that RabbitMQ 4 gives its quorum queues.
    fn default() -> Self {
        Self {
            time_out: Some(Duration::from_secs(30)),
            waits: Some((Duration::from_secs(1), Duration::from_secs(300))),
            delivery_limit: Some(20),
        }
    }
}

impl RetryPolicy {
    /// Nothing of the queue's own: the server's defaults, which are the ones that other clients know. Half an hour
    /// for an attempt, back at once, as often as it takes.
    pub fn of_the_server() -> Self {
        Self {
            time_out: None,
            waits: None,
            delivery_limit: None,
        }
    }

    /// How long a receiver may take to settle a delivery, at least a millisecond. It runs from the moment at which the
    /// delivery left the server; the receiver asks for more time for what waits in its window.
    /// [`Delivery::extend`](crate::Delivery::extend) asks for more for what is worked on.
    pub fn acknowledge_within(mut self, time: Duration) -> Self {
        self.time_out = Some(time);
        self
    }

    /// How long a message waits after its first attempt in vain, and how long at most: each wait is twice the one
    /// before it.
    pub fn waits(mut self, first: Duration, longest: Duration) -> Self {
        self.waits = Some((first, longest.max(first)));
        self
    }

    /// How often a message may come back.
    pub fn delivery_limit(mut self, returns: u32) -> Self {
        self.delivery_limit = Some(returns);
        self
    }

    /// A message may come back as often as it takes.
    pub fn without_delivery_limit(mut self) -> Self {
        self.delivery_limit = None;
        self
    }

    /// How long an attempt may take, where the queue says so.
    pub(crate) fn time_out(self) -> Option<Duration> {
        self.time_out
    }

    /// As arguments of queue.declare.
    pub(crate) fn arguments(self) -> FieldTable {
        let mut table = TableBuilder::new();
        if let Some(time) = self.time_out {
            let least = time.max(Duration::from_millis(1));
            table = table.field("x-consumer-timeout", milliseconds(least));
        }
        if let Some((first, longest)) = self.waits {
            table = table
                .text("x-delayed-retry-type", "all")
                .field("x-delayed-retry-min", milliseconds(first))
                .field("x-delayed-retry-max", milliseconds(longest));
        }
        if let Some(limit) = self.delivery_limit {
            table = table.field("x-delivery-limit", Value::I64(limit.into()));
        }
        table.build()
    }
}

fn milliseconds(time: Duration) -> Value<'static> {
    Value::I64(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(policy: RetryPolicy) -> String {
        let arguments = policy.arguments();
        let each = arguments.iter().map(|(name, value)| match value {
            Value::Str(text) => format!("{name}={}", String::from_utf8_lossy(text)),
            other => format!("{name}={}", other.as_integer().expect("a number")),
        });
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_policy_is_arguments() {
        assert_eq!(
            told(RetryPolicy::default()),
            "x-consumer-timeout=30000 x-delayed-retry-type=all x-delayed-retry-min=1000 \
             x-delayed-retry-max=300000 x-delivery-limit=20"
        );
        assert_eq!(told(RetryPolicy::of_the_server()), "");
        let changed = RetryPolicy::default()
            .acknowledge_within(Duration::ZERO)
            .waits(Duration::from_secs(9), Duration::from_secs(1))
            .without_delivery_limit();
        assert_eq!(
            told(changed),
            "x-consumer-timeout=1 x-delayed-retry-type=all x-delayed-retry-min=9000 x-delayed-retry-max=9000"
        );
    }
}
