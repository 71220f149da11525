//! Everything in a few numbers.

use super::Counts;
use crate::Broker;
use crate::statistics::Recent;
use crate::traffic::{Churn, InVain, Passage, Traffic};
use model::{ShortStr, Timestamp};

/// How things stand in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// When.
    pub at: Timestamp,
    /// What went through.
    pub traffic: Traffic,
    /// Publishes that wanted to be confirmed.
    pub to_confirm: u64,
    /// Queues that publishes found, together.
    pub routed: u64,
    /// Deliveries that ended without an acknowledgement.
    pub in_vain: InVain,
    /// What came and went.
    pub churn: Churn,
    /// What moved lately.
    pub recent: Recent,
    /// What came and went in that time.
    pub recent_churn: Churn,
    /// The messages of all queues.
    pub messages: Counts,
    /// Connections that are open.
    pub connections: u64,
    /// Those of them that have published.
    pub publishers: u64,
    /// Channels.
    pub channels: u64,
    /// Consumers.
    pub consumers: u64,
    /// Queues.
    pub queues: u64,
    /// Exchanges, those among them that are always there.
    pub exchanges: u64,
    /// How many messages the audit misses or has too many, together.
    pub imbalance: u64,
    /// Milliseconds for which something waits that is due.
    pub due_lag: u64,
}

/// What went through an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeStatus {
    /// The virtual host's name.
    pub vhost: ShortStr,
    /// The exchange's name; empty for the default one.
    pub name: ShortStr,
    /// Since the start.
    pub passage: Passage,
    /// Lately.
    pub recent: Passage,
    /// In how many milliseconds that was.
    pub over: u64,
}

impl Broker {
    /// Everything in a few numbers, as it is now.
    pub fn standing(&mut self, now: Timestamp) -> Totals {
        self.sample(now);
        self.count_changed(now);
        self.totals(now)
    }

    pub(crate) fn totals(&self, now: Timestamp) -> Totals {
        let statistics = &self.statistics;
        let churn = statistics.churn;
        let of_vhost = |exchanges: usize| exchanges as u64 + 1;
        let exchanges = self.all_vhosts();
        let exchanges = exchanges.filter(|(_, vhost)| self.share.has(&vhost.name));
        let exchanges = exchanges.map(|(_, vhost)| of_vhost(vhost.exchanges.len()));
        let due = self.wake_at();
        Totals {
            at: now,
            traffic: statistics.traffic,
            to_confirm: statistics.to_confirm,
            routed: statistics.routed,
            in_vain: statistics.in_vain,
            churn,
            recent: statistics.recent(),
            recent_churn: statistics.recent_churn(),
            messages: statistics.messages(),
            connections: self.connections.len() as u64,
            publishers: statistics.publishers,
            channels: churn.channel_created - churn.channel_closed,
            consumers: self.consumers.len() as u64,
            queues: self.queues.len() as u64,
            exchanges: exchanges.sum(),
            imbalance: self.audit.imbalance,
            due_lag: due.map_or(0, |due| now.0.saturating_sub(due.0)),
        }
    }

    /// What went through the exchanges of a virtual host, or of all.
    pub(crate) fn exchange_statuses(&self, vhost: Option<&ShortStr>) -> Vec<ExchangeStatus> {
        let mut all = Vec::new();
        for (at, of) in self.all_vhosts() {
            if vhost.is_some_and(|name| of.name != *name) {
                continue;
            }
            let named = of.exchanges.iter();
            let named = named.map(|(name, exchange)| (name.clone(), &exchange.passed));
            let default = (ShortStr::empty(), &of.default_passed);
            all.extend(named.chain([default]).map(|(name, passed)| {
                let (recent, over) = self.statistics.recent_of_exchange(at, &name);
                ExchangeStatus {
                    vhost: of.name.clone(),
                    passage: passed.all(),
                    name,
                    recent,
                    over,
                }
            }));
        }
        all
    }
}
