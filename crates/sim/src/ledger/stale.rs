//! A server that has lost the lane and does not know it yet: a node of a cluster that was paused, or that does not hear of
//! its successor. It may hand out for a while what it had: duplicates, which a lease bounds. But nothing that it does
//! counts: it confirms only what had landed before it lost the lane (P1, P8), and hands out only that (P3).

use super::Ledger;
use crate::content;
use crate::plan::Plan;
use broker::{Delivery, Effect, Input};
use model::Method;

impl Ledger {
    /// Something reaches a server that has lost the lane. What it is told of deliveries counts no more.
    pub(crate) fn stale_input(&mut self, plan: &Plan, input: &Input) {
        match input {
            Input::ChannelOpened(connection, number) => {
                self.channels
                    .insert((*connection, *number), super::Dealings::default());
            }
            Input::ChannelClosed(connection, number) => self.forget((*connection, *number)),
            Input::ConnectionClosed(connection) => self.forget_connection(*connection),
            Input::Publish(connection, number, publish) if content::extends(publish).is_none() => {
                self.published(plan, (*connection, *number), publish);
            }
            Input::Method(
                connection,
                number,
                method @ (Method::ConfirmSelect(_)
                | Method::TxSelect(_)
                | Method::TxCommit(_)
                | Method::TxRollback(_)),
            ) => self.asked((*connection, *number), method),
            _ => {}
        }
    }

    /// It wants something done.
    pub(crate) fn stale_effect(&mut self, plan: &Plan, effect: &Effect) {
        match effect {
            Effect::Send(connection, number, method) => {
                self.told(plan, (*connection, *number), method);
            }
            Effect::Deliver { delivery, .. } | Effect::GetOk { delivery, .. } => {
                self.stale_delivery(delivery);
            }
            _ => {}
        }
    }

    fn stale_delivery(&mut self, delivery: &Delivery) {
        self.stale_deliveries += 1;
        let position = delivery.position;
        if position > self.landed {
            self.blame("P3", format!("{position} is delivered and never landed"));
        }
    }
}
