//! Receivers, well-behaved and not: they acknowledge, give back, refuse, keep silent, and take their time. Those of the
//! house answer by the client's real state machine.

use crate::actor::{Down, Surroundings, Wake, declaration};
use crate::content;
use crate::feature::Feature;
use crate::plan::{MS, Manner, ReceiverPlan, short};
use client::SeenWindow;
use client::machines::{Incoming, Ticket, Verdict};
use model::method::basic;
use model::{DeliveryTag, Method, Properties};
use std::collections::BTreeMap;

#[derive(Debug)]
pub(crate) struct Receiver {
    number: usize,
    ready: bool,
    incoming: Option<Incoming>,
    /// What it works on, by a number that is never used twice.
    hand: BTreeMap<u64, Held>,
    /// What it keeps and says nothing of.
    kept: Vec<Held>,
    next: u64,
    asked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    tag: DeliveryTag,
    ticket: Option<Ticket>,
    verdict: Verdict,
}

impl Receiver {
    pub(crate) fn new(number: usize, plan: &ReceiverPlan) -> Self {
        let incoming = match plan.manner {
            Manner::House { suppresses } => {
                Some(Incoming::new(suppresses.then(SeenWindow::default)))
            }
            _ => None,
        };
        Self {
            number,
            ready: false,
            incoming,
            hand: BTreeMap::new(),
            kept: Vec::new(),
            next: 0,
            asked: false,
        }
    }

    pub(crate) fn opened(&mut self, it: &mut Surroundings<'_>) {
        self.ready = true;
        self.asked = false;
        if let Some(incoming) = &mut self.incoming {
            incoming.connected();
        }
        it.open_channel();
        let plan = &it.plan.receivers[self.number];
        let queue = &it.plan.queues[plan.queue];
        it.call(declaration(&queue.name, queue.arguments(&it.plan.queues)));
        it.call(basic::Qos {
            prefetch_count: plan.prefetch,
            ..basic::Qos::default()
        });
        if plan.manner == Manner::Getting {
            it.wake(MS, Wake::Poll);
        } else {
            it.call(basic::Consume {
                queue: short(&queue.name),
                consumer_tag: content::consumer_tag(plan.queue, self.number),
                no_ack: plan.manner == Manner::NoAck,
                ..basic::Consume::default()
            });
        }
    }

    pub(crate) fn lost(&mut self) {
        self.ready = false;
        // Tags mean nothing any more. The client of the house keeps its tickets: what is in hand is not handed out twice.
        if self.incoming.is_none() {
            self.hand.clear();
            self.kept.clear();
        }
    }

    pub(crate) fn woken(&mut self, it: &mut Surroundings<'_>, wake: Wake) {
        match wake {
            Wake::Worked(number) => {
                if let Some(held) = self.hand.remove(&number) {
                    self.answer(it, held);
                }
            }
            Wake::Poll if self.ready && !self.asked => self.poll(it),
            // All is calm: what was kept is acknowledged.
            Wake::Send if it.calm => {
                for held in std::mem::take(&mut self.kept) {
                    self.answer(
                        it,
                        Held {
                            verdict: Verdict::Ack,
                            ..held
                        },
                    );
                }
            }
            _ => {}
        }
    }

    pub(crate) fn heard(&mut self, it: &mut Surroundings<'_>, down: Down) {
        match down {
            Down::Content {
                tag,
                properties,
                body,
            } => {
                let queue = it.plan.receivers[self.number].queue;
                it.ledger.received(queue, &properties, &body);
                self.take(it, tag, &properties);
                if std::mem::take(&mut self.asked) {
                    it.wake(MS, Wake::Poll);
                }
            }
            Down::Method(Method::BasicGetEmpty(_)) => {
                self.asked = false;
                let after = it.random.within(10 * MS..200 * MS);
                it.wake(after, Wake::Poll);
            }
            Down::Method(Method::BasicCancel(_)) => {
                it.ledger
                    .blame("P10", "a consumer was cancelled".to_owned());
            }
            Down::ChannelClosed(..) => it.leaves = true,
            _ => {}
        }
    }

    fn poll(&mut self, it: &mut Surroundings<'_>) {
        self.asked = true;
        let plan = &it.plan.receivers[self.number];
        it.call(basic::Get {
            queue: short(&it.plan.queues[plan.queue].name),
            ..basic::Get::default()
        });
    }

    fn take(&mut self, it: &mut Surroundings<'_>, tag: DeliveryTag, properties: &Properties) {
        let plan = &it.plan.receivers[self.number];
        if plan.manner == Manner::NoAck {
            return;
        }
        let mut ticket = None;
        if let Some(incoming) = &mut self.incoming {
            ticket = incoming.delivered(tag, content::publisher_of(properties));
            if ticket.is_none() {
                incoming.answers(|method| it.call(method));
                return;
            }
        }
        let chance = if it.calm { 100 } else { it.random.below(100) };
        let held = Held {
            tag,
            ticket,
            verdict: if chance < plan.requeued {
                Verdict::Requeue
            } else if chance < plan.requeued + plan.rejected {
                Verdict::Reject
            } else {
                Verdict::Ack
            },
        };
        if !it.calm && it.random.percent(plan.silent) {
            self.kept.push(held);
            return;
        }
        if plan.work == 0 {
            return self.answer(it, held);
        }
        if plan.extends && !it.calm && it.random.percent(20) {
            it.publish(content::extension(tag.0));
        }
        if plan.extends && !it.calm && it.random.percent(20) {
            it.publish(content::extension(tag.0));
        }
        let work = if it.calm {
            plan.work.min(MS)
        } else {
            plan.work
        };
        let after = it.random.around(work);
        self.next += 1;
        self.hand.insert(self.next, held);
        it.wake(after, Wake::Worked(self.next));
    }

    fn answer(&mut self, it: &mut Surroundings<'_>, held: Held) {
        if let (Some(incoming), Some(ticket)) = (&mut self.incoming, held.ticket) {
            incoming.settled(ticket, held.verdict);
            if self.ready {
                incoming.answers(|method| it.call(method));
            }
            return;
        }
        if !self.ready {
            return;
        }
        if it.plan.mix.has(Feature::Mistakes) && !it.calm && it.random.below(300) == 0 {
            it.call(basic::Ack {
                delivery_tag: DeliveryTag(1_000_000),
                multiple: false,
            });
            return;
        }
        let plan = &it.plan.receivers[self.number];
        let delivery_tag = held.tag;
        match held.verdict {
            Verdict::Ack => {
                let lowest = self.hand.values().all(|other| other.tag > held.tag);
                let multiple = plan.multiple && lowest;
                if multiple {
                    self.kept.retain(|kept| kept.tag > held.tag);
                }
                it.call(basic::Ack {
                    delivery_tag,
                    multiple,
                });
            }
            Verdict::Requeue if it.random.percent(50) => it.call(basic::Nack {
                delivery_tag,
                multiple: false,
                requeue: true,
            }),
            verdict => it.call(basic::Reject {
                delivery_tag,
                requeue: verdict == Verdict::Requeue,
            }),
        }
    }
}
