//! How much of everything there may be: what clients declare, and what they do not settle, is memory for as long
//! as they like (promise P9).

use crate::Broker;
use crate::connection::{ChannelId, Refusal, precondition_failed};
use crate::route::Exchange;
use model::method::basic;
use model::{Limits, MethodId};

/// The limits on what is declared and unsettled.
#[derive(Debug)]
pub(crate) struct Capacity {
    queues_max: usize,
    exchanges_max: usize,
    bindings_max: usize,
    /// Deliveries of one channel that may wait for their acknowledgements.
    pub(crate) unacked_max: u32,
    /// Milliseconds that receivers may take to acknowledge where nobody says otherwise.
    pub(crate) consumer_timeout: Option<u64>,
    /// No fewer than there are: what is removed is subtracted only when it matters, by counting anew.
    bindings_at_most: usize,
}

impl Capacity {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            queues_max: limits.queues_max,
            exchanges_max: limits.exchanges_max,
            bindings_max: limits.bindings_max,
            unacked_max: limits.unacked_max,
            consumer_timeout: limits
                .consumer_timeout
                .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            bindings_at_most: 0,
        }
    }
}

impl Broker {
    /// Refuses one queue too many. `what` is as error texts name it.
    pub(crate) fn check_queue_limit(&self, what: &str, method: MethodId) -> Result<(), Refusal> {
        let most = self.capacity.queues_max;
        if self.queues.len() < most {
            return Ok(());
        }
        let explanation = format!("cannot declare {what}: queue limit in node ({most}) is reached");
        Err(precondition_failed(explanation, method))
    }

    /// Refuses one exchange too many; those that every virtual host has do not count.
    pub(crate) fn check_exchange_limit(&self, what: &str, method: MethodId) -> Result<(), Refusal> {
        let most = self.capacity.exchanges_max;
        let exchanges = self.vhosts.iter().map(|vhost| vhost.declared_exchanges());
        if exchanges.sum::<usize>() < most {
            return Ok(());
        }
        let explanation =
            format!("cannot declare {what}: exchange limit in node ({most}) is reached");
        Err(precondition_failed(explanation, method))
    }

    /// Refuses one binding too many.
    pub(crate) fn check_binding_limit(
        &mut self,
        what: &str,
        method: MethodId,
    ) -> Result<(), Refusal> {
        let most = self.capacity.bindings_max;
        if self.capacity.bindings_at_most >= most {
            self.count_bindings();
        }
        if self.capacity.bindings_at_most < most {
            return Ok(());
        }
        let explanation = format!("cannot bind {what}: binding limit in node ({most}) is reached");
        Err(precondition_failed(explanation, method))
    }

    /// A binding was made.
    pub(crate) fn note_binding(&mut self) {
        self.capacity.bindings_at_most += 1;
    }

    /// Counts the bindings that are there.
    pub(crate) fn count_bindings(&mut self) {
        let exchanges = self
            .vhosts
            .iter()
            .flat_map(|vhost| vhost.exchanges.values());
        self.capacity.bindings_at_most = exchanges.map(Exchange::binding_count).sum();
    }

    /// Refuses basic.get on a channel that has settled too little.
    pub(crate) fn check_unacked_limit(&mut self, id: ChannelId) -> Result<(), Refusal> {
        let most = self.capacity.unacked_max;
        if self.open_channel_mut(id).unacked.awaiting_ack() < most {
            return Ok(());
        }
        let explanation = format!("unacknowledged message limit of a channel ({most}) is reached");
        Err(precondition_failed(explanation, basic::Get::ID))
    }
}
