//! What clients ask on their channels, as far as it decides what the server owes them.

use super::{Channel, Ledger};
use model::Method;

impl Ledger {
    pub(super) fn asked(&mut self, channel: Channel, method: &Method) {
        match method {
            Method::BasicAck(ack) => {
                self.check_tag(channel, ack.delivery_tag.0, ack.multiple);
                self.answered(channel, ack.delivery_tag.0, ack.multiple, |this, key| {
                    this.acked.insert(key);
                });
            }
            Method::BasicNack(nack) => {
                self.check_tag(channel, nack.delivery_tag.0, nack.multiple);
                let requeue = nack.requeue;
                self.answered(channel, nack.delivery_tag.0, nack.multiple, |this, key| {
                    if !requeue {
                        this.rejected.insert(key);
                    }
                });
            }
            Method::BasicReject(reject) => {
                self.check_tag(channel, reject.delivery_tag.0, false);
                let requeue = reject.requeue;
                self.answered(channel, reject.delivery_tag.0, false, |this, key| {
                    if !requeue {
                        this.rejected.insert(key);
                    }
                });
            }
            Method::BasicRecover(_) => self.answered(channel, 0, true, |_, _| {}),
            other => {
                let Some(dealings) = self.channels.get_mut(&channel) else {
                    return;
                };
                match other {
                    Method::ConfirmSelect(_) => dealings.confirms = true,
                    Method::TxSelect(_) => dealings.transaction = Some(Vec::new()),
                    Method::TxCommit(_) => {
                        let held = dealings.transaction.replace(Vec::new());
                        dealings.commits.push_back(held.unwrap_or_default());
                    }
                    Method::TxRollback(_) => dealings.transaction = Some(Vec::new()),
                    Method::BasicQos(qos) => dealings.prefetch = qos.prefetch_count,
                    Method::BasicGet(get) => {
                        dealings
                            .gets_from
                            .extend(self.names.get(get.queue.as_str()));
                    }
                    _ => {}
                }
            }
        }
    }
}
