//! What is written again so that old segments can go, and what is told when the node stops.

use crate::Broker;
use crate::route::VhostIndex;
use crate::settle::{WAITING_MAX, in_order};
use crate::unacked::Unsettled;
use model::record::{Attempts, BindingDefinition, Place, Waiting};
use model::{ConnectionId, Definition, Position, QueueId, Record, Runs, ShortStr, Timestamp};

impl Broker {
    /// Writes every definition, every publisher, what waits otherwise than it came, and what queues remember, again:
    /// what was told before this is not needed any more.
    pub(crate) fn write_checkpoint(&mut self, now: Timestamp) {
        let begin = self.landing.last().next();
        // Whatever comes of it is told with the numbers that the checkpoint holds.
        self.look_at_all();
        for definition in self.all_definitions() {
            self.land(Record::Definition(definition), false);
        }
        for id in self.queue_ids() {
            for part in self.all_waiting(id).chunks(WAITING_MAX) {
                self.land(Record::Waiting(id, part.to_vec()), false);
            }
        }
        for remembered in self.deduplication.told(now) {
            self.land(remembered, false);
        }
        self.land(
            Record::Checkpoint {
                begin,
                next_queue: self.next_queue,
            },
            false,
        );
    }

    /// The node is about to stop: all connections end, and what was delivered and came back is told, so that
    /// the next start does not have to suspect every message.
    pub(crate) fn tell_delivered(&mut self, now: Timestamp) {
        let mut connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        connections.sort_unstable();
        for connection in connections {
            self.close_connection(now, connection);
        }
        // What came back may be over its time, or too much: that is settled before the lane is said to be at its end.
        self.pass_turn(now);
        self.record_settled();
        for id in self.queue_ids() {
            let queue = &self.queues[&id];
            let mut delivered = queue.backlog.delivered();
            queue.dying.add_to(&mut delivered);
            let copied = self.copies.of(id).filter(|taken| taken.is_delivered());
            delivered.insert_all(&copied.map(|taken| taken.position().0).collect());
            if !delivered.is_empty() {
                self.land(Record::Delivered(id, delivered), false);
            }
        }
        self.land(Record::Stopped, true);
    }

    /// The lane does not end with its stop any more: what is delivered from now on, a crash would forget. A record that
    /// says nothing is enough.
    pub(crate) fn tell_started(&mut self) {
        self.land(Record::Delivered(QueueId(0), Runs::new()), true);
    }

    /// All messages of a queue that wait otherwise than as they came. Those in somebody's hands would be ready if
    /// there were a crash now.
    fn all_waiting(&self, id: QueueId) -> Vec<Waiting> {
        let queue = &self.queues[&id];
        let ready = |(position, attempts)| Waiting {
            position,
            place: Place::Ready,
            attempts,
        };
        let mut all: Vec<Waiting> = queue.backlog.returned().map(ready).collect();
        let copied = self.copies.of(id);
        all.extend(copied.filter_map(|taken| taken.told(queue)));
        // One that was never handed out waits by its own word, which stands in its record.
        let delayed = queue.delayed.iter();
        let delayed = delayed.filter(|(_, ready)| ready.redelivered);
        all.extend(delayed.map(|(due, ready)| Waiting {
            position: ready.position,
            place: Place::Delayed { due },
            attempts: ready.attempts,
        }));
        all.extend(
            queue
                .parked
                .from(Position::NONE)
                .map(|parked| parked.told()),
        );
        if queue.unacked > 0 {
            let channels = self.connections.values();
            let channels = channels.flat_map(|connection| connection.channels.values());
            let tried = channels.flat_map(|channel| channel.unacked.entries_of(id));
            let is_told = |entry: &&Unsettled| {
                entry.attempts != Attempts::NONE || queue.backlog.outlives(entry.position)
            };
            let tried = tried.filter(is_told);
            let tried = tried.filter(|entry| !queue.again.is_settled(entry.position));
            all.extend(tried.map(|entry| ready((entry.position, entry.attempts))));
        }
        in_order(all)
    }

    fn all_definitions(&self) -> Vec<Definition> {
        let mut definitions = Vec::new();
        definitions.extend(self.access.all());
        for (_, vhost) in self.all_vhosts() {
            definitions.extend(vhost.definition.clone().map(Definition::VhostMade));
        }
        let policies = self.policies.definitions().cloned();
        definitions.extend(policies.map(Definition::PolicyMade));
        let operators = self.policies.operators_definitions().cloned();
        definitions.extend(operators.map(Definition::OperatorPolicyMade));
        for id in self.queue_ids() {
            let queue = &self.queues[&id];
            let vhost = self.vhosts[queue.vhost.0].name.clone();
            definitions.push(Definition::QueueMade {
                vhost,
                queue: queue.definition.clone(),
            });
            if self.is_paused(id) {
                definitions.push(Definition::QueuePaused {
                    queue: id,
                    paused: true,
                });
            }
            let tally = queue.audited.tally;
            if !tally.is_zero() {
                definitions.push(Definition::QueueCounted { queue: id, tally });
            }
        }
        for index in 0..self.vhosts.len() {
            self.add_exchanges(VhostIndex(index), &mut definitions);
        }
        for (vhost, publisher, landed) in self.publishers.all() {
            let (vhost, publisher) = (self.vhosts[vhost.0].name.clone(), publisher.clone());
            definitions.push(Definition::PublisherLanded {
                vhost,
                publisher,
                landed: landed.clone(),
            });
        }
        definitions
    }

    /// Exchanges first, then what starts at them, so that no binding comes before its ends.
    fn add_exchanges(&self, index: VhostIndex, definitions: &mut Vec<Definition>) {
        let vhost = &self.vhosts[index.0];
        let mut names: Vec<&ShortStr> = vhost.exchanges.keys().collect();
        names.sort_unstable();
        let made = names
            .iter()
            .map(|name| &vhost.exchanges[*name])
            .filter(|exchange| !exchange.predeclared);
        definitions.extend(made.map(|exchange| Definition::ExchangeMade {
            vhost: vhost.name.clone(),
            exchange: exchange.definition.clone(),
        }));
        for source in names {
            let bindings = vhost.exchanges[source].bindings();
            let mut bindings: Vec<BindingDefinition> = bindings
                .map(|(destination, routing_key, arguments)| BindingDefinition {
                    vhost: vhost.name.clone(),
                    source: source.clone(),
                    destination: destination.clone(),
                    routing_key: routing_key.clone(),
                    arguments: arguments.clone(),
                })
                .collect();
            bindings.sort_unstable();
            definitions.extend(bindings.into_iter().map(Definition::Bound));
        }
    }

    pub(crate) fn queue_ids(&self) -> Vec<QueueId> {
        let mut ids: Vec<QueueId> = self.queues.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}
