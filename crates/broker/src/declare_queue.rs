//! Queues: declare, delete, purge.

use crate::access::Right;
use crate::arguments::{Declaration, Of};
use crate::connection::{
    ChannelId, ConsumerId, Refusal, access_refused, not_found, precondition_failed,
};
use crate::consume::saturate;
use crate::permit::Kind;
use crate::queue::Queue;
use crate::reply_to::{is_reply_name, refuse_reply_queue};
use crate::route::VhostIndex;
use crate::rules::Rules;
use crate::schedule::Deadline;
use crate::{Broker, bind};
use model::method::queue;
use model::record::{Destination, Ending, QueueDefinition};
use model::{
    ChannelError, ConnectionId, DeclareMismatch, Definition, FieldTable, MethodId, QueueId, Record,
    ReplyCode, ShortStr, Timestamp,
};

impl Broker {
    pub(crate) fn declare_queue(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        declare: queue::Declare,
    ) -> Result<(), Refusal> {
        let name = without_line_breaks(&declare.queue);
        if is_reply_name(&name) {
            return self.declare_reply_queue(id, name, &declare);
        }
        let queue = if declare.passive && name.is_empty() {
            // Elsewhere an empty name stands for the channel's last queue; to ask whether it is there it does not.
            let vhost = &self.vhosts[self.connections[&id.connection].vhost.0].name;
            let explanation = format!("no queue '' in vhost '{vhost}'");
            return Err(not_found(explanation, queue::Declare::ID));
        } else if declare.passive {
            self.usable_queue(id, &name, queue::Declare::ID)?
        } else {
            self.ensure_queue(now, id, name, &declare)?
        };
        self.statistics.churn.queue_declared += u64::from(!declare.passive);
        self.used(now, queue);
        let landed = self.landing.landed();
        let found = &self.queues[&queue];
        let ok = queue::DeclareOk {
            queue: found.definition.name.clone(),
            message_count: saturate(found.backlog.ready(landed)),
            consumer_count: saturate(found.consumers.len() as u64),
        };
        self.open_channel_mut(id).last_queue = ok.queue.clone();
        if !declare.no_wait {
            self.reply(id, ok);
        }
        Ok(())
    }

    /// The queue as it was declared before, if that is the same; otherwise a new one.
    fn ensure_queue(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        name: ShortStr,
        declare: &queue::Declare,
    ) -> Result<QueueId, Refusal> {
        let vhost = self.connection_of(id).vhost;
        if name.is_empty() {
            let name = self.make_name("amq.gen-", now);
            self.permit_new_queue(id, &name, declare)?;
            return self.make_queue(now, id, name, declare);
        }
        let Some(&known) = self.vhosts[vhost.0].queues.get(&name) else {
            if name.starts_with("amq.") {
                let explanation = format!("queue name '{name}' contains reserved prefix 'amq.*'");
                return Err(access_refused(explanation, queue::Declare::ID));
            }
            self.permit_new_queue(id, &name, declare)?;
            return self.make_queue(now, id, name, declare);
        };
        self.permit(id, Right::Configure, Kind::Queue, &name, queue::Declare::ID)?;
        let found = &self.queues[&known];
        let (current, what) = (&found.definition, self.queue_text(known));
        if found.owner != declare.exclusive.then_some(id.connection) {
            return Err(locked(&what, queue::Declare::ID));
        }
        let declaration = Declaration {
            of: Of::Queue,
            what: &what,
            method: queue::Declare::ID,
        };
        if self.declare_mismatch == DeclareMismatch::Keep {
            declaration.check(&declare.arguments)?;
            return Ok(known);
        }
        declaration.same_flag("durable", declare.durable, current.durable)?;
        declaration.same_flag("auto_delete", declare.auto_delete, current.auto_delete)?;
        declaration.check(&declare.arguments)?;
        let same = declaration.same_arguments(&declare.arguments, &current.arguments);
        if same.is_err() && self.declare_mismatch == DeclareMismatch::Update {
            declaration.same_for_life(&declare.arguments, &current.arguments)?;
            self.permit_dead_letters(id, &name, &declare.arguments)?;
            self.change_arguments(now, known, declare.arguments.detached());
            return Ok(known);
        }
        same.map(|()| known)
    }

    /// A queue that is there gets other arguments: they have landed before the declaration is answered.
    fn change_arguments(&mut self, now: Timestamp, id: QueueId, arguments: FieldTable) {
        let queue = self.queues.get_mut(&id).expect("it is known");
        let index = queue.vhost;
        queue.definition.arguments = arguments;
        let definition = queue.definition.clone();
        let vhost = self.vhosts[index.0].name.clone();
        self.land_definition(Definition::QueueMade {
            vhost,
            queue: definition,
        });
        self.renew_rules_of(now, index, id);
    }

    pub(crate) fn make_queue(
        &mut self,
        now: Timestamp,
        id: ChannelId,
        name: ShortStr,
        declare: &queue::Declare,
    ) -> Result<QueueId, Refusal> {
        let vhost = &self.vhosts[self.connections[&id.connection].vhost.0].name;
        let declaration = Declaration {
            of: Of::Queue,
            what: &format!("queue '{name}' in vhost '{vhost}'"),
            method: queue::Declare::ID,
        };
        declaration.check(&declare.arguments)?;
        self.check_queue_limit(declaration.what, declaration.method)?;
        let rules = Rules::of(&declare.arguments);
        self.check_deduplication_limit(&rules, declaration.what, declaration.method)?;
        let definition = QueueDefinition {
            id: self.next_queue,
            name: name.detached(),
            durable: declare.durable,
            exclusive: declare.exclusive,
            auto_delete: declare.auto_delete,
            arguments: declare.arguments.detached(),
        };
        let connection = self.connection_of(id);
        let vhost = connection.vhost;
        if declare.exclusive {
            connection.exclusive_queues.push(definition.id);
        }
        let owner = declare.exclusive.then_some(id.connection);
        Ok(self.make_queue_of(now, vhost, definition, owner))
    }

    /// Makes a queue whose id is the next one.
    pub(crate) fn make_queue_of(
        &mut self,
        now: Timestamp,
        vhost: VhostIndex,
        definition: QueueDefinition,
        owner: Option<ConnectionId>,
    ) -> QueueId {
        let queue_id = definition.id;
        self.next_queue = QueueId(queue_id.0 + 1);
        let mut queue = Queue::new(vhost, definition.clone(), now);
        queue.rules = self.rules_of(vhost, &definition).into();
        queue.owner = owner;
        self.add_queue(queue);
        self.statistics.churn.queue_created += 1;
        let vhost = &mut self.vhosts[vhost.0];
        vhost.queues.insert(definition.name.clone(), queue_id);
        let vhost = vhost.name.clone();
        self.land_definition(Definition::QueueMade {
            vhost,
            queue: definition,
        });
        queue_id
    }

    /// A queue is there from now on.
    pub(crate) fn add_queue(&mut self, queue: Queue) {
        let id = queue.definition.id;
        self.refusing_queues += usize::from(queue.rules.refuses_publishes());
        let deduplication = queue.rules.deduplication.as_deref();
        self.deduplication.follow(id, deduplication);
        self.delaying_queues += usize::from(queue.rules.delivery_delay.is_some());
        self.queues.insert(id, Box::new(queue));
        // What it has to do when is found out when it is looked at.
        self.activate(id);
    }

    pub(crate) fn delete_queue(
        &mut self,
        id: ChannelId,
        delete: queue::Delete,
    ) -> Result<(), Refusal> {
        let name = self.queue_name(id, &delete.queue, queue::Delete::ID)?;
        let vhost = self.connection_of(id).vhost;
        let mut message_count = 0;
        let mut consumers = Vec::new();
        // To delete what is not there is fine: clients clean up without looking.
        let found = self.vhosts[vhost.0].queues.get(&name);
        if let Some(&queue_id) = found.filter(|_| !is_reply_name(&name)) {
            self.check_owner(id, queue_id, queue::Delete::ID)?;
            let queue = &self.queues[&queue_id];
            let ready = queue.backlog.ready(self.landing.landed());
            if delete.if_unused && !queue.consumers.is_empty() {
                return Err(precondition_failed(
                    format!("{} in use", self.queue_text(queue_id)),
                    queue::Delete::ID,
                ));
            }
            let queue = &self.queues[&queue_id];
            let put_off = queue.delayed.len() + queue.parked.count();
            if delete.if_empty && ready + put_off > 0 {
                return Err(precondition_failed(
                    format!("{} not empty", self.queue_text(queue_id)),
                    queue::Delete::ID,
                ));
            }
            message_count = saturate(ready);
            consumers = self.take_away(queue_id);
        }
        if !delete.no_wait {
            self.reply(id, queue::DeleteOk { message_count });
        }
        // A client that consumes where it deletes waits for delete-ok, and takes a cancel before it for a failure.
        for consumer in consumers {
            self.cancel_by_server(consumer);
        }
        Ok(())
    }

    pub(crate) fn purge_queue(
        &mut self,
        id: ChannelId,
        purge: queue::Purge,
    ) -> Result<(), Refusal> {
        let queue_id = self.usable_queue(id, &purge.queue, queue::Purge::ID)?;
        let landed = self.landing.landed();
        let queue = self.queues.get_mut(&queue_id).expect("just found");
        let purged = queue.purge(landed);
        let message_count = saturate(purged.count());
        if !purged.is_empty() {
            self.land_purge(queue_id, purged);
        }
        if !purge.no_wait {
            self.reply(id, queue::PurgeOk { message_count });
        }
        Ok(())
    }

    /// purge-ok says that the messages are gone for good, so it waits for the record as for a definition.
    fn land_purge(&mut self, queue: QueueId, purged: model::Runs) {
        let position = self.land(Record::Settled(queue, Ending::Dropped, purged), true);
        self.landing.answers_wait_for(position);
    }

    /// Removes a queue with its messages, bindings and consumers.
    pub(crate) fn remove_queue(&mut self, id: QueueId) {
        for consumer in self.take_away(id) {
            self.cancel_by_server(consumer);
        }
    }

    /// Removes a queue with its messages and bindings; its consumers are still to be cancelled.
    fn take_away(&mut self, id: QueueId) -> Vec<ConsumerId> {
        self.queue_goes(id);
        let Some(mut queue) = self.queues.remove(&id) else {
            return Vec::new();
        };
        self.statistics.queue_goes(&queue);
        let consumers = std::mem::take(&mut queue.consumers);
        self.refusing_queues -= usize::from(queue.rules.refuses_publishes());
        self.deduplication.follow(id, None);
        self.paused.remove(&id);
        self.delaying_queues -= usize::from(queue.rules.delivery_delay.is_some());
        self.schedule.set(Deadline::Queue(id), None);
        let (vhost, owner) = (queue.vhost, queue.owner);
        self.vhosts[vhost.0].queues.remove(&queue.definition.name);
        for (how, settled) in queue.settled.take() {
            self.land(Record::Settled(id, how, settled), false);
        }
        let again = std::mem::take(&mut queue.again);
        let mut left = queue.into_messages(self.landing.last());
        let copied = self.copies.of(id).map(|taken| taken.position().0);
        left.insert_all(&copied.collect());
        let unacked = self
            .connections
            .values()
            .flat_map(|connection| connection.channels.values());
        let unacked = unacked.flat_map(|channel| channel.unacked.of_queue(id));
        for position in unacked.filter(|position| !again.is_settled(*position)) {
            left.insert(position.0);
        }
        if !left.is_empty() {
            self.land(Record::Settled(id, Ending::Dropped, left), false);
        }
        if let Some(owner) = owner.and_then(|owner| self.connections.get_mut(&owner)) {
            owner.exclusive_queues.retain(|other| *other != id);
        }
        self.land_definition(Definition::QueueRemoved { queue: id });
        self.unbind_all(vhost, &Destination::Queue(id));
        consumers
    }

    /// The queue of that name, if the connection may use it.
    pub(crate) fn usable_queue(
        &mut self,
        id: ChannelId,
        name: &ShortStr,
        method: MethodId,
    ) -> Result<QueueId, Refusal> {
        let name = self.queue_name(id, name, method)?;
        let vhost = &self.vhosts[self.connections[&id.connection].vhost.0];
        refuse_reply_queue(&name, &vhost.name, method)?;
        let Some(&queue) = vhost.queues.get(&name) else {
            return Err(not_found(
                format!("no queue '{name}' in vhost '{}'", vhost.name),
                method,
            ));
        };
        self.check_owner(id, queue, method)?;
        Ok(queue)
    }

    /// The name, or the channel's last declared queue where it is empty.
    pub(crate) fn queue_name(
        &mut self,
        id: ChannelId,
        name: &ShortStr,
        method: MethodId,
    ) -> Result<ShortStr, Refusal> {
        if !name.is_empty() {
            return Ok(name.clone());
        }
        let last = self.open_channel_mut(id).last_queue.clone();
        if last.is_empty() {
            Err(not_found(bind::NO_QUEUE.into(), method))
        } else {
            Ok(last)
        }
    }

    fn check_owner(&self, id: ChannelId, queue: QueueId, method: MethodId) -> Result<(), Refusal> {
        match self.queues[&queue].owner {
            Some(owner) if owner != id.connection => Err(locked(&self.queue_text(queue), method)),
            _ => Ok(()),
        }
    }
}

fn locked(what: &str, method: MethodId) -> Refusal {
    let explanation = format!(
        "cannot obtain exclusive access to locked {what}. It could be originally declared on another connection \
         or the exclusive property value does not match that of the original declaration."
    );
    ChannelError::new(ReplyCode::ResourceLocked, explanation, method).into()
}

/// Line breaks in names are dropped, as RabbitMQ does: they would forge lines of logs.
pub(crate) fn without_line_breaks(name: &ShortStr) -> ShortStr {
    if name.contains(['\r', '\n']) {
        ShortStr::truncated(&name.replace(['\r', '\n'], ""))
    } else {
        name.clone()
    }
}
