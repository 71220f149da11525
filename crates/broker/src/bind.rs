//! Bindings: of queues, and of exchanges, to exchanges.

use crate::Broker;
use crate::connection::{ChannelId, Refusal, not_found, precondition_failed};
use crate::declare_exchange::refuse_default;
use crate::reply_to::is_reply_name;
use crate::route::VhostIndex;
use model::method::{exchange, queue};
use model::record::{BindingDefinition, Destination};
use model::{Definition, FieldTable, MethodId, ShortStr};

/// What an empty queue name is answered with on a channel that declared none.
pub(crate) const NO_QUEUE: &str = "no previously declared queue";

/// One end of a binding to be, and what it says.
struct Ends<'a> {
    source: &'a ShortStr,
    destination: Destination,
    routing_key: ShortStr,
    arguments: &'a FieldTable,
}

impl Broker {
    pub(crate) fn bind_queue(&mut self, id: ChannelId, bind: queue::Bind) -> Result<(), Refusal> {
        let ends = self.queue_ends(
            id,
            &bind.queue,
            &bind.exchange,
            bind.routing_key,
            &bind.arguments,
            queue::Bind::ID,
        )?;
        self.bind(id, ends, queue::Bind::ID)?;
        if !bind.no_wait {
            self.reply(id, queue::BindOk);
        }
        Ok(())
    }

    pub(crate) fn unbind_queue(
        &mut self,
        id: ChannelId,
        unbind: queue::Unbind,
    ) -> Result<(), Refusal> {
        let (name, method) = (&unbind.queue, queue::Unbind::ID);
        refuse_default(&unbind.exchange, method)?;
        let queues = &self.vhosts[self.connections[&id.connection].vhost.0].queues;
        let is_gone = !name.is_empty() && !queues.contains_key(name) && !is_reply_name(name);
        if !is_gone {
            let ends = self.queue_ends(
                id,
                name,
                &unbind.exchange,
                unbind.routing_key,
                &unbind.arguments,
                method,
            )?;
            self.unbind(id, ends);
        }
        self.reply(id, queue::UnbindOk);
        Ok(())
    }

    pub(crate) fn bind_exchange(
        &mut self,
        id: ChannelId,
        bind: exchange::Bind,
    ) -> Result<(), Refusal> {
        let ends = self.exchange_ends(
            id,
            &bind.destination,
            &bind.source,
            bind.routing_key,
            &bind.arguments,
            exchange::Bind::ID,
        )?;
        self.bind(id, ends, exchange::Bind::ID)?;
        if !bind.no_wait {
            self.reply(id, exchange::BindOk);
        }
        Ok(())
    }

    pub(crate) fn unbind_exchange(
        &mut self,
        id: ChannelId,
        unbind: exchange::Unbind,
    ) -> Result<(), Refusal> {
        let method = exchange::Unbind::ID;
        refuse_default(&unbind.source, method)?;
        refuse_default(&unbind.destination, method)?;
        let ends = Ends {
            source: &unbind.source,
            destination: Destination::Exchange(unbind.destination.detached()),
            routing_key: unbind.routing_key,
            arguments: &unbind.arguments,
        };
        self.unbind(id, ends);
        if !unbind.no_wait {
            self.reply(id, exchange::UnbindOk);
        }
        Ok(())
    }

    /// An empty queue name stands for the channel's last queue, and with an empty key the key is its name.
    fn queue_ends<'a>(
        &mut self,
        id: ChannelId,
        queue: &ShortStr,
        source: &'a ShortStr,
        routing_key: ShortStr,
        arguments: &'a FieldTable,
        method: MethodId,
    ) -> Result<Ends<'a>, Refusal> {
        refuse_default(source, method)?;
        let found = self.usable_queue(id, queue, method)?;
        let name_is_key = queue.is_empty() && routing_key.is_empty();
        let routing_key = if name_is_key {
            self.queues[&found].definition.name.clone()
        } else {
            routing_key
        };
        Ok(Ends {
            source,
            destination: Destination::Queue(found),
            routing_key,
            arguments,
        })
    }

    fn exchange_ends<'a>(
        &mut self,
        id: ChannelId,
        destination: &ShortStr,
        source: &'a ShortStr,
        routing_key: ShortStr,
        arguments: &'a FieldTable,
        method: MethodId,
    ) -> Result<Ends<'a>, Refusal> {
        refuse_default(source, method)?;
        refuse_default(destination, method)?;
        let vhost = &self.vhosts[self.connections[&id.connection].vhost.0];
        if !vhost.exchanges.contains_key(destination) {
            return Err(not_found(
                format!("no exchange '{destination}' in vhost '{}'", vhost.name),
                method,
            ));
        }
        Ok(Ends {
            source,
            destination: Destination::Exchange(destination.detached()),
            routing_key,
            arguments,
        })
    }

    fn bind(&mut self, id: ChannelId, ends: Ends<'_>, method: MethodId) -> Result<(), Refusal> {
        let index = self.connections[&id.connection].vhost;
        let vhost = &self.vhosts[index.0];
        let Some(source) = vhost.exchanges.get(ends.source) else {
            let explanation = format!("no exchange '{}' in vhost '{}'", ends.source, vhost.name);
            return Err(not_found(explanation, method));
        };
        source
            .check_binding(&ends.routing_key, ends.arguments)
            .map_err(|explanation| precondition_failed(explanation, method))?;
        if !source.has(&ends.destination, &ends.routing_key, ends.arguments) {
            let what = format!("to exchange '{}' in vhost '{}'", ends.source, vhost.name);
            self.check_binding_limit(&what, method)?;
        }
        let (routing_key, arguments) = (ends.routing_key.detached(), ends.arguments.detached());
        self.add_binding(index, ends.source, ends.destination, routing_key, arguments);
        Ok(())
    }

    /// Adds a binding that starts at an exchange that is there; one that is there already stays.
    pub(crate) fn add_binding(
        &mut self,
        index: VhostIndex,
        source: &ShortStr,
        destination: Destination,
        routing_key: ShortStr,
        arguments: FieldTable,
    ) {
        let vhost = &mut self.vhosts[index.0];
        let exchange = vhost.exchanges.get_mut(source);
        let exchange = exchange.expect("looked up by the caller");
        if exchange.bind(&destination, &routing_key, &arguments) {
            let source = exchange.definition.name.clone();
            let binding = BindingDefinition {
                vhost: vhost.name.clone(),
                source,
                destination,
                routing_key,
                arguments,
            };
            self.land_definition(Definition::Bound(binding));
            self.note_binding();
        }
    }

    /// To remove a binding that is not there is fine, and so it is where an end of it is gone.
    fn unbind(&mut self, id: ChannelId, ends: Ends<'_>) {
        let index = self.connections[&id.connection].vhost;
        let vhost = &mut self.vhosts[index.0];
        if let Some(source) = vhost.exchanges.get_mut(ends.source)
            && source.unbind(&ends.destination, &ends.routing_key, ends.arguments)
        {
            let binding = BindingDefinition {
                vhost: vhost.name.clone(),
                source: ends.source.detached(),
                destination: ends.destination,
                routing_key: ends.routing_key.detached(),
                arguments: ends.arguments.detached(),
            };
            self.land_definition(Definition::Unbound(binding));
            self.remove_if_unbound(index, ends.source);
        }
    }
}
